"""What an answer cost: the table, the sums, and real calls. No cost is ever guessed."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import itertools
import json
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import answer, piece
from server import Recorded, Reply, ScriptedServer

import unionllm
from unionllm import BadRequestError, Cost, ModelResponse, Usage, _registry, aunionchat, sum_costs, unionchat
from unionllm.cost import PriceTable, price_table
from unionllm.testing import VendorServer

ROWS = json.loads((Path(unionllm.__file__).parent / "prices.json").read_text(encoding="utf-8"))["prices"]
MESSAGES = [{"role": "user", "content": "你好"}]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
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


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**OWN, "input": -1}, "input=-1 is no price"),
        ({**OWN, "input": "cheap"}, "prices[0]"),
        ({**OWN, "models": "m"}, "models must be a list of names"),
        ({**OWN, "colour": "red"}, "colour is no part of a row"),
        ({"provider": "acme", "models": ["m"], "input": 1, "output": 1}, "'currency' is missing"),
        ("m", "a row must be a dict"),
    ],
)
def test_a_row_that_cannot_be_understood_is_refused_before_anything_is_sent(
    row: Any, told: str, server: ScriptedServer
) -> None:
    with pytest.raises(BadRequestError) as caught:
        unionchat("m", MESSAGES, provider="deepseek", base_url=server.url, api_key="sk-1", prices=[row])

    assert told in str(caught.value)
    assert server.requests == []


def test_a_file_of_prices_can_be_named(tmp_path: Path, server: ScriptedServer) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps([{**OWN, "provider": "deepseek"}]), encoding="utf-8")
    server.reply(json=answer(usage=USAGE))
    call: dict[str, Any] = {"provider": "deepseek", "base_url": server.url, "api_key": "sk-1", "messages": MESSAGES}

    assert str(unionchat("m", **call, prices=file).cost) == "0.006 CNY"
    with pytest.raises(BadRequestError, match=r"prices= cannot be used.*No such file"):
        unionchat("m", **call, prices=tmp_path / "none.json")
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(BadRequestError, match="a list of prices was expected"):
        unionchat("m", **call, prices=str(file))


#: Provider, model, its own address, and what 1,000 and 500 tokens cost there.
VENDORS = [
    ("zhipuai", "glm-5.3", "http://open.bigmodel.cn/api/paas/v4", "0.022 CNY"),
    ("zhipuai", "glm-5.3", "http://api.z.ai/api/paas/v4", "0.0036 USD"),
    ("zhipuai", "glm-5.3", "http://open.bigmodel.cn/api/coding/paas/v4", "None"),
    ("moonshot", "kimi-k3", "http://api.moonshot.cn/v1", "0.07 CNY"),
    ("moonshot", "kimi-k3", "http://api.moonshot.ai/v1", "0.0105 USD"),
    ("minimax", "MiniMax-M2.7", "http://api.minimaxi.com/v1", "0.0063 CNY"),
    ("stepfun", "step-3.7-flash", "http://api.stepfun.com/v1", "0.0054 CNY"),
    ("qwen", "qwen-plus", "http://dashscope.aliyuncs.com/compatible-mode/v1", "0.0018 CNY"),
    ("qwen", "qwen3-max", "http://dashscope-intl.aliyuncs.com/compatible-mode/v1", "0.0042 USD"),
    ("doubao", "doubao-seed-2-1-pro-260915", "http://ark.cn-beijing.volces.com/api/v3", "0.021 CNY"),
    ("stepfun", "step-of-tomorrow", "http://api.stepfun.com/v1", "None"),
]


def reply(request: Recorded) -> Reply:
    if not request.json.get("stream"):
        return Reply(json=answer(usage=USAGE, model=request.json["model"]))
    events = [piece({"role": "assistant", "content": "好"}), piece({}, "stop", usage=USAGE)]
    return Reply(sse=[*events, "[DONE]"])


@pytest.fixture
def vendors(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """The vendors' own hosts, as a proxy plays them."""
    for name in ("ALL_PROXY", "NO_PROXY", "all_proxy", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.default(reply)
    return server


@pytest.mark.parametrize(("provider", "model", "base_url", "wanted"), VENDORS)
def test_the_same_call_costs_the_same_whole_or_streamed_sync_or_async(
    provider: str, model: str, base_url: str, wanted: str, vendors: ScriptedServer
) -> None:
    call: dict[str, Any] = {"provider": provider, "base_url": base_url, "api_key": "sk-1", "messages": MESSAGES}

    async def ask() -> list[str]:
        whole = await aunionchat(model, **call)
        async with await aunionchat(model, **call, stream=True) as stream:
            chunks = [chunk async for chunk in stream]
        assert stream.response is not None
        return [str(whole.cost), str(stream.response.cost), str(chunks[-1].cost)]

    stream = unionchat(model, **call, stream=True)
    assert "".join(stream.text()) == "好"
    assert stream.response is not None

    assert [str(unionchat(model, **call).cost), str(stream.response.cost)] == [wanted, wanted]
    assert asyncio.run(ask()) == [wanted, wanted, "None"]


@pytest.mark.parametrize(
    "extra",
    [
        {"service_tier": "priority"},
        {"extra_body": {"service_tier": "flex"}},
        {"tools": [{"type": "web_search", "web_search": {"enable": True}}]},
        {"extra_body": {"enable_search": True}},
    ],
)
def test_a_call_that_buys_more_than_tokens_has_no_known_cost(extra: dict[str, Any], vendors: ScriptedServer) -> None:
    call = {"provider": "zhipuai", "api_key": "sk-1", "messages": MESSAGES, "param_policy": "raw"}

    known = unionchat("glm-5.3", base_url="http://open.bigmodel.cn/api/paas/v4", **call)
    unknown = unionchat("glm-5.3", base_url="http://open.bigmodel.cn/api/paas/v4", **call, **extra)

    assert (str(known.cost), unknown.cost) == ("0.022 CNY", None)


@pytest.mark.parametrize("provider", ["zhipuai", "deepseek", "moonshot", "qwen", "minimax", "doubao", "stepfun"])
def test_an_address_that_is_not_the_vendors_has_no_price_but_yours(provider: str, vendor_server: VendorServer) -> None:
    model = {"doubao": "doubao-seed-2-0-pro-260215"}.get(provider)
    call = {**vendor_server.arguments(provider), "messages": MESSAGES}
    for _ in range(3):
        vendor_server.reply(text="好", usage={"prompt": 1000, "completion": 500})
    found = _registry.find(provider)
    assert found is not None
    model = model or found.adapter.spec.default_model or PLAYED[provider]
    own = [{**OWN, "provider": provider, "models": [model], "source": "https://acme.example", "read": "2026-11-01"}]

    assert unionchat(model, **call).cost is None
    whole = unionchat(model, **call, prices=own)
    stream = unionchat(model, **call, prices=PriceTable.of(own), stream=True)
    list(stream)
    assert stream.response is not None

    wanted = Cost(Decimal("0.006"), "CNY", dt.date(2026, 11, 1), "https://acme.example")
    assert (whole.cost, stream.response.cost) == (wanted, wanted)


PLAYED = {
    "zhipuai": "glm-4.6",
    "deepseek": "deepseek-v4-flash",
    "moonshot": "kimi-k3",
    "qwen": "qwen-plus",
    "minimax": "MiniMax-M3",
    "stepfun": "step-3.7-flash",
}


def test_a_platform_tells_its_cost_itself_in_money_or_not_at_all(vendor_server: VendorServer) -> None:
    for name in ("dify", "dify", "fastgpt"):
        vendor_server.reply(vendor=name, text="好")
    dify = {**vendor_server.arguments("dify"), "messages": MESSAGES, "prices": [{**OWN, "provider": "dify"}]}

    whole = unionchat(**dify)
    with unionchat(**dify, stream=True) as stream:
        list(stream)
    points = unionchat(**vendor_server.arguments("fastgpt"), messages=MESSAGES)

    assert stream.response is not None
    assert whole.cost == stream.response.cost == Cost(Decimal("0.00003"), "USD")
    assert points.cost is None


@pytest.mark.parametrize(
    ("told", "unit", "cost"),
    [
        ("0.5", "RMB", Cost(Decimal("0.5"), "CNY")),
        (0.1, "usd", Cost(Decimal("0.1"), "USD")),
        ("much", "USD", None),
        ("NaN", "USD", None),
        (3, "points", None),
        (3, None, None),
    ],
)
def test_what_a_platform_says_is_taken_by_its_words(
    told: Any, unit: str | None, cost: Cost | None, server: ScriptedServer
) -> None:
    usage = {"total_price": told, "currency": unit, **USAGE}
    server.default(json={"answer": "好", "conversation_id": "c", "metadata": {"usage": usage}})

    got = unionchat(provider="dify", base_url=server.url, api_key="app-1", messages=MESSAGES, app_type="chat")

    assert got.cost == cost


def test_your_prices_come_before_those_of_the_package(vendors: ScriptedServer) -> None:
    base_url = "http://open.bigmodel.cn/api/paas/v4"
    own = [{**OWN, "provider": "zhipuai", "models": ["glm-5.3"]}, {**OWN, "provider": "zhipuai", "models": ["glm-9"]}]
    call: dict[str, Any] = {"provider": "zhipuai", "base_url": base_url, "api_key": "sk-1", "messages": MESSAGES}

    assert str(unionchat("glm-5.3", **call, prices=own).cost) == "0.006 CNY"
    assert str(unionchat("glm-5.3", **call, prices=own[1:]).cost) == "0.022 CNY"


def test_a_fallback_is_paid_for_by_the_prices_of_who_answered(vendors: ScriptedServer) -> None:
    def refuse_zhipu(request: Recorded) -> Reply:
        return reply(request) if "minimaxi" in str(request.headers) else Reply(status=402, json={"error": "no money"})

    vendors.default(refuse_zhipu)
    fallback = {
        "provider": "minimax",
        "model": "MiniMax-M2.7",
        "api_key": "sk-2",
        "base_url": "http://api.minimaxi.com/v1",
    }
    response = unionchat(
        "glm-5.3",
        MESSAGES,
        provider="zhipuai",
        api_key="sk-1",
        base_url="http://open.bigmodel.cn/api/paas/v4",
        fallbacks=[fallback],
    )

    assert (response.provider, str(response.cost)) == ("minimax", "0.0063 CNY")


def test_a_cost_is_kept_by_copies_and_shown_by_nothing(vendors: ScriptedServer) -> None:
    response = unionchat(
        "glm-5.3", MESSAGES, provider="zhipuai", api_key="sk-1", base_url="http://open.bigmodel.cn/api/paas/v4"
    )
    stored = ModelResponse.model_validate(response.model_dump())

    for kept in (pickle.loads(pickle.dumps(response)), copy.deepcopy(response), response.model_copy()):
        assert (
            kept.cost
            == response.cost
            == Cost(
                Decimal("0.022"), "CNY", dt.date(2026, 11, 29), "https://docs.bigmodel.cn/cn/guide/start/pricing.md"
            )
        )
    assert pickle.loads(pickle.dumps(response.cost)) == response.cost
    assert "cost" not in response.model_dump()
    assert "cost" not in response.model_dump_json()
    assert "cost" not in repr(response)
    assert stored == response
    assert stored.cost is None
    assert response["cost"] == response.cost
