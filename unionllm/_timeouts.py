"""How long a call may wait, and for what. Pure: the clock is an input."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ._framing import MAX_EVENT_BYTES
from .exceptions import APITimeoutError, BadRequestError

#: Seconds before the first token of an answer that may be preceded by long thinking, or that comes whole.
LONG_FIRST_TOKEN = 600.0

#: Seconds to wait for the end of a body after the vendor's end signal, before the connection is given up.
DRAIN_SECONDS = 0.05

#: Seconds to wait for what may follow a complete answer, and need not.
LINGER_SECONDS = 3.0


class Timeouts(NamedTuple):
    """Limits in seconds; None means no limit.

    ``connect``: TCP and TLS; the handshake of a WebSocket may take as long again. ``write``: sending one piece of the
    request. ``pool``: waiting for a free connection. ``first_token``: from the request sent to the first byte of the
    answer's body. ``idle``: between two arrivals of bytes after that; a keep-alive comment counts as life. ``total``:
    the whole call, retries and waits included.
    """

    connect: float | None = 10.0
    write: float | None = 60.0
    pool: float | None = 60.0
    first_token: float | None = None
    idle: float | None = 120.0
    total: float | None = None

    @classmethod
    def parse(cls, given: Any, *, first_token: float = LONG_FIRST_TOKEN) -> Timeouts:
        """From the user's ``timeout=``: seconds, a mapping of the names above, or an ``httpx.Timeout``.

        Args:
            given: None for the defaults. A number limits connect, first token and idle alike.
            first_token: the default of that limit.

        Raises:
            BadRequestError: not a positive number, or a name that is no limit.
        """
        if given is None:
            return _defaults(first_token)
        if isinstance(given, cls):
            return given
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return _of_seconds(_check("timeout", given))
        if hasattr(given, "as_dict"):
            limits = given.as_dict()  # pyright: ignore[reportAttributeAccessIssue]
            read = limits.pop("read", None)
            given = {**limits, "first_token": read, "idle": read}
        if not isinstance(given, Mapping):
            raise BadRequestError(f"timeout={given!r} is neither seconds nor a mapping of limits in seconds.")
        unknown = [name for name in given if name not in cls._fields]
        if unknown:
            raise BadRequestError(f"timeout has no limit {unknown[0]!r}; it takes {', '.join(cls._fields)}.")
        return _defaults(first_token)._replace(
            **{name: _check(f"timeout[{name!r}]", value) for name, value in given.items()}
        )


@functools.lru_cache(maxsize=16)
def _defaults(first_token: float) -> Timeouts:
    return Timeouts(first_token=first_token)


@functools.lru_cache(maxsize=16)
def _of_seconds(seconds: float | None) -> Timeouts:
    return Timeouts(connect=seconds, first_token=seconds, idle=seconds)


def _check(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise BadRequestError(f"{name}={value!r} is not a positive number of seconds.")
    return float(value)


class Deadline:
    """The limits of one call while it runs: which one applies to the next wait, and how much of it is left.

    ``max_bytes`` is what may come back: the size of one event, and of one body.
    """

    __slots__ = (
        "_asked_at",
        "_body_started",
        "_clock",
        "_draining",
        "_end",
        "_first_end",
        "_in_handshake",
        "_lingering",
        "_own_total",
        "_total",
        "applied",
        "max_bytes",
        "steady",
        "timeouts",
    )

    def __init__(self, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self.timeouts = timeouts
        self.max_bytes = MAX_EVENT_BYTES
        self._clock = clock
        self._total = timeouts.total
        self._end = math.inf if self._total is None else self._clock() + self._total
        self._own_total, self._first_end = self._total, self._end
        self._body_started = False
        self._draining = False
        self._lingering = False
        self._in_handshake = False
        #: Seconds that each read may wait, while that is the idle limit and nothing else can end one; None: see
        #: ``read_seconds``.
        self.steady: float | None = None
        #: When the answer to what was sent last began to be awaited; None before that.
        self._asked_at: float | None = None
        #: Name and seconds of the limit that the last wait was given.
        self.applied: tuple[str, float | None] = ("first token", timeouts.first_token)

    def start_route(self, timeouts: Timeouts) -> None:
        """Another provider is about to be tried. A total of its own runs from now on, within that of the call."""
        total = self._own_total = timeouts.total
        self._first_end = self._end if total is None else min(self._end, self._clock() + total)

    def start_attempt(self, timeouts: Timeouts, max_bytes: int = MAX_EVENT_BYTES) -> None:
        """A new request is about to be sent: its first token is awaited again, under these limits."""
        self.timeouts = timeouts
        self.max_bytes = max_bytes
        self._in_handshake = False
        self.request_started()

    def request_started(self) -> None:
        """One of the requests of this attempt is about to be sent: the answer before it, if any, counts no more."""
        self._body_started = self._draining = self._lingering = False
        self.steady = self._asked_at = None

    def handshake_started(self) -> None:
        """The handshake of a WebSocket is about to be sent: until it has ended, the connect limit applies."""
        self._in_handshake = True

    def handshake_ended(self) -> None:
        """The handshake has been answered: now the answer to the call itself is awaited."""
        self._in_handshake = False
        self._asked_at = None

    def body_started(self) -> None:
        """The first bytes of the body are here: from now on the idle limit applies."""
        self._body_started = True
        if self._first_end == math.inf and not (self._in_handshake or self._draining or self._lingering):
            self.steady = self.timeouts.idle
            self.applied = ("idle", self.steady)

    def draining(self) -> None:
        """The answer is complete; what may follow it is awaited for a moment, so that the connection can be reused."""
        self._draining = True
        self.steady = None

    def lingering(self) -> None:
        """The answer is complete, and more may follow it or not: silence now is its end, and need not be long."""
        self._lingering = True
        self.steady = None

    @property
    def is_over(self) -> bool:
        """Whether the total limit of the whole call has run out, fallbacks included."""
        return self._clock() >= self._end

    @property
    def total(self) -> float | None:
        """Seconds of the total limit that ends first: the call's, or that of the provider being tried."""
        return self._total if self._end <= self._first_end else self._own_total

    def left(self) -> float | None:
        """Seconds left of that limit; None without one; never below 0."""
        return None if self._first_end == math.inf else max(0.0, self._first_end - self._clock())

    def read_seconds(self) -> float | None:
        """How long the next read may wait."""
        if self._draining:
            return DRAIN_SECONDS
        limits = self.timeouts
        if self._in_handshake:
            return self._answer_seconds("connect", limits.connect)
        if not self._body_started:
            return self._answer_seconds("first token", limits.first_token)
        seconds = limits.idle
        if self._lingering:
            seconds = LINGER_SECONDS if seconds is None else min(seconds, LINGER_SECONDS)
        return self.shorten("idle", seconds)

    def _answer_seconds(self, name: str, limit: float | None) -> float | None:
        """What is left of a limit that runs from the request to its answer, however many reads that takes."""
        # Each read by itself would let a server that drips its headers byte by byte hold a call for ever.
        now = self._clock()
        if self._asked_at is None:
            self._asked_at = now
        allowed = None if limit is None else max(self._asked_at + limit - now, 0.001)
        seconds = self.shorten(name, allowed)
        if self.applied[0] == name:
            self.applied = (name, limit)
        return seconds

    def write_seconds(self) -> float | None:
        """How long the next piece of the request may take to send."""
        self._asked_at = None
        return self.shorten("write", self.timeouts.write)

    def nap(self, seconds: float) -> float:
        """The seconds that a flow wants to wait.

        Raises:
            APITimeoutError: the total limit runs out before they are over.
        """
        left = self.left()
        if left is not None and left <= seconds:
            raise APITimeoutError(
                f"the total limit of {self.total or 0:g} s runs out in a wait of this call. "
                "Allow more with timeout={'total': seconds}."
            )
        return seconds

    def shorten(self, name: str, seconds: float | None) -> float | None:
        """The limit ``name``, or what is left of the total if that is less; remembers which."""
        if self._first_end != math.inf:
            left = max(0.0, self._first_end - self._clock())
            if seconds is None or left < seconds:
                self.applied = ("total", self.total)
                return max(left, 0.001)  # 0 would mean "do not block" to a socket
        self.applied = (name, seconds)
        return seconds
