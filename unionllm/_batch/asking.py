"""One line → one entry, by the library's own calls, on one of the lanes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._arguments import arguments
from .._calling import Call
from .._clients import Transports
from .._log import logger
from .._retry import RetryPolicy
from .._routes import provider_of
from ..exceptions import (
    APIError,
    AuthenticationError,
    InsufficientBalanceError,
    RateLimitError,
    ServiceUnavailableError,
)
from .lines import Line
from .pace import Lane, Turn, open_lanes
from .results import Entry, Purse, entry_of_error, entry_of_response

if TYPE_CHECKING:
    from .._call import Route
    from .journal import Journal

#: Refusals that mean the key, not the request: no other request would fare better.
_OF_THE_KEY = (AuthenticationError, InsufficientBalanceError)
#: Tokens of a request are guessed from its length until answers have told.
_CHARACTERS_A_TOKEN = 3
#: Calls at once that share a pool of connections. httpcore looks at all connections of a pool several times a request,
#: and closes most of them after each answer where more are in use than it keeps idle: with 64 in one, that took three
#: times as long as all the rest.
_A_POOL = 8
#: Weight of the newest answer in the average of tokens and costs.
_NEWEST = 0.05


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How fast a run may go.

    Args:
        most: requests at once for each key.
        rpm, tpm: requests and tokens a minute for each key; None for no limit of ours.
        patience: seconds that one request is asked again while the vendor says "too many".
        share: the part of all these that is this process's own.
    """

    most: int = 100
    rpm: float | None = None
    tpm: float | None = None
    patience: float = 600.0
    share: float = 1.0

    def shared(self, processes: int) -> Limits:
        """The part of each of so many processes that use the same keys."""
        return replace(self, share=self.share / processes)


class StoppedError(Exception):
    """The run is being stopped."""


class RefusedKeyError(Exception):
    """Every key of a provider has been refused. ``args`` holds the vendor's refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LanePolicy(RetryPolicy):
    """The call's own retries, with a lane that hears of every failure."""

    hear: Callable[[APIError], None]
    #: Whether the lane, and not the call, waits when the vendor says "too many": so that nothing else is sent either.
    leaves_limits: bool

    def wait_before_retry(self, tries: int, error: APIError) -> float | None:
        """See ``RetryPolicy``."""
        self.hear(error)
        if self.leaves_limits and isinstance(error, RateLimitError):
            return None
        return RetryPolicy.wait_before_retry(self, tries, error)


class _LaneCall(Call):
    """A call whose first route tells a lane what happens."""

    def __init__(self, given: dict[str, Any], hear: Callable[[APIError], None]) -> None:
        super().__init__(given)
        self._hear: Callable[[APIError], None] | None = hear

    def route_builder(self) -> Callable[[Mapping[str, Any], Mapping[str, str]], Route]:
        """See ``Call``."""
        build = super().route_builder()

        def build_heard(given: Mapping[str, Any], environ: Mapping[str, str]) -> Route:
            route = build(given, environ)
            hear, self._hear = self._hear, None
            if hear is None:  # a fallback: another vendor, whose limits are not the lane's
                return route
            own = route.retries
            policy = _LanePolicy(
                max_retries=own.max_retries,
                first=own.first,
                longest=own.longest,
                chance=own.chance,
                hear=hear,
                leaves_limits=not self.given.get("fallbacks"),
            )
            return route._replace(retries=policy)

        return build_heard


class _Pool:
    """Some connections, and how many calls use them."""

    def __init__(self) -> None:
        self.transports = Transports()
        self.in_use = 0


