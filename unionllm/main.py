"""The module where 0.x kept its calls; the names live elsewhere now and still work from here."""

from __future__ import annotations

from types import MappingProxyType

from . import _registry
from .chat import UnionLLM, aunionchat, unionchat
from .exceptions import ProviderError

__all__ = [
    "OPENAI_COMPATIBLE_PROVIDERS",
    "QWEN_COMPATIBLE_BASE_URL",
    "ProviderError",
    "UnionLLM",
    "aunionchat",
    "unionchat",
]

QWEN_COMPATIBLE_BASE_URL = "https://dashscope.aliyuncs.com/compatible-mode/v1"

#: Name → (base URL, environment variable), for the native providers that take one key.
OPENAI_COMPATIBLE_PROVIDERS = MappingProxyType(
    {
        row["name"]: (row["base_url"], row["env"][0][0])
        for row in _registry.describe()
        if sum(map(bool, row["env"])) == 1
    }
)


def _litellm_provider(provider: str) -> bool:  # pyright: ignore[reportUnusedFunction]  # a name of 0.x
    """Whether calls of that provider go to LiteLLM."""
    return _registry.find(provider) is None
