"""Puts a vendor's reply on the wire, with what was scripted to go wrong: the only file that writes to a socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from aiohttp import WSMsgType, web

from ._broken import Half, apply_fault, before, count
from ._exchange import Reply, Streamed, Whole
from ._script import Answer, Fault

#: Seconds that a WebSocket is kept open behind its last message.
_LAST_SECONDS = 5.0
_ENDINGS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/ev"
_TEXT_FRAME = 0x81
#: Faults whose reply does not come to its end.
_ENDS_EARLY = ("cut", "stall", "large")
#: What grows and grows: neither the end of a line nor that of a JSON text.
_PADDING = b" " * 262_144


class CutError(Exception):
    """The script ends the connection here."""


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
        pieces = [*pieces[: count(fault, len(pieces))[0]], error_event]
    elif fault is not None and fault.name in _ENDS_EARLY:
        pieces, ends_early = before(fault, pieces), True
    for piece in _recut(pieces, answer.split if answer else None):
        yield piece
        if pace:
            await asyncio.sleep(pace)
    while fault is not None and fault.name == "large":
        yield _PADDING
    if ends_early and fault is not None:
        await _be_silent(fault)
        raise CutError


async def _be_silent(fault: Fault) -> None:
    if fault.name == "stall":
        await asyncio.sleep(fault.seconds)


async def play(
    request: web.Request, reply: Reply, answer: Answer | None = None, error_event: bytes = b""
) -> web.StreamResponse:
    """Send the reply; returns what aiohttp wants back. A client that leaves cancels it."""
    fault = answer.fault if answer else None
    reply = apply_fault(reply, fault)
    if fault is not None and fault.name == "slow":
        await asyncio.sleep(fault.seconds)
    if fault is not None and fault.is_in_head:
        if fault.after != -1:
            write(request, _HALF_A_HEAD)
        await _be_silent(fault)
        return cut(request, reset=fault.reset)
    if fault is not None and fault.name == "content_length":
        write(request, _with_wrong_length(reply, 100 if fault.after is None else fault.after))
        return cut(request)
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
    try:
        await response.prepare(request)
        async for piece in _steps(reply, answer, error_event):
            await response.write(piece)
        await response.write_eof()
    except CutError:
        return cut(request, reset=bool(fault and fault.reset), response=response)
    except ConnectionResetError:  # the client has left
        return response
    return response


def _is_in_pieces(answer: Answer | None) -> bool:
    fault = answer.fault if answer else None
    return bool(answer and answer.split) or (fault is not None and fault.name in _ENDS_EARLY)


def _with_wrong_length(reply: Reply, by: float) -> bytes:
    """Head and body as they stand on the wire; aiohttp itself would keep to the length."""
    body = reply.body if isinstance(reply, Whole) else b"".join(reply.events)
    told = int(max(len(body) + by, 0) if abs(by) >= 1 else len(body) * (1 + by))
    head = f"HTTP/1.1 {reply.status} \r\nContent-Type: {reply.content_type}\r\nContent-Length: {told}\r\n\r\n"
    return head.encode() + body


def write(request: web.Request, data: bytes) -> None:
    """Bytes for the wire as they are."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        transport.write(data)


def cut(request: web.Request, *, reset: bool = False, response: web.StreamResponse | None = None) -> web.StreamResponse:
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
            if message is _PADDING:
                write(request, struct.pack("!BBQ", _TEXT_FRAME, 127, 1 << 40))
                break
            if isinstance(message, Half):
                # A frame that promises twice as much; 126: the length stands in the next two bytes.
                write(request, struct.pack("!BBH", _TEXT_FRAME, 126, 2 * len(message)) + message)
            else:
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
