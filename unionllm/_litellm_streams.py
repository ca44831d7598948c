"""LiteLLM at work for one call: made, read, closed, every error translated. The two drivers differ by ``await``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ._litellm_chunks import StreamTranslator, to_chunk
from ._litellm_errors import to_error
from ._litellm_results import Sent, to_response
from ._log import logger, redact
from .exceptions import APIConnectionError, APITimeoutError, UnionLLMError

if TYPE_CHECKING:
    from ._timeouts import Deadline
    from .schema import ModelResponse, ModelResponseChunk

#: Seconds for a cancelled read to end.
_LAST_SECONDS = 1.0
#: What a stream of LiteLLM's gives after its last chunk.
_END = object()


class _Work:
    """What LiteLLM does for one call of ours.

    Contexts are copied: sockets, timers and threads of LiteLLM's keep this for as long as they live. So it lets go of
    the call when that ends.
    """

    __slots__ = ("sent",)

    def __init__(self, sent: Sent) -> None:
        self.sent: Sent | None = sent


#: What LiteLLM does just now, if that is for a call of ours.
_OURS: ContextVar[_Work | None] = ContextVar("unionllm_litellm_call", default=None)


class QuietInOurCalls(logging.Filter):
    """For LiteLLM's loggers, which write to standard error: in our calls, what they say is said in our error.

    Records of other users of LiteLLM pass; ours go to the logger ``unionllm`` at DEBUG.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        work = _OURS.get()
        if work is None:
            return True
        sent = work.sent
        if sent is not None and logger.isEnabledFor(logging.DEBUG):
            logger.debug("LiteLLM: %s", redact(record.getMessage(), sent.secrets))
        return False


def attempt(work: Callable[[], Any], sent: Sent, *, started: bool = False) -> tuple[Any, UnionLLMError | None]:
    """What LiteLLM's work gives, or our error for what it raised.

    The error is returned: raised outside of any ``except`` block it has no context, and LiteLLM's holds the request
    with its Authorization header.
    """
    handled = sys.exc_info()[1]
    ours = _Work(sent)
    token = _OURS.set(ours)
    try:
        return work(), None
    except UnionLLMError:
        raise
    except Exception as error:  # noqa: BLE001  # the border: LiteLLM raises whatever happens to it, bare Exception too
        return None, to_error(error, sent, handled, time.time(), started=started)
    finally:
        _OURS.reset(token)
        ours.sent = None


async def attempt_async(
    work: Callable[[], Awaitable[Any]], sent: Sent, *, started: bool = False
) -> tuple[Any, UnionLLMError | None]:
    """The same in async code."""
    handled = sys.exc_info()[1]
    ours = _Work(sent)
    token = _OURS.set(ours)
    try:
        return await work(), None
    except UnionLLMError:
        raise
    except Exception as error:  # noqa: BLE001  # see attempt
        return None, to_error(error, sent, handled, time.time(), started=started)
    finally:
        _OURS.reset(token)
        ours.sent = None


def call_once(completion: Callable[..., Any], arguments: dict[str, Any], sent: Sent) -> ModelResponse:
    """Make a call and give the whole answer in our schema."""
    response, failure = attempt(lambda: to_response(completion(**arguments), sent), sent)
    if failure is not None:
        raise failure
    made: ModelResponse = response
    return made


async def call_once_async(
    acompletion: Callable[..., Awaitable[Any]], arguments: dict[str, Any], sent: Sent
) -> ModelResponse:
    """The same in async code."""
    reply, failure = await attempt_async(lambda: acompletion(**arguments), sent)
    if failure is None:
        response, failure = attempt(lambda: to_response(reply, sent), sent)
    if failure is not None:
        raise failure
    made: ModelResponse = response
    return made


class OneChunk:
    """A whole answer, handed out as a stream of one chunk, in sync code and in async code."""

    def __init__(self, response: ModelResponse) -> None:
        self._chunks = iter([to_chunk(response)])

    @classmethod
    async def aopen(cls, acompletion: Callable[..., Awaitable[Any]], arguments: dict[str, Any], sent: Sent) -> OneChunk:
        """Make the call in async code."""
        return cls(await call_once_async(acompletion, arguments, sent))

    def __iter__(self) -> Iterator[ModelResponseChunk]:
        return self

    def __next__(self) -> ModelResponseChunk:
        return next(self._chunks)

    def close(self) -> None:
        """Nothing more will come."""
        self._chunks = iter([])

    def __aiter__(self) -> AsyncIterator[ModelResponseChunk]:
        return self

    async def __anext__(self) -> ModelResponseChunk:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """The same as ``close``."""
        self.close()


