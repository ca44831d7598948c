"""A local HTTP/1.1 server over real sockets: plays what a test tells it, byte by byte, and records what it received.

    with ScriptedServer() as server:
        server.reply(sse=[{"id": "1"}, Pause(0.2), "[DONE]"])
        ...  # call the client under test with base_url=server.url
        assert server.requests[0].json["stream"] is True

One thread watches all sockets, so that a client that leaves is noticed at once, even while a script waits; one thread
for each connection plays the replies. An error in a script, or a request that no reply was scripted for, fails the
test: it is raised when the ``with`` block ends.
"""

from __future__ import annotations

import gzip
import selectors
import socket
import struct
import threading
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from scripts import Answer, Cut, DisconnectedError, Pause, Recorded, Reply, Send, Step, encode_event

__all__ = [
    "Answer",
    "Cut",
    "DisconnectedError",
    "Pause",
    "Recorded",
    "Reply",
    "ScriptedServer",
    "Send",
    "Step",
    "encode_event",
]

#: Seconds that a script may go on after the server was told to close.
_LAST_SECONDS = 5.0


class _Connection:
    """One TCP connection: filled by the watching thread, read and written by its own."""

    def __init__(self, sock: socket.socket, number: int, selector: selectors.BaseSelector) -> None:
        self.number = number
        self.client_left = False
        self.is_over = False
        self._sock = sock
        self._selector = selector
        self._buffer = bytearray()
        self._arrived = threading.Condition()

    def receive(self) -> None:
        """Take what has arrived. A client that closes only its sending half counts as gone."""
        with self._arrived:
            if self.is_over:
                return
            try:
                data = self._sock.recv(65536)
            except OSError:
                data = b""
            self._buffer += data
            if not data:
                self.client_left = True
                self._end()
            self._arrived.notify_all()

    def read_request(self) -> Recorded:
        """Wait for a whole request. Raises DisconnectedError when none comes any more."""
        first, *lines = self._read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        target, _, protocol = rest.partition(" ")
        if protocol != "HTTP/1.1":
            raise ValueError(f"not a request in HTTP/1.1: {first!r}")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        body = b"".join(self._read_chunks()) if is_chunked else self._read(int(headers.get("content-length", 0)))
        path, _, query = target.partition("?")
        return Recorded(
            method=method,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            body=body,
            connection=self.number,
            received_at=time.monotonic(),
        )

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self._read_until(b"\r\n"), 16):
            yield self._read(size)
            self._read_until(b"\r\n")
        self._read_until(b"\r\n")

    def _read_until(self, mark: bytes) -> bytes:
        with self._arrived:
            self._arrived.wait_for(lambda: mark in self._buffer or self.is_over)
            before, found, rest = self._buffer.partition(mark)
            if not found:
                raise DisconnectedError("the connection ended before a whole request was there")
            self._buffer = rest
            return bytes(before)

    def _read(self, length: int) -> bytes:
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._buffer) >= length or self.is_over)
            if len(self._buffer) < length:
                raise DisconnectedError("the connection ended before a whole request was there")
            data = bytes(self._buffer[:length])
            del self._buffer[:length]
            return data

    def send(self, data: bytes) -> None:
        """Send all of it. Raises DisconnectedError when the connection is over."""
        if self.is_over:
            raise DisconnectedError("the connection is over")
        try:
            self._sock.sendall(data)
        except OSError as error:
            with self._arrived:
                self.client_left = self.client_left or not self.is_over
                self._end()
            raise DisconnectedError(str(error)) from error

    def wait(self, seconds: float) -> None:
        """Stay silent. Raises DisconnectedError as soon as the connection is over."""
        with self._arrived:
            if self._arrived.wait_for(lambda: self.is_over, seconds):
                raise DisconnectedError("the connection is over")

    def interrupt(self) -> None:
        """End it from another thread, which may be in the middle of a read, a write or a wait."""
        with self._arrived:
            self._end()
            with suppress(OSError):  # it may be closed already, by either side
                self._sock.shutdown(socket.SHUT_RDWR)
            self._arrived.notify_all()

    def close(self, *, reset: bool = False) -> None:
        """Close the socket: at its next read the client sees an end, or with ``reset`` an error."""
        with self._arrived:
            if not self.is_over:
                self._selector.unregister(self._sock)
            if reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._sock.close()
            self.is_over = True  # not before: who sees that may rely on the client's being told

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._selector.unregister(self._sock)


