"""The vendors on 127.0.0.1, for tests: a server that speaks their wire formats, checks requests and plays faults.

``VendorServer`` is the server; the pytest fixture ``vendor_server`` starts one; ``python -m unionllm mock`` runs it
from a shell; ``unionllm.testing.conformance`` holds the cases that any client of a vendor should pass. Needs the
extra ``testing``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._exchange import KINDS, Incoming, Problem, Refusal, Streamed, Whole
    from ._openai import Model, OpenAILike
    from ._received import Received
    from ._script import Answer, Asked
    from ._server import VendorServer
    from ._vendor import Vendor

_PLACES = {
    "Answer": "_script",
    "Asked": "_script",
    "Incoming": "_exchange",
    "KINDS": "_exchange",
    "Model": "_openai",
    "OpenAILike": "_openai",
    "Problem": "_exchange",
    "Received": "_received",
    "Refusal": "_exchange",
    "Streamed": "_exchange",
    "Vendor": "_vendor",
    "VendorServer": "_server",
    "Whole": "_exchange",
}

__all__ = [
    "KINDS",
    "Answer",
    "Asked",
    "Incoming",
    "Model",
    "OpenAILike",
    "Problem",
    "Received",
    "Refusal",
    "Streamed",
    "Vendor",
    "VendorServer",
    "Whole",
]


def __getattr__(name: str) -> Any:
    # Imported when first asked for: pytest loads this package wherever unionllm is installed, also without the extra.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name == "aiohttp":
            raise ImportError("unionllm.testing needs aiohttp: pip install 'unionllm[testing]'") from error
        raise


def __dir__() -> list[str]:
    return sorted(__all__)
