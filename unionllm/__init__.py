"""One call for every Chinese model vendor and agent platform, and through LiteLLM for everyone else.

::

    from unionllm import unionchat

    response = unionchat(provider="zhipuai", model="glm-5.2", messages=[{"role": "user", "content": "你好"}])
    print(response.choices[0].message.content)

Importing this package opens no socket, reads no file of yours, and loads neither httpx nor pydantic nor LiteLLM: names
are resolved when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._batch.api import AsyncBatchRun, BatchRun, abatch, batch
    from ._batch.journal import JournalError
    from ._batch.results import BatchResult
    from ._stream import AsyncStream, Stream
    from .chat import UnionLLM, aunionchat, providers, unionchat
    from .cost import Cost, sum_costs
    from .embeddings import aunionembed, unionembed
    from .exceptions import (
        APICallError,
        APIConnectionError,
        APIError,
        APIResponseError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        BudgetExceededError,
        ContentPolicyViolationError,
        ContextWindowExceededError,
        InsufficientBalanceError,
        InternalServerError,
        InvalidRequestError,
        NotFoundError,
        OpenAIError,
        PermissionDeniedError,
        ProviderError,
        RateLimitError,
        ServiceUnavailableError,
        StreamInterruptedError,
        Timeout,
        UnionLLMError,
    )
    from .schema import (
        Choices,
        Context,
        Delta,
        Embedding,
        EmbeddingResponse,
        Function,
        Message,
        ModelResponse,
        ModelResponseChunk,
        Step,
        StreamingChoices,
        ToolCall,
        Usage,
    )

__version__ = "0.4.0"

__all__ = [
    "APICallError",
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncBatchRun",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "BatchResult",
    "BatchRun",
    "BudgetExceededError",
    "Choices",
    "ContentPolicyViolationError",
    "Context",
    "ContextWindowExceededError",
    "Cost",
    "Delta",
    "Embedding",
    "EmbeddingResponse",
    "Function",
    "InsufficientBalanceError",
    "InternalServerError",
    "InvalidRequestError",
    "JournalError",
    "Message",
    "ModelResponse",
    "ModelResponseChunk",
    "NotFoundError",
    "OpenAIError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "ServiceUnavailableError",
    "Step",
    "Stream",
    "StreamInterruptedError",
    "StreamingChoices",
    "Timeout",
    "ToolCall",
    "UnionLLM",
    "UnionLLMError",
    "Usage",
    "__version__",
    "abatch",
    "aunionchat",
    "aunionembed",
    "batch",
    "providers",
    "sum_costs",
    "unionchat",
    "unionembed",
]

_SUBMODULES = frozenset({"chat", "cost", "embeddings", "exceptions", "hooks", "main", "models", "schema", "utils"})
_IN_SCHEMA = frozenset(
    {
        "Choices",
        "Context",
        "Delta",
        "Embedding",
        "EmbeddingResponse",
        "Function",
        "Message",
        "ModelResponse",
        "ModelResponseChunk",
        "Step",
        "StreamingChoices",
        "ToolCall",
        "Usage",
    }
)


_IN_BATCH = {
    **dict.fromkeys(("AsyncBatchRun", "BatchRun", "abatch", "batch"), "_batch.api"),
    "BatchResult": "_batch.results",
    "JournalError": "_batch.journal",
}


def _home(name: str) -> str:
    if name in _IN_BATCH:
        return _IN_BATCH[name]
    if name in _IN_SCHEMA:
        return "schema"
    if name in ("Stream", "AsyncStream"):
        return "_stream"
    if name in ("Cost", "sum_costs"):
        return "cost"
    if name in ("aunionembed", "unionembed"):
        return "embeddings"
    return "chat" if name in ("UnionLLM", "aunionchat", "unionchat") else "exceptions"


def __getattr__(name: str) -> Any:
    if name == "providers":
        # The sub-package of the same name would otherwise take its place when it is first imported.
        from .chat import providers as value
    elif name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    elif name in __all__:
        value = getattr(importlib.import_module(f"{__name__}.{_home(name)}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
