"""What a run says while it works: a bar on a terminal, else a line to a log every ten seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .run import Stats

#: Seconds between two lines where there is no terminal, and seconds that a rate is measured over.
_EVERY, _SPAN = 10.0, 30.0


class Pace:
    """Lines a second, over the last half minute, and how long the rest will take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, done: int) -> float:
        """So many lines are done; returns lines a second."""
        now = self._clock()
        if not self._seen or now - self._seen[-1][0] >= 0.5:
            self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _SPAN:
            self._seen.popleft()
        then, before = self._seen[0]
        return (done - before) / (now - then) if now > then else 0.0


def describe(stats: Stats, rate: float) -> str:
    """The figures of a run in one line."""
    total = "" if stats.total is None else f"/{stats.total:,}"
    parts = [f"{stats.handed_out:,}{total} lines", f"{rate:,.1f}/s"]
    if stats.total is not None and rate > 0:
        parts.append(f"ETA {format_seconds((stats.total - stats.handed_out) / rate)}")
    parts += [f"{stats.tokens:,} tokens", *([f"cost {stats.cost:,.4f}"] if stats.is_priced else [])]
    parts += [f"{stats.failed:,} failed", f"{stats.in_flight}/{stats.at_once} at once"]
    return ", ".join([*parts, *([f"{stats.refusals:,} told to slow down"] if stats.refusals else [])])


def format_seconds(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class LineProgress:
    """A line every ten seconds. A context manager; call it with the figures as often as you like."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._pace = Pace(clock)
        self._told_at = clock()

    def __call__(self, stats: Stats) -> None:
        """The figures as of now."""
        rate = self._pace.update(stats.handed_out)
        now = self._clock()
        if now - self._told_at >= _EVERY:
            self._told_at = now
            self._write(describe(stats, rate) + "\n")

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class BarProgress:
    """A bar, with rich. The same, for terminals."""

    def __init__(self, console: Any, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._pace = Pace(clock)
        columns = (BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, transient=True, refresh_per_second=4)
        self._task = self._bar.add_task("", total=None)

    def __call__(self, stats: Stats) -> None:
        """The figures as of now."""
        told = describe(stats, self._pace.update(stats.handed_out))
        self._bar.update(self._task, total=stats.total, completed=stats.handed_out, description=told)

    def __enter__(self) -> BarProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
