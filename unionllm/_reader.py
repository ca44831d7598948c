"""What arrives as plain values: a body in pieces, or a stream, bytes in and chunks out. Both drivers pump the same."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ._framing import MAX_EVENT_BYTES, STREAM_SHARE, Event, build_decoder, too_large, too_long
from ._wire import ChunkParser, HttpReply
from .exceptions import APIError, APIResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from .schema import ModelResponseChunk

#: Pieces after the end signal that are read and dropped, in the hope of an orderly end and a reusable connection.
_PATIENCE = 16

#: Bytes that are read of a refusal.
_REFUSAL_BYTES = 1024 * 1024


class Body:
    """A body read whole, within a limit.

    Args:
        status: of the reply. Of a refusal the beginning will do: what it means stands in its status.
        max_bytes: largest body.
    """

    def __init__(self, status: int, max_bytes: int) -> None:
        self._pieces: list[bytes] = []
        self._is_refusal = status >= 300
        self._limit = min(max_bytes, _REFUSAL_BYTES) if self._is_refusal else max_bytes
        self._left = self._limit

    def add(self, data: bytes) -> bool:
        """Take in the next piece; gives whether more is wanted.

        Raises:
            APIResponseError: the body outgrows the limit.
        """
        self._pieces.append(data[: self._left])
        self._left -= len(data)
        if self._left < 0 and not self._is_refusal:
            raise too_large(self._limit)
        return self._left >= 0

    def content(self) -> bytes:
        """What has arrived."""
        return b"".join(self._pieces)


class StreamReader:
    """Framing and parser of one stream.

    Args:
        parser: the vendor's chunk parser.
        status, headers, url: of the reply, for errors.
        max_bytes: largest event, or body that is no event stream.
    """

    # As in all that an open stream touches for every chunk: with a thousand of them, none of it is in the CPU's caches.
    __slots__ = (
        *("_bytes_left", "_decoder", "_head", "_late_pieces", "_max_bytes", "_parser"),
        *("failure", "is_given_up", "may_end"),
    )

    def __init__(
        self,
        parser: ChunkParser,
        status: int,
        headers: Mapping[str, str],
        url: str,
        max_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        self._parser = parser
        self._decoder = build_decoder(parser.framing, headers.get("content-type", ""), max_bytes)
        self._max_bytes = max_bytes
        self._bytes_left = max_bytes * STREAM_SHARE
        self._head = HttpReply(status=status, headers=headers, content=b"", url=url, received_at=time.time())
        self._late_pieces = 0
        parser.start(self._head)
        #: What ended the stream, once something did; for the driver to raise.
        self.failure: APIError | None = None
        #: Whether the stream was closed: nobody wants the rest, or the error that ended it.
        self.is_given_up = False
        #: Whether there is anything that may end the stream, as of the last piece.
        self.may_end = False

    @property
    def url(self) -> str:
        """Where the reply came from, without what may be secret."""
        return self._head.url

    @property
    def is_done(self) -> bool:
        """Whether the vendor's end signal was read."""
        return self._parser.is_done

    @property
    def is_overdue(self) -> bool:
        """Whether the vendor goes on sending after its end signal, so that waiting for the end is no use."""
        return self._late_pieces > _PATIENCE

    @property
    def has_finished(self) -> bool:
        """Whether the answer is complete, end signal or not."""
        return self._parser.has_finished

    @property
    def ends_in_silence(self) -> bool:
        """Whether a complete answer ends when nothing more comes."""
        return self._parser.ends_in_silence

    def feed(self, data: bytes) -> Iterator[ModelResponseChunk]:
        """The chunks that ``data`` completes, up to an error, which becomes ``failure``.

        Each is made when it is asked for: until then its event is a fifth of the size.
        """
        parser = self._parser
        if parser.is_done:
            self._late_pieces += 1
            return
        left = self._bytes_left = self._bytes_left - len(data)
        if left < 0:
            # Half a message is none, half a piece may hold whole events.
            data = data[:left] if parser.framing != "messages" else b""
        try:
            for event in self._decoder.feed(data) if data else ():
                yield from parser.feed(event)
                if parser.is_done:
                    self.may_end = True
                    yield from parser.end()
                    return
            self.may_end = parser.has_finished
            if self._decoder.failure is not None:
                raise self._decoder.failure
            if left < 0:
                raise too_long(self._max_bytes)
        except APIError as error:
            self._fail(error)

    def end(self) -> Iterator[ModelResponseChunk]:
        """The chunks that the end of the body completes; none once the vendor's end signal was read, or it failed."""
        if self.failure is not None or self.is_done:
            return
        try:
            yield from self._feed_last(self._decoder.end())
            if self._decoder.body is not None:
                yield from self._parser.read_body(self.reply(bytes(self._decoder.body)))
            else:
                yield from self._parser.end()
        except APIError as error:
            self._fail(error)

    def _feed_last(self, events: Iterable[Event]) -> Iterator[ModelResponseChunk]:
        """The chunks of what stands behind the last end of an event: an event that is whole, or half of one."""
        if not self._decoder.has_begun:
            for event in events:
                yield from self._parser.feed(event)
            return
        with suppress(APIResponseError):
            for event in events:
                yield from self._parser.feed(event)
            return
        raise StreamInterruptedError(
            "the stream ended in the middle of an event, so the answer is not whole. What had arrived is in .partial; "
            "ask again, or continue from there."
        )

    def _fail(self, error: APIError) -> None:
        # The frames that the error went through hold the vendor's words in their local variables, and a vendor may
        # echo the key: they do not go with it.
        self.failure, self.may_end = error.with_traceback(None), True

    def refuse(self, content: bytes) -> list[ModelResponseChunk]:
        """The reply had no event stream at all; ``content`` is its whole body."""
        return list(self._parser.read_body(self.reply(content)))

    def reply(self, content: bytes) -> HttpReply:
        """The reply with that body."""
        head = self._head
        return HttpReply(
            status=head.status, headers=head.headers, content=content, url=head.url, received_at=time.time()
        )
