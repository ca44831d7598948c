"""Replies with something wrong in their content: what a scripted fault makes of a reply. No I/O."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace

from ._exchange import Reply, Whole
from ._script import Fault

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Half(bytes):
    """The first part of an event whose rest never comes."""


def apply_fault(reply: Reply, fault: Fault | None) -> Reply:
    """The reply with a fault of its content; faults of the connection are played where the bytes are written."""
    if fault is None or fault.name not in _BREAK:
        return reply
    return _BREAK[fault.name](reply, fault)


def count(fault: Fault, available: int) -> tuple[int, float]:
    """How many events are sent before the fault, and how much of the next one."""
    if fault.after is None:
        return available // 2, 0.0
    whole = min(int(fault.after), max(available - 1, 0))
    return whole, max(fault.after - whole, 0.0) % 1


def before(fault: Fault, events: list[bytes]) -> list[bytes]:
    """The events that are sent before the connection ends or falls silent; the last one may be a half."""
    whole, part = count(fault, len(events))
    sent = events[:whole]
    if part:
        sent.append(Half(events[whole][: max(1, int(len(events[whole]) * part))]))
    return sent


def _html(_: Reply, fault: Fault) -> Reply:
    return Whole(body=fault.body or _HTML, status=fault.status or 502, content_type="text/html")


def _gateway(_: Reply, fault: Fault) -> Reply:
    kind = fault.content_type or "text/plain"
    return Whole(body=fault.body, status=fault.status or 502, content_type=kind, headers=fault.headers)


def _empty(reply: Reply, fault: Fault) -> Reply:
    return Whole(body=b"", status=fault.status or 200, content_type=reply.content_type)


def _content_type(reply: Reply, fault: Fault) -> Reply:
    return replace(reply, content_type=fault.content_type or "text/plain")


def _charset(reply: Reply, _: Fault) -> Reply:
    told = replace(reply, content_type=f"{reply.content_type.partition(';')[0]}; charset=gb18030")
    if isinstance(told, Whole):
        return replace(told, body=_in_gb18030(told.body))
    return replace(told, events=[_in_gb18030(event) for event in told.events])


def _in_gb18030(data: bytes) -> bytes:
    return data.decode().encode("gb18030")


def _gzip(reply: Reply, _: Fault) -> Reply:
    """Half of the compressed bytes, in a body whose own end is in order."""
    packed = gzip.compress(reply.body if isinstance(reply, Whole) else b"".join(reply.events))
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    half = packed[: len(packed) // 2]
    return Whole(body=half, status=reply.status, content_type=reply.content_type, headers=headers)


def _malformed(reply: Reply, fault: Fault) -> Reply:
    """JSON that stops in the middle of a string, with everything around it in order."""
    if isinstance(reply, Whole):
        return replace(reply, body=fault.body or reply.body[: max(1, len(reply.body) * 2 // 3)])
    after, _ = count(fault, len(reply.events))
    broken = fault.body or reply.events[after].rstrip(b"\n")[:-8] + b"\n\n"
    return replace(reply, events=[*reply.events[:after], broken, *reply.events[after + 1 :]])


_BREAK: Mapping[str, Callable[[Reply, Fault], Reply]] = {
    "html": _html,
    "gateway": _gateway,
    "empty": _empty,
    "content_type": _content_type,
    "charset": _charset,
    "gzip": _gzip,
    "malformed": _malformed,
}
