"""The vendors that the server plays, one module each, written from the vendor's documentation and nothing else.

A module never looks at the adapter of the same vendor, nor the adapter at it: where they disagree, one of the two has
misread the documentation, and a test fails.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .._vendor import Vendor

#: Their names: one for every module of this folder, each of which has one class named ``Played``.
VENDORS = tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def load(name: str) -> type[Vendor]:
    """The class that plays that vendor. Raises ModuleNotFoundError for a name that is not in ``VENDORS``."""
    played: type[Vendor] = import_module(f"{__name__}.{name}").Played
    return played
