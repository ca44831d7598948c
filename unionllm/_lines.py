"""The wires under the connection pools: the call's limits at every read, and an end that comes from another thread."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import weakref
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any

import httpcore

from ._inflate import CannotInflateError
from ._timeouts import Deadline

#: Everything that our own connections raise when the network or the peer misbehaves.
WIRE_ERRORS: tuple[type[Exception], ...] = (
    CannotInflateError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,
)


def network_errors() -> tuple[type[Exception], ...]:
    """The same, and what a caller's own client raises: for ``except``, which asks only once something was raised.

    A program's first call would wait for httpx to be imported, and only such clients, odd addresses and forms with
    files need it. Where it is not there, or not yet whole because another thread imports it, it raised nothing.
    """
    httpx = sys.modules.get("httpx")
    names = ("TransportError", "DecodingError", "InvalidURL", "StreamError")
    found = (getattr(httpx, name, None) for name in names)
    return (*WIRE_ERRORS, *(error for error in found if error is not None))


# A read may wait for the first token, for the next event, or for what is left of the total: which of them is only known
# when the read starts. httpcore hands the limits of reads and writes through to its network backend untouched, so the
# limit that requests carry is the call's Deadline, and these two backends ask it.


def _seconds(limit: Any) -> float | None:
    return limit.read_seconds() if isinstance(limit, Deadline) else limit


def _seconds_to_write(limit: Any) -> float | None:
    return limit.write_seconds() if isinstance(limit, Deadline) else limit


#: Bytes of the largest body that is copied behind its head.
_JOINED = 64 * 1024


class ClientClosedError(httpcore.NetworkError):
    """The client was closed while this connection was in use."""

    def __init__(self) -> None:
        super().__init__("the client was closed")


class Lines:
    """The connections of one pool, known so that those in use can be ended from another thread.

    Closing the socket would not do: whoever waits for it goes on waiting, and its number may become another file's.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self._lock = threading.Lock()
        self._streams: weakref.WeakSet[_TimedStream] = weakref.WeakSet()

    def add(self, stream: _TimedStream) -> _TimedStream:
        """The stream, unless the hang-up came first."""
        with self._lock:
            if not self.is_closed:
                self._streams.add(stream)
                return stream
        stream.close()
        raise ClientClosedError

    def hang_up(self) -> None:
        """End every connection. Blocking reads wake up; those of an event loop do when the pool closes."""
        with self._lock:
            self.is_closed = True
            streams = list(self._streams)
        for stream in streams:
            shut_down(stream.get_extra_info("socket"))

    @contextlib.contextmanager
    def in_use(self) -> Generator[None, None, None]:
        """Around each read and write: after a hang-up, an error or an end of the data means that and nothing else."""
        try:
            yield
        except WIRE_ERRORS:
            if not self.is_closed:
                raise
        if self.is_closed:
            raise ClientClosedError


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, lines: Lines) -> None:
        self._inner = inner
        self._lines = lines
        self._head = b""
        self.close, self.get_extra_info = inner.close, inner.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        if self._head:
            self.write(b"", timeout)
        with self._lines.in_use():
            return self._inner.read(max_bytes, _seconds(timeout))

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        # httpcore writes the head of a request, its body, and then nothing, once. Head and body go out together: each
        # packet costs both sides what a hundred lines of Python do.
        if buffer.endswith(b"\r\n\r\n") and buffer[:1].isalpha() and not self._head:
            self._head = buffer
            return
        head, self._head = self._head, b""
        if head and len(buffer) > _JOINED:
            self._send(head, timeout)
        elif head:
            buffer = head + buffer
        if buffer:
            self._send(buffer, timeout)

    def _send(self, buffer: bytes, timeout: Any) -> None:
        with self._lines.in_use():
            self._inner.write(buffer, _seconds_to_write(timeout))

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        with self._lines.in_use():
            secure = self._inner.start_tls(*args, **kwargs)
        return self._lines.add(_TimedStream(secure, self._lines))


#: The connection that this thread or task opened last.
_LATEST: ContextVar[weakref.ref[Any] | None] = ContextVar("_LATEST", default=None)


def latest_line() -> Any:
    """The connection that this thread or task opened last, or None if it is gone."""
    latest = _LATEST.get()
    return None if latest is None else latest()


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections whose reads ask the call's deadline."""

    def __init__(self, lines: Lines) -> None:
        self._inner = httpcore.SyncBackend()
        self._lines = lines

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        stream = self._lines.add(_TimedStream(self._inner.connect_tcp(*args, **kwargs), self._lines))
        _LATEST.set(weakref.ref(stream))
        return stream

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return self._lines.add(_TimedStream(self._inner.connect_unix_socket(*args, **kwargs), self._lines))


class _AsyncTimedStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, lines: Lines) -> None:
        self._inner = inner
        self._lines = lines
        self.aclose, self.get_extra_info = inner.aclose, inner.get_extra_info  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        with self._lines.in_use():
            return await self._inner.read(max_bytes, _seconds(timeout))

    async def write(self, buffer: bytes, timeout: Any = None) -> None:
        with self._lines.in_use():
            await self._inner.write(buffer, _seconds_to_write(timeout))

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        with self._lines.in_use():
            return _AsyncTimedStream(await self._inner.start_tls(*args, **kwargs), self._lines)


class AsyncTimedBackend(httpcore.AsyncNetworkBackend):
    """The same for one event loop."""

    def __init__(self, lines: Lines) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._lines = lines

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        # The class that stands in for it where anyio is missing has no such methods.
        opened = await self._inner.connect_tcp(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        stream = _AsyncTimedStream(opened, self._lines)
        _LATEST.set(weakref.ref(stream))
        return stream

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        stream = await self._inner.connect_unix_socket(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        return _AsyncTimedStream(stream, self._lines)


def shut_down(connection: Any) -> None:
    """End a connection that another thread may be waiting for."""
    # Closing a socket does not wake up whoever waits for it; shutting it down does.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
