"""The native providers inside LiteLLM: ``unionllm/<provider>/<model>`` for its functions, its Router and its Proxy.

In a program::

    from unionllm import litellm_plugin

    litellm_plugin.register()
    litellm.completion(model="unionllm/zhipuai/glm-5.2", messages=[…])

In the configuration of a proxy::

    litellm_settings:
      custom_provider_map:
        - {provider: unionllm, custom_handler: unionllm.litellm_plugin.handler}

LiteLLM keeps what it is there for: retries, fallbacks, cooldowns, keys, budgets, limits. Each call is made once.
Follows https://docs.litellm.ai/docs/providers/custom_llm_server and measurements with 1.108 and 1.110 (2026-11-25).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._litellm_handler import Handler

    #: What answers LiteLLM's calls; made when first asked for.
    handler: Handler

__all__ = ["PROVIDER", "handler", "register"]

#: What stands before the name of the provider.
PROVIDER = "unionllm"
_LOCK = threading.RLock()
_MAP = "custom_provider_map"


def register() -> None:
    """Make every native provider callable as ``unionllm/<provider>/<model>``.

    Other entries of ``litellm.custom_provider_map`` are left as they are, and so is one named ``unionllm`` that stands
    there already. Calling it again does nothing, unless the program has assigned another map since: that one is given
    the entry too.

    Raises:
        ProviderError: LiteLLM is not installed, or in a version that must not be used.
    """
    from . import _litellm

    with _LOCK:
        litellm = _litellm._load()
        _handler()
        _add_to(getattr(litellm, _MAP))
        litellm.utils.custom_llm_setup()


def _add_to(entries: Any) -> None:
    if isinstance(entries, list) and all(entry.get("provider") != PROVIDER for entry in entries):
        entries.append({"provider": PROVIDER, "custom_handler": _handler()})


def _handler() -> Handler:
    """The one handler; it holds nothing."""
    from . import _litellm

    with _LOCK:
        if "handler" not in globals():
            _litellm._load()
            from ._litellm_handler import Handler

            globals()["handler"] = Handler()
    made: Handler = globals()["handler"]
    return made


def __getattr__(name: str) -> Any:
    # Made when first asked for: it is of a class of LiteLLM's, whose import takes seconds.
    if name == "handler":
        return _handler()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
