"""What a streamed call returns: Stream and AsyncStream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ._join import Joiner
from .exceptions import APIError, StreamInterruptedError

if TYPE_CHECKING:
    from typing_extensions import Self

    from .schema import ModelResponse, ModelResponseChunk

__all__ = ["AsyncStream", "Stream"]

T = TypeVar("T")


class ChunkSource(Protocol):
    """An opened stream, as the sync transport or the bridge hands it over."""

    def __iter__(self) -> Iterator[ModelResponseChunk]: ...
    def __next__(self) -> ModelResponseChunk: ...
    def close(self) -> None: ...


class AsyncChunkSource(Protocol):
    """The same in async code."""

    def __aiter__(self) -> AsyncIterator[ModelResponseChunk]: ...
    def __anext__(self) -> Awaitable[ModelResponseChunk]: ...
    async def aclose(self) -> None: ...


class Finisher(Protocol):
    """Completes answers and errors with what only the call knows."""

    def error(self, error: APIError) -> None: ...
    def response(self, response: ModelResponse) -> ModelResponse: ...


class _Base:
    def __init__(self, finisher: Finisher) -> None:
        self._finisher = finisher
        self._joiner = Joiner()
        self._has_ended = False
        self._response: ModelResponse | None = None

    @property
    def response(self) -> ModelResponse | None:
        """The whole answer, once the stream has ended or was closed (then: as far as it came); None before."""
        if self._response is None and self._has_ended:
            joined = self._joiner.response()
            self._response = None if joined is None else self._finisher.response(joined)
        return self._response

    def _fail(self, error: APIError) -> None:
        self._finisher.error(error)
        if error.partial is None:
            error.partial = self._joiner.response()


class Stream(_Base):
    """The chunks of a streamed answer: an iterator and a context manager.

    Leaving a ``for`` loop early closes the connection at once, as do ``close()`` and the end of a ``with`` block; the
    stream cannot be taken up again after that.

    Raises, while iterating:
        StreamInterruptedError: the vendor stopped without its end signal; ``partial`` holds what had arrived.
        APITimeoutError: the idle or total limit ran out.
        APIError: the class that the vendor's error has outside a stream.
    """

    def __init__(self, source: ChunkSource, finisher: Finisher) -> None:
        super().__init__(finisher)
        self._source = source

    def __iter__(self) -> Iterator[ModelResponseChunk]:
        # A generator of its own, which only the loop holds: when the loop is left, it goes, and closes the connection.
        return self._pull()

    def __next__(self) -> ModelResponseChunk:
        # No generator of ours here: it would hold the stream that holds it, and only the garbage collector would close
        # the connection of a stream that was dropped.
        try:
            chunk = next(self._source)
            self._joiner.add(chunk)
        except APIError as error:
            self._fail(error)
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        return chunk

    def _pull(self) -> Iterator[ModelResponseChunk]:
        add = self._joiner.add
        try:
            for chunk in self._source:
                add(chunk)
                yield chunk
        except APIError as error:
            self._fail(error)
            raise
        finally:
            self.close()

    def text(self) -> Iterator[str]:
        """The text of the first answer, piece by piece, without reasoning."""
        for chunk in self:
            for choice in chunk.choices:
                if choice.index == 0 and choice.delta.content:
                    yield choice.delta.content

    def close(self) -> None:
        """Close the connection; nothing more will come."""
        self._has_ended = True
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Steps(Generic[T]):
    """An asynchronous generator that does not pass off what a cancelled wait cut short as the end of the answer.

    Args:
        steps: the generator; a cancellation inside it leaves it exhausted, as if it had come to its end.
        stream: whose it is; asked whenever it is exhausted whether that was the end.
    """

    __slots__ = ("_steps", "_stream")

    def __init__(self, steps: AsyncGenerator[T, None], stream: AsyncStream) -> None:
        self._steps = steps
        self._stream = stream

    def __aiter__(self) -> _Steps[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._steps.__anext__()
        except StopAsyncIteration:
            self._stream._check()
            raise

    async def aclose(self) -> None:
        await self._steps.aclose()


class AsyncStream(_Base):
    """The chunks of a streamed answer in async code: an async iterator and an async context manager.

    See ``Stream``. Cancelling the task that waits for the next chunk, as ``asyncio.wait_for`` does when its time is up,
    closes the connection too; whoever reads on after that gets a ``StreamInterruptedError``.
    """

    def __init__(self, source: AsyncChunkSource, finisher: Finisher) -> None:
        super().__init__(finisher)
        self._source = source
        self._stepper: AsyncIterator[ModelResponseChunk] | None = None
        self._was_cancelled = False

    def __aiter__(self) -> AsyncIterator[ModelResponseChunk]:
        return _Steps(self._pull(), self)

    async def __anext__(self) -> ModelResponseChunk:
        if self._stepper is None:
            self._stepper = aiter(self)
        return await self._stepper.__anext__()

    def _check(self) -> None:
        """Raise, once, if a cancelled wait ended the stream."""
        if self._was_cancelled:
            self._was_cancelled = False
            error = StreamInterruptedError(
                "the wait for the next chunk was cancelled, and the connection closed with it. What had arrived is in "
                '.partial. To limit the wait, pass timeout={"idle": seconds}, or use asyncio.wait: it does not cancel.'
            )
            self._fail(error)
            raise error from None

    async def _pull(self) -> AsyncGenerator[ModelResponseChunk, None]:
        import asyncio  # which runs already; importing it costs a blocking call more than its answer

        joiner = self._joiner
        try:
            async for chunk in self._source:
                joiner.add(chunk)
                yield chunk
        except APIError as error:
            self._fail(error)
            raise
        except asyncio.CancelledError:
            self._was_cancelled = not self._has_ended
            raise
        finally:
            await self._end()

    def text(self) -> AsyncIterator[str]:
        """The text of the first answer, piece by piece, without reasoning."""
        return _Steps(self._texts(), self)

    async def _texts(self) -> AsyncGenerator[str, None]:
        async for chunk in self:
            for choice in chunk.choices:
                if choice.index == 0 and choice.delta.content:
                    yield choice.delta.content

    async def aclose(self) -> None:
        """Close the connection; nothing more will come."""
        self._was_cancelled = False
        await self._end()

    async def _end(self) -> None:
        self._has_ended = True
        await self._source.aclose()

    async def close(self) -> None:
        """The same as ``aclose()``."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
