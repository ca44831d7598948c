"""Opened streams, as the drivers hand them over: the first chunk is here, and closing works from anywhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from ._network import hang_up
from .exceptions import APIError, APIResponseError

if TYPE_CHECKING:
    import httpx

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
    """An opened stream of the sync driver; its first chunk has been received."""

    def __init__(self, response: Reply | httpx.Response, chunks: Generator[ModelResponseChunk, None, None]) -> None:
        self._response = response
        self._chunks = chunks
        self._first = _required(next(chunks, None))
        self._is_closed = False

    def __iter__(self) -> Generator[ModelResponseChunk, None, None]:
        first, self._first = self._first, None
        if first is not None:
            yield first
        try:
            yield from self._chunks
        except APIError:
            if not self._is_closed:  # by another thread, while this one was waiting
                raise

    def __next__(self) -> ModelResponseChunk:
        # Not by the generator above: dropped, it would close the chunks.
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            return next(self._chunks)
        except APIError:
            if self._is_closed:
                raise StopIteration from None
            raise

    def close(self) -> None:
        """Close the connection, also when another thread is waiting for the next chunk."""
        self._first = None
        self._is_closed = True
        try:
            self._chunks.close()
        except ValueError:  # the generator is running in another thread, and waits for bytes
            hang_up(self._response)


class AsyncOpened:
    """The same for the async driver."""

    def __init__(
        self,
        response: Reply | httpx.Response,
        first: ModelResponseChunk | None,
        chunks: AsyncGenerator[ModelResponseChunk, None],
    ) -> None:
        self._response = response
        self._chunks = chunks
        self._first = _required(first)
        self._is_closed = False

    def __aiter__(self) -> AsyncOpened:
        return self

    async def __anext__(self) -> ModelResponseChunk:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._is_closed:
            raise StopAsyncIteration
        try:
            return await self._chunks.__anext__()
        except APIError:
            if self._is_closed:  # by another task, while this one was waiting
                raise StopAsyncIteration from None
            raise

    async def aclose(self) -> None:
        """Close the connection, also when another task is waiting for the next chunk."""
        self._first = None
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._chunks.aclose()
        except RuntimeError:  # the generator is running in another task, and waits for bytes
            hang_up(self._response)
