"""What the code of the pages about agent platforms must do: for ``test_docs.py``, which has no room for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vendors_on_loopback import TEXT

_ASSISTANT = "/api/v1/openai/c0ffee00c0ffee00c0ffee00c0ffee00/chat/completions"


def runs(run: Callable[..., Any]) -> dict[str, list[list[Any]]]:
    """Page → its blocks → their runs, made by ``run``."""
    referenced = {"model": "ragflow", "extra_body": {"reference": True}}
    return {
        "docs/providers/ragflow": [[run(prints=(TEXT,), sends=(("ragflow", referenced),), path=_ASSISTANT)]],
    }
