"""What an answer cost, in the currency that the vendor charges, from a dated table of list prices.

``response.cost`` is a ``Cost``, or None when it is not known for sure; docs/cost.md says when. The table is a file of
this package, ``prices.json``; it is read when a cost is first asked for.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._prices import Price, PriceError, read_prices

if TYPE_CHECKING:
    from os import PathLike

    from ._priced import Basis
    from .schema import ModelResponse, PromptTokensDetails, Usage

__all__ = ["Cost", "PriceTable", "TotalCost", "price_table", "sum_costs"]

_FILE = Path(__file__).with_name("prices.json")
#: What platforms call a currency that has a code.
_CODES = {"RMB": "CNY", "CNH": "CNY"}
_SAME_MONEY = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Cost:
    """Money for one answer.

    Args:
        amount: exact, not rounded.
        currency: ISO 4217: "CNY", "USD".
        prices_as_of: the day on which the prices were read; None where a platform told the cost itself.
        source: the page with the prices; "" where the platform told the cost, or where your own prices name none.
    """

    amount: Decimal
    currency: str
    prices_as_of: dt.date | None = None
    source: str = ""

    def __str__(self) -> str:
        return f"{_plain(self.amount)} {self.currency}"


class TotalCost(NamedTuple):
    """The sum of many costs: an amount for each currency, and how many costs were not known."""

    amounts: dict[str, Decimal]
    unknown: int

    def __str__(self) -> str:
        told = [f"{_plain(amount)} {currency}" for currency, amount in self.amounts.items()]
        return ", ".join(told + ([f"{self.unknown} unknown"] if self.unknown else [])) or "0"


def sum_costs(costs: Iterable[Cost | None]) -> TotalCost:
    """Add costs up, currency by currency, exactly; those that are None are counted, not taken for 0."""
    amounts: dict[str, Decimal] = {}
    unknown = 0
    for cost in costs:
        if cost is None:
            unknown += 1
        else:
            amounts[cost.currency] = _add(amounts.get(cost.currency, Decimal(0)), cost.amount)
    return TotalCost(amounts, unknown)


def _add(one: Decimal, other: Decimal) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        return one + other


def _plain(amount: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices of models: rows of the table that comes with the package, or your own.

    Make one with ``PriceTable.of(rows)`` or ``PriceTable.read(path)``. docs/cost.md tells what stands in a row.
    """

    prices: tuple[Price, ...] = field(repr=False)

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> PriceTable:
        """A table of rows.

        Raises:
            ValueError: a row cannot be understood; says which one, and why.
        """
        return cls(tuple(read_prices(rows)))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> PriceTable:
        """The table in a JSON file: a list of rows, or an object whose ``prices`` is that list.

        Raises:
            ValueError: it holds something else.
            OSError: it cannot be read.
        """
        held = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = held.get("prices") if isinstance(held, dict) else held
        if not isinstance(rows, list):
            raise PriceError(f"{path}: a list of prices was expected, or an object whose `prices` is that list.")
        return cls.of(rows)

    def find(self, provider: str, model: str, region: str | None) -> Price | None:
        """The row of a model where it was called; the last one that fits, so that later rows replace earlier ones.

        Args:
            region: the region's name; None for an address that is none of the vendor's.
        """
        wanted = model.lower()
        for price in reversed(self.prices):
            if price.provider == provider and wanted in price.models and (not price.regions or region in price.regions):
                return price
        return None

    def cost(
        self,
        usage: Usage | None,
        *,
        provider: str,
        model: str,
        region: str | None = None,
        thought: bool = False,
        times: Sequence[float] = (),
    ) -> Cost | None:
        """What that many tokens cost.

        Args:
            usage: the vendor's count.
            provider: its native name.
            model: the vendor's name of the model.
            region: as for ``find``.
            thought: whether the model thought, where that changes the price.
            times: Unix times, in seconds, that decide where prices depend on the hour: the cost is known only if all
                of them fall into hours of one price.
        """
        price = self.find(provider, model, region)
        if price is None or usage is None:
            return None
        tokens = _count(usage)
        rates = None if tokens is None else price.rates(tokens.prompt, times)
        if tokens is None or rates is None:
            return None
        output = rates.thinking_output if thought and rates.thinking_output is not None else rates.output
        cached = rates.cached_input if tokens.cached else Decimal(0)
        if cached is None:
            return None
        with localcontext() as context:
            context.prec = 60
            amount = (tokens.prompt - tokens.cached) * rates.input + tokens.cached * cached + tokens.completion * output
            return Cost(amount.scaleb(-6).normalize(), price.currency, price.read, price.source)


