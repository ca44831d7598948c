"""What an answer cost: what real calls say. No cost is ever guessed."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from replies import answer, piece
from server import Recorded, Reply, ScriptedServer

from unionllm import BadRequestError, Cost, ModelResponse, _registry, aunionchat, unionchat
from unionllm.cost import PriceTable
from unionllm.testing import VendorServer

MESSAGES = [{"role": "user", "content": "你好"}]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
OWN = {"provider": "acme", "models": ["m"], "currency": "CNY", "input": 2, "output": 8}


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
