"""The calls: ``unionchat``, its async twin, and the ``UnionLLM`` client.

Importing this module loads neither httpx nor pydantic: what a call needs is imported by the first call.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, overload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from ._call import Route
    from ._clients import Transports
    from ._stream import AsyncStream, Stream
    from ._timeouts import Deadline
    from ._wire import Flow
    from .schema import ModelResponse

__all__ = ["UnionLLM", "aunionchat", "providers", "unionchat"]


class _Call:
    """One call: its arguments → a flow, and the flow's result → what the user gets."""

    def __init__(self, given: dict[str, Any]) -> None:
        from ._log import configure

        configure(os.environ)
        self.given = given
        self.http_client = given.get("http_client")
        self.is_stream = bool(given.get("stream"))

    def start(self) -> tuple[Flow[tuple[Route, Any]], Deadline]:
        """The flow of the call, and its limits. Whatever is wrong with the arguments is raised here."""
        from ._call import run_call
        from ._routes import build_route, fallback_args, read_fallbacks
        from ._timeouts import Deadline

        first = build_route(self.given, os.environ)
        others = [fallback_args(self.given, fallback) for fallback in read_fallbacks(self.given.get("fallbacks"))]
        routes = [lambda: first, *((lambda args=args: build_route(args, os.environ)) for args in others)]
        deadline = Deadline(first.timeouts, time.monotonic)
        return run_call(routes, deadline), deadline

    def finish(self, result: tuple[Route, Any], stream_class: Any) -> Any:
        """The answer, or the stream of it."""
        from ._finish import Finisher

        route, answer = result
        finisher = Finisher(route, self.given.get("response_format"))
        return stream_class(answer, finisher) if self.is_stream else finisher.response(answer)

    def run(self, transports: Transports) -> Any:
        """Make the call, blocking."""
        from ._stream import Stream

        flow, deadline = self.start()
        return self.finish(transports.sync(self.http_client).run(flow, deadline), Stream)

    async def arun(self, transports: Transports) -> Any:
        """Make the call in the running event loop."""
        import asyncio

        from ._routes import may_import_litellm
        from ._stream import AsyncStream

        # Importing LiteLLM takes seconds, in which no other task would run.
        in_thread = may_import_litellm(self.given)
        flow, deadline = await asyncio.to_thread(self.start) if in_thread else self.start()
        transport = await transports.of_loop(self.http_client)
        return self.finish(await transport.run(flow, deadline), AsyncStream)


def _shared() -> Transports:
    from ._clients import shared

    return shared()


def _arguments(model: Any, messages: Any, provider: Any, stream: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    given = {**_hide_keys(params), "model": model, "messages": messages, "provider": provider, "stream": stream}
    fallbacks = given.get("fallbacks")
    if isinstance(fallbacks, (list, tuple)):
        given["fallbacks"] = [_hide_keys(each) if isinstance(each, Mapping) else each for each in fallbacks]
    return given


def _hide_keys(params: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with keys that do not show in a traceback that prints local variables."""
    from ._credentials import CREDENTIAL_NAMES
    from ._wire import Secret

    hidden = {k: Secret(v) for k, v in params.items() if isinstance(v, str) and (k in CREDENTIAL_NAMES or k.isupper())}
    return {**params, **hidden}


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
            ``pool``, ``first_token``, ``idle``, ``total``), ``max_retries`` (default 2), ``fallbacks``,
            ``extra_headers``, ``extra_query``, ``extra_body``, ``http_client``, ``param_policy`` ("adapt", "strict" or
            "raw"), ``fetch_media``. None means "not given".

    Returns:
        The answer, or with ``stream=True`` an iterator over its chunks, opened: a refused call raises here.

    Raises:
        UnionLLMError: see ``unionllm.exceptions`` for the tree; bad arguments are found before anything is sent.
    """
    given = _arguments(model, messages, provider, stream, params)
    params.clear()
    return cast("ModelResponse | Stream", _Call(given).run(_shared()))


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
    given = _arguments(model, messages, provider, stream, params)
    params.clear()
    return cast("ModelResponse | AsyncStream", await _Call(given).arun(_shared()))


class UnionLLM:
    """A client with connections of its own and defaults for its calls. A context manager, sync and async.

    Args:
        provider: as for ``unionchat``.
        defaults: any argument of a call; a call's own arguments win, credentials included.
    """

    def __init__(self, provider: str | None = None, **defaults: Any) -> None:
        from ._clients import Transports

        self.provider = provider.strip().lower() if isinstance(provider, str) else provider
        self._defaults = _arguments(
            defaults.get("model"), defaults.get("messages"), provider, defaults.get("stream"), defaults
        )
        self._transports = Transports()

    def __repr__(self) -> str:
        return f"UnionLLM(provider={self.provider!r}, model={self._defaults.get('model')!r})"

    def _merge(self, model: Any, messages: Any, stream: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        own = _arguments(model, messages, params.get("provider"), stream, params)
        from ._routes import merge_args

        return merge_args(self._defaults, {name: value for name, value in own.items() if value is not None})

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
        params.clear()
        return cast("ModelResponse | Stream", _Call(given).run(self._transports))

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
        params.clear()
        return cast("ModelResponse | AsyncStream", await _Call(given).arun(self._transports))

    chat = completion
    achat = acompletion

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def providers() -> list[dict[str, Any]]:
    """The native providers as plain data: name, title, aliases, environment variables, base URL, regions, docs."""
    from ._registry import describe

    return describe()
