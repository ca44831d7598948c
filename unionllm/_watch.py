"""Tells hooks what happens to a call. Not in the way of calls without hooks, nor of the chunks of those with some."""

from __future__ import annotations

import inspect
import itertools
import time
import traceback
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from ._log import logger, redact
from ._urls import host_of
from .exceptions import APIError, BadRequestError, UnionLLMError

if TYPE_CHECKING:
    from ._finish import Finisher
    from ._request import ChatRequest
    from ._stream import AsyncStream, Stream
    from ._wire import Flow
    from .hooks import Hooks
    from .schema import ModelResponse, ModelResponseChunk

T = TypeVar("T")

_NAMES = ("on_request", "on_response", "on_retry", "on_error")
_GIVEN = (*_NAMES, "observers")
_calls = itertools.count(1)
#: Hooks for every call of the process, whoever makes it; filled by ``unionllm.otel`` alone.
everywhere: list[Hooks] = []


def watch_of(given: Mapping[str, Any], operation: str) -> Watch | None:
    """What tells the hooks of a call; None if there are none.

    Raises:
        BadRequestError: a hook is no function, or an asynchronous one.
    """
    if not everywhere and given.keys().isdisjoint(_GIVEN):
        return None
    hooks: list[Hooks] = [*everywhere, *(given.get("observers") or ())]
    own = {name: given[name] for name in _NAMES if given.get(name) is not None}
    if own:
        from .hooks import Hooks as Own

        for name, hook in own.items():
            if not callable(hook) or inspect.iscoroutinefunction(hook):
                raise BadRequestError(
                    f"{name} must be a plain function that takes one event. See docs/observability.md."
                )
        hooks.append(Own(**own))
    return Watch(tuple(hooks), operation, is_stream=bool(given.get("stream"))) if hooks else None


class Watch:
    """One call, as its hooks see it."""

    def __init__(self, hooks: tuple[Hooks, ...], operation: str, *, is_stream: bool) -> None:
        self._hooks = hooks
        self._operation = operation
        self._is_stream = is_stream
        self._call = next(_calls)
        self._began = time.monotonic()
        self._attempt = 0
        self._chat: ChatRequest | None = None
        self._first_chunk: float | None = None
        self._is_over = False

    def sending(self, chat: ChatRequest) -> None:
        """A try begins."""
        from .hooks import RequestEvent

        self._attempt += 1
        self._chat = chat
        is_chat = self._operation == "chat"
        event = RequestEvent(
            **self._common(),
            messages=chat.messages if is_chat else (),
            params=MappingProxyType(dict(chat.params)),
        )
        self._tell("on_request", event)

    def retrying(self, error: UnionLLMError, wait: float, *, is_fallback: bool = False) -> None:
        """A try has failed, and another one follows."""
        from .hooks import RetryEvent

        told = {**self._common(), **_about(error)}
        self._tell("on_retry", RetryEvent(**told, wait=wait, is_fallback=is_fallback))

    def failed(self, error: BaseException | None) -> None:
        """The call has failed for good; None: it was cancelled."""
        from .hooks import ErrorEvent

        if not self._is_over:
            self._is_over = True
            event = ErrorEvent(**self._common(), **_about(error), time_to_first_chunk=self._first_chunk)
            self._tell("on_error", event)

    def answered(self, response: Any) -> None:
        """The answer is here, whole or as far as it will come."""
        from .hooks import ResponseEvent

        if self._is_over:
            return
        self._is_over = True
        choices = getattr(response, "choices", None)
        event = ResponseEvent(
            **self._common(),
            request_id=getattr(response, "request_id", None),
            finish_reason=choices[0].finish_reason if choices else None,
            usage=getattr(response, "usage", None),
            time_to_first_chunk=self._first_chunk,
            response=response,
        )
        self._tell("on_response", event)

    def follow(self, flow: Flow[T]) -> Flow[T]:
        """The flow; its failure is told."""
        try:
            return (yield from flow)
        except GeneratorExit:
            self.failed(None)
            raise
        except BaseException as error:
            self.failed(error)
            raise

    def deliver(self, answer: Any, finisher: Finisher, stream_class: Any) -> Any:
        """What the call returns: the answer, or the stream of it, which tells when it has ended."""
        if stream_class is None:
            try:
                response = finisher.response(answer)
            except APIError as error:
                self.failed(error)
                raise
            self.answered(response)
            return response
        self._first_chunk = time.monotonic() - self._began
        source = _Source(answer, self)
        stream = stream_class(source, _Finisher(finisher, self))
        # Not the stream itself: dropped unread, it must go, and close its connection. That has left it, too.
        source.stream = weakref.ref(stream, lambda _: self.answered(None))
        return stream

    def _common(self) -> dict[str, Any]:
        chat = self._chat
        return {
            "call": self._call,
            "operation": self._operation,
            "provider": chat.provider if chat is not None else "",
            "model": chat.model if chat is not None else "",
            "stream": self._is_stream,
            "attempt": self._attempt,
            "elapsed": time.monotonic() - self._began,
            "host": _address(chat.base_url) if chat is not None else "",
        }

    def _tell(self, name: str, event: Any) -> None:
        for hooks in self._hooks:
            hook = getattr(hooks, name)
            if hook is None:
                continue
            try:
                hook(event)
            except Exception:  # noqa: BLE001  # the answer matters more than who looks on
                secrets = self._chat.secrets if self._chat is not None else ()
                logger.error("a hook failed: %s\n%s", name, redact(traceback.format_exc(), secrets))


def _address(url: str) -> str:
    """Host and port, the port of the scheme if none is written."""
    host = host_of(url)
    if not host or host.rpartition(":")[2].isdigit():
        return host
    return f"{host}:{80 if url.startswith(('http:', 'ws:')) else 443}"


def _about(error: BaseException | None) -> dict[str, Any]:
    return {
        "error": error,
        "error_type": "cancelled" if error is None else type(error).__name__,
        "status": getattr(error, "status_code", None),
        "request_id": getattr(error, "request_id", None),
    }


class _Finisher:
    """A stream's finisher that tells of its error."""

    def __init__(self, finisher: Finisher, watch: Watch) -> None:
        self.response = finisher.response
        self._finisher = finisher
        self._watch = watch

    def error(self, error: APIError) -> None:
        self._finisher.error(error)
        self._watch.failed(error)


class _Source:
    """An opened stream that tells when it is closed. Its chunks do not pass through here when it is iterated."""

    def __init__(self, source: Any, watch: Watch) -> None:
        self._source = source
        self._watch = watch
        self.stream: weakref.ref[Stream | AsyncStream] | None = None

    def __iter__(self) -> Iterator[ModelResponseChunk]:
        return iter(self._source)

    def __next__(self) -> ModelResponseChunk:
        chunk: ModelResponseChunk = next(self._source)
        return chunk

    def __aiter__(self) -> AsyncIterator[ModelResponseChunk]:
        return aiter(self._source)

    async def __anext__(self) -> ModelResponseChunk:
        chunk: ModelResponseChunk = await anext(self._source)
        return chunk

    def close(self) -> None:
        try:
            self._source.close()
        finally:
            self._tell()

    async def aclose(self) -> None:
        try:
            await self._source.aclose()
        finally:
            self._tell()

    def _tell(self) -> None:
        stream = self.stream() if self.stream is not None else None
        if stream is None:
            return
        response: ModelResponse | None
        try:
            response = stream.response
        except APIError as error:  # the reply does not fit the caller's class: raised where the caller reads it
            response = error.partial
        self._watch.answered(response)
