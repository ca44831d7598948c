"""Answers whose head is here, of our connections or of a caller's client, and their bodies without compression."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from ._inflate import PIECE_BYTES, inflater_for

if TYPE_CHECKING:
    import httpx


class Reply:
    """An answer whose head is here: as much of an ``httpx.Response`` as the drivers use, at a tenth of its cost.

    Args:
        status: the HTTP status.
        headers: as they came.
        body: an iterable of bytes with ``close()``, or an asynchronous one with ``aclose()``.
        extensions: as in httpx; ``network_stream`` is the handle on the connection.
    """

    __slots__ = ("_body", "_raw", "extensions", "headers", "status_code")

    def __init__(self, status: int, headers: Any, body: Any, extensions: Any) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("ascii", "replace").lower(), raw_value.decode("utf-8", "replace")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        self.extensions = extensions
        self._raw = headers
        self._body = body

    @property
    def raw_headers(self) -> Any:
        """The headers as they came."""
        return self._raw

    def iter_raw(self) -> Iterator[bytes]:
        """The body, piece by piece, as it arrives."""
        return iter(self._body)

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """The same in an event loop."""
        pieces: AsyncIterator[bytes] = self._body.__aiter__()
        return pieces

    def close(self) -> None:
        """Close the body, and the connection unless it was read to its end."""
        self._body.close()

    async def aclose(self) -> None:
        """The same in an event loop."""
        await self._body.aclose()


def iter_pieces(response: Reply | httpx.Response) -> Iterator[bytes]:
    """The body as it arrives, without its compression, in pieces of a bounded size.

    Raises:
        CannotInflateError: it is compressed in a way that we do not know, or wrongly; also while it is iterated over.
    """
    if not isinstance(response, Reply) and response.is_stream_consumed:  # a hook of a caller's own client has read it
        return response.iter_bytes(PIECE_BYTES)
    inflater = inflater_for(response.headers.get("content-encoding", ""))
    if inflater is None:
        return response.iter_raw()
    return (piece for data in response.iter_raw() for piece in inflater.feed(data))


def aiter_pieces(response: Reply | httpx.Response) -> AsyncIterator[bytes]:
    """The same for one event loop."""
    if not isinstance(response, Reply) and response.is_stream_consumed:
        return response.aiter_bytes(PIECE_BYTES)
    inflater = inflater_for(response.headers.get("content-encoding", ""))
    if inflater is None:
        return response.aiter_raw()
    return (piece async for data in response.aiter_raw() for piece in inflater.feed(data))
