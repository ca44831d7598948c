"""How many requests at once, and how many a minute: a lane for each key. No I/O; time is an argument.

How many at once is found out: it doubles until the vendor says "too many" (429, or 503), is halved then, and grows by
one a round from there (additive increase, multiplicative decrease, as TCP does it).

Limits a minute are kept by ``Meter`` and not by aiolimiter: what a request costs in tokens is known after it only,
and aiolimiter can neither take that back nor go into debt for it; it also lets a whole minute's worth pass at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._retry import RetryPolicy
from ..exceptions import APIError

#: Requests at once that a lane begins with.
_FIRST = 8.0
#: Seconds' worth of a minute's limit that may pass at once: enough to make up for a late timer.
_BURST = 0.25
#: Waits after a refusal that names none: 0.5 s, doubled with each in a row, up to 8 s, and jittered.
_BACKOFF = RetryPolicy(max_retries=1_000_000)


class Meter:
    """So much a minute, spread evenly: no minute sees more than that.

    Args:
        per_minute: requests or tokens.
        now: seconds of any clock that only grows, as in all methods.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        if per_minute <= 0:
            raise ValueError(f"a limit a minute must be more than 0, not {per_minute!r}")
        self._rate = per_minute / 60 * (1 - _BURST / 60)
        self._most = max(1.0, per_minute / 60 * _BURST)
        self._level = self._most
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much may pass; 0 for at once. More than what may pass at once goes when all of it may."""
        self._fill(now)
        return max(0.0, (min(amount, self._most) - self._level) / self._rate)

    def take(self, amount: float, now: float) -> None:
        """So much has passed; a negative amount has turned out not to. It may leave a debt."""
        self._fill(now)
        self._level = min(self._most, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now


@dataclass(slots=True)
class Turn:
    """One try of one request on one lane."""

    lane: Lane
    began_at: float
    tokens: float


@dataclass
class Lane:
    """What one key may do.

    Args:
        credentials: arguments of its calls; empty for the run's own.
        most: requests at once that it never exceeds.
        requests, tokens: limits a minute, if there are any.
    """

    credentials: Mapping[str, Any] = field(repr=False)
    most: int
    requests: Meter | None = None
    tokens: Meter | None = None
    in_flight: int = 0
    #: Refusals that told it to slow down.
    refusals: int = 0
    #: Why it is not used any more.
    closed_by: APIError | None = None
    limit: float = 0.0
    _resumes_at: float = 0.0
    _cut_at: float = float("-inf")
    _full_at: float = float("-inf")
    _in_a_row: int = 0
    _has_been_cut: bool = False

    def __post_init__(self) -> None:
        self.limit = self.limit or min(_FIRST, self.most)

    def wait(self, tokens: float, now: float) -> float | None:
        """Seconds until a request of about so many tokens may begin; None: not before another one ends."""
        if self.in_flight >= int(self.limit):
            return None
        seconds = self._resumes_at - now
        if self.requests is not None:
            seconds = max(seconds, self.requests.wait(1, now))
        if self.tokens is not None:
            seconds = max(seconds, self.tokens.wait(tokens, now))
        return max(0.0, seconds)

    def begin(self, tokens: float, now: float) -> Turn:
        """A request begins."""
        self.in_flight += 1
        if self.in_flight >= int(self.limit):
            self._full_at = now
        if self.requests is not None:
            self.requests.take(1, now)
        if self.tokens is not None:
            self.tokens.take(tokens, now)
        return Turn(self, now, tokens)

    def end(self, turn: Turn, tokens: float, now: float, *, is_answer: bool) -> None:
        """A request has ended, and took so many tokens."""
        if is_answer:
            self._in_a_row = 0
            # What was never filled says nothing about how much more would be borne.
            if turn.began_at <= self._full_at:
                self.limit = min(float(self.most), self.limit + (1 / self.limit if self._has_been_cut else 1.0))
        self.in_flight -= 1
        if self.tokens is not None:
            self.tokens.take(tokens - turn.tokens, now)

    def slow_down(self, turn: Turn, error: APIError, now: float) -> None:
        """The vendor wants less. Those that were under way when it last said so say nothing new."""
        self.refusals += 1
        is_news = turn.began_at >= self._cut_at
        if is_news:
            self._in_a_row += 1
            self._cut_at = now
            self._has_been_cut = True
            self.limit = max(1.0, min(self.limit, float(self.in_flight)) / 2)
        if is_news or error.retry_after is not None:
            wait = _BACKOFF.wait_before_retry(max(1, self._in_a_row), error) or 0.0
            self._resumes_at = max(self._resumes_at, now + wait)


def open_lanes(
    keys: Sequence[Mapping[str, Any]],
    *,
    most: int,
    rpm: float | None,
    tpm: float | None,
    now: float,
    share: float = 1.0,
) -> list[Lane]:
    """A lane for each set of credentials.

    Args:
        most: requests at once for each key, and ``rpm``, ``tpm`` likewise.
        share: the part of these limits that is this process's own, where several share the keys.
    """

    def meter(per_minute: float | None) -> Meter | None:
        return None if per_minute is None else Meter(per_minute * share, now)

    return [
        Lane(credentials=each, most=max(1, round(most * share)), requests=meter(rpm), tokens=meter(tpm))
        for each in keys
    ]
