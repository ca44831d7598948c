"""Opened streams, as the drivers hand them over: the first chunk is here, and closing works from anywhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import TYPE_CHECKING, Any

from ._network import hang_up
from .exceptions import APIResponseError

if TYPE_CHECKING:
    import httpx

    from ._reader import StreamReader
    from ._replies import Reply
    from .schema import ModelResponseChunk


def _required(first: ModelResponseChunk | None) -> ModelResponseChunk | None:
    """The first chunk of a stream; typed as it is kept, for it is given away."""
    if first is None:
        raise APIResponseError("the stream ended without a single chunk.")
    return first


def given(chunks: list[ModelResponseChunk]) -> Generator[ModelResponseChunk, None, None]:
    """Chunks that are all here, as an opened stream has them."""
    yield from chunks


async def agiven(chunks: list[ModelResponseChunk]) -> AsyncGenerator[ModelResponseChunk, None]:
    """The same in an event loop."""
    for chunk in chunks:
        yield chunk


class Opened:
    """An opened stream of the sync driver; its first chunk has been received.

    Args:
        response: whose connection it is.
        reader: is told when nobody wants the rest.
        chunks: all of them; raises what the reader failed with, if anybody still wants to know.
    """

    def __init__(
        self,
        response: Reply | httpx.Response,
        reader: StreamReader,
        chunks: Generator[ModelResponseChunk, None, None],
    ) -> None:
        self._response = response
        self._reader = reader
        self._chunks = chunks
        self._first = _required(next(chunks, None))

    def __iter__(self) -> Generator[ModelResponseChunk, None, None]:
        first, self._first = self._first, None
        if first is not None:
            yield first
            first = None  # so that it is held no longer than others
        yield from self._chunks

    def __next__(self) -> ModelResponseChunk:
        # Not by the generator above: dropped, it would close the chunks.
        first, self._first = self._first, None
        return next(self._chunks) if first is None else first

    def close(self) -> None:
        """Close the connection, also when another thread is waiting for the next chunk."""
        self._first = None
        self._reader.is_given_up = True
        try:
            self._chunks.close()
        except ValueError:  # the generator is running in another thread, and waits for bytes
            hang_up(self._response)


class _Here:
    """A chunk that need not be waited for."""

    __slots__ = ("_chunk",)

    def __init__(self, chunk: ModelResponseChunk) -> None:
        self._chunk = chunk

    def __await__(self) -> Generator[Any, None, ModelResponseChunk]:
        return self._chunk
        yield


class AsyncOpened:
    """The same for the async driver."""

    __slots__ = ("_chunks", "_first", "_reader", "_response")

    def __init__(
        self,
        response: Reply | httpx.Response,
        reader: StreamReader,
        first: ModelResponseChunk | None,
        chunks: AsyncGenerator[ModelResponseChunk, None],
    ) -> None:
        self._response = response
        self._reader = reader
        self._chunks = chunks
        self._first = _required(first)

    def __aiter__(self) -> AsyncOpened:
        return self

    def __anext__(self) -> Awaitable[ModelResponseChunk]:
        # No coroutine around that of the generator: there would be one for every chunk.
        if self._reader.is_given_up:
            raise StopAsyncIteration
        first, self._first = self._first, None
        return self._chunks.__anext__() if first is None else _Here(first)

    async def aclose(self) -> None:
        """Close the connection, also when another task is waiting for the next chunk."""
        self._first = None
        if self._reader.is_given_up:
            return
        self._reader.is_given_up = True
        try:
            await self._chunks.aclose()
        except RuntimeError:  # the generator is running in another task, and waits for bytes
            hang_up(self._response)
