"""The vendors on 127.0.0.1: one server, an address below it for each vendor."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import WSMsgType, web

from ._closing import stop_accepting
from ._exchange import Incoming, Refusal, Reply, Streamed, Whole
from ._play import play, play_messages
from ._received import Received, read_request, record
from ._script import Answer, Desk, Fault, Script, Text, build_answer, retry_header
from ._vendor import Vendor
from .vendors import VENDORS, load

#: Bytes of the largest request the server reads: vendors take images of several megabytes.
_MAX_BODY = 64 * 1024 * 1024
#: Faults of the connection or of the bytes of a reply, whoever the vendor is.
WIRE_FAULTS = (
    *("cut", "stall", "slow", "malformed", "html", "content_type", "empty"),
    *("gateway", "charset", "gzip", "content_length", "large"),
)


class VendorServer:
    """Every vendor's API on 127.0.0.1, played strictly after its documentation.

        with VendorServer() as server:                    # or: async with
            server.reply(text="你好")
            answer = unionchat(**server.arguments("zhipuai"), model="glm-4.6", messages=[…])
            assert server.requests[0].json["model"] == "glm-4.6"

    Args:
        port: The port to listen on; 0 (the default) takes a free one.
        credentials: What a vendor accepts, by its name: ``{"zhipuai": {"api_key": "id.secret"}}``. Others keep the
            made-up ones that ``arguments`` and ``credentials`` tell.
        vendors: Further vendors, or other readings of known ones: classes derived from ``Vendor``.
        clock: Unix seconds, for checks of timestamps and expiry; ``time.time`` by default.
        tls: Speak TLS with this certificate; addresses then begin with ``https://``.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        credentials: Mapping[str, Mapping[str, str]] | None = None,
        vendors: Sequence[type[Vendor]] = (),
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        given = credentials or {}
        self._classes = {vendor.name: vendor for vendor in vendors}
        if unknown := sorted(set(given) - set(self._classes) - set(VENDORS)):
            raise ValueError(f"credentials for unknown vendors: {', '.join(unknown)}. Known: {', '.join(self.vendors)}")
        self._given = given
        self._vendors: dict[str, Vendor] = {}
        self._script = Script()
        self._clock = clock
        self._tls = tls
        self._wanted_port = port
        self._requests: list[Received] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._site: web.SockSite | None = None

    # Life.

    def start(self) -> VendorServer:
        """Listen. Raises OSError if the port is taken."""
        if self._thread is not None:
            raise RuntimeError("this server runs already")
        self._bind()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vendor-server", daemon=True)
        self._thread.start()
        self._on_loop(self._open())
        return self

    def stop(self) -> None:
        """End all connections and stop listening. Does nothing on a server that does not run."""
        if self._loop is None or self._thread is None:
            return
        self._on_loop(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listener.close()
        self._loop = self._thread = None

    def __enter__(self) -> VendorServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> VendorServer:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def _bind(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("127.0.0.1", self._wanted_port))
        except OSError:
            self._listener.close()
            raise
        self._wanted_port = self.port

    def _on_loop(self, work: Any) -> Any:
        if self._loop is None:
            raise RuntimeError("this server does not run; start it, or use it in a with block")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{vendor}{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _shut(self) -> None:
        await stop_accepting(self._listener)
        await self._runner.cleanup()

    async def _listen(self) -> None:
        self._site = web.SockSite(self._runner, self._listener, backlog=1024, ssl_context=self._tls)
        await self._site.start()

    # Addresses and credentials.

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def vendors(self) -> list[str]:
        """The names of all vendors that can be asked."""
        return sorted({*VENDORS, *self._classes})

    def vendor(self, name: str) -> Vendor:
        """The played vendor of that name. Raises ValueError for a name that is none."""
        if name not in self._vendors:
            if name not in self._classes and name not in VENDORS:
                raise ValueError(f"no vendor {name!r}. Known: {', '.join(self.vendors)}")
            build = self._classes.get(name) or load(name)
            self._vendors[name] = build(self._given.get(name))
        return self._vendors[name]

    def url(self, vendor: str, base: str | None = None) -> str:
        """The base URL to give to a client of that vendor; ``base`` is another path the vendor answers under."""
        played = self.vendor(vendor)
        path = played.base if base is None else base
        scheme = ("ws" if played.is_socket(path) else "http") + ("s" if self._tls else "")
        return f"{scheme}://127.0.0.1:{self.port}/{vendor}{path}"

    def credentials(self, vendor: str) -> dict[str, str]:
        """What that vendor accepts: ``{"api_key": …}`` or the names its own documentation uses."""
        return dict(self.vendor(vendor).credentials)

    def arguments(self, vendor: str) -> dict[str, str]:
        """``provider``, ``base_url`` and credentials, as ``unionchat`` takes them."""
        return {"provider": vendor, "base_url": self.url(vendor), **self.credentials(vendor)}

    # Scripts.

    def reply(
        self,
        *,
        vendor: str = "",
        text: Text | None = None,
        reasoning: Text = "",
        tool_calls: Sequence[Mapping[str, Any]] = (),
        context: Sequence[Mapping[str, Any] | str] = (),
        finish_reason: str = "",
        usage: Mapping[str, int] | None = None,
        split: int | Sequence[int] | None = None,
        pace: float = 0.0,
        **extra: Any,
    ) -> None:
        """Say what the next call is answered with, whole or streamed, of whichever vendor is asked.

        Args:
            vendor: Keep it for that vendor.
            text: The answer; a list of texts says how a stream is cut. Without a list, three characters an event.
            reasoning: What the model thinks first, likewise.
            tool_calls: ``{"name": …, "arguments": dict or JSON text or list of pieces, "id": …}`` each.
            context: What a platform retrieved: texts, or ``{"content": …, "id": …, "score": …, "title": …, "url": …}``.
            finish_reason: OpenAI's word (``length``, ``content_filter`` …); the vendor says its own.
            usage: Tokens: ``prompt`` and ``completion`` (both needed), ``cached``, ``reasoning``. Else one a character.
            split: Cuts the bytes of the body anew: every n bytes, or at these offsets.
            pace: Seconds between two events.
            **extra: What only some platforms have, such as ``suggestions`` or ``outputs``.
        """
        self._check_vendor(vendor)
        answer = build_answer(
            text=text,
            reasoning=reasoning,
            tool_calls=tool_calls,
            context=context,
            finish_reason=finish_reason,
            usage=usage,
            split=split,
            pace=pace,
            **extra,
        )
        self._script.put(answer, vendor)

    def fault(
        self,
        name: str,
        *,
        vendor: str = "",
        place: str = "status",
        status: int | None = None,
        message: str = "",
        headers: Mapping[str, str] | None = None,
        retry_after: float | str | datetime | None = None,
        after: float | None = None,
        seconds: float = 3600.0,
        reset: bool = False,
        body: bytes = b"",
        content_type: str = "",
        **answer: Any,
    ) -> None:
        """Break the next reply.

        Args:
            name: An error in the vendor's own words: one of ``KINDS`` (``rate_limit`` …) or a code of the vendor's. Or
                what happens to the reply, one of ``WIRE_FAULTS``: see "What goes wrong" in docs/testing.md.
            vendor: Keep it for that vendor.
            place: Where an error stands: ``status``, ``in_200``, ``in_stream`` (of a whole call: ``status``), or a
                place of the vendor's own, such as coze's ``failed_poll``.
            status, message, headers: Others than the vendor's for this error; headers are added.
            retry_after: The header Retry-After: seconds, a date, or any text.
            after: Events (of a whole reply: bytes) that are sent before, by default half of them. A fraction is a part
                of the next event. -1: not even the head; -0.5: half of the head. For ``length``: bytes too many;
                -0.5: half as many.
            seconds: How long ``stall`` and ``slow`` are silent.
            reset: ``cut`` and ``stall`` end by RST, not by FIN.
            body, content_type: For the faults that have them, in place of the usual.
            **answer: The answer that is broken, as in ``reply``; the default answer without it.
        """
        fault = Fault(
            name=name,
            error="" if name in WIRE_FAULTS else name,
            place=place,
            status=status,
            message=message,
            headers={**retry_header(retry_after), **(headers or {})},
            after=after,
            seconds=seconds,
            reset=reset,
            body=body,
            content_type=content_type,
        )
        self._check_fault(vendor, fault)
        self._script.put(build_answer(**answer, fault=fault), vendor)

    def _check_vendor(self, name: str) -> None:
        if name:
            self.vendor(name)

    def _check_fault(self, name: str, fault: Fault) -> None:
        if not name:
            return
        played = self.vendor(name)
        if fault.error:
            played.problem_of(fault)
        if fault.place not in played.places:
            raise ValueError(f"{name} has no place {fault.place!r} for an error. It has: {', '.join(played.places)}")

    @contextmanager
    def refusing(self) -> Generator[None, None, None]:
        """Refuse every connection while the block runs; those that are open are closed."""
        self._on_loop(self._pause())
        try:
            yield
        finally:
            self._on_loop(self._listen())

    async def _pause(self) -> None:
        await stop_accepting(self._listener)
        if self._site is not None:
            await self._site.stop()
        self._listener.close()
        # Bound and not listening: connections are refused, and nobody else can take the port.
        self._bind()
        if self._runner.server is not None:
            await self._runner.server.shutdown(0.1)

    def clear(self) -> None:
        """Forget the script and the log; conversations that a vendor keeps go on."""
        self._script.clear()
        self._requests.clear()

    # What has happened.

    @property
    def requests(self) -> list[Received]:
        """Every request so far, in the order of arrival, credentials masked."""
        return list(self._requests)

    @property
    def refused(self) -> list[Received]:
        """Those that a vendor refused by itself: an application under test should have none."""
        return [request for request in self._requests if request.refused]

    @property
    def waiting(self) -> int:
        """Scripted answers that nobody has asked for yet."""
        return self._script.waiting

    # Answering.

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["vendor"]
        if name not in self.vendors:
            return web.json_response(
                {"error": f"no vendor {name!r} here. Known: {', '.join(self.vendors)}"}, status=404
            )
        vendor = self.vendor(name)
        incoming = await read_request(request, self._clock())
        if vendor.is_socket(incoming.path):
            return await self._handle_socket(request, vendor, incoming)
        reply, desk = self._answer(vendor, incoming)
        error = self._error_event(vendor, desk, reply)
        return await play(request, reply, desk.taken, error)

    async def _handle_socket(self, request: web.Request, vendor: Vendor, incoming: Incoming) -> web.StreamResponse:
        refused, scripted = "", None
        try:
            vendor.open_socket(incoming)
            scripted = self._handshake_fault(vendor)
            told = vendor.problem_of(scripted.fault) if scripted and scripted.fault and scripted.fault.error else None
        except Refusal as refusal:
            told, refused = refusal.problem, str(refusal)
        if told is not None or scripted is not None:
            handshake = vendor.encode_problem(told) if told is not None else Whole(body=b"")
            self._requests.append(record(vendor, incoming, handshake.status, refused))
            return await play(request, handshake, scripted)
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        first = await connection.receive()
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return connection  # the client has left without a word
        body = first.data.encode("utf-8", "replace") if isinstance(first.data, str) else first.data
        reply, desk = self._answer(vendor, replace(incoming, body=body))
        await play_messages(connection, request, reply, desk.taken, self._error_event(vendor, desk, reply))
        return connection

    def _handshake_fault(self, vendor: Vendor) -> Answer | None:
        """What is scripted to go wrong with this handshake, if anything is."""
        answer = self._script.peek(vendor.name)
        fault = answer.fault if answer else None
        if fault is None:
            return None
        if fault.error:
            strikes = vendor.is_of_handshake(vendor.problem_of(fault))
        else:
            strikes = fault.is_in_head or fault.name in ("gateway", "html")
        return self._script.take(vendor.name) if strikes else None

    def _answer(self, vendor: Vendor, incoming: Incoming) -> tuple[Reply, Desk]:
        desk = Desk(self._script, vendor.name)
        refused = ""
        try:
            reply = vendor.answer(incoming, desk)
        except Refusal as refusal:
            scripted = desk.taken is not None and desk.taken.fault is not None
            refused = "" if scripted else str(refusal)
            reply = vendor.encode_refusal(refusal)
            desk.taken = None
        self._requests.append(record(vendor, incoming, reply.status, refused))
        return reply, desk

    def _error_event(self, vendor: Vendor, desk: Desk, reply: Reply) -> bytes:
        fault = desk.taken.fault if desk.taken else None
        if fault is None or not fault.error or fault.place != "in_stream":
            return b""
        encode = reply.encode_error if isinstance(reply, Streamed) else None
        return (encode or vendor.encode_in_stream)(vendor.problem_of(fault))
