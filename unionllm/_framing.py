"""Bytes → events, without I/O: server-sent events and JSON lines, cut at any place, and whole messages.

Lines are split as bytes at CR, LF and CRLF only, then decoded as UTF-8. ``str.splitlines`` would also cut at U+2028,
U+2029 and U+0085, which JSON text may contain, and words would be lost.

Server-sent events follow https://html.spec.whatwg.org/multipage/server-sent-events.html (read 2026-11-23) with four
liberties that vendors make necessary: a line that starts with ``{`` or ``[`` is an event of its own (errors are sent
without ``data:``), the event before the end of the body counts without its closing blank line, an event with a name and
without data counts (one platform ends its streams so), and a body that does not start like an event stream at all (a
JSON document, an HTML page) is kept whole for ``body``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from .exceptions import APIResponseError

#: Size in bytes that one event, or a body that is no event stream, may have unless the caller says otherwise.
MAX_EVENT_BYTES = 32 * 1024 * 1024

#: What all events of a stream together may have, as a multiple of that: a million tokens, each in an event of 500
#: bytes. Whoever joins or parses a stream keeps some of every event, so there must be an end to them.
STREAM_SHARE = 16

#: What is kept of a comment: vendors put a status into one, never a text.
_COMMENT_CHARS = 1000

_BOM = b"\xef\xbb\xbf"
_FIELD_STARTS = (b"data", b"event", b"id", b"retry", b":")


class Event(NamedTuple):
    """One event. ``comments`` holds vendor lines such as ``HTTP_STATUS/200`` that came with it."""

    data: str
    event: str = ""
    comments: tuple[str, ...] = ()


class LineSplitter:
    """Bytes in pieces → whole lines, without their ends.

    ``failure`` is what is wrong behind the lines that were given last; without such lines it is raised.
    """

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.failure: APIResponseError | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._max_bytes = max_bytes
        self._after_cr = False

    @property
    def is_inside(self) -> bool:
        """Whether the beginning of a line is here, or half of its end."""
        return bool(self._pieces) or self._after_cr

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes."""
        if self._after_cr and data:
            # The CR that ended the last piece was the first half of a CRLF.
            if data.startswith(b"\n"):
                data = data[1:]
            self._after_cr = False
        if data.endswith(b"\r"):
            self._after_cr = True
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        if (
            self._size + len(data) > self._max_bytes
            and max(self._size + len(lines[0]), *map(len, lines)) > self._max_bytes
        ):
            return self._before_too_large(lines)
        last = lines.pop()
        if lines and self._pieces:
            lines[0] = self.flush() + lines[0]
        if last:
            self._pieces.append(last)
            self._size += len(last)
        return lines

    def _before_too_large(self, lines: list[bytes]) -> list[bytes]:
        """The whole lines before the one that is too large."""
        lengths = [self._size + len(lines[0]), *map(len, lines[1:])]
        good = lines[: next(place for place, length in enumerate(lengths) if length > self._max_bytes)]
        self.failure = too_large(self._max_bytes)
        if not good:
            raise self.failure
        good[0] = self.flush() + good[0]
        return good

    def flush(self) -> bytes:
        """What stands after the last line end."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return rest


class SSEDecoder:
    """Server-sent events. ``body`` is None while the stream looks like one, else the bytes that were no events."""

    __slots__ = (
        *("_comments", "_data", "_data_size", "_event", "_is_between", "_lines", "_max_bytes", "_start"),
        *("body", "failure"),
    )

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        #: Not made for streams whose pieces all are whole events of one line, as most are.
        self._lines: LineSplitter | None = None
        self._max_bytes = max_bytes
        self._start: bytearray | None = bytearray()
        self._data: list[str] = []
        self._data_size = 0
        self._event = ""
        self._comments: tuple[str, ...] = ()
        #: Whether nothing has come of the next event.
        self._is_between = True
        self.body: bytearray | None = None
        self.failure: APIResponseError | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the body began like a stream of events."""
        return self._start is None

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes."""
        if self._start is not None:
            self._start += data
            if not self._looks_like_events(self._start):
                if len(self._start) > self._max_bytes:
                    raise too_large(self._max_bytes)
                return []
            data, self._start = bytes(self._start), None
            data = data.lstrip().removeprefix(_BOM)
        if self._is_between and data.startswith(b"data: ") and data.endswith(b"\n\n") and len(data) <= self._max_bytes:
            # Whole events of one line each, as nearly all are: two line ends an event, and no others.
            if data.find(b"\n") == len(data) - 2 and b"\r" not in data:
                return [_of_line(Event, (data[6:-2].decode("utf-8", "replace"), "", ()))]
            parts = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(parts) and b"\r" not in data:
                return [_of_line(Event, (part.decode("utf-8", "replace"), "", ())) for part in parts]
        return self._feed_lines(data)

    def _feed_lines(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        take = self._take
        lines = self._lines = self._lines or LineSplitter(self._max_bytes)
        try:
            for line in lines.feed(data):
                take(line, events)
        except APIResponseError as error:
            if not events:
                raise
            self.failure = error
        self.failure = self.failure or lines.failure
        self._is_between = not (self._data or self._event or self._comments or lines.is_inside)
        return events

    def end(self) -> list[Event]:
        """The events that the end of the body completes."""
        events: list[Event] = []
        if self._start is not None:
            # Nothing, or fewer bytes than it takes to tell: whatever they are, they are no event.
            self.body = self._start
        if self._lines is not None:
            self._take(self._lines.flush(), events)
        self._take(b"", events)
        return events

    def _looks_like_events(self, start: bytearray) -> bool:
        if self.body is not None:
            return False
        # Some vendors send blank lines for minutes to keep a connection alive.
        if start[:1].isspace():
            del start[: len(start) - len(start.lstrip())]
        head = bytes(start[:2048]).removeprefix(_BOM).lstrip()
        if any(head.startswith(word) for word in _FIELD_STARTS):
            return True
        if not head or any(word.startswith(head) for word in (*_FIELD_STARTS, _BOM)):
            return False
        first_line, newline, _ = head.partition(b"\n")
        if head[:1] == b"{" and (not newline or first_line.rstrip()[-1:] == b"}"):
            # A JSON text that is whole on its first line is an error sent bare, perhaps with the connection left open.
            return bool(newline)
        self.body = start
        return False

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if self._data or self._event:
                events.append(self._event_of(self._data[0] if len(self._data) == 1 else "\n".join(self._data)))
            self._data.clear()
            self._comments = ()
            self._data_size = 0
            self._event = ""
        elif line.startswith(b"data: "):  # nearly all of them
            self._add(line, line[6:])
        elif line[0] in b"{[":
            if self._data:
                self._take(b"", events)
            events.append(self._event_of(_decode(line)))
        else:
            self._take_field(line)

    def _event_of(self, data: str) -> Event:
        return Event(data, self._event, self._comments)

    def _add(self, line: bytes, value: bytes) -> None:
        self._data_size += len(line)
        if self._data_size > self._max_bytes:
            raise too_large(self._max_bytes)
        self._data.append(_decode(value))

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add(line, value)
        elif name == b"event":
            self._event = _decode(value)
        elif not name and value and len(self._comments) < 16:
            self._comments = (*self._comments, _decode(value)[:_COMMENT_CHARS])


class JSONLinesDecoder:
    """One JSON text a line."""

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._lines = LineSplitter(max_bytes)
        self.body: bytearray | None = None
        self.has_begun = False

    @property
    def failure(self) -> APIResponseError | None:
        return self._lines.failure

    def feed(self, data: bytes) -> list[Event]:
        """The lines that ``data`` completes, blank ones left out."""
        events = [Event(_decode(line)) for line in self._lines.feed(data) if line.strip()]
        self.has_begun = self.has_begun or bool(events)
        return events

    def end(self) -> list[Event]:
        """The line that the end of the body completes."""
        rest = self._lines.flush()
        return [Event(_decode(rest))] if rest.strip() else []


class MessageDecoder:
    """The messages of a WebSocket: each comes whole, and is an event. Their size was limited where they were put
    together.
    """

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.body: bytearray | None = None
        self.has_begun = True
        self.failure: APIResponseError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The event that the message ``data`` is."""
        return [Event(_decode(data))]

    def end(self) -> list[Event]:
        """Nothing: there is no half of a message."""
        return []


