"""What is left out, merged or added leaves a trace, and data of the caller's is not taken for something else."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from server import ScriptedServer
from sockets import SocketServer

from unionllm import unionchat
from unionllm.exceptions import (
    APIError,
    AuthenticationError,
    BadRequestError,
    InsufficientBalanceError,
    RateLimitError,
    StreamInterruptedError,
)
from unionllm.testing import VendorServer

MESSAGES = [{"role": "user", "content": "你好"}]
FORCED = {"type": "function", "function": {"name": "f"}}


def tool(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}


def ask(server: VendorServer, provider: str, **call: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The body that was sent, and what was changed: (parameter, action)."""
    answer = unionchat(**{**server.arguments(provider), "messages": MESSAGES, "max_retries": 0, **call})
    body: dict[str, Any] = server.requests[-1].json
    return body, [(change.parameter, change.action) for change in answer.adaptations or ()]


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("qwen", "qwen-plus"),
        ("zhipuai", "glm-4.6"),
        ("moonshot", "kimi-k2.6"),
        ("moonshot", "moonshot-v1-8k"),
        ("deepseek", "deepseek-v4-pro"),
        ("minimax", "MiniMax-M3"),
        ("doubao", "doubao-seed-1-6-251015"),
    ],
)
def test_an_effort_beside_thinking_that_is_switched_off_is_told_of(
    provider: str, model: str, vendor_server: VendorServer
) -> None:
    given: dict[str, Any] = {"model": model, "thinking": False, "reasoning_effort": "high"}

    _, changes = ask(vendor_server, provider, **given)

    assert [name for name, _ in changes].count("reasoning_effort") == 1
    with pytest.raises(BadRequestError, match="reasoning_effort='high'"):
        ask(vendor_server, provider, **given, param_policy="strict")


@pytest.mark.parametrize(
    ("thinking", "more", "changes"),
    [
        ({"type": "disabled", "budget_tokens": 20}, {}, [("thinking.budget_tokens", "dropped")]),
        ({"budget_tokens": 100}, {"thinking_budget": 50}, [("thinking.budget_tokens", "dropped")]),
        ({"budget_tokens": 100}, {}, []),
        ("auto", {}, [("thinking.type", "replaced")]),
    ],
)
def test_no_word_about_thinking_is_lost_in_silence(
    thinking: Any, more: dict[str, Any], changes: list[Any], vendor_server: VendorServer
) -> None:
    call = {"model": "qwen-plus", "stream": False, "thinking": thinking, **more}

    assert ask(vendor_server, "qwen", **call)[1] == changes


def test_names_and_data_of_a_schema_are_not_taken_for_keywords(vendor_server: VendorServer) -> None:
    properties = {
        "properties": {"type": "object", "properties": {"$schema": {"type": "string"}}},
        "$schema": {"type": "string", "default": {"properties": {"a": 1}, "$schema": "x"}},
    }

    body, changes = ask(vendor_server, "moonshot", model="kimi-k2.6", tools=[tool(properties)], param_policy="strict")

    assert body["tools"][0]["function"]["parameters"]["properties"] == properties
    assert changes == []


def test_every_word_of_a_schema_that_kimi_wants_put_otherwise_is_told(vendor_server: VendorServer) -> None:
    number = {"type": "number"}
    properties = {
        "place": {"type": "array", "items": [number, number]},
        "age": {"type": "integer", "anyOf": [{"minimum": 0}, {"$schema": "x", "maximum": 9}]},
    }
    schema = {"$schema": "x", "properties": properties}
    format_ = {"type": "json_schema", "json_schema": {"name": "w", "schema": schema}}
    call = {"model": "kimi-k2.6", "tools": [tool({}), tool({"a": schema})], "response_format": format_}

    body, changes = ask(vendor_server, "moonshot", **call)

    made = {
        "place": {"type": "array", "prefixItems": [number, number]},
        "age": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 9}]},
    }
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object", "properties": made}
    assert changes == [
        (f"{where}.{name}", action)
        for where in ("tools[1].function.parameters.properties.a", "response_format.json_schema.schema")
        for name, action in (
            ("$schema", "dropped"),
            ("properties.place.items", "renamed"),
            ("properties.age.anyOf[1].$schema", "dropped"),
            ("properties.age.type", "replaced"),
            ("type", "added"),
        )
    ]
    for name in ("tools", "response_format"):
        with pytest.raises(BadRequestError, match=r"\$schema='x'"):
            ask(vendor_server, "moonshot", model="kimi-k2.6", **{name: call[name]}, param_policy="strict")


