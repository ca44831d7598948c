"""The vendors that the server plays, one module each, written from the vendor's documentation and nothing else.

A module never looks at the adapter of the same vendor, nor the adapter at it: where they disagree, one of the two has
misread the documentation, and a test fails.
"""

from __future__ import annotations

from importlib import import_module

from .._vendor import Vendor

#: Their names; each is a module with one class named ``Played``.
VENDORS = (
    "deepseek",
    "moonshot",
    "zhipuai",
)


def load(name: str) -> type[Vendor]:
    """The class that plays that vendor. Raises ModuleNotFoundError for a name that is not in ``VENDORS``."""
    played: type[Vendor] = import_module(f"{__name__}.{name}").Played
    return played
