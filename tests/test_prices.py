"""The table of prices, and the sums that are made with it. No cost is ever guessed."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unionllm
from unionllm import Cost, Usage, _registry, sum_costs
from unionllm.cost import PriceTable, price_table

ROWS = json.loads((Path(unionllm.__file__).parent / "prices.json").read_text(encoding="utf-8"))["prices"]
OWN = {"provider": "acme", "models": ["m"], "currency": "CNY", "input": 2, "output": 8}
TIERED = {
    "provider": "acme",
    "models": ["m"],
    "currency": "USD",
    "tiers": [
        {"up_to": 32000, "input": "1", "cached_input": "0.1", "output": "5"},
        {"over": 32768, "up_to": 128000, "input": "2", "cached_input": "0.2", "output": "10"},
    ],
}
TOKENS = st.integers(min_value=0, max_value=10_000_000)
AMOUNTS = st.decimals(min_value=0, max_value=10**6, allow_nan=False, places=12)


def usage(prompt: int, completion: int, cached: int | None = None, **details: Any) -> Usage:
    told = {"cached_tokens": cached, **details}
    return Usage(prompt_tokens=prompt, completion_tokens=completion, prompt_tokens_details=told)


def amount(rows: list[dict[str, Any]], counted: Usage | None, **call: Any) -> Decimal | None:
    cost = PriceTable.of(rows).cost(counted, **{"provider": "acme", "model": "m", **call})
    return None if cost is None else cost.amount


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['provider']}-{row['models'][0]}-{row['currency']}")
def test_every_row_says_from_where_and_when_it_is(row: dict[str, Any]) -> None:
    found = _registry.find(row["provider"])
    assert found is not None
    spec = found.adapter.spec

    assert row["source"].startswith("https://")
    assert dt.date(2026, 1, 1) < dt.date.fromisoformat(row["read"]) <= dt.date(2026, 11, 29)
    assert row["currency"] in ("CNY", "USD")
    assert row["regions"]
    assert {spec.region(name) is not None for name in row["regions"]} == {True}
    assert {"CNY": "cn", "USD": "intl"}[row["currency"]] in row["regions"]


@pytest.mark.parametrize("page", ["cost.md", "cost.zh-CN.md"])
def test_the_page_names_the_models_of_the_table_and_no_others(page: str) -> None:
    models: dict[tuple[str, str, str], list[str]] = {}
    for row in ROWS:
        models.setdefault((row["provider"], row["regions"][0], row["currency"]), []).extend(row["models"])
    wanted = [
        f"| `{provider}` | {region} | {currency} | {', '.join(f'`{name}`' for name in names)} |"
        for (provider, region, currency), names in models.items()
    ]

    lines = (Path(__file__).parent.parent / "docs" / page).read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith("| `") and line.count("|") == 5] == wanted


@pytest.mark.parametrize("price", price_table().prices, ids=lambda price: f"{price.provider}-{min(price.models)}")
def test_no_price_is_below_zero_and_cached_tokens_are_not_dearer(price: Any) -> None:
    rates = [each for tier in price.tiers for each in (tier.rates, tier.peak) if each is not None]

    for each in rates:
        assert min(each.input, each.output) >= 0
        assert each.cached_input is None or 0 <= each.cached_input <= each.input
        assert each.thinking_output is None or each.thinking_output >= each.output
    bounds = [(tier.over, tier.up_to) for tier in price.tiers]
    assert bounds == sorted(bounds)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(bounds))


def test_no_model_has_two_prices_in_one_region() -> None:
    places = [
        (row["provider"], region, model.lower()) for row in ROWS for region in row["regions"] for model in row["models"]
    ]

    assert len(places) == len(set(places))


@given(prompt=TOKENS, completion=TOKENS, cached=TOKENS)
def test_the_amount_is_exact(prompt: int, completion: int, cached: int) -> None:
    rows = [{**OWN, "input": "1.35", "cached_input": "0.27", "output": "8.1"}]
    found = amount(rows, usage(prompt, completion, cached))

    if cached > prompt:
        assert found is None
    else:
        assert found is not None
        assert found * 10**8 == (prompt - cached) * 135 + cached * 27 + completion * 810


@given(prompt=TOKENS, completion=TOKENS)
def test_a_prompt_pays_the_prices_of_its_tier_for_all_tokens(prompt: int, completion: int) -> None:
    found = amount([TIERED], usage(prompt, completion))

    if prompt <= 32000:
        assert found == Decimal(prompt + 5 * completion) / 10**6
    elif 32768 < prompt <= 128000:
        assert found == Decimal(2 * prompt + 10 * completion) / 10**6
    else:
        assert found is None


@given(costs=st.lists(st.none() | st.builds(Cost, AMOUNTS, st.sampled_from(["CNY", "USD"]))))
def test_sums_are_exact_by_currency_and_count_what_is_unknown(costs: list[Cost | None]) -> None:
    total = sum_costs(costs)

    known = [cost for cost in costs if cost is not None]
    assert total.unknown == len(costs) - len(known)
    assert set(total.amounts) == {cost.currency for cost in known}
    for currency, summed in total.amounts.items():
        wanted = sum(int(cost.amount * 10**12) for cost in known if cost.currency == currency)
        assert int(summed * 10**12) == wanted


def test_a_sum_can_be_printed() -> None:
    costs = [Cost(Decimal("0.10"), "CNY"), Cost(Decimal("0.20"), "CNY"), Cost(Decimal("1E-7"), "USD"), None]

    assert str(sum_costs(costs)) == "0.3 CNY, 0.0000001 USD, 1 unknown"
    assert str(sum_costs([])) == "0"
    assert str(Cost(Decimal("100"), "CNY")) == "100 CNY"


def test_numbers_mean_what_their_digits_say() -> None:
    assert amount([{**OWN, "input": 0.1, "output": 0.2}], usage(1, 1)) == Decimal("0.0000003")


def test_thoughts_have_a_price_of_their_own_where_the_vendor_has_one() -> None:
    row = {**OWN, "thinking_output": 20}

    assert amount([row], usage(0, 1_000_000)) == 8
    assert amount([row], usage(0, 1_000_000), thought=True) == 20
    assert amount([OWN], usage(0, 1_000_000), thought=True) == 8


@pytest.mark.parametrize(
    "counted",
    [
        None,
        Usage(),
        Usage(prompt_tokens=1),
        Usage(completion_tokens=1),
        usage(10, 1, 5),
        usage(10, 1, cache_creation_input_tokens=3),
        usage(10, 1, cache_type="ephemeral"),
        usage(10, 1, audio_tokens=3),
        Usage(prompt_tokens=1, completion_tokens=1, completion_tokens_details={"audio_tokens": 1}),
    ],
)
def test_tokens_whose_price_is_not_known_make_the_cost_unknown(counted: Usage | None) -> None:
    assert amount([OWN], counted) is None


def test_a_model_is_found_in_any_case_and_only_where_it_has_a_price() -> None:
    table = price_table()

    assert table.find("minimax", "minimax-m2.7", "cn") is table.find("minimax", "MiniMax-M2.7", "cn") is not None
    assert table.find("minimax", "MiniMax-M2.7", None) is None
    assert table.find("minimax", "MiniMax-M2.7", "old") is None
    assert table.find("zhipuai", "glm-5.3", "coding") is None


PEAK = {"utc_offset": 8, "weekdays": [["09:00", "12:00"], ["14:00", "18:00"]], "doubtful": {"2026": ["10-01"]}}
BY_HOUR = {**OWN, "input": 1, "output": 1, "peak": {"input": 2, "output": 2}, "peak_hours": PEAK}


def at(text: str) -> float:
    return dt.datetime.fromisoformat(f"{text}+08:00").timestamp()


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (["2026-11-27T10:00"], 2),
        (["2026-11-27T09:00", "2026-11-27T11:59"], 2),
        (["2026-11-27T08:59"], 1),
        (["2026-11-27T12:00"], 1),
        (["2026-11-28T10:00"], 1),
        (["2026-11-27T08:59", "2026-11-27T09:00"], None),
        (["2026-10-01T10:00"], None),
        (["2026-10-01T03:00"], 1),
        (["2027-03-03T10:00"], None),
        (["2027-03-03T20:00"], 1),
        ([], None),
    ],
)
def test_the_hour_decides_where_it_matters_unless_it_is_doubtful(times: list[str], wanted: int | None) -> None:
    assert amount([BY_HOUR], usage(1_000_000, 0), times=[at(time) for time in times]) == wanted