class Asker:
    """Asks lines. Used in one event loop.

    Args:
        keys: a set of credentials each, for the run's provider; the run's own if there are none.
        provider: the run's; lines that name another one go on a lane of that one.
        limits: see ``Limits``.
    """

    def __init__(self, keys: list[Mapping[str, Any]], provider: str, limits: Limits) -> None:
        self._limits = limits
        self._keys = {provider: keys or [{}]}
        # Opened by the first line that goes there: a provider that nobody asks is none that still works.
        self._lanes: dict[str, list[Lane]] = {}
        self._pools: list[_Pool] = []
        self._changed = asyncio.Event()
        # First come, first served: a request that has to be asked again is not overtaken forever.
        self._queue = asyncio.Lock()
        self._purse = Purse()
        self.average_tokens: float | None = None
        self.average_cost: float | None = None
        self.is_stopping = False
        #: Why the keys are not used any more, once none is left.
        self.refusal: APIError | None = None

    def _open(self, keys: list[Mapping[str, Any]]) -> list[Lane]:
        limits = self._limits
        return open_lanes(
            keys, most=limits.most, rpm=limits.rpm, tpm=limits.tpm, now=time.monotonic(), share=limits.share
        )

    @property
    def lanes(self) -> list[Lane]:
        """All lanes."""
        return [lane for lanes in self._lanes.values() for lane in lanes]

    @property
    def in_flight(self) -> int:
        """Requests that are under way."""
        return sum(lane.in_flight for lane in self.lanes)

    async def take_turn(self, line: Line) -> Turn:
        """Wait until this line may be asked.

        Raises:
            RefusedKeyError: no key of its provider is left.
            StoppedError: the run is being stopped.
        """
        provider = provider_of(line.arguments)
        if provider not in self._lanes:
            self._lanes[provider] = self._open(self._keys.get(provider, [{}]))
        tokens = self._guess_tokens(line)
        async with self._queue:
            while not self.is_stopping:
                now = time.monotonic()
                lane, seconds = _next_lane(self._lanes[provider], tokens, now)
                if lane is not None and seconds == 0:
                    return lane.begin(tokens, now)
                if lane is None and seconds == 0:
                    raise RefusedKeyError(self._lanes[provider][-1].closed_by)
                self._changed.clear()
                await _wait(self._changed, seconds)
            raise StoppedError

    def _guess_tokens(self, line: Line) -> float:
        if self._limits.tpm is None:
            return 0.0
        if self.average_tokens is not None:
            return self.average_tokens
        asked = line.arguments.get("max_tokens") or line.arguments.get("max_completion_tokens") or 0
        length = len(json.dumps(line.arguments.get("messages"), ensure_ascii=False, default=str))
        return float(length / _CHARACTERS_A_TOKEN + (asked if isinstance(asked, int) else 0))

    async def ask(self, line: Line, turn: Turn) -> Entry | None:
        """What became of a line; None if the run was stopped before the vendor would answer it.

        Raises:
            RefusedKeyError: no key of its provider is left.
        """
        patient_until = time.monotonic() + self._limits.patience
        while True:
            try:
                return await self._ask_once(line, turn)
            except RateLimitError as error:
                # With fallbacks the call itself has waited, tried again and fallen back.
                if line.arguments.get("fallbacks") or not error.retryable or time.monotonic() >= patient_until:
                    return entry_of_error(line.key, error.with_traceback(None))
            except _OF_THE_KEY as error:
                self._close(turn.lane, error)
            try:
                turn = await self.take_turn(line)
            except StoppedError:
                return None

    async def _ask_once(self, line: Line, turn: Turn) -> Entry:
        tokens, is_answer = 0.0, False
        try:
            entry = await self._call(line, turn)
            tokens, is_answer = float(entry.tokens), entry.is_ok
            if entry.is_ok:
                self._learn(entry)
            return entry
        finally:
            turn.lane.end(turn, tokens, time.monotonic(), is_answer=is_answer)
            self._changed.set()

    async def _call(self, line: Line, turn: Turn) -> Entry:
        heard: APIError | None = None

        def hear(error: APIError) -> None:
            nonlocal heard
            heard = error
            if isinstance(error, (RateLimitError, ServiceUnavailableError)) and error.retryable:
                turn.lane.slow_down(turn, error, time.monotonic())

        params = {**line.arguments, **turn.lane.credentials}
        given = arguments(params.get("model"), params.get("messages"), params.get("provider"), False, params)
        try:
            with self._pool() as transports:
                response = await _LaneCall(given, hear).arun(transports)
            return entry_of_response(line.key, response, self._purse.cost_of(response), self._purse.currency)
        except (RateLimitError, *_OF_THE_KEY) as error:
            if heard is not None and error is not heard:  # a fallback's, which says nothing about the lane's key
                return entry_of_error(line.key, error.with_traceback(None))
            raise
        except Exception as error:  # noqa: BLE001  # one line of many: whatever it ends in is told in its place
            logger.info("%s failed: %s", line.custom_id, type(error).__name__)
            return entry_of_error(line.key, error)

    @contextmanager
    def _pool(self) -> Iterator[Transports]:
        pool = next((each for each in self._pools if each.in_use < _A_POOL), None)
        if pool is None:
            pool = _Pool()
            self._pools.append(pool)
        pool.in_use += 1
        try:
            yield pool.transports
        finally:
            pool.in_use -= 1

    def learn_from(self, journal: Journal) -> None:
        """What answers of earlier runs took is what others may take."""
        self._purse.currency = journal.currency
        if journal.answers:
            self.average_tokens = journal.tokens / journal.answers
        if journal.priced:
            self.average_cost = journal.cost / journal.priced

    def _learn(self, entry: Entry) -> None:
        self.average_tokens = _averaged(self.average_tokens, entry.tokens)
        if entry.cost is not None:
            self.average_cost = _averaged(self.average_cost, entry.cost)

    def _close(self, lane: Lane, error: APIError) -> None:
        lane.closed_by = error.with_traceback(None)
        logger.warning("a key is not used any more: %s", error)
        if all(each.closed_by is not None for each in self.lanes):
            self.refusal = lane.closed_by

    def stop(self) -> None:
        """Ask nothing again that the vendor puts off; what is under way goes on."""
        self.is_stopping = True
        self._changed.set()

    async def changed(self) -> None:
        """Return when a request has ended."""
        self._changed.clear()
        await self._changed.wait()

    async def close(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            await pool.transports.aclose()


def _next_lane(lanes: list[Lane], tokens: float, now: float) -> tuple[Lane | None, float | None]:
    """The emptiest lane among those that may begin at once, with 0 seconds; else how long until one may, if known.

    None and 0 seconds: there is no lane any more.
    """
    open_ones = [(lane, lane.wait(tokens, now)) for lane in lanes if lane.closed_by is None]
    if not open_ones:
        return None, 0.0
    ready = [lane for lane, seconds in open_ones if seconds == 0]
    if ready:
        return min(ready, key=lambda lane: lane.in_flight / lane.limit), 0.0
    return None, min((seconds for _, seconds in open_ones if seconds is not None), default=None)


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event, or so long."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:  # a class of its own until Python 3.11
        return


def _averaged(average: float | None, value: float) -> float:
    return float(value) if average is None else average + (value - average) * _NEWEST