class _Tokens(NamedTuple):
    prompt: int
    cached: int
    completion: int


def _count(usage: Usage) -> _Tokens | None:
    """The tokens that have a price in the table; None where others take part, or a number is missing."""
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if prompt is None or completion is None or min(prompt, completion) < 0:
        return None
    told = usage.prompt_tokens_details
    cached = (told.cached_tokens if told is not None else None) or 0
    if not 0 <= cached <= prompt or (told is not None and _has_others(told)):
        return None
    if usage.completion_tokens_details is not None and usage.completion_tokens_details.get("audio_tokens"):
        return None
    return _Tokens(prompt, cached, completion)


def _has_others(details: PromptTokensDetails) -> bool:
    """Whether sound, or a cache that the caller made, is among them: both have prices of their own."""
    extra = details.model_extra or {}
    return any(
        value and ("audio" in name or "creation" in name or name == "cache_type") for name, value in extra.items()
    )


@functools.cache
def price_table() -> PriceTable:
    """The table that comes with the package."""
    return PriceTable.read(_FILE)


def own_prices(given: Any) -> PriceTable | None:
    """The argument ``prices=`` of a call as a table.

    Raises:
        BadRequestError: it cannot be understood.
    """
    if given is None or isinstance(given, PriceTable):
        return given
    from .exceptions import BadRequestError

    try:
        return PriceTable.of(given) if isinstance(given, (list, tuple)) else PriceTable.read(given)
    except (OSError, TypeError, ValueError) as error:
        raise BadRequestError(f"prices= cannot be used: {error} See docs/cost.md.") from None


def cost_of_answer(basis: Basis, response: ModelResponse) -> Cost | None:
    """What an answer cost: by the platform's own words, by the caller's prices, by the table; else None."""
    usage = response.usage
    if usage is not None and usage.total_cost is not None:
        return _told(usage)
    if usage is None or basis.has_extras:
        return None
    region = _region(basis)
    thought = _thought(response)
    times = (float(response.created), basis.ended)
    tables = [basis.prices] if basis.prices is not None else []
    # Without a region no row of the package fits, so that its table need not be read.
    tables += [price_table()] if region is not None else []
    for table in tables:
        for model in (basis.model, response.model or ""):
            if table.find(basis.provider, model, region) is not None:
                return table.cost(
                    usage, provider=basis.provider, model=model, region=region, thought=thought, times=times
                )
    return None


def _told(usage: Usage) -> Cost | None:
    """What the platform says; None where it counts in points."""
    unit = (usage.cost_unit or "").strip().upper()
    currency = _CODES.get(unit, unit)
    if not _SAME_MONEY.fullmatch(currency):
        return None
    try:
        amount = Decimal(str(usage.total_cost))
    except ArithmeticError:
        return None
    return Cost(amount, currency) if amount.is_finite() else None


def _thought(response: ModelResponse) -> bool:
    usage = response.usage
    told = usage.completion_tokens_details if usage is not None else None
    if told is not None and told.reasoning_tokens:
        return True
    return any(choice.message.reasoning_content for choice in response.choices)


def _region(basis: Basis) -> str | None:
    """The vendor's region that was called; None where the address is none of them, or might be several."""
    from . import _registry

    found = _registry.find(basis.provider) if basis.provider else None
    if found is None:
        return None
    spec = found.adapter.spec
    region = spec.region_of(basis.place)
    if region is None:
        return None
    host = _parts(region.base_url)[0]
    if sum(_parts(other.base_url)[0] == host for other in spec.regions) == 1:
        return region.name
    # Plans share a host with the pay-as-you-go platform, and are told from it by their paths.
    called = _parts(basis.place)[1]
    return next((each.name for each in spec.regions if _parts(each.base_url) == (host, called)), None)


def _parts(url: str) -> tuple[str, str]:
    host, _, path = url.partition("://")[2].rstrip("/").partition("/")
    return host, path
