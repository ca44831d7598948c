"""Requests and answers of aiohttp's, limited as a call says, over connections that are as they were left."""

from __future__ import annotations

import asyncio
import io
import math
import select
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from typing import Any

import aiohttp
import httpcore
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict

from ._timeouts import Deadline

#: A time of an event loop that does not come.
NEVER = math.inf


class StaleConnectionError(Exception):
    """The pool gave out a connection that the server has closed, or has said something on that nobody asked for."""


class Watch:
    """Ends waits that have lasted too long: one timer for all waits of an event loop.

    A timer of its own for each of a thousand answers takes a tenth of the time that it takes to open them. This one is
    set anew when it rings, or when a wait begins that ends before that.
    """

    __slots__ = ("_context", "_loop", "_timer", "_watched", "rings_at", "time")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Not that of the call which sets the timer: it would live on with all that a program keeps there.
        self._context = Context()
        self._watched: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.time = self._loop.time
        self.rings_at = NEVER

    def add(self, limit: Limit) -> None:
        """Look at that limit whenever the timer rings, until a time when nobody waits for its answer."""
        self._watched.add(limit)

    def remove(self, limit: Limit) -> None:
        """Look at it no more."""
        self._watched.discard(limit)
        if not self._watched:
            self.stop()

    def ring_at(self, due: float) -> None:
        """Ring at that time of the event loop, and not before."""
        self.stop()
        self._timer, self.rings_at = self._loop.call_at(due, self._ring, context=self._context), due

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.rings_at = None, NEVER

    def _ring(self) -> None:
        self._timer, self.rings_at = None, NEVER
        now = self.time()
        later = NEVER
        for limit in list(self._watched):
            if now < limit.due < NEVER:
                later = min(later, limit.due)
                continue
            limit.is_watched = False
            self._watched.discard(limit)
            if limit.due <= now:
                # What came while the event loop was busy is handed on first.
                self._loop.call_soon(limit.end, context=self._context)
        if later < NEVER:
            self.ring_at(later)


class Limit:
    """Ends the wait for more of an answer when the limit has run out that its call has at that time.

    Args:
        source: what is waited for, which is told of the error; the head's comes before the body's.
        deadline: the limits of the call.
        watch: of the event loop.
    """

    __slots__ = ("_deadline", "_watch", "due", "is_watched", "source")

    def __init__(self, source: Any, deadline: Deadline, watch: Watch) -> None:
        self.source = source
        self._deadline = deadline
        self._watch = watch
        #: When the wait has lasted too long, by the clock of the event loop.
        self.due = NEVER
        self.is_watched = False

    def wait_begins(self) -> None:
        seconds = self._deadline.steady  # of most chunks of a stream
        if seconds is None:
            seconds = self._deadline.read_seconds()
            if seconds is None:
                return
        watch = self._watch
        self.due = due = watch.time() + seconds
        if not self.is_watched:
            self.is_watched = True
            watch.add(self)
        if due < watch.rings_at:
            watch.ring_at(due)

    def wait_ends(self) -> None:
        self.due = NEVER

    def stop(self) -> None:
        if self.is_watched:
            self.is_watched = False
            self._watch.remove(self)

    def end(self) -> None:
        """End the wait, if it still lasts too long."""
        if self.due <= self._watch.time():
            self.source.set_exception(httpcore.ReadTimeout("nothing came"))