@pytest.mark.parametrize(("model", "kind"), [("kimi-k2.6", "json_schema"), ("kimi-k2-thinking", "json_object")])
def test_a_schema_goes_to_kimis_that_take_one(model: str, kind: str, vendor_server: VendorServer) -> None:
    schema = {"name": "w", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    vendor_server.reply(text='{"a": 1}')

    body, _ = ask(
        vendor_server, "moonshot", model=model, response_format={"type": "json_schema", "json_schema": schema}
    )

    assert body["response_format"]["type"] == kind


def test_deepseeks_json_mode_needs_no_word_from_the_caller(vendor_server: VendorServer) -> None:
    call = {"model": "deepseek-v4-pro", "response_format": {"type": "json_object"}}

    body, changes = ask(vendor_server, "deepseek", **call)

    assert "JSON" in body["messages"][0]["content"]
    assert changes == [("messages", "added")]


def test_thinking_switched_off_in_the_extra_body_leaves_a_forced_tool(vendor_server: VendorServer) -> None:
    off = {"thinking": {"type": "disabled"}}
    call = {"model": "deepseek-v4-pro", "tools": [tool({})], "tool_choice": FORCED, "extra_body": off}

    body, changes = ask(vendor_server, "deepseek", **call)

    assert body["tool_choice"] == FORCED
    assert changes == []


def test_minimaxs_tiers_are_its_own(vendor_server: VendorServer) -> None:
    body, changes = ask(vendor_server, "minimax", model="MiniMax-M3", service_tier="auto")

    assert "service_tier" not in body
    assert changes == [("service_tier", "dropped")]


def test_a_refusal_shows_no_value_that_nobody_gave(vendor_server: VendorServer) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(vendor_server, "minimax", model="MiniMax-M3", max_tokens=5, param_policy="strict")

    assert "(max_tokens: the vendor calls it max_completion_tokens)" in str(caught.value)


def test_images_and_marks_of_several_system_messages_are_kept(vendor_server: VendorServer) -> None:
    marked = {"type": "text", "text": "长", "cache_control": {"type": "ephemeral"}}
    system = [{"role": "system", "content": [marked]}, {"role": "system", "content": "短"}]

    body, _ = ask(vendor_server, "qwen", model="qwen-plus", messages=[*system, *MESSAGES])

    assert body["messages"][0] == {"role": "system", "content": [marked, {"type": "text", "text": "短"}]}


def test_counts_in_a_frame_are_not_the_end_of_sparks_answer() -> None:
    def talk(connection: Any) -> None:
        counts = '"usage":{"text":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
        text = '{"content":"一","role":"assistant","index":0}'
        head = '{"code":0,"message":"Success","sid":"s","status":0}'
        connection.send(f'{{"header":{head},"payload":{{"choices":{{"status":0,"text":[{text}]}},{counts}}}}}')
        connection.close(1011)

    with SocketServer(talk) as server, pytest.raises(StreamInterruptedError) as caught:
        unionchat(**{**server.arguments(), "max_retries": 0})

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "一"


def test_sparks_last_frame_may_be_empty() -> None:
    def talk(connection: Any) -> None:
        text = '{"content":"一","role":"assistant","index":0}'
        head = '"code":0,"message":"Success","sid":"s","status"'
        connection.send(f'{{"header":{{{head}:0}},"payload":{{"choices":{{"status":0,"text":[{text}]}}}}}}')
        connection.send(f'{{"header":{{{head}:2}}}}')

    with SocketServer(talk) as server:
        assert unionchat(**{**server.arguments(), "max_retries": 0}).choices[0].message.content == "一"


def test_sparks_address_in_capitals_is_signed_as_it_is_sent(vendor_server: VendorServer) -> None:
    given = vendor_server.arguments("xunfei")
    given["base_url"] = given["base_url"].replace("127.0.0.1", "LOCALHOST")

    assert unionchat(**given, model="4.0Ultra", messages=MESSAGES).choices[0].message.content


def test_a_turn_with_marked_parts_and_calls_is_told_to_spark_in_words(vendor_server: VendorServer) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    part = {"type": "text", "text": "一", "cache_control": {"type": "ephemeral"}}
    history = [
        *MESSAGES,
        {"role": "assistant", "content": [part], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "晴"},
    ]

    assert unionchat(**vendor_server.arguments("xunfei"), model="4.0Ultra", messages=history).choices[0].message.content


def test_no_half_of_sparks_password_and_no_signature_is_told(server: ScriptedServer) -> None:
    password = "k" * 20 + ":" + "s" * 20
    server.default(json={"error": {"message": f"no {'k' * 20} and {'s' * 20}"}}, status=401)
    call = {"model": "lite", "messages": MESSAGES, "api_key": password, "base_url": server.url, "max_retries": 0}

    with pytest.raises(AuthenticationError) as caught:
        unionchat(provider="xunfei_http", **call)

    assert "kkkk" not in f"{caught.value} {caught.value.body}"
    assert "ssss" not in f"{caught.value} {caught.value.body}"


def test_a_signature_that_spark_repeats_is_masked() -> None:
    signatures: list[str] = []

    def talk(connection: Any) -> None:
        query = parse_qs(urlsplit(connection.request.path).query)
        signatures.append(base64.b64decode(query["authorization"][0]).decode().split('signature="')[1][:-1])
        connection.send(json.dumps({"header": {"code": 10163, "message": f"bad {signatures[0]}", "sid": "s"}}))

    with SocketServer(talk) as server, pytest.raises(BadRequestError) as caught:
        unionchat(**{**server.arguments(), "max_retries": 0})

    assert signatures[0] not in f"{caught.value} {caught.value.body}"
    assert "bad ***" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message", "cls"),
    [
        (10003, "invalid user message format", BadRequestError),
        (11201, "daily flow used up", RateLimitError),
        (11200, "licence used up", InsufficientBalanceError),
    ],
)
def test_sparks_codes_mean_more_than_its_words(code: int, message: str, cls: type[APIError]) -> None:
    def talk(connection: Any) -> None:
        connection.send(json.dumps({"header": {"code": code, "message": message, "sid": "s"}}))

    with SocketServer(talk) as server, pytest.raises(APIError) as caught:
        unionchat(**{**server.arguments(), "max_retries": 0})

    assert type(caught.value) is cls
