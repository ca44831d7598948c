"""The calls: ``unionchat``, its async twin, and the ``UnionLLM`` client.

Importing this module loads neither httpx nor pydantic: what a call needs is imported by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ._arguments import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from ._stream import AsyncStream, Stream
    from .hooks import Hooks
    from .schema import EmbeddingResponse, ModelResponse

__all__ = ["UnionLLM", "aunionchat", "providers", "unionchat"]

_loaded: Any = None


def _calling() -> Any:
    """What a call needs, imported by the first one: an import statement takes its time in every call."""
    global _loaded  # noqa: PLW0603
    if _loaded is None:
        from . import _calling as module

        _loaded = module
    return _loaded


@overload
def unionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: Literal[False] | None = False,
    **params: Any,
) -> ModelResponse: ...
@overload
def unionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: Literal[True],
    **params: Any,
) -> Stream: ...
@overload
def unionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: bool | None,
    **params: Any,
) -> ModelResponse | Stream: ...
def unionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: bool | None = False,
    **params: Any,
) -> ModelResponse | Stream:
    """Ask a model, whoever serves it.

    Args:
        model: the vendor's name of the model; ``"provider/model"`` when no provider is given.
        messages: list of ``{"role": …, "content": …}``; never changed.
        provider: a native provider or one of its aliases, in any case; anything else goes to LiteLLM.
        stream: True gives a ``Stream`` of chunks instead of the whole answer.
        params: OpenAI's chat parameters, the vendor's own, and: ``api_key`` (= ``app_key``), ``base_url``
            (= ``api_base``), ``region``, ``timeout`` in seconds (one number, or a mapping with ``connect``, ``write``,
            ``pool``, ``first_token``, ``idle``, ``total``), ``max_retries`` (default 2),
            ``max_response_bytes`` (default 33,554,432: the largest event, and the largest whole answer), ``fallbacks``,
            ``extra_headers``, ``extra_query``, ``extra_body``, ``http_client``, ``param_policy`` ("adapt", "strict" or
            "raw"), ``fetch_media`` (hosts that media may be fetched from, or True), ``prices`` (see ``unionllm.cost``),
            ``on_request``, ``on_response``, ``on_retry``, ``on_error`` (see ``unionllm.hooks``).
            None means "not given".

    Returns:
        The answer, or with ``stream=True`` an iterator over its chunks, opened: a refused call raises here.

    Raises:
        UnionLLMError: see ``unionllm.exceptions`` for the tree; bad arguments are found before anything is sent.
    """
    given = arguments(model, messages, provider, stream, params)
    params.clear()
    calling = _calling()  # not before: it may fail, and would show the key
    result: ModelResponse | Stream = calling.Call(given).run(calling.shared_transports())
    return result


@overload
async def aunionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: Literal[False] | None = False,
    **params: Any,
) -> ModelResponse: ...
@overload
async def aunionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: Literal[True],
    **params: Any,
) -> AsyncStream: ...
@overload
async def aunionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: bool | None,
    **params: Any,
) -> ModelResponse | AsyncStream: ...
async def aunionchat(
    model: str | None = None,
    messages: Sequence[Any] | None = None,
    *,
    provider: str | None = None,
    stream: bool | None = False,
    **params: Any,
) -> ModelResponse | AsyncStream:
    """``unionchat`` for async code: the same arguments, answers and errors; a stream is an ``AsyncStream``."""
    given = arguments(model, messages, provider, stream, params)
    params.clear()
    calling = _calling()  # as above
    result: ModelResponse | AsyncStream = await calling.Call(given).arun(calling.shared_transports())
    return result


class UnionLLM:
    """A client with connections of its own and defaults for its calls. A context manager, sync and async.

    Args:
        provider: as for ``unionchat``.
        defaults: any argument of a call; a call's own arguments win, credentials included.
    """

    def __init__(self, provider: str | None = None, **defaults: Any) -> None:
        self.provider = provider.strip().lower() if isinstance(provider, str) else provider
        self._defaults = arguments(
            defaults.get("model"), defaults.get("messages"), provider, defaults.get("stream"), defaults
        )
        defaults.clear()
        from ._clients import Transports

        self._transports = Transports()
        #: Further hooks for all calls, beside those of the caller's: see ``unionllm.otel``.
        self._observers: tuple[Hooks, ...] = ()

    def __repr__(self) -> str:
        return f"UnionLLM(provider={self.provider!r}, model={self._defaults.get('model')!r})"

    def _merge(self, model: Any, messages: Any, stream: Any, params: dict[str, Any]) -> dict[str, Any]:
        """All arguments of a call. ``params`` is emptied: the caller's frame may be shown, with the keys in it."""
        own = arguments(model, messages, params.get("provider"), stream, params)
        params.clear()
        given: dict[str, Any] = _calling().merge_args(
            self._defaults, {name: value for name, value in own.items() if value is not None}
        )
        if self._observers:
            given["observers"] = self._observers
        return given

    @overload
    def completion(
        self,
        model: str | None = None,
        messages: Sequence[Any] | None = None,
        *,
        stream: Literal[False] | None = None,
        **params: Any,
    ) -> ModelResponse: ...
    @overload
    def completion(
        self,
        model: str | None = None,
        messages: Sequence[Any] | None = None,
        *,
        stream: Literal[True],
        **params: Any,
    ) -> Stream: ...
    @overload
    def completion(
        self, model: str | None = None, messages: Sequence[Any] | None = None, *, stream: bool | None, **params: Any
    ) -> ModelResponse | Stream: ...
    def completion(
        self,
        model: str | None = None,
        messages: Sequence[Any] | None = None,
        *,
        stream: bool | None = None,
        **params: Any,
    ) -> ModelResponse | Stream:
        """``unionchat`` with this client's defaults and connections."""
        given = self._merge(model, messages, stream, params)
        result: ModelResponse | Stream = _calling().Call(given).run(self._transports)
        return result

    @overload
    async def acompletion(
        self,
        model: str | None = None,
        messages: Sequence[Any] | None = None,
        *,
        stream: Literal[False] | None = None,
        **params: Any,
    ) -> ModelResponse: ...
    @overload
    async def acompletion(
        self,
        model: str | None = None,
        messages: Sequence[Any] | None = None,
        *,
        stream: Literal[True],
        **params: Any,
    ) -> AsyncStream: ...
    @overload
    async def acompletion(
        self, model: str | None = None, messages: Sequence[Any] | None = None, *, stream: bool | None, **params: Any
    ) -> ModelResponse | AsyncStream: ...
    async def acompletion(
        self,
        model: str | None = None,
        messages: Sequence[Any] | None = None,
        *,
        stream: bool | None = None,
        **params: Any,
    ) -> ModelResponse | AsyncStream:
        """``aunionchat`` with this client's defaults and connections."""
        given = self._merge(model, messages, stream, params)
        result: ModelResponse | AsyncStream = await _calling().Call(given).arun(self._transports)
        return result

    chat = completion
    achat = acompletion

    def embed(
        self,
        model: str | None = None,
        input: str | Sequence[str] | None = None,  # OpenAI's name
        **params: Any,
    ) -> EmbeddingResponse:
        """``unionembed`` with this client's defaults and connections."""
        params["input"] = input
        given = self._merge(model, None, params.get("stream"), params)

        result: EmbeddingResponse = _calling().EmbeddingCall(given).run(self._transports)
        return result

    async def aembed(
        self,
        model: str | None = None,
        input: str | Sequence[str] | None = None,  # OpenAI's name
        **params: Any,
    ) -> EmbeddingResponse:
        """``aunionembed`` with this client's defaults and connections."""
        params["input"] = input
        given = self._merge(model, None, params.get("stream"), params)

        result: EmbeddingResponse = await _calling().EmbeddingCall(given).arun(self._transports)
        return result

    def close(self) -> None:
        """Close this client's connections; the client can be used again, and then opens new ones.

        Calls of other threads that are under way end with an ``APIConnectionError`` which says so.
        """
        self._transports.close()

    async def aclose(self) -> None:
        """The same for the connections of the running event loop too, and calls of other tasks."""
        await self._transports.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def providers() -> list[dict[str, Any]]:
    """The native providers as plain data: name, title, aliases, environment variables, base URL, regions, docs."""
    from ._registry import describe

    return describe()
