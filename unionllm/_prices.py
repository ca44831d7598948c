"""Rows of a price table: what stands in them, checked, and which price applies to which call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any


class PriceError(ValueError):
    """A row that cannot be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices of a million tokens.

    ``cached_input`` is None where nobody told it; ``thinking_output`` where it does not differ.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    thinking_output: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Prices for prompts of more than ``over`` tokens, up to ``up_to``; ``peak``: those of the dear hours."""

    over: int = 0
    up_to: int | None = None
    rates: Rates
    peak: Rates | None = None

    def holds(self, prompt: int) -> bool:
        """Whether a prompt of that length falls into it."""
        return (self.over < prompt or self.over == 0) and (self.up_to is None or prompt <= self.up_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When the dear hours are.

    Args:
        utc_offset: of the vendor's clock, in hours.
        ranges: from minute of the day to minute of the day, on weekdays.
        doubtful: year → days of that year on which it is not known which price applies.
    """

    utc_offset: int
    ranges: tuple[tuple[int, int], ...]
    doubtful: Mapping[int, frozenset[str]]

    def is_peak(self, at: float) -> bool | None:
        """Whether a Unix time falls into them; None when nobody can be sure."""
        zone = dt.timezone(dt.timedelta(hours=self.utc_offset))
        moment = dt.datetime.fromtimestamp(at, zone)
        minute = moment.hour * 60 + moment.minute
        if moment.weekday() >= 5 or not any(start <= minute < end for start, end in self.ranges):
            return False
        days = self.doubtful.get(moment.year)
        return None if days is None or f"{moment:%m-%d}" in days else True


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row: what some models cost in one region, since when that is known, and from where."""

    provider: str
    models: frozenset[str]
    currency: str
    tiers: tuple[Tier, ...]
    #: Names of the vendor's regions; empty: whatever address was called.
    regions: frozenset[str] = frozenset()
    read: dt.date | None = None
    source: str = ""
    via: str = ""
    hours: Hours | None = None

    def rates(self, prompt: int, times: Sequence[float] = ()) -> Rates | None:
        """Prices for a prompt of that length at those times; None where no tier or no hour is certain."""
        tier = next((tier for tier in self.tiers if tier.holds(prompt)), None)
        if tier is None or self.hours is None or tier.peak is None:
            return None if tier is None else tier.rates
        found = {self.hours.is_peak(at) for at in times}
        if len(found) != 1:
            return None
        is_peak = found.pop()
        return None if is_peak is None else tier.peak if is_peak else tier.rates


_KNOWN = frozenset(
    {
        *("provider", "models", "regions", "currency", "source", "read", "via", "note"),
        *("input", "cached_input", "output", "thinking_output", "tiers", "peak", "peak_hours"),
    }
)


def read_prices(rows: Sequence[Any]) -> Iterator[Price]:
    """The rows, checked.

    Raises:
        PriceError: one of them cannot be understood.
    """
    for number, row in enumerate(rows):
        try:
            yield _price(row)
        except (AttributeError, InvalidOperation, KeyError, TypeError, ValueError) as error:
            told = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise PriceError(f"prices[{number}]: {told}.") from None


def _price(row: Any) -> Price:
    if not isinstance(row, Mapping):
        raise PriceError("a row must be a dict")
    if unknown := sorted(set(row) - _KNOWN):
        raise PriceError(f"{', '.join(unknown)} is no part of a row")
    models = _names(row["models"], "models")
    tiers = row.get("tiers") or [{name: row.get(name) for name in (*_RATES, "peak")}]
    read = row.get("read")
    hours = row.get("peak_hours")
    return Price(
        provider=row["provider"],
        models=frozenset(model.lower() for model in models),
        currency=str(row["currency"]).upper(),
        tiers=tuple(_tier(tier) for tier in tiers),
        regions=frozenset(_names(row.get("regions") or [], "regions")),
        read=dt.date.fromisoformat(read) if read else None,
        source=row.get("source") or "",
        via=row.get("via") or "",
        hours=_hours(hours) if hours else None,
    )


def _names(held: Any, what: str) -> list[str]:
    if not isinstance(held, (list, tuple)) or not all(isinstance(name, str) for name in held):
        raise PriceError(f"{what} must be a list of names")
    return list(held)


_RATES = ("input", "cached_input", "output", "thinking_output")


def _tier(tier: Mapping[str, Any]) -> Tier:
    up_to, peak = tier.get("up_to"), tier.get("peak")
    return Tier(
        over=int(tier.get("over") or 0),
        up_to=None if up_to is None else int(up_to),
        rates=_rates(tier),
        peak=_rates(peak) if peak else None,
    )


def _rates(held: Mapping[str, Any]) -> Rates:
    amounts = {name: _amount(held[name], name) for name in _RATES if held.get(name) is not None}
    return Rates(
        input=amounts["input"],
        output=amounts["output"],
        cached_input=amounts.get("cached_input"),
        thinking_output=amounts.get("thinking_output"),
    )


def _amount(value: Any, name: str) -> Decimal:
    # By its digits: 0.1 means a tenth, not the number next to it that a float can hold.
    amount = Decimal(str(value))
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise PriceError(f"{name}={value!r} is no price")
    return amount


def _hours(held: Mapping[str, Any]) -> Hours:
    return Hours(
        utc_offset=int(held["utc_offset"]),
        ranges=tuple((_minute(start), _minute(end)) for start, end in held["weekdays"]),
        doubtful={int(year): frozenset(days) for year, days in held.get("doubtful", {}).items()},
    )


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
