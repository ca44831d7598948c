"""WebSockets: the handshake is an HTTP request like any other, and the messages are the pieces of its reply's body.

So TCP, TLS, proxies, limits and hanging up are those of every call; what is added here are the frames, which the
sans-I/O half of the library ``websockets`` reads and writes. The clients of that library (``sync.client``,
``asyncio.client``) are left alone: they would take no proxy (before version 15), follow redirects with what we send,
write the signed URL into their log, keep a thread for each sync connection, and need a second set of limits.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._framing import MAX_EVENT_BYTES, too_large
from ._lines import WIRE_ERRORS
from ._log import Shown, logger, redact
from ._network import translate
from ._replies import Reply
from ._secrets import Headers, Secret
from ._timeouts import Deadline
from ._urls import host_of, place_of
from ._wire import HttpRequest, WebSocketRequest
from .exceptions import APIResponseError, BadRequestError, ProviderError

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

_READ_BYTES = 65_536
#: Seconds for the closing frame. It is a courtesy; the vendor's end signal has been read.
_CLOSING_SECONDS = 1.0
#: Hears nothing: frames hold prompts, and the head of a handshake a signature.
_DEAF = logging.Logger("unionllm.websocket", logging.CRITICAL + 1)  # noqa: LOG001  # outside of every program's tree


def refuse_client(client: object) -> None:
    """A caller's own HTTP client cannot be used.

    Raises:
        ProviderError: there is one.
    """
    if client is not None:
        raise ProviderError(
            "http_client= has no use here: this provider speaks WebSocket, and httpx would write the signed URL into "
            "its log. Leave it out; proxies are taken from the environment."
        )


def _build_protocol(url: str, max_bytes: int) -> ClientProtocol:
    try:
        from websockets.client import ClientProtocol
        from websockets.exceptions import InvalidURI
        from websockets.uri import parse_uri
    except ImportError:
        raise ProviderError(
            "this provider speaks WebSocket, and the package for that is not installed. "
            'Run: pip install "unionllm[xunfei]"'
        ) from None
    try:
        uri = parse_uri(str(url))
    except InvalidURI:
        raise BadRequestError(f"{host_of(url)!r} is no address of a WebSocket. Check base_url.") from None
    return ClientProtocol(uri, max_size=max_bytes, logger=_DEAF)


class Conversation:
    """One WebSocket without I/O: bytes from the wire → messages, and the bytes to answer with.

    Args:
        request: where to, and what to say first.
        max_bytes: largest message.

    Raises:
        ProviderError: the library is not installed.
    """

    def __init__(self, request: WebSocketRequest, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self._protocol = _build_protocol(request.url, max_bytes)
        self._pieces: list[bytes] = []
        own = {name.lower(): value for name, value in self._protocol.connect().headers.raw_items()}
        own.pop("host")  # the HTTP library writes it
        self.handshake = HttpRequest(
            method="GET",
            url=Secret(f"http{request.url.removeprefix('ws')}"),
            headers=Headers({**request.headers, **own}),
            secrets=request.secrets,
        )

    def start(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """What to send once the handshake was answered with 101 and these headers.

        Raises:
            APIResponseError: whoever answered speaks no WebSocket.
        """
        wanted = [pair for pair in headers if pair[0].lower().startswith((b"upgrade", b"connection", b"sec-websocket"))]
        lines = [b"HTTP/1.1 101 Switching Protocols", *(b": ".join(pair) for pair in wanted), b"", b""]
        protocol = self._protocol
        protocol.receive_data(b"\r\n".join(lines))
        protocol.events_received()
        if protocol.handshake_exc is not None:
            raise APIResponseError(
                f"{host_of(self._request.url)} answered the handshake of a WebSocket wrongly "
                f"({type(protocol.handshake_exc).__name__}). Check base_url; a proxy may have answered in its place."
            )
        for message in self._request.messages:
            content = message.encode("utf-8")
            logger.debug("-> %s %s", place_of(self._request.url), Shown(content, self._request.secrets))
            protocol.send_text(content)
        return self._waiting()

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The messages that ``data`` completes, and what must be sent in answer; no data: the connection ended."""
        from websockets.frames import Frame, Opcode

        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        messages = []
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if event.data:  # or else a message of empty frames would grow without an end
                    self._pieces.append(bytes(event.data))
                if event.fin:
                    messages.append(b"".join(self._pieces))
                    self._pieces.clear()
        return messages, self._waiting()

    def check(self) -> None:
        """Raise if there is nothing more to come.

        Raises:
            APIResponseError: a message is larger than we are willing to hold.
            ConnectionError: the conversation is over, and why.
        """
        from websockets.exceptions import PayloadTooBig
        from websockets.protocol import State

        protocol = self._protocol
        if isinstance(protocol.parser_exc, PayloadTooBig):
            raise too_large(self._max_bytes)
        if protocol.state is State.OPEN:
            return
        closed = protocol.close_rcvd
        if closed is None:
            raise ConnectionError("the WebSocket ended without a closing frame")
        reason = redact(closed.reason, self._request.secrets)
        raise ConnectionError(f"the WebSocket was closed with code {int(closed.code)}{reason and f': {reason}'}")

    def close(self) -> bytes:
        """The closing frame; nothing when it is too late for one."""
        from websockets.protocol import State

        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
        return self._waiting()

    def _waiting(self) -> bytes:
        return b"".join(self._protocol.data_to_send())


