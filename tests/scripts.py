"""What the local server is told to play, as values: replies, pauses, cuts; and what it recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.client import responses as status_phrases
from itertools import groupby
from typing import Any, TypeAlias

#: Where a reply may have its payload, and of which type this is unless told otherwise.
_MEDIA_TYPES = {
    "json": "application/json",
    "body": "text/plain; charset=utf-8",
    "sse": "text/event-stream",
    "chunks": "text/event-stream",
    "events": "text/event-stream",
}


class DisconnectedError(ConnectionError):
    """Raised by ``send`` when the connection is over: the client left, a ``Cut`` was played, or the server closes."""


@dataclass(frozen=True)
class Pause:
    """Silence for so many seconds; ends early when the connection does."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection is closed here, without an end of the body: by FIN, or with ``reset=True`` by RST."""

    reset: bool = False


Step: TypeAlias = bytes | Pause | Cut
Send: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One request as it was received. ``path`` is as written, still percent-encoded; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    #: The number of the TCP connection, counted from 1.
    connection: int
    #: ``time.monotonic()`` when the last byte of the request was there.
    received_at: float

    @cached_property
    def json(self) -> Any:
        """The body as JSON, parsed when first asked for."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted reply. At most one of ``json``, ``body``, ``sse``, ``chunks``, ``events`` says what is sent.

    ``json`` and ``body`` go out at once, with a Content-Length; the others as a chunked stream, in which every piece is
    a chunk and a ``send()`` of its own. The head goes out with the first piece, so a ``Pause`` or ``Cut`` ahead of all
    pieces comes before the head, and an empty piece sends the head alone.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: "" leaves the header out.
    content_type: str | None = None
    json: Any = None
    body: bytes | str | None = None
    #: See ``encode_event``; may hold ``Pause`` and ``Cut``.
    sse: Sequence[Any] | None = None
    chunks: Sequence[Step] | None = None
    #: Called in the connection's thread with ``send``, which takes bytes, ``Pause`` and ``Cut``.
    events: Callable[[Send], None] | None = None
    #: Cuts the payload anew into chunks, regardless of its own pieces: every n bytes, or at these offsets.
    split: int | Sequence[int] | None = None
    #: Seconds before the head.
    delay: float = 0
    #: Seconds of silence after the payload, then a ``Cut``; without a payload not even the head is sent.
    stall: float | None = None
    #: No Content-Length and no chunks: the end of the connection is the end of the body.
    until_close: bool = False
    #: The Content-Length to claim, whatever is sent; then the connection is closed.
    announce: int | None = None
    #: Compresses the payload; in a stream each piece can be decoded as it arrives.
    gzip: bool = False
    #: Nothing but the payload is sent, no head either; then the connection is closed.
    raw: bool = False

    def __post_init__(self) -> None:
        if len(self.given) > 1:
            raise ValueError(f"a reply has one payload, not {' and '.join(self.given)}")
        if self.events is not None and self.split is not None:
            raise ValueError("events= decides its pieces itself; split= cannot")
        if isinstance(self.split, int) and self.split < 1:
            raise ValueError("split= needs at least 1 byte")

    @property
    def given(self) -> list[str]:
        """The name of the field that holds the payload, if any does."""
        return [name for name in _MEDIA_TYPES if getattr(self, name) is not None]

    @property
    def is_stream(self) -> bool:
        """Whether it goes out in pieces. A whole body with ``split`` does too: TCP would join mere sends again."""
        return any(part is not None for part in (self.sse, self.chunks, self.events, self.split, self.stall))

    @property
    def is_chunked(self) -> bool:
        """Whether the body is in chunked transfer coding."""
        return self.is_stream and not self.closes

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this reply."""
        return self.until_close or self.raw or self.announce is not None

    @property
    def payload(self) -> list[Step]:
        """What is to be sent, before ``split`` and compression; empty for ``events``."""
        if self.sse is not None:
            return [item if isinstance(item, Pause | Cut) else encode_event(item) for item in self.sse]
        if self.chunks is not None:
            return list(self.chunks)
        if self.json is not None:
            return [json.dumps(self.json, ensure_ascii=False).encode()]
        if self.body is not None:
            return [self.body.encode() if isinstance(self.body, str) else self.body]
        return []

    def head(self, length: int) -> bytes:
        """The status line and the headers, for a body of ``length`` bytes where the length is told."""
        media_type = next((_MEDIA_TYPES[name] for name in self.given), "text/plain")
        headers = {"content-type": media_type if self.content_type is None else self.content_type}
        if self.is_chunked:
            headers["transfer-encoding"] = "chunked"
        elif self.until_close:
            headers["connection"] = "close"
        else:
            headers["content-length"] = str(length if self.announce is None else self.announce)
        if self.gzip:
            headers["content-encoding"] = "gzip"
        own = {name.lower() for name in self.headers}
        lines = [f"{name}: {value}" for name, value in headers.items() if value and name not in own]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        first = f"HTTP/1.1 {self.status} {status_phrases.get(self.status, '')}"
        return "\r\n".join([first, *lines, "", ""]).encode("latin-1")

    def play(self, send: Send) -> None:
        """Hand every step to ``send``."""
        if self.delay:
            send(Pause(self.delay))
        if self.events is not None:
            self.events(send)
        for step in _recut(self.payload, self.split):
            send(step)
        if self.stall is not None:
            send(Pause(self.stall))
            send(Cut())


Answer: TypeAlias = Reply | Callable[[Recorded], Reply]


def encode_event(item: Any) -> bytes:
    """One event of a stream: bytes as they are, a string after ``data:``, anything else as JSON after ``data:``."""
    if isinstance(item, bytes):
        return item
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def _recut(steps: Iterable[Step], split: int | Sequence[int] | None) -> Iterator[Step]:
    """Join the pieces between two pauses and cut them at ``split``: offsets count from the start of the payload."""
    if split is None:
        yield from steps
        return
    position = 0
    for is_piece, run in groupby(steps, key=lambda step: isinstance(step, bytes)):
        if not is_piece:
            yield from run
            continue
        data = b"".join(step for step in run if isinstance(step, bytes))
        offsets = range(split, len(data), split) if isinstance(split, int) else [cut - position for cut in split]
        cuts = sorted({cut for cut in offsets if 0 < cut < len(data)})
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            yield data[start:end]
        position += len(data)
