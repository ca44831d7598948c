"""A caller's own HTTP client, in place of our connections: used as it is, and never closed by us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ._inflate import ACCEPTED
from .exceptions import ProviderError

if TYPE_CHECKING:
    import httpx

    from ._replies import Reply
    from ._timeouts import Deadline
    from ._wire import HttpRequest

AnyClient = TypeVar("AnyClient", "httpx.Client | None", "httpx.AsyncClient | None")


def checked(http_client: AnyClient, kind: str, advice: str) -> AnyClient:
    """A caller's own client, if it is an open one of that kind."""
    if http_client is None:
        return http_client
    import httpx

    is_fitting: bool = isinstance(http_client, getattr(httpx, kind))
    if not is_fitting:
        raise ProviderError(f"http_client must be an httpx.{kind} here; {advice}.")
    if http_client.is_closed:
        raise ProviderError("http_client has been closed. Make the call before closing it.")
    return http_client


def request_for(step: HttpRequest, deadline: Deadline, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
    """The request as that client sends it."""
    import httpx  # which the client has

    limits = deadline.timeouts
    # A caller's own client adds its headers, and gets plain seconds: only our connections ask at every read.
    timeout = httpx.Timeout(
        pool=deadline.shorten("pool", limits.pool),
        connect=deadline.shorten("connect", limits.connect),
        read=deadline.shorten("first token", limits.first_token),
        write=deadline.write_seconds(),
    )
    own = {"accept-encoding": ACCEPTED, **step.headers}
    return client.build_request(step.method, step.url, headers=own, content=step.content, timeout=timeout)


def ask_at_every_read(response: httpx.Response, deadline: Deadline) -> None:
    """Have the connection of a caller's own client ask the deadline, too, while this response is read.

    Such a client took its limits when the request was sent. ``network_stream`` is the handle on the connection that
    httpx offers; a transport without one keeps to the first limit.
    """
    stream = response.extensions.get("network_stream")
    read: Any = getattr(stream, "read", None)
    if read is not None and hasattr(stream, "__dict__"):
        vars(stream)["read"] = lambda max_bytes, **_: read(max_bytes, deadline.read_seconds())


def leave(response: Reply | httpx.Response) -> None:
    """The connection belongs to its client again."""
    stream = response.extensions.get("network_stream")
    if hasattr(stream, "__dict__"):
        vars(stream).pop("read", None)