class _OnlyUtf8:
    """The events of a body whose head names another charset, as gateways do that convert texts.

    JSON is UTF-8, and so are most of these bodies. One that is not would pass for an answer full of question marks.
    """

    def __init__(self, decoder: Decoder, charset: str) -> None:
        self._decoder = decoder
        self._charset = charset
        self._failure: APIResponseError | None = None

    @property
    def failure(self) -> APIResponseError | None:
        return self._failure or self._decoder.failure

    @property
    def body(self) -> bytearray | None:
        return self._decoder.body

    @property
    def has_begun(self) -> bool:
        return self._decoder.has_begun

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes. One that is no UTF-8 is a failure."""
        events: list[Event] = []
        try:
            # Extended one by one: what came before one that is none is kept.
            events.extend(map(self._checked, self._decoder.feed(data)))
        except APIResponseError as error:
            if not events:
                raise
            self._failure = error
        return events

    def end(self) -> list[Event]:
        """The events that the end of the body completes. Raises APIResponseError for one that is no UTF-8."""
        return [self._checked(event) for event in self._decoder.end()]

    def _checked(self, event: Event) -> Event:
        if "\ufffd" in event.data:
            raise APIResponseError(
                f"the answer is written in {self._charset}, and only UTF-8 can be read. Check base_url; a proxy or "
                "gateway may have converted it."
            )
        return event


class Decoder(Protocol):
    """Bytes in pieces → events. ``body`` holds the bytes of an answer that was no event stream.

    ``has_begun`` is whether the bytes so far can be told to be one. ``failure`` is what is wrong behind the events that
    ``feed`` gave last, so that these are not lost with it; without such events ``feed`` raises it.
    """

    @property
    def failure(self) -> APIResponseError | None: ...
    @property
    def body(self) -> bytearray | None: ...
    @property
    def has_begun(self) -> bool: ...
    def feed(self, data: bytes) -> list[Event]: ...
    def end(self) -> list[Event]: ...


DECODERS: dict[str, Callable[[int], Decoder]] = {
    "sse": SSEDecoder,
    "json_lines": JSONLinesDecoder,
    "messages": MessageDecoder,
}


_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
#: Names of UTF-8, of a part of it, and of what servers say of any text without having looked at it.
_USUAL_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1"})


def build_decoder(framing: str, content_type: str, max_bytes: int) -> Decoder:
    """The decoder of a body of that framing, whose head names that type."""
    decoder = DECODERS[framing](max_bytes)
    named = _CHARSET.search(content_type)
    return _OnlyUtf8(decoder, named[1]) if named and named[1].lower() not in _USUAL_CHARSETS else decoder


def too_large(limit: int) -> APIResponseError:
    """The error for an event, or a body, that outgrows what we are willing to hold."""
    return APIResponseError(
        f"the vendor sent more than {limit:,} bytes without an end, which max_response_bytes={limit} forbids. "
        "If such an answer is expected, raise that argument of the call or client."
    )


def too_long(limit: int) -> APIResponseError:
    """The error for a stream whose events are too much together."""
    return APIResponseError(
        f"the vendor sent more than {limit * STREAM_SHARE:,} bytes in one stream, {STREAM_SHARE} times "
        f"max_response_bytes={limit}. If such an answer is expected, raise that argument of the call or client."
    )


#: An event that has no more than its data, in a third of the time that ``Event`` takes to fill in the rest.
_of_line = tuple.__new__


def _decode(line: bytes) -> str:
    # A vendor that cuts a character in half must not cost the rest of the answer.
    return line.decode("utf-8", "replace")
