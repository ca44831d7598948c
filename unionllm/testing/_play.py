"""Puts a vendor's reply on the wire, with what was scripted to go wrong: the only file that writes to a socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from aiohttp import WSMsgType, web

from ._exchange import Reply, Streamed, Whole
from ._script import Answer, Fault

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


#: Seconds that a WebSocket is kept open behind its last message.
_LAST_SECONDS = 5.0
_ENDINGS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


class CutError(Exception):
    """The script ends the connection here."""


def apply_fault(reply: Reply, fault: Fault | None) -> Reply:
    """The reply with a fault of its content; faults of the connection are played by ``play``."""
    if fault is None:
        return reply
    if fault.name == "html":
        return Whole(body=fault.body or _HTML, status=fault.status or 502, content_type="text/html")
    if fault.name == "empty":
        return Whole(body=b"", status=fault.status or 200, content_type=reply.content_type)
    if fault.name == "content_type":
        return replace(reply, content_type=fault.content_type or "text/plain")
    if fault.name == "malformed":
        return _malformed(reply, fault)
    return reply


def _malformed(reply: Reply, fault: Fault) -> Reply:
    """JSON that stops in the middle of a string, with everything around it in order."""
    if isinstance(reply, Whole):
        return replace(reply, body=fault.body or reply.body[: max(1, len(reply.body) * 2 // 3)])
    after = _count(fault, len(reply.events))
    broken = fault.body or reply.events[after].rstrip(b"\n")[:-8] + b"\n\n"
    return replace(reply, events=[*reply.events[:after], broken, *reply.events[after + 1 :]])


def _count(fault: Fault, available: int) -> int:
    return min(available // 2 if fault.after is None else fault.after, max(available - 1, 0))


def _recut(pieces: Sequence[bytes], split: int | tuple[int, ...] | None) -> Iterator[bytes]:
    """The same bytes, cut elsewhere."""
    if split is None:
        yield from pieces
        return
    data = b"".join(pieces)
    offsets = range(split, len(data), split) if isinstance(split, int) else split
    cuts = sorted({offset for offset in offsets if 0 < offset < len(data)})
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        yield data[start:end]


async def _steps(reply: Streamed, answer: Answer | None, error_event: bytes) -> AsyncIterator[bytes]:
    """The pieces of a body, one write each; silences pass in between, and a scripted cut ends them."""
    fault = answer.fault if answer else None
    pieces, pace = list(reply.events), answer.pace if answer else 0.0
    ends_early = False
    if error_event and fault is not None:
        pieces = [*pieces[: _count(fault, len(pieces))], error_event]
    elif fault is not None and fault.name in ("cut", "stall"):
        pieces, ends_early = pieces[: _count(fault, len(pieces))], True
    for piece in _recut(pieces, answer.split if answer else None):
        yield piece
        if pace:
            await asyncio.sleep(pace)
    if ends_early and fault is not None:
        if fault.name == "stall":
            await asyncio.sleep(fault.seconds)
        raise CutError


async def play(
    request: web.Request, reply: Reply, answer: Answer | None = None, error_event: bytes = b""
) -> web.StreamResponse:
    """Send the reply; returns what aiohttp wants back. A client that leaves cancels it."""
    fault = answer.fault if answer else None
    reply = apply_fault(reply, fault)
    if fault is not None and fault.name == "slow":
        await asyncio.sleep(fault.seconds)
    if fault is not None and fault.name in ("cut", "stall") and fault.after == -1:
        if fault.name == "stall":
            await asyncio.sleep(fault.seconds)
        return cut(request, reset=fault.reset)
    if isinstance(reply, Whole) and not _is_in_pieces(answer):
        headers = {"Content-Type": reply.content_type, **reply.headers}
        return web.Response(body=reply.body, status=reply.status, headers=headers)
    if isinstance(reply, Whole):
        # One byte an event: `after` counts bytes, and `split` cuts as it does in a stream.
        events = [reply.body[n : n + 1] for n in range(len(reply.body))]
        reply = Streamed(
            events=events if fault else [reply.body],
            status=reply.status,
            content_type=reply.content_type,
            headers=reply.headers,
        )
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for piece in _steps(reply, answer, error_event):
            await response.write(piece)
    except CutError:
        return cut(request, reset=bool(fault and fault.reset), response=response)
    await response.write_eof()
    return response


def _is_in_pieces(answer: Answer | None) -> bool:
    fault = answer.fault if answer else None
    return bool(answer and answer.split) or (fault is not None and fault.name in ("cut", "stall"))


def cut(request: web.Request, *, reset: bool, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """End the connection here: what was written still arrives, unless it is reset."""
    transport = request.transport
    if transport is not None and reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None:
        transport.close()
    return response or web.StreamResponse()


async def play_messages(
    socket_: web.WebSocketResponse, request: web.Request, reply: Reply, answer: Answer | None, error_event: bytes
) -> None:
    """Send a reply over a WebSocket: a message an event."""
    fault = answer.fault if answer else None
    reply = apply_fault(reply, fault)
    if fault is not None and fault.name == "slow":
        await asyncio.sleep(fault.seconds)
    events = reply.events if isinstance(reply, Streamed) else [reply.body]
    try:
        # `split` cuts bytes of a body, and a message is never cut.
        whole = replace(answer, split=None) if answer else None
        async for message in _steps(Streamed(events=events), whole, error_event):
            await socket_.send_str(message.decode())
    except CutError:
        cut(request, reset=bool(fault and fault.reset))
        return
    await _wait_for_close(socket_)


async def _wait_for_close(socket_: web.WebSocketResponse) -> None:
    """Vendors leave the closing to the client; a client that never closes must not keep the server waiting."""
    with suppress(asyncio.TimeoutError):
        while (await socket_.receive(timeout=_LAST_SECONDS)).type not in _ENDINGS:
            pass
    await socket_.close()
