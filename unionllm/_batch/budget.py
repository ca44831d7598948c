"""What a job may spend: decided before each request from what the earlier ones cost. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Whether the next request may begin."""

    GO = "go"
    #: It might be too much; when one that is under way has ended, more is known.
    WAIT = "wait"
    STOP = "stop"
    #: A budget in money cannot be kept: the answers' price is not known.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit for the whole job, earlier runs with the same journal included.

    Args:
        tokens: in all, as the vendor counts them; None for no limit.
        cost: money, in the currency of ``response.cost``; None for no limit.
    """

    tokens: float | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "cost"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"a budget must be more than 0, not {name}={value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What is known before a request.

    Args:
        tokens, cost: of all answers so far.
        average_tokens, average_cost: of one answer; None before the first one, and where prices are not known.
        in_flight: requests under way, which will cost as much as others did.
        has_answers: whether this run has received one.
    """

    tokens: float
    cost: float
    average_tokens: float | None
    average_cost: float | None
    in_flight: int
    has_answers: bool


def judge(budget: Budget, spent: Spent) -> Verdict:
    """Whether one more request fits. The first one goes alone: what it costs says how many may follow at once."""
    if budget.cost is not None and spent.has_answers and spent.average_cost is None:
        return Verdict.UNKNOWN
    verdicts = {
        _judge(budget.tokens, spent.tokens, spent.average_tokens, spent.in_flight),
        _judge(budget.cost, spent.cost, spent.average_cost, spent.in_flight),
    }
    return next((each for each in (Verdict.STOP, Verdict.WAIT) if each in verdicts), Verdict.GO)


def _judge(limit: float | None, spent: float, average: float | None, in_flight: int) -> Verdict:
    if limit is None:
        return Verdict.GO
    if spent >= limit:
        return Verdict.STOP
    if average is None:
        return Verdict.WAIT if in_flight else Verdict.GO
    # Sums of decimal fractions are not exact: three times 0.1 fits into 0.3.
    if spent + average * (in_flight + 1) <= limit * (1 + 1e-9):
        return Verdict.GO
    return Verdict.WAIT if in_flight else Verdict.STOP
