"""Connections: pools with our limits, proxies, TLS, and what the network's errors mean. Used by the drivers only.

Requests go straight to httpcore's pools, or in an event loop to ``_aiohttp``; what comes back is a ``Reply``.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, Literal

import httpcore

from ._bodies import Bodies, PooledBody
from ._inflate import ACCEPTED
from ._lines import AsyncTimedBackend, ClientClosedError, Lines, TimedBackend, latest_line, shut_down
from ._proxies import missing_socks_extra
from ._replies import Reply
from ._secrets import Headers
from ._timeouts import Deadline
from ._urls import host_of
from ._ways import Address, Ways
from ._wire import HttpRequest
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    BadRequestError,
    StreamInterruptedError,
)

if TYPE_CHECKING:
    import httpx

    from ._aiohttp import AiohttpConnections

_IDLE_CONNECTIONS = 20
_IDLE_SECONDS = 60.0


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates costs some 30 ms: once a process, and only when a call needs TLS. Whom to trust is found
    # out as httpx does.
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _pool_options(address: Address, proxy: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "max_connections": None,
        "max_keepalive_connections": _IDLE_CONNECTIONS,
        "keepalive_expiry": _IDLE_SECONDS,
    }
    if proxy is not None:
        if proxy.startswith("socks") and importlib.util.find_spec("socksio") is None:
            raise missing_socks_extra(proxy)
        options["proxy"] = _read_proxy(proxy)
        if options["proxy"] is None:
            told = "the proxy named in the environment (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) is no address that works"
            place = proxy.partition("://")[2].rpartition("@")[2]
            raise APIConnectionError(f"{told}: {place!r}. Mend or unset it.", retryable=False)
    if address.is_secure or (proxy or "").startswith("https"):
        options["ssl_context"] = _tls()
    return options


def _read_proxy(proxy: str) -> httpcore.Proxy | None:
    """The proxy as httpcore takes it; None if it is no address. Raises nothing: its frames would hold the password."""
    import httpx

    try:
        given = httpx.Proxy(str(proxy))
        return httpcore.Proxy(str(given.url), auth=given.raw_auth)
    except (ValueError, httpx.InvalidURL):
        return None


def _headers(step: HttpRequest, address: Address) -> Headers:
    own = {"host": address.host, "accept-encoding": ACCEPTED, "user-agent": "unionllm"}
    headers = Headers({**own, **step.headers})
    if step.content is not None or step.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(step.content or b""))
    return headers


def _for_httpcore(step: HttpRequest, address: Address, deadline: Deadline) -> httpcore.Request:
    limits = deadline.timeouts
    pool = deadline.shorten("pool", limits.pool)
    connect = deadline.shorten("connect", limits.connect)
    return httpcore.Request(
        step.method,
        address.target,
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in _headers(step, address).items()],
        content=step.content,
        extensions={"timeout": {"connect": connect, "read": deadline, "write": deadline, "pool": pool}},
    )


class _AsyncBody:
    """A body of httpcore's whose closing no cancellation cuts short."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        pieces: AsyncIterator[bytes] = self._stream.__aiter__()
        return pieces

    async def aclose(self) -> None:
        from ._cancelling import finish

        await finish(self._stream.aclose())


def hang_up(response: Reply | httpx.Response) -> None:
    """End the connection of a response that another thread is reading, which then sees the end of the stream."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is None:
        response.close()
        return
    shut_down(connection)


class Connections:
    """Pooled connections for blocking calls, one pool a proxy; safe to use from many threads."""

    def __init__(self) -> None:
        self._pools: dict[tuple[bool, str | None], httpcore.ConnectionPool] = {}
        self._lines = Lines()
        self._bodies = Bodies()
        self._ways = Ways()

    def send(self, step: HttpRequest, deadline: Deadline) -> Reply:
        """Send the request and return when the reply's headers are here; the body is read from the reply."""
        address = self._ways.address(step.url)
        proxy = self._ways.proxy(address)
        pool = self._pools.get((address.is_secure, proxy))
        if pool is None:
            pool = httpcore.ConnectionPool(network_backend=TimedBackend(self._lines), **_pool_options(address, proxy))
            pool = self._pools.setdefault((address.is_secure, proxy), pool)
        try:
            with self._bodies:
                reply = pool.handle_request(_for_httpcore(step, address, deadline))
        except httpcore.ProxyError:
            # httpcore forgets the connection to a SOCKS proxy that has refused the login, and leaves it open.
            if (line := latest_line()) is not None:
                line.close()
            raise
        return Reply(reply.status, reply.headers, PooledBody(self._bodies, reply.stream), reply.extensions)

    def close(self) -> None:
        """Close every connection. Those in use are hung up, and then closed by the calls that use them."""
        self._lines.hang_up()
        with self._bodies:
            for pool in self._pools.values():
                for connection in pool.connections:
                    if connection.is_idle():
                        connection.close()


