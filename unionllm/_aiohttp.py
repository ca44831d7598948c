"""Asynchronous calls over aiohttp, whose parser is written in C and whose pool does not slow down as streams multiply.

It costs a tenth of what httpcore does for a chunk. LiteLLM brings it anyway. Proxies and WebSockets go over httpcore.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import socket
import ssl
import weakref
from typing import Any

import aiohttp
import httpcore
from yarl import URL

from ._lines import ClientClosedError, shut_down
from ._timeouts import Deadline
from ._wire import Headers, HttpRequest

_IDLE_SECONDS = 60.0

#: A body up to this size fits into the buffers on the way: sending it waits for nobody.
_SMALL_BODY = 64 * 1024

#: How often an event loop is given a turn to see that its connections have ended: once would do without TLS.
_TURNS = 8


class _LimitedBody(aiohttp.BytesIOPayload):
    """A large body, whose sending has a limit of its own."""

    def __init__(self, content: bytes, deadline: Deadline) -> None:
        super().__init__(io.BytesIO(content))
        self._deadline = deadline

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        sending = super().write_with_length(writer, content_length)
        try:
            await asyncio.wait_for(sending, self._deadline.write_seconds())
        except asyncio.TimeoutError:
            raise httpcore.WriteTimeout("the request was not taken") from None


class _Limit:
    """Ends the wait for more of a body when the limit has run out that its call has at that time.

    One timer serves many waits: it is set anew when it rings too early, not at every wait.
    """

    __slots__ = ("_content", "_deadline", "_due", "_loop", "_timer")

    def __init__(self, content: aiohttp.StreamReader, deadline: Deadline) -> None:
        self._content = content
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def wait_begins(self) -> None:
        seconds = self._deadline.read_seconds()
        if seconds is None:
            return
        self._due = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self.stop()
            self._timer = self._loop.call_at(self._due, self._ring)

    def wait_ends(self) -> None:
        self._due = math.inf

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._ring)
        else:
            self._content.set_exception(httpcore.ReadTimeout("nothing came"))


class _Handle:
    """The connection of an answer, as httpx offers it: none once the answer is here as a whole, and the pool has it."""

    __slots__ = ("_response",)

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def get_extra_info(self, name: str) -> Any:
        connection = self._response.connection
        transport = None if connection is None else connection.transport
        return None if transport is None else transport.get_extra_info(name)


class AiohttpReply:
    """An answer whose head is here: what the driver needs of an ``httpx.Response``."""

    def __init__(self, response: aiohttp.ClientResponse, deadline: Deadline, owner: AiohttpConnections) -> None:
        self.status_code = response.status
        self.raw_headers = response.raw_headers
        self.extensions = {"network_stream": _Handle(response)}
        self._response = response
        self._limit = _Limit(response.content, deadline)
        self._owner = owner

    def __aiter__(self) -> AiohttpReply:
        return self

    async def __anext__(self) -> bytes:
        content = self._response.content
        try:
            data = content.read_nowait(-1)
            if not data and not content.at_eof():
                self._limit.wait_begins()
                data = await content.readany()
        except (aiohttp.ClientError, httpcore.NetworkError, OSError) as error:
            raise self._owner.translated(error) from error
        finally:
            self._limit.wait_ends()
        if self._owner.is_closed:
            raise ClientClosedError
        if not data:
            self._limit.stop()
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end and the pool has it again."""
        self._limit.stop()
        self._response.close()


class AiohttpConnections:
    """Pooled connections of one event loop, as many as are wanted at once."""

    def __init__(self) -> None:
        self.is_closed = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._calls = 0
        self._session: aiohttp.ClientSession | None = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=_IDLE_SECONDS,
                resolver=aiohttp.ThreadedResolver(),
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("content-type", "user-agent"),
            )
        return self._session

    def _socket(self, address: Any) -> socket.socket:
        made = socket.socket(*address[:3])
        self._sockets.add(made)
        return made

    async def send(
        self, step: HttpRequest, url: str, headers: Headers, tls: ssl.SSLContext | bool, deadline: Deadline
    ) -> AiohttpReply:
        """Send the request and return when the reply's head is here."""
        if self.is_closed:
            raise ClientClosedError
        content = step.content
        is_large = content is not None and len(content) > _SMALL_BODY
        self._calls += 1
        try:
            response = await self._opened().request(
                step.method,
                URL(url, encoded=True),
                data=_LimitedBody(content, deadline) if content is not None and is_large else content,
                headers=headers,
                allow_redirects=False,
                ssl=tls,
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=deadline.shorten("connect", deadline.timeouts.connect),
                    sock_read=deadline.read_seconds(),
                ),
            )
        except (aiohttp.ClientError, httpcore.NetworkError, OSError, asyncio.TimeoutError) as error:
            raise self.translated(error) from error
        finally:
            self._calls -= 1
        if response.connection is not None and response.connection.protocol is not None:
            # From now on each wait has the limit that the call has then.
            response.connection.protocol.read_timeout = None
            response.connection.protocol.start_timeout()
        return AiohttpReply(response, deadline, self)

    def translated(self, error: Exception) -> Exception:
        """What httpcore would have raised."""
        if self.is_closed:
            return ClientClosedError()
        if isinstance(error, httpcore.TimeoutException):
            return error
        cause = error.__cause__
        if isinstance(cause, httpcore.TimeoutException):
            return cause
        made: type[Exception] = next((to for source, to in _ERRORS if isinstance(error, source)), httpcore.NetworkError)
        # The texts of aiohttp's errors may hold the URL, and that a signature.
        text = str(cause) if isinstance(cause, OSError) else _WORDS.get(made, type(error).__name__)
        return made(text)

    async def close(self) -> None:
        """Close every connection; calls that wait for an answer, and whoever reads one, are told."""
        self.is_closed = True
        for opened in list(self._sockets):
            shut_down(opened)
        session, self._session = self._session, None
        if session is None:
            return
        # Those who wait see the end of their connections, and leave; closing the pool first would have them wait on.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await session.close()

    def __del__(self) -> None:
        # A loop that ended without notice: aiohttp would complain, though there is nothing left to await.
        session = self._session
        if session is not None and session.connector is not None:
            connector = session.connector
            session.detach()
            with contextlib.suppress(Exception):
                connector.close()


_ERRORS: tuple[tuple[type[Exception], type[Exception]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpcore.ConnectTimeout),
    (aiohttp.SocketTimeoutError, httpcore.ReadTimeout),
    (aiohttp.ClientConnectorError, httpcore.ConnectError),
    (aiohttp.ServerDisconnectedError, httpcore.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpcore.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpcore.RemoteProtocolError),
    (aiohttp.InvalidURL, httpcore.UnsupportedProtocol),
    (asyncio.TimeoutError, httpcore.ReadTimeout),
    (OSError, httpcore.ReadError),
)

_WORDS: dict[type[Exception], str] = {
    httpcore.RemoteProtocolError: "the connection ended too early, or with what is no HTTP",
}
