"""Embeddings: ``unionembed`` and its async twin.

Importing this module loads neither httpx nor pydantic: what a call needs is imported by the first call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._arguments import arguments

if TYPE_CHECKING:
    from .schema import EmbeddingResponse

__all__ = ["aunionembed", "unionembed"]


def unionembed(
    model: str | None = None,
    input: str | Sequence[str] | None = None,  # OpenAI's name
    *,
    provider: str | None = None,
    **params: Any,
) -> EmbeddingResponse:
    """Turn texts into vectors, whoever serves the model.

    Args:
        model: the vendor's name of the model; ``"provider/model"`` when no provider is given.
        input: a text, or a list of texts, none of them empty; more than the vendor takes at once are sent in batches.
        provider: a native provider that offers embeddings, or one of LiteLLM's.
        params: ``dimensions``, the vendor's own parameters, and what ``unionchat`` takes: ``api_key``, ``base_url``,
            ``region``, ``timeout``, ``max_retries``, ``fallbacks``, ``extra_headers``, ``extra_query``, ``extra_body``,
            ``http_client``. None means "not given".

    Returns:
        OpenAI's shape: ``data[n].embedding`` (a list of floats) is the n-th text's; ``usage`` adds up the batches.

    Raises:
        UnionLLMError: see ``unionllm.exceptions``; ProviderError where a provider offers none. A retry asks only for
            batches that have not arrived.
    """
    params["input"] = input
    given = arguments(model, None, provider, params.get("stream"), params)
    params.clear()
    from ._calling import EmbeddingCall, shared_transports

    response: EmbeddingResponse = EmbeddingCall(given).run(shared_transports())
    return response


async def aunionembed(
    model: str | None = None,
    input: str | Sequence[str] | None = None,  # OpenAI's name
    *,
    provider: str | None = None,
    **params: Any,
) -> EmbeddingResponse:
    """``unionembed`` for async code: the same arguments, answers and errors."""
    params["input"] = input
    given = arguments(model, None, provider, params.get("stream"), params)
    params.clear()
    from ._calling import EmbeddingCall, shared_transports

    response: EmbeddingResponse = await EmbeddingCall(given).arun(shared_transports())
    return response