class AsyncConnections:
    """The same for one event loop."""

    def __init__(self) -> None:
        self._pools: dict[tuple[bool, str | None], httpcore.AsyncConnectionPool] = {}
        self._lines = Lines()
        self._ways = Ways()
        self._direct: AiohttpConnections | None = None

    def send(self, step: HttpRequest, deadline: Deadline, *, is_handshake: bool = False) -> Coroutine[Any, Any, Reply]:
        """Send the request and give, when awaited, the reply whose headers are here; the body is read from it.

        Args:
            step: the request.
            deadline: the limits of the call.
            is_handshake: whether the connection is to become a WebSocket.
        """
        address = self._ways.address(step.url)
        proxy = self._ways.proxy(address)
        if proxy is None and not is_handshake:
            if self._direct is None:
                from ._aiohttp import AiohttpConnections

                self._direct = AiohttpConnections()
            tls = _tls() if address.is_secure else False
            return self._direct.send(step, address, _headers(step, address), tls, deadline)
        pool = self._pools.get((address.is_secure, proxy))
        if pool is None:
            backend = AsyncTimedBackend(self._lines)
            pool = httpcore.AsyncConnectionPool(network_backend=backend, **_pool_options(address, proxy))
            self._pools[address.is_secure, proxy] = pool
        return self._send_over(pool, _for_httpcore(step, address, deadline))

    async def _send_over(self, pool: httpcore.AsyncConnectionPool, request: httpcore.Request) -> Reply:
        from ._cancelling import Steps

        steps = Steps(pool.handle_async_request(request))
        try:
            reply = await steps.run()
        except httpcore.ProxyError:
            if (line := latest_line()) is not None:
                await line.aclose()  # as above
            raise
        if steps.cancelled is not None:
            await reply.aclose()
            raise steps.cancelled
        return Reply(reply.status, reply.headers, _AsyncBody(reply.stream), reply.extensions)

    async def close(self) -> None:
        """Close every connection; in one event loop that wakes up whoever waits for it."""
        self._lines.hang_up()
        if self._direct is not None:
            await self._direct.close()
        for pool in self._pools.values():
            await pool.aclose()


def translate(
    error: Exception, deadline: Deadline, url: str, *, part: Literal["head", "body", "stream"] = "head"
) -> APIError:
    """Our error for one of the network.

    Made, not raised: the caller raises it outside the ``except`` block, because the original's request holds the key.

    Args:
        error: one of ``network_errors()``.
        deadline: the limits that were in force.
        url: where the call went; only its host is told.
        part: what was being awaited: the answer's head, its whole body, or the events of a stream.
    """
    place = host_of(url) or "that address"
    text = str(error) or type(error).__name__
    if isinstance(error, ClientClosedError):
        cls = StreamInterruptedError if part == "stream" else APIConnectionError
        return cls(f"the client was closed while {place} was still answering. Close it later.", retryable=False)
    timeout = _timeout_error(error, deadline, place)
    if timeout is not None:
        return timeout
    # By their names, for httpx need not be there.
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"CannotInflateError", "DecodingError"}:
        return APIResponseError(f"{place} answered with a compressed body that cannot be read ({text}).")
    if names & {"InvalidURL", "UnsupportedProtocol"}:
        return BadRequestError(f"{place!r} is no address that can be called ({text}). Check base_url.")
    if part == "body":
        message = f"the answer of {place} was cut short ({text}). Ask again; a retry may be billed twice."
        return APIConnectionError(message, retryable=False)
    if part == "stream":
        return StreamInterruptedError(f"the connection to {place} broke off before the answer was complete ({text}).")
    return _no_answer(error, place, text)


def _timeout_error(error: Exception, deadline: Deadline, place: str) -> APITimeoutError | None:
    name = type(error).__name__
    if name in ("ConnectTimeout", "PoolTimeout", "WriteTimeout"):
        limit = name.removesuffix("Timeout").lower()
        which, seconds = limit, getattr(deadline.timeouts, limit)
        if deadline.left() == 0:
            which, seconds = "total", deadline.total
        happened = "could not be reached" if limit == "connect" else "did not take the request"
        return APITimeoutError(
            f"{place} {happened}: the {which} limit of {seconds or 0:g} s ran out. {_raise_limit(which)}",
            retryable=which == "connect",
        )
    if name == "ReadTimeout":
        which, seconds = deadline.applied
        message = f"{place} was silent: the {which} limit of {seconds or 0:g} s ran out. {_raise_limit(which)}"
        return APITimeoutError(message, retryable=which == "connect")
    return None


def _raise_limit(which: str) -> str:
    return f"Allow more with timeout={{{which.replace(' ', '_')!r}: seconds}}."


def _no_answer(error: Exception, place: str, text: str) -> APIConnectionError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return APIConnectionError(
                f"the name in {place} could not be resolved ({text}). Check base_url and the DNS.",
                original="gaierror",
            )
        if isinstance(cause, ssl.SSLError):
            message = f"no trusted TLS connection to {place} ({text}). Behind a company proxy, set SSL_CERT_FILE."
            return APIConnectionError(message, retryable=False)
        cause = cause.__cause__ or cause.__context__
    return APIConnectionError(
        f"no answer from {place} ({text}). Check that the server runs, the network and the proxy."
    )
