"""Asynchronous calls over aiohttp, whose parser is written in C and whose pool does not slow down as streams multiply.

It costs a tenth of what httpcore does for a chunk. LiteLLM brings it anyway. Proxies and WebSockets go over httpcore.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import weakref
from typing import TYPE_CHECKING, Any

import aiohttp
import httpcore
from yarl import URL

from ._aiohttp_requests import (
    NEVER,
    SENDING,
    LimitedBody,
    Protocol,
    Request,
    Response,
    Sending,
    StaleConnectionError,
    Watch,
)
from ._lines import ClientClosedError, shut_down
from ._replies import Reply
from ._secrets import Headers
from ._timeouts import Deadline
from ._wire import HttpRequest

if TYPE_CHECKING:
    from ._ways import Address

_IDLE_SECONDS = 60.0

#: A body up to this size fits into the buffers on the way: sending it waits for nobody.
_SMALL_BODY = 64 * 1024

#: How long a line of a head may be, and how many there may be: as much as httpcore allows, roughly.
_HEAD_LINE_BYTES = 64 * 1024
_HEAD_LINES = 1000

#: How often an event loop is given a turn to see that its connections have ended: once would do without TLS.
_TURNS = 8


class _Handle:
    """The connection of an answer, as httpx offers it: none once the answer is here as a whole, and the pool has it."""

    __slots__ = ("_response",)

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def get_extra_info(self, name: str) -> Any:
        connection = self._response.connection
        transport = None if connection is None else connection.transport
        return None if transport is None else transport.get_extra_info(name)


class _Body:
    """The body of an answer whose head is here, piece by piece as it arrives, and the answer's extensions."""

    __slots__ = ("_content", "_limit", "_owner", "_response")

    def __init__(self, response: Response, owner: AiohttpConnections) -> None:
        self._response = response
        self._content = response.content
        self._limit = response.limit
        self._owner = owner

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        self._limit.wait_begins()
        try:
            data = await self._content.readany()
        except _FAILURES as error:
            raise self._owner.translated(error) from error
        finally:
            self._limit.due = NEVER  # as ``wait_ends`` says, which is one call less for every chunk
        if self._owner.is_closed:
            raise ClientClosedError
        if not data:
            self._limit.stop()
            raise StopAsyncIteration
        return data

    def get(self, name: str) -> _Handle | None:
        """What httpx calls an extension: the connection, which few ask for."""
        return _Handle(self._response) if name == "network_stream" else None

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end and the pool has it again."""
        self._limit.stop()
        self._response.close()


def _url(address: Address) -> URL:
    """The address as aiohttp wants it, which remembers what it has found out about it."""
    if address.parsed is None:
        address.parsed = URL(address.text, encoded=True)
    url: URL = address.parsed
    return url


@functools.lru_cache(maxsize=16)
def _until_connected(seconds: float | None) -> aiohttp.ClientTimeout:
    """The one limit that is aiohttp's. How long the answer may take is limited where it is awaited."""
    return aiohttp.ClientTimeout(total=None, connect=seconds, sock_read=None)


class AiohttpConnections:
    """Pooled connections of one event loop, as many as are wanted at once."""

    def __init__(self) -> None:
        self.is_closed = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._session: aiohttp.ClientSession | None = None
        self._watch = Watch()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(
                limit=0,
                keepalive_timeout=_IDLE_SECONDS,
                resolver=aiohttp.ThreadedResolver(),
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                request_class=Request,
                response_class=Response,
                max_line_size=_HEAD_LINE_BYTES,
                max_field_size=_HEAD_LINE_BYTES,
                max_headers=_HEAD_LINES,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("content-type", "user-agent"),
            )
        return self._session

    def _socket(self, address: Any) -> socket.socket:
        SENDING.get().has_connected = True
        made = socket.socket(*address[:3])
        self._sockets.add(made)
        return made

    async def send(
        self, step: HttpRequest, address: Address, headers: Headers, tls: ssl.SSLContext | bool, deadline: Deadline
    ) -> Reply:
        """Send the request and return when the reply's head is here."""
        if self.is_closed:
            raise ClientClosedError
        content: bytes | LimitedBody | None = step.content
        if isinstance(content, bytes) and len(content) > _SMALL_BODY:
            content = LimitedBody(content, deadline)
        sending = Sending(content, deadline, self._watch)
        token = SENDING.set(sending)
        try:
            while True:
                try:
                    response: Any = await self._opened().request(
                        step.method,
                        _url(address),
                        data=content,
                        headers=headers,
                        allow_redirects=False,
                        ssl=tls,
                        timeout=_until_connected(deadline.shorten("connect", deadline.timeouts.connect)),
                    )
                except StaleConnectionError:
                    continue  # it is out of the pool now
                body = _Body(response, self)
                return Reply(response.status, response.raw_headers, body, body)
        except (*_FAILURES, asyncio.TimeoutError) as error:
            raise self.translated(error) from error
        finally:
            SENDING.reset(token)
            sending.body = None  # the context lives as long as a connection that was opened in it

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
        if self._session is not None:
            self._session.detach()


class _Connector(aiohttp.TCPConnector):
    """aiohttp's, which is closed when its event loop has ended, though that gave no notice and nobody could close it.

    So neither it nor its session complains, whichever of them the garbage collector takes first.
    """

    def __init__(self, **options: Any) -> None:
        loop = asyncio.get_running_loop()
        self._has_ended = loop.is_closed
        super().__init__(**options)
        self._factory: Any = functools.partial(Protocol, loop=loop)

    @property
    def closed(self) -> bool:
        return self._has_ended() or super().closed

    def __del__(self, _warnings: Any = None) -> None:
        """In a loop that has not ended, the guard of the connections closes them."""


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

_FAILURES = (aiohttp.ClientError, httpcore.NetworkError, httpcore.TimeoutException, OSError)

_WORDS: dict[type[Exception], str] = {
    httpcore.RemoteProtocolError: "the connection ended too early, or with what is no HTTP",
}