def begin(response: Reply, conversation: Conversation, deadline: Deadline, is_over: Callable[[], bool]) -> Reply:
    """Say what there is to say, and give a response whose body are the messages that come back, one a piece.

    Args:
        response: the answer to the handshake, of status 101; closed if this raises.
        is_over: whether the vendor has said all, so that the conversation is to be closed and not broken off.
    """
    begun = None
    try:
        opening = conversation.start(response.raw_headers)
        response.extensions["network_stream"].write(opening, deadline.write_seconds())
        begun = Reply(
            101, response.raw_headers, _Messages(response, conversation, deadline, is_over), response.extensions
        )
    except WIRE_ERRORS as error:
        failure = translate(error, deadline, conversation.handshake.url)
    finally:
        if begun is None:
            response.close()
    if begun is None:
        raise failure  # pyright: ignore[reportPossiblyUnboundVariable, reportGeneralTypeIssues]
    return begun


async def abegin(response: Reply, conversation: Conversation, deadline: Deadline, is_over: Callable[[], bool]) -> Reply:
    """The same in an event loop."""
    begun = None
    try:
        opening = conversation.start(response.raw_headers)
        await response.extensions["network_stream"].write(opening, deadline.write_seconds())
        begun = Reply(
            101, response.raw_headers, _AsyncMessages(response, conversation, deadline, is_over), response.extensions
        )
    except WIRE_ERRORS as error:
        failure = translate(error, deadline, conversation.handshake.url)
    finally:
        if begun is None:
            await response.aclose()
    if begun is None:
        raise failure  # pyright: ignore[reportPossiblyUnboundVariable, reportGeneralTypeIssues]
    return begun


class _Base:
    def __init__(
        self, response: Reply, conversation: Conversation, deadline: Deadline, is_over: Callable[[], bool]
    ) -> None:
        self._response = response
        self._stream: Any = response.extensions["network_stream"]
        self._conversation = conversation
        self._deadline = deadline
        self._is_over = is_over


class _Messages(_Base):
    def __iter__(self) -> Iterator[bytes]:
        stream, deadline = self._stream, self._deadline
        while True:
            data = stream.read(_READ_BYTES, deadline.read_seconds())
            messages, answer = self._conversation.receive(data)
            if answer:
                stream.write(answer, deadline.write_seconds())
            yield from messages
            self._conversation.check()

    def close(self) -> None:
        try:
            if self._is_over():
                with suppress(*WIRE_ERRORS):
                    self._stream.write(self._conversation.close(), _CLOSING_SECONDS)
        finally:
            self._response.close()


class _AsyncMessages(_Base):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream, deadline = self._stream, self._deadline
        while True:
            data = await stream.read(_READ_BYTES, deadline.read_seconds())
            messages, answer = self._conversation.receive(data)
            if answer:
                await stream.write(answer, deadline.write_seconds())
            for message in messages:
                yield message
            self._conversation.check()

    async def aclose(self) -> None:
        try:
            if self._is_over():
                with suppress(*WIRE_ERRORS):
                    await self._stream.write(self._conversation.close(), _CLOSING_SECONDS)
        finally:
            await self._response.aclose()
