"""``openai_compatible``: any server at the caller's address, asked of two that are strict about what they are sent."""

from __future__ import annotations

from typing import Any

import pytest
from replies import answer
from server import ScriptedServer

from unionllm import UnionLLM, unionchat
from unionllm._registry import find
from unionllm.exceptions import AuthenticationError, BadRequestError, InsufficientBalanceError
from unionllm.testing import VendorServer

ASK = [{"role": "user", "content": "你好"}]
QWEN = {"model": "Qwen/Qwen3-32B", "messages": ASK}
STEP = {"model": "step-3.7-flash", "messages": ASK}


def at(server: VendorServer, vendor: str, **more: Any) -> dict[str, Any]:
    """A call of that vendor, whose adapter is not asked."""
    return {**server.arguments(vendor), "provider": "openai_compatible", "max_retries": 0, **more}


@pytest.mark.parametrize("name", ["openai_compatible", "openai-compatible", "openai-like", "Custom"])
def test_its_names(name: str) -> None:
    found = find(name)
    assert found is not None
    assert found.adapter.spec.name == "openai_compatible"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("vendor", "call"), [("siliconflow", QWEN), ("stepfun", STEP)])
def test_it_asks_any_vendor(vendor: str, call: dict[str, Any], stream: bool, vendor_server: VendorServer) -> None:
    vendor_server.reply(text=["晴，", "25 °C"], reasoning="想", usage={"prompt": 12, "completion": 7})

    got = unionchat(**at(vendor_server, vendor, **call, stream=stream, temperature=0.5, max_tokens=9))
    if stream:
        assert "".join(got.text()) == "晴，25 °C"
        got = got.response

    assert vendor_server.refused == []
    sent = vendor_server.requests[0].json
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == (call["model"], 0.5, 9)
    [choice] = got.choices
    assert (choice.message.content, choice.message.reasoning_content) == ("晴，25 °C", "想")
    assert choice.finish_reason == "stop"
    assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (12, 7)
    assert (got.provider, got.adaptations) == ("openai_compatible", None)


#: Vendor, its call, style, what is said of thinking → what is sent of it.
_STYLES: list[tuple[str, Any, str | None, dict[str, Any], dict[str, Any]]] = [
    ("siliconflow", QWEN, "enable_thinking", {"thinking": False}, {"enable_thinking": False}),
    ("siliconflow", QWEN, "enable_thinking", {"reasoning_effort": "high"}, {"enable_thinking": True}),
    (
        "siliconflow",
        QWEN,
        "enable_thinking",
        {"thinking": {"type": "enabled", "budget_tokens": 512}},
        {"enable_thinking": True, "thinking_budget": 512},
    ),
    ("stepfun", STEP, "reasoning_effort", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    (
        "mimo",
        {"model": "mimo-v2.5", "messages": ASK},
        "thinking",
        {"thinking": False},
        {"thinking": {"type": "disabled"}},
    ),
    (
        "mimo",
        {"model": "mimo-v2.5", "messages": ASK},
        "thinking",
        {"reasoning_effort": "low"},
        {"thinking": {"type": "enabled"}},
    ),
    ("stepfun", STEP, None, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ("mimo", {"model": "mimo-v2.5", "messages": ASK}, None, {"thinking": True}, {"thinking": {"type": "enabled"}}),
    ("siliconflow", QWEN, None, {"enable_thinking": False}, {"enable_thinking": False}),
]


@pytest.mark.parametrize(("vendor", "call", "style", "given", "sent"), _STYLES)
def test_thinking_is_said_in_the_dialect_that_the_caller_names(
    vendor: str, call: Any, style: str | None, given: Any, sent: Any, vendor_server: VendorServer
) -> None:
    unionchat(**at(vendor_server, vendor, **call, **given, thinking_style=style))

    assert vendor_server.refused == []
    body = vendor_server.requests[0].json
    assert {name: value for name, value in body.items() if name not in call} == sent


def test_the_style_is_never_sent(server: ScriptedServer) -> None:
    server.reply(json=answer())

    unionchat(
        provider="openai_compatible",
        base_url=f"{server.url}/v1",
        model="org/m:free",
        messages=ASK,
        thinking_style="thinking",
        param_policy="raw",
    )

    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].json == {"model": "org/m:free", "messages": ASK}
    assert "authorization" not in server.requests[0].headers


def test_a_server_without_an_address_is_none() -> None:
    with pytest.raises(BadRequestError, match=r"which server.*base_url="):
        unionchat(provider="openai_compatible", model="m", messages=ASK)


def test_a_style_that_nobody_speaks_is_refused(server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match="'thinking', 'enable_thinking', 'reasoning_effort'"):
        unionchat(provider="custom", base_url=server.url, model="m", messages=ASK, thinking_style="chain")
    assert server.requests == []


def test_errors_have_their_classes_and_no_console_of_somebody_else(vendor_server: VendorServer) -> None:
    with UnionLLM(**at(vendor_server, "siliconflow", api_key="sk-wrong"), **QWEN) as client:
        with pytest.raises(AuthenticationError, match="Check api_key and base_url") as caught:
            client.completion()
        assert "made at" not in str(caught.value)
    vendor_server.fault("no_balance", vendor="longcat")
    with pytest.raises(InsufficientBalanceError):
        unionchat(**at(vendor_server, "longcat"), model="LongCat-2.0", messages=ASK)


def test_no_key_of_another_provider_is_read(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    server.reply(json=answer())

    unionchat(provider="openai-like", base_url=server.url, model="m", messages=ASK)

    assert "authorization" not in server.requests[0].headers