class _Sender:
    """Puts the steps of one reply on the wire."""

    def __init__(self, connection: _Connection, reply: Reply) -> None:
        #: How it ended, unless the client left before.
        self.ending = ""
        self.connection = connection
        self._reply = reply
        self._has_head = reply.raw
        self._whole = b""
        # 16 is zlib's mark for the format of gzip.
        self._compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16) if reply.gzip and reply.is_stream else None

    def play(self) -> None:
        """Send the reply to its end. Raises DisconnectedError when the connection ends before."""
        self._reply.play(self)
        last = self._take_head(len(self._whole)) + self._whole
        if self._compressor:
            last += self._frame(self._compressor.flush())
        if self._reply.is_chunked:
            last += b"0\r\n\r\n"
        # Noted before: a client that has the last bytes may leave at once, and does not leave in mid-stream.
        self.ending = "" if self.connection.client_left else "sent to its end"
        self.connection.send(last)

    def __call__(self, step: Step) -> None:
        if isinstance(step, Pause):
            self.connection.wait(step.seconds)
        elif isinstance(step, Cut):
            self.connection.close(reset=step.reset)
            raise DisconnectedError("cut by the script")
        elif self._reply.is_stream:
            self._stream(step)
        else:
            self._whole = gzip.compress(step) if self._reply.gzip else step

    def _stream(self, piece: bytes) -> None:
        if head := self._take_head(0):
            self.connection.send(head)
        if self._compressor and piece:
            piece = self._compressor.compress(piece) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        if piece:
            self.connection.send(self._frame(piece))

    def _take_head(self, length: int) -> bytes:
        if self._has_head:
            return b""
        self._has_head = True
        return self._reply.head(length)

    def _frame(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._reply.is_chunked else piece


class ScriptedServer:
    """See the top of this file. Listens on a free port of 127.0.0.1 inside its ``with`` block."""

    def __init__(self) -> None:
        #: Every request, in the order of arrival.
        self.requests: list[Recorded] = []
        #: What went wrong in the server's threads; the first is raised at the end. Clear it if a test wants faults.
        self.faults: list[BaseException] = []
        self._queues: defaultdict[str | None, deque[Answer]] = defaultdict(deque)
        self._default: Answer | None = None
        self._connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []
        self._last_stream: _Sender | None = None
        self._changed = threading.Condition()
        self._is_closing = False

    def __enter__(self) -> ScriptedServer:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._waker, self._wakened = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wakened, selectors.EVENT_READ, lambda: None)
        self._watcher = threading.Thread(target=self._watch, name="scripted-server", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._is_closing = True
        self._waker.send(b"!")
        self._watcher.join()
        for connection in self._connections:
            connection.interrupt()
        for thread in self._threads:
            thread.join(_LAST_SECONDS)
            if thread.is_alive():
                self.faults.append(RuntimeError(f"a script still runs {_LAST_SECONDS} s after the server was closed"))
        self._selector.close()
        for sock in (self._listener, self._waker, self._wakened):
            sock.close()
        # Skips and failures of pytest are no Exceptions: what the test itself has to say goes first.
        if self.faults and (error is None or isinstance(error, Exception)):
            raise self.faults[0]

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at the end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted so far."""
        return len(self._connections)

    @property
    def open_connections(self) -> int:
        """How many of them neither side has ended."""
        return sum(not connection.is_over for connection in self._connections)

    def reply(self, answer: Answer | None = None, /, *, path: str | None = None, **fields: Any) -> None:
        """Queue the next reply: the fields of a ``Reply``, or a ready one, or a function from the request to one.

        With ``path`` it answers the next request for that path only; such replies are looked for first.
        """
        with self._changed:
            self._queues[path].append(answer or Reply(**fields))

    def default(self, answer: Answer | None = None, /, **fields: Any) -> None:
        """What to answer, as in ``reply``, whenever the queue is empty."""
        self._default = answer or Reply(**fields)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 1.0) -> float:
        """Wait until a claim about this server holds; returns the seconds it took, AssertionError after ``timeout``.

        It blocks: in async tests call it by ``await asyncio.to_thread(server.wait_until, …)``.
        """
        began = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"did not happen within {timeout} s")
        return time.monotonic() - began

    def wait_for_disconnect(self, timeout: float = 1.0) -> float:
        """Seconds, from now, until the client has closed the connection of the last streamed reply in mid-stream.

        A reply counts as streamed if it takes time: ``sse``, ``chunks``, ``events``, ``split``, ``stall`` or ``delay``.
        Raises AssertionError after ``timeout``, or at once if the reply came to its end before the client left. Short
        replies may, as they fit into the buffers of the network; a ``Pause`` or ``stall`` keeps them going.
        """

        def is_decided() -> bool:
            stream = self._last_stream
            return stream is not None and bool(stream.ending or stream.connection.client_left)

        try:
            seconds = self.wait_until(is_decided, timeout)
        except AssertionError:
            state = "no reply was streamed" if self._last_stream is None else "the client is still connected"
            raise AssertionError(f"{state} after {timeout} s") from None
        if self._last_stream and self._last_stream.ending:
            raise AssertionError(f"the reply was {self._last_stream.ending} before the client left")
        return seconds

    def _watch(self) -> None:
        while not self._is_closing:
            for key, _ in self._selector.select():
                key.data()
            self._notify()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(sock, len(self._connections) + 1, self._selector)
        name = f"scripted-server-{connection.number}"
        thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
        self._connections.append(connection)
        self._threads.append(thread)
        self._selector.register(sock, selectors.EVENT_READ, connection.receive)
        thread.start()

    def _serve(self, connection: _Connection) -> None:
        try:
            while self._answer(connection):
                pass
        except DisconnectedError:
            pass
        except BaseException as fault:
            self.faults.append(fault)
        finally:
            connection.close()
            self._notify()

    def _answer(self, connection: _Connection) -> bool:
        """Answer one request; whether another may follow."""
        request = connection.read_request()
        answer = self._record(request)
        reply = answer(request) if callable(answer) else answer
        sender = _Sender(connection, reply)
        if reply.is_stream or reply.delay:
            self._last_stream = sender
        try:
            sender.play()
        finally:
            if not connection.client_left:
                sender.ending = sender.ending or "cut by the script"
            self._notify()
        return not reply.closes and request.headers.get("connection", "").lower() != "close"

    def _record(self, request: Recorded) -> Answer:
        """Note the request and choose its answer, both at once, so that requests and replies pair up in order."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            queue = self._queues[request.path] or self._queues[None]
            answer = queue.popleft() if queue else self._default
        if answer is None:
            message = f"no reply was scripted for request {len(self.requests)}: {request.method} {request.path}"
            self.faults.append(AssertionError(message))
            # Clients do not try again after a 404, so the fault stays a single one.
            return Reply(status=404, body=message)
        return answer

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
