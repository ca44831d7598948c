"""One module a vendor, named as the user types it.

To add a vendor:

1. Write ``providers/acme.py``: a docstring with the vendor page and the day it was read, and an ``adapter``. Most are
   an ``OpenAICompatible(OpenAISpec(…))`` and nothing else; behaviour that no field can say is one overridden method.
2. Add its line, with what people type for it, to the table in ``_registry.py``.
3. Put its cases under ``tests/conformance/transcripts/acme/`` (``test_conformance.py`` says which are required).
4. Write its page ``docs/providers/acme.md``.

The conformance suite, the table in the READMEs and the command line find it by themselves.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """``unionllm.providers`` is promised as a function, and importing a vendor makes it this package: it is both."""

    def __call__(self) -> list[dict[str, Any]]:
        """The native providers as plain data; see ``unionllm.chat.providers``."""
        from .._registry import describe

        return describe()


sys.modules[__name__].__class__ = _CallablePackage