class _Stream:
    """What both kinds of stream share: which chunk is handed out, and what the end and an error mean."""

    def __init__(self, wrapper: Any, sent: Sent, deadline: Deadline) -> None:
        self._wrapper = wrapper
        self._sent = sent
        self._deadline = deadline
        self._has_total = deadline.left() is not None
        self._translator = StreamTranslator(wrapper, sent)
        self._first: ModelResponseChunk | None = None
        self._is_over = False

    def _check_total(self) -> None:
        if self._deadline.left() == 0.0:
            raise self._out_of_time()

    def _out_of_time(self) -> APITimeoutError:
        total = self._deadline.timeouts.total or 0.0
        text = f"{self._sent.provider}: the total limit of {total:g} s ran out. Raise it with timeout={{'total': …}}."
        return APITimeoutError(text, provider=self._sent.provider, model=self._sent.model)

    def _take_in(self, given: Any, failure: UnionLLMError | None) -> ModelResponseChunk | None:
        """What the outcome of one read gives the user: a chunk, an error, or nothing yet."""
        if failure is None and given is not _END:
            made: ModelResponseChunk | None = given
            return made
        self._is_over = True
        # The vendor had finished, and only the end of the connection went wrong: nothing is lost but the usage.
        is_complete = self._translator.is_finished and isinstance(failure, APIConnectionError)
        if failure is not None and not is_complete:
            raise failure
        return self._translator.end()

    def _take_first(self) -> ModelResponseChunk | None:
        first, self._first = self._first, None
        return first

    def _take_wrapper(self) -> Any:
        """LiteLLM's stream object, taken away so that it is closed once."""
        wrapper, self._wrapper = self._wrapper, None
        self._first, self._is_over = None, True
        return wrapper


class Source(_Stream):
    """An opened stream for sync code; its first chunk has been received."""

    @classmethod
    def open(cls, completion: Callable[..., Any], arguments: dict[str, Any], sent: Sent, deadline: Deadline) -> Source:
        """Make the call and wait for the first chunk, so that a refusal is raised here."""
        wrapper, failure = attempt(lambda: completion(**arguments), sent)
        if failure is not None:
            raise failure
        source = cls(wrapper, sent, deadline)
        try:
            source._first = next(source)
        except BaseException:
            source.close()
            raise
        return source

    def __iter__(self) -> Iterator[ModelResponseChunk]:
        return self

    def __next__(self) -> ModelResponseChunk:
        if (first := self._take_first()) is not None:
            return first
        while not self._is_over:
            if self._has_total:
                self._check_total()
            read = attempt(self._pull, self._sent, started=self._translator.has_content)
            if (chunk := self._take_in(*read)) is not None:
                return chunk
        raise StopIteration

    def _pull(self) -> Any:
        given = next(self._wrapper, _END)
        return given if given is _END else self._translator.feed(given)

    def close(self) -> None:
        """Close the connection. LiteLLM's sync streams have no method for that, so its reader is closed."""
        reader: Any = getattr(self._take_wrapper(), "completion_stream", None)
        # A reader without close() would go on reading in the background: then what it reads from is closed.
        closable: Any = reader if hasattr(reader, "close") else getattr(reader, "streaming_response", None)
        if hasattr(closable, "close"):
            # Whatever goes wrong with a connection that nobody wants any more, nobody wants to hear of it.
            with contextlib.suppress(Exception):
                closable.close()


class AsyncSource(_Stream):
    """The same for async code."""

    @classmethod
    async def open(
        cls, acompletion: Callable[..., Awaitable[Any]], arguments: dict[str, Any], sent: Sent, deadline: Deadline
    ) -> AsyncSource:
        """Make the call and wait for the first chunk, so that a refusal is raised here."""
        wrapper, failure = await attempt_async(lambda: acompletion(**arguments), sent)
        if failure is not None:
            raise failure
        source = cls(wrapper, sent, deadline)
        try:
            source._first = await source.__anext__()
        except BaseException:
            await source.aclose()
            raise
        return source

    def __aiter__(self) -> AsyncIterator[ModelResponseChunk]:
        return self

    async def __anext__(self) -> ModelResponseChunk:
        if (first := self._take_first()) is not None:
            return first
        while not self._is_over:
            if self._has_total:
                self._check_total()
            read = await attempt_async(self._pull, self._sent, started=self._translator.has_content)
            if (chunk := self._take_in(*read)) is not None:
                return chunk
        raise StopAsyncIteration

    async def _pull(self) -> Any:
        given = await self._await_next()
        return given if given is _END else self._translator.feed(given)

    async def _await_next(self) -> Any:
        left = self._deadline.left()
        if left is None:
            return await anext(self._wrapper, _END)
        waiting = asyncio.ensure_future(anext(self._wrapper, _END))
        try:
            await asyncio.wait({waiting}, timeout=left)
            if waiting.done():
                return waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting}, timeout=_LAST_SECONDS)  # a reader that still runs cannot be closed
        raise self._out_of_time()

    async def aclose(self) -> None:
        """Close the connection."""
        wrapper = self._take_wrapper()
        reader: Any = getattr(wrapper, "completion_stream", None)
        if hasattr(wrapper, "aclose"):
            await wrapper.aclose()
        # LiteLLM closes only readers that can be closed; the lines that the others read from are ours to close.
        if reader is not None and not hasattr(reader, "aclose") and not hasattr(reader, "close"):
            lines: Any = getattr(reader, "streaming_response", None)
            if hasattr(lines, "aclose"):
                with contextlib.suppress(Exception):  # see Source.close
                    await lines.aclose()
