"""A run: lines in, results out; each request asked once, never more than a few lines in memory."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .asking import Asker, RefusedKeyError, StoppedError
from .budget import Budget, Spent, Verdict, judge
from .journal import Journal
from .lines import Defaults, Line, read_line
from .pace import Turn
from .results import BatchResult, Entry, entry_of_error, entry_of_problem

#: Lines that wait for an older one, at most; some 12 MB. Their answers lie in the journal.
_WINDOW = 50_000
#: Results that are ready and that nobody has taken: who leaves the loop early has paid for few more.
_AHEAD = 200

#: How a run has ended: every line handed out; or stopped cleanly because the budget is used up, because no price is
#: known to keep a budget in money by, because every key was refused, or because somebody wanted it.
Ending: TypeAlias = Literal["done", "budget", "no_price", "refused", "stopped"]


@dataclass(slots=True)
class Stats:
    """What has happened so far. Of lines: ``total`` is None where it cannot be told beforehand.

    ``stored`` lines were answered from the journal, duplicates included; ``asked`` counts requests that ended in this
    run. ``tokens`` and ``cost`` are the whole job's, earlier runs included; ``refusals`` are those that slowed it down.
    """

    total: int | None = None
    read: int = 0
    handed_out: int = 0
    failed: int = 0
    stored: int = 0
    asked: int = 0
    refusals: int = 0
    in_flight: int = 0
    #: Requests at once that the vendor seems to bear, over all keys.
    at_once: int = 0
    tokens: int = 0
    cost: float = 0.0
    is_priced: bool = False
    began_at: float = field(default_factory=time.monotonic)
    ending: Ending = "done"
    #: What a run that was stopped by refused keys was told.
    reason: str = ""


@dataclass(slots=True)
class _Ticket:
    """A line that is to be handed out."""

    index: int
    custom_id: str
    key: str
    is_stored: bool = False
    #: Of a line that could not be asked; others are in the journal.
    entry: Entry | None = None
    is_ready: bool = False
    is_dropped: bool = False


class Run:
    """One run over some lines. Used in one event loop, once.

    Args:
        raw_lines: the input.
        defaults: see ``Defaults``.
        asker: who asks; closed with the run.
        journal: where answers are; closed with the run.
        budget: of the whole job.
        is_ordered: hand results out in the order of the lines, not as they come.
        only_stored: ask nothing; lines that are not in the journal are left out.
    """

    def __init__(
        self,
        raw_lines: AsyncGenerator[Any, None],
        defaults: Defaults,
        asker: Asker,
        journal: Journal,
        *,
        budget: Budget,
        is_ordered: bool = True,
        only_stored: bool = False,
    ) -> None:
        self._raw_lines = raw_lines
        self._defaults = defaults
        self._asker = asker
        self._journal = journal
        self._budget = budget
        self._is_ordered = is_ordered
        self._only_stored = only_stored
        self.stats = Stats()
        self._waiting: deque[_Ticket] = deque()
        #: Lines by the hash that is being asked for them: more than one if the input repeats itself.
        self._asking: dict[str, list[_Ticket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._syncer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        #: How the run ends if lines are left out because of it; the first reason is the one that is told.
        self._stopped_as: tuple[Ending, str] | None = None

    # What the user does.

    async def take(self, most: int = 1) -> list[BatchResult]:
        """The next results, as soon as there is one; none when the run has ended.

        Raises:
            Exception: what the input raised, or the journal's disk: everything before it has been handed out.
        """
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
            self._reader.add_done_callback(lambda _: self._changed.set())
            if self.stats.ending != "done":
                self._reader.cancel()
            self._syncer = asyncio.create_task(self._journal.keep_syncing())
        while True:
            self._changed.clear()
            found = self._take_ready(most)
            if found:
                return found
            if self._reader.done() and not self._tasks:
                await self._end()
                return []
            await self._changed.wait()

    def stop(self, ending: Ending = "stopped", reason: str = "") -> None:
        """Begin nothing more. What is under way is finished, journalled and handed out."""
        self._stopped_as = self._stopped_as or (ending, reason)
        if self._reader is None or not self._reader.done():
            self._leave_out()
        self._asker.stop()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
        self._changed.set()

    def _leave_out(self) -> None:
        """Lines are left out, so that this is no run that is done. One that was stopped when nothing was left is."""
        self.stats.ending, self.stats.reason = self._stopped_as or ("stopped", "")

    async def close(self) -> None:
        """End at once; requests under way are given up."""
        if self._reader is not None and (self._waiting or self._tasks or not self._reader.done()):
            self._stopped_as = self._stopped_as or ("stopped", "")
            self._leave_out()
        tasks = [task for task in (self._reader, self._syncer, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._asker.close()
        self._journal.close()

    async def _end(self) -> None:
        await self.close()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # Lines in.

    async def _read(self) -> None:
        try:
            async with aclosing(self._raw_lines):
                async for raw in self._raw_lines:
                    await self._wait_for_room()
                    if not await self._take_in(read_line(self.stats.read, raw, self._defaults)):
                        return
                    self.stats.read += 1
        except (asyncio.CancelledError, StoppedError):
            return
        except Exception as error:  # noqa: BLE001  # the input's own; raised when everything before it is handed out
            self._failure = self._failure or error

    async def _wait_for_room(self) -> None:
        """Pause while enough is ready for whoever takes results, or the oldest line holds up very many others."""
        while len(self._waiting) >= _WINDOW or (self._ready >= _AHEAD and self._waiting[0].is_ready):
            self._taken.clear()
            await self._taken.wait()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._asker.stop()

    async def _take_in(self, line: Line) -> bool:
        """Answer a line, or have it asked; False if nothing more is to be read."""
        ticket = _Ticket(line.index, line.custom_id, line.key)
        if line.problem:
            ticket.entry = entry_of_problem(line.problem)
        elif line.key in self._asking:
            ticket.is_stored = True
            self._asking[line.key].append(ticket)
            self._put(ticket)
            return True
        elif self._journal.find(line.key):
            ticket.is_stored = True
        elif self._only_stored:
            return True
        else:
            return await self._have_asked(line, ticket)
        self._put(ticket)
        self._make_ready([ticket])
        return True

    def _put(self, ticket: _Ticket) -> None:
        if self._is_ordered:
            self._waiting.append(ticket)

    async def _have_asked(self, line: Line, ticket: _Ticket) -> bool:
        if not await self._may_spend():
            return False
        try:
            turn = await self._asker.take_turn(line)
        except RefusedKeyError as refused:
            if self._asker.refusal is not None:
                self.stop("refused", str(self._asker.refusal))
                return False
            ticket.entry = entry_of_error("", refused.args[0])
            self._put(ticket)
            self._make_ready([ticket])
            return True
        self._put(ticket)
        self._asking[line.key] = [ticket]
        task = asyncio.create_task(self._ask(line, turn))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return True

    async def _may_spend(self) -> bool:
        journal = self._journal
        while True:
            # An answer that does not say what it cost has not been free.
            unknown = (journal.answers - journal.priced) * (self._asker.average_cost or 0.0)
            verdict = judge(
                self._budget,
                Spent(
                    tokens=journal.tokens,
                    cost=journal.cost + unknown,
                    average_tokens=self._asker.average_tokens,
                    average_cost=self._asker.average_cost,
                    in_flight=self._asker.in_flight,
                    has_answers=self._asker.average_tokens is not None,
                ),
            )
            if verdict is Verdict.GO:
                return True
            if verdict is Verdict.WAIT:
                await self._asker.changed()
                continue
            self.stop("budget" if verdict is Verdict.STOP else "no_price")
            return False

    # Answers.

    async def _ask(self, line: Line, turn: Turn) -> None:
        entry: Entry | None = None
        try:
            entry = await self._asker.ask(line, turn)
            if entry is not None:
                self._journal.append(entry)
                await self._journal.settle()
        except RefusedKeyError as refused:
            if self._asker.refusal is not None:
                self.stop("refused", str(self._asker.refusal))
            else:
                entry = entry_of_error(line.key, refused.args[0])
                self._journal.append(entry)
        except OSError as error:  # the journal's disk: to ask more would lose the answers
            entry = None
            self._fail(error)
            self.stop()
        if entry is None:
            self._leave_out()
        tickets = self._asking.pop(line.key)
        self.stats.asked += entry is not None
        for ticket in tickets:
            ticket.is_dropped = entry is None
        self._make_ready(tickets)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with suppress(asyncio.CancelledError):
            if (error := task.exception()) is not None:
                self._fail(error)
                self.stop()
        self._changed.set()

    # Results out.

    def _make_ready(self, tickets: list[_Ticket]) -> None:
        for ticket in tickets:
            ticket.is_ready = True
        self._ready += len(tickets)
        if not self._is_ordered:
            self._waiting.extend(tickets)
        self._changed.set()

    def _take_ready(self, most: int) -> list[BatchResult]:
        found: list[BatchResult] = []
        while self._waiting and self._waiting[0].is_ready and len(found) < most:
            ticket = self._waiting.popleft()
            self._ready -= 1
            if not ticket.is_dropped:
                found.append(self._hand_out(ticket))
        self._taken.set()
        return found

    def _hand_out(self, ticket: _Ticket) -> BatchResult:
        entry = ticket.entry or self._journal.read(ticket.key)
        stats = self.stats
        stats.handed_out += 1
        stats.failed += not entry.is_ok
        stats.stored += ticket.is_stored
        stats.is_priced = stats.is_priced or entry.cost is not None
        return BatchResult(index=ticket.index, custom_id=ticket.custom_id, entry=entry, is_stored=ticket.is_stored)

    def refresh(self) -> Stats:
        """The figures as of now."""
        stats, lanes = self.stats, self._asker.lanes
        stats.tokens, stats.cost = self._journal.tokens, self._journal.cost
        stats.in_flight = self._asker.in_flight
        stats.at_once = sum(int(lane.limit) for lane in lanes if lane.closed_by is None)
        stats.refusals = sum(lane.refusals for lane in lanes)
        return stats
