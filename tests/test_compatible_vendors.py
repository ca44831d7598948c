"""What transcripts cannot show of the smaller vendors: older endpoints, and whole answers that are streamed inside."""

from __future__ import annotations

from typing import Any

import pytest

from unionllm import AuthenticationError, NotFoundError, unionchat
from unionllm._routes import build_route
from unionllm.testing import VendorServer

ASK = [{"role": "user", "content": "你好"}]


def older(server: VendorServer, **more: Any) -> dict[str, Any]:
    """A call of SenseNova's older endpoint."""
    url = server.url("sensenova", "/compatible-mode/v2")
    return {**server.arguments("sensenova"), "base_url": url, "model": "SenseNova-V6-5-Pro", "messages": ASK, **more}


def test_the_older_endpoint_of_sensenova_is_asked_in_its_own_words(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", reasoning=["想", "一想"])
    systems = [{"role": "system", "content": word} for word in "ab"]

    stream = unionchat(
        **older(vendor_server, max_tokens=9, temperature=0, top_p=1, thinking=True, stream=True)
        | {"messages": [*systems, *ASK]}
    )
    for _ in stream:
        pass

    assert vendor_server.refused == []
    sent = vendor_server.requests[0].json
    assert sent["messages"][0] == {"role": "system", "content": "a\n\nb"}
    named = ("max_new_tokens", "temperature", "top_p", "thinking")
    assert [sent[name] for name in named] == [9, 0.01, 0.99, {"enabled": True}]
    told = [change.parameter for change in stream.response.adaptations]
    assert told == ["max_tokens", "temperature", "top_p", "messages"]
    assert stream.response.choices[0].message.reasoning_content == "想一想"


def test_the_older_endpoint_is_told_not_to_think(vendor_server: VendorServer) -> None:
    unionchat(**older(vendor_server, thinking=False, max_completion_tokens=9))

    sent = vendor_server.requests[0].json
    assert (sent["thinking"], sent["max_new_tokens"]) == ({"enabled": False}, 9)


def test_both_endpoints_of_sensenova_can_be_named() -> None:
    chat = build_route(
        {
            "provider": "sensenova",
            "region": "compatible",
            "api_key": "k",
            "model": "m",
            "messages": ASK,
            "max_tokens": 9,
        },
        {},
    ).chat

    assert chat.base_url == "https://api.sensenova.cn/compatible-mode/v2"
    assert dict(chat.params) == {"max_new_tokens": 9}


@pytest.mark.parametrize(("thinking", "streams"), [(None, True), (True, True), (False, False)])
def test_qwen3_on_modelscope_thinks_in_streams_alone(
    thinking: bool | None, streams: bool, vendor_server: VendorServer
) -> None:
    vendor_server.reply(text=["好", "。"])
    call = {**vendor_server.arguments("modelscope"), "model": "Qwen/Qwen3-32B", "messages": ASK, "thinking": thinking}

    response = unionchat(**call)

    assert vendor_server.refused == []
    assert vendor_server.requests[0].json.get("stream", False) is streams
    assert response.choices[0].message.content == "好。"


def test_a_model_that_modelscope_retired_costs_no_money(vendor_server: VendorServer) -> None:
    vendor_server.fault("retired", vendor="modelscope")
    call = {**vendor_server.arguments("modelscope"), "model": "Qwen/Qwen2.5-7B-Instruct", "messages": ASK}

    with pytest.raises(NotFoundError, match="retired: choose another model") as caught:
        unionchat(**call)

    assert (caught.value.status_code, len(vendor_server.requests)) == (429, 1)


@pytest.mark.parametrize(
    ("provider", "region", "url"),
    [
        ("hunyuan", "hunyuan", "https://api.hunyuan.cloud.tencent.com/v1"),
        ("tokenhub", None, "https://tokenhub.tencentmaas.com/v1"),
        ("siliconflow-cn", None, "https://api.siliconflow.cn/v1"),
        ("siliconflow", "intl", "https://api.siliconflow.com/v1"),
        ("xiaomi-mimo", "plan-sgp", "https://token-plan-sgp.xiaomimimo.com/v1"),
        ("bailing", "tbox", "https://api.tbox.cn/api/llm/v1"),
    ],
)
def test_regions_have_their_hosts(provider: str, region: str | None, url: str) -> None:
    call = {"provider": provider, "region": region, "api_key": "k", "model": "org/m", "messages": ASK}

    assert build_route(call, {}).chat.base_url == url


@pytest.mark.parametrize(
    ("provider", "region", "variable"),
    [
        ("hunyuan", "hunyuan", "HUNYUAN_API_KEY"),
        ("siliconflow", "cn", "SILICONFLOW_CN_API_KEY"),
        ("ant_ling", "tbox", "BAILING_API_TOKEN"),
    ],
)
def test_a_key_of_one_platform_is_for_its_host_alone(provider: str, region: str, variable: str) -> None:
    call = {"provider": provider, "region": region, "model": "m", "messages": ASK}
    elsewhere = {**call, "region": None, "base_url": "https://gateway.example/v1"}

    assert build_route(call, {variable: "k"}).chat.credentials["api_key"] == "k"
    with pytest.raises(AuthenticationError, match="Missing API key"):
        build_route(elsewhere, {variable: "k"})