class Protocol(ResponseHandler):
    """Goes on reading where reading was paused, and nowhere else.

    aiohttp's own asks its parser and its transport to go on after every piece of an answer that was read, which for
    small pieces takes a tenth of all the time. Once reading was paused it does so here, too: its parser may need more
    than one such call to go on.
    """

    __slots__ = ("_was_paused",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._was_paused = False

    def pause_reading(self) -> None:
        self._was_paused = True
        super().pause_reading()

    def resume_reading(self, *how: Any, **named: Any) -> None:
        if self._was_paused:
            super().resume_reading(*how, **named)


class LimitedBody(aiohttp.BytesIOPayload):
    """A large body, whose sending has a limit of its own."""

    def __init__(self, content: bytes, deadline: Deadline) -> None:
        super().__init__(io.BytesIO(content))
        self._deadline = deadline
        self._is_sent = False
        self._answer: Limit | None = None

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        sending = super().write_with_length(writer, content_length)
        try:
            await asyncio.wait_for(sending, self._deadline.write_seconds())
        except asyncio.TimeoutError:
            raise httpcore.WriteTimeout("the request was not taken") from None
        self._is_sent = True
        if self._answer is not None:
            self._answer.wait_begins()

    def then_wait(self, answer: Limit | None) -> None:
        """Begin that wait once the body is sent; None: there is nothing more to wait for."""
        self._answer = answer
        if self._is_sent and answer is not None:
            answer.wait_begins()


class Sending:
    """The call that a task is sending, for the classes and the maker of sockets that aiohttp calls by itself."""

    __slots__ = ("body", "deadline", "has_connected", "watch")

    def __init__(self, body: bytes | LimitedBody | None, deadline: Deadline, watch: Watch) -> None:
        self.body = body
        self.deadline = deadline
        self.watch = watch
        #: Whether a socket was made for it: otherwise it goes over a connection that has served before.
        self.has_connected = False


SENDING: ContextVar[Sending] = ContextVar("SENDING")


#: What a payload of aiohttp's says of itself, and is not to be sent unless the request says it.
_NO_TYPE = CIMultiDict({"content-type": None})


class Request(aiohttp.ClientRequest):
    """Has no headers but its own, and goes over no connection that is not as it was left."""

    def update_headers(self, headers: Any) -> None:
        if isinstance(headers, CIMultiDict) and "host" in headers:
            # Made by the session for this request: aiohttp would copy it, header by header.
            self.headers = headers
        else:
            super().update_headers(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        if "content-type" not in self.headers:
            self._skip_auto_headers = _NO_TYPE

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        protocol = conn.protocol
        # The event loop may not have had the time yet to see what has arrived, so the socket is asked, too.
        sending = SENDING.get()
        if not sending.has_connected and (protocol.should_close or _is_readable(protocol.transport)):
            raise StaleConnectionError
        sending.has_connected = False  # aiohttp may repeat the request over another one
        return await super().send(conn)

    if sys.version_info < (3, 12):
        # From then on aiohttp does that itself. Until then it has a task of its own write, which comes after whatever
        # else the event loop has to do: of a thousand calls begun at once, none is on its way before all are made.
        def write_bytes(self, *given: Any, **named: Any) -> Any:
            """The writing of the body, which has been done as far as that goes without waiting."""
            if isinstance(SENDING.get().body, LimitedBody):
                return super().write_bytes(*given, **named)
            writing = super().write_bytes(*given, **named)
            try:
                awaited = writing.send(None)
            except StopIteration:
                return _rest(None, None)
            return _rest(writing, awaited)


@types.coroutine
def _rest(work: Coroutine[Any, Any, None] | None, awaited: Any) -> Generator[Any, Any, None]:
    """What is left of work that waits for something; None: nothing is."""
    while work is not None:
        go_on: Callable[[Any], Any] = work.send
        value: Any = None
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001  # whatever it is, the work is told
            go_on, value = work.throw, error
        try:
            awaited = go_on(value)
        except StopIteration:
            return


class Response(aiohttp.ClientResponse):
    """Awaits its head no longer than the call allows: aiohttp's own limit begins anew whenever a byte arrives."""

    # Of this answer, head and body. A slot: one member more would double the dict that aiohttp's own stand in.
    __slots__ = ("limit",)

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        sending = SENDING.get()
        self.limit = limit = Limit(connection.protocol, sending.deadline, sending.watch)
        if isinstance(sending.body, LimitedBody):
            sending.body.then_wait(limit)
        else:
            limit.wait_begins()
        try:
            await super().start(connection)
        except BaseException:
            limit.stop()
            raise
        finally:
            limit.wait_ends()
            if isinstance(sending.body, LimitedBody):
                # It may still be on its way, and is no reason any more to wait for anything.
                sending.body.then_wait(None)
        limit.source = self.content
        return self


def _is_readable(transport: Any) -> bool:
    """Whether there is anything to read, an end included."""
    number = transport.get_extra_info("socket").fileno()
    if not hasattr(select, "poll"):
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()  # which takes any number, unlike select
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
