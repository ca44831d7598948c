"""Connections: pools with our limits, proxies, TLS, and what the network's errors mean. Used by the drivers only.

This module, ``_lines`` below it and ``_transport`` above it are the only ones that know the HTTP library.
"""

from __future__ import annotations

import functools
import importlib.util
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import httpcore
import httpx

from ._bodies import Bodies, PooledBody
from ._cancelling import Steps, finish
from ._inflate import CannotInflateError, Inflater, inflater_for
from ._lines import AsyncTimedBackend, ClientClosedError, Lines, TimedBackend, latest_line, shut_down
from ._proxies import missing_socks_extra, proxy_for
from ._timeouts import Deadline
from ._urls import host_of
from ._wire import Secret
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    BadRequestError,
    StreamInterruptedError,
)

_IDLE_CONNECTIONS = 20
_IDLE_SECONDS = 60.0


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates costs some 30 ms: once a process, and only when a call needs TLS.
    return httpx.create_ssl_context()


def _pool_options(url: str, proxy: str | None) -> dict[str, Any]:
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
    if urlsplit(url).scheme == "https" or (proxy or "").startswith("https"):
        options["ssl_context"] = _tls()
    return options


def _read_proxy(proxy: str) -> httpcore.Proxy | None:
    """The proxy as httpcore takes it; None if it is no address. Raises nothing: its frames would hold the password."""
    try:
        given = httpx.Proxy(str(proxy))
        return httpcore.Proxy(str(given.url), auth=given.raw_auth)
    except (ValueError, httpx.InvalidURL):
        return None


def _proxy(url: str) -> str | None:
    found = proxy_for(url, urllib.request.getproxies(), lambda host: bool(urllib.request.proxy_bypass(host)))
    # It may hold a password, which no traceback is to show.
    return None if found is None else Secret(found)


def _to_httpcore(request: httpx.Request) -> httpcore.Request:
    raw = request.url
    url = httpcore.URL(scheme=raw.raw_scheme, host=raw.raw_host, port=raw.port, target=raw.raw_path)
    return httpcore.Request(
        request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
    )


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator: AsyncIterator[bytes] = self._stream.__aiter__()
        return iterator

    async def aclose(self) -> None:
        await finish(self._stream.aclose())


def with_pieces(response: httpx.Response, *, sync: Any = None, asynchronous: Any = None) -> httpx.Response:
    """The response with another body: what an iterator gives, piece by piece, closed with it.

    Args:
        sync: an iterable of bytes with ``close()``.
        asynchronous: an asynchronous one with ``aclose()``, in place of the other.
    """
    body = _AsyncBody(asynchronous) if sync is None else _SyncBody(sync)
    return httpx.Response(response.status_code, stream=body, extensions=response.extensions)


def _inflater(response: httpx.Response) -> Inflater | None:
    try:
        return inflater_for(response.headers.get("content-encoding", ""))
    except CannotInflateError as error:
        raise httpx.DecodingError(str(error)) from None


def _inflated(inflater: Inflater, data: bytes) -> Iterator[bytes]:
    try:
        yield from inflater.feed(data)
    except CannotInflateError as error:
        raise httpx.DecodingError(str(error)) from None


def iter_pieces(response: httpx.Response) -> Iterator[bytes]:
    """The body as it arrives, without its compression, in pieces of a bounded size."""
    if response.is_stream_consumed:  # a hook of a caller's own client has read it
        return response.iter_bytes()
    inflater = _inflater(response)
    if inflater is None:
        return response.iter_raw()
    return (piece for data in response.iter_raw() for piece in _inflated(inflater, data))


def aiter_pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """The same for one event loop."""
    if response.is_stream_consumed:
        return response.aiter_bytes()
    inflater = _inflater(response)
    if inflater is None:
        return response.aiter_raw()
    return (piece async for data in response.aiter_raw() for piece in _inflated(inflater, data))


def ask_at_every_read(response: httpx.Response, deadline: Deadline) -> None:
    """Have the connection of a caller's own client ask the deadline, too, while this response is read.

    Such a client took its limits when the request was sent. ``network_stream`` is the handle on the connection that
    httpx offers; a transport without one keeps to the first limit.
    """
    stream = response.extensions.get("network_stream")
    read: Any = getattr(stream, "read", None)
    if read is not None and hasattr(stream, "__dict__"):
        vars(stream)["read"] = lambda max_bytes, **_: read(max_bytes, deadline.read_seconds())


def leave(response: httpx.Response) -> None:
    """The connection belongs to its client again."""
    stream = response.extensions.get("network_stream")
    if hasattr(stream, "__dict__"):
        vars(stream).pop("read", None)


def hang_up(response: httpx.Response) -> None:
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

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return when the reply's headers are here; the body is read from the response."""
        url = str(request.url)
        proxy = _proxy(url)
        key = (request.url.scheme == "https", proxy)
        pool = self._pools.get(key)
        if pool is None:
            pool = httpcore.ConnectionPool(network_backend=TimedBackend(self._lines), **_pool_options(url, proxy))
            pool = self._pools.setdefault(key, pool)
        try:
            with self._bodies:
                reply = pool.handle_request(_to_httpcore(request))
        except httpcore.ProxyError:
            # httpcore forgets the connection to a SOCKS proxy that has refused the login, and leaves it open.
            if (line := latest_line()) is not None:
                line.close()
            raise
        body = PooledBody(self._bodies, reply.stream)
        return httpx.Response(reply.status, headers=reply.headers, stream=body, extensions=reply.extensions)

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

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return when the reply's headers are here; the body is read from the response."""
        url = str(request.url)
        proxy = _proxy(url)
        key = (request.url.scheme == "https", proxy)
        pool = self._pools.get(key)
        if pool is None:
            backend = AsyncTimedBackend(self._lines)
            pool = self._pools[key] = httpcore.AsyncConnectionPool(network_backend=backend, **_pool_options(url, proxy))
        steps = Steps(pool.handle_async_request(_to_httpcore(request)))
        try:
            reply = await steps.run()
        except httpcore.ProxyError:
            if (line := latest_line()) is not None:
                await line.aclose()  # as above
            raise
        if steps.cancelled is not None:
            await reply.aclose()
            raise steps.cancelled
        return httpx.Response(
            reply.status, headers=reply.headers, stream=_AsyncBody(reply.stream), extensions=reply.extensions
        )

    async def close(self) -> None:
        """Close every connection; in one event loop that wakes up whoever waits for it."""
        self._lines.hang_up()
        for pool in self._pools.values():
            await pool.aclose()


def translate(
    error: Exception, deadline: Deadline, url: str, *, part: Literal["head", "body", "stream"] = "head"
) -> APIError:
    """Our error for one of the network.

    Made, not raised: the caller raises it outside the ``except`` block, because the original's request holds the key.

    Args:
        error: one of ``NETWORK_ERRORS``.
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
    if isinstance(error, httpx.DecodingError):
        return APIResponseError(f"{place} answered with a compressed body that cannot be read ({text}).")
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, httpcore.UnsupportedProtocol)):
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
