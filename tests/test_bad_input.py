"""Wrong arguments and nonsensical answers: each gives an error that says what happened and what to do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from replies import KEY, answer, arguments
from server import Cut, Pause, Reply, ScriptedServer

from unionllm import UnionLLM, aunionchat, providers, unionchat
from unionllm.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    AuthenticationError,
    BadRequestError,
    ProviderError,
    UnionLLMError,
)

NATIVE = [row for row in providers() if any(row["env"])]


def call_sync(given: dict[str, Any]) -> Any:
    return unionchat(**given)


def call_async(given: dict[str, Any]) -> Any:
    return asyncio.run(aunionchat(**given))


def call_client(given: dict[str, Any]) -> Any:
    with UnionLLM(**given) as client:
        return client.completion()


Call = Callable[[dict[str, Any]], Any]
every_way = pytest.mark.parametrize("call", [call_sync, call_async, call_client], ids=["sync", "async", "client"])


def refused(server: ScriptedServer, cls: type[UnionLLMError], match: str, **changes: Any) -> UnionLLMError:
    """The error of a call that must be refused before anything is sent."""
    with pytest.raises(cls, match=match) as caught:
        unionchat(**arguments(server, **changes))
    assert type(caught.value) is cls
    assert server.requests == []
    assert server.connections == 0
    return caught.value


# Keys.


@every_way
@pytest.mark.parametrize("row", NATIVE, ids=lambda row: row["name"])
def test_a_missing_key_names_the_argument_the_variable_and_the_console(
    row: dict[str, Any], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = [name for names in row["env"] for name in names]
    for name in variables:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(AuthenticationError, match="Missing API key") as caught:
        call({"provider": row["name"], "model": "m", "messages": [{"role": "user", "content": "x"}]})

    said = str(caught.value)
    assert f"{row['credentials'][0]}=" in said
    assert row["env"][0][0] in said
    assert "https://" in said
    assert row["name"] in said
    assert caught.value.provider == row["name"]
    assert caught.value.status_code == 401


@pytest.mark.parametrize("key", ["", None])
def test_an_empty_key_is_a_missing_one(server: ScriptedServer, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)

    refused(server, AuthenticationError, "Missing API key", api_key=key)


@pytest.mark.parametrize("key", ["sk-first\nsecond-line", "sk-\u200b1234567", "密钥密钥密钥", "  ", "sk-\x001234567"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(server: ScriptedServer, key: str) -> None:
    error = refused(server, BadRequestError, "api_key.*Copy it again", api_key=key)

    assert key.strip() == "" or key not in str(error)
    assert "second-line" not in repr(error)


def test_a_line_break_after_the_key_is_forgiven(server: ScriptedServer) -> None:
    server.reply(json=answer())

    unionchat(**arguments(server, api_key=f" {KEY}\r\n"))

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [5, ["k"], b"key", {"k": "v"}])
def test_a_key_that_is_no_text_is_refused(server: ScriptedServer, key: Any) -> None:
    refused(server, BadRequestError, "api_key must be a string", api_key=key)


@pytest.mark.parametrize(
    ("provider", "ours", "twin"),
    [("moonshot", "api.moonshot.cn", "api.moonshot.ai"), ("zhipuai", "open.bigmodel.cn", "api.z.ai")],
)
def test_a_key_of_the_wrong_region_is_told_about_the_twin_host(provider: str, ours: str, twin: str) -> None:
    """FIELD pain 6. The reply is fed to the adapter as if that host had sent it."""
    from unionllm._registry import find
    from unionllm._request import ChatRequest
    from unionllm._wire import HttpReply

    found = find(provider)
    assert found is not None
    spec = found.adapter.spec
    chat = ChatRequest(
        provider=provider, model="m", messages=({"role": "user", "content": "x"},), base_url=spec.base_url
    )
    flow = found.adapter.complete(chat)
    next(flow)
    reply = HttpReply(status=401, headers={}, content=b'{"error":{"message":"bad key"}}', url=f"https://{ours}/v1")

    with pytest.raises(AuthenticationError, match=f"(?s){ours} refused the key.*{twin}"):
        flow.send(reply)


@pytest.mark.parametrize("region", ["mars", "us"])
def test_an_unknown_region_names_the_known_ones(server: ScriptedServer, region: str) -> None:
    refused(server, BadRequestError, "'cn'.*'intl'", provider="moonshot", base_url=None, region=region)


# Providers, models, messages.


@every_way
@pytest.mark.parametrize(
    ("name", "near"), [("zhipu_ai", "zhipuai"), ("deepsek", "deepseek"), ("moonshoot", "moonshot"), ("kimmi", "kimi")]
)
def test_an_unknown_provider_names_the_near_ones(name: str, near: str, call: Call) -> None:
    with pytest.raises(ProviderError, match=f"{name!r}.*{near!r}"):
        call({"provider": name, "model": "m", "messages": [{"role": "user", "content": "x"}]})


def test_a_provider_like_no_other_is_unknown_without_a_guess() -> None:
    with pytest.raises(ProviderError, match="Unknown provider 'qqqqqqqqqq'") as caught:
        unionchat(provider="qqqqqqqqqq", model="m", messages=[{"role": "user", "content": "x"}])

    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", [5, ["deepseek"], b"deepseek"])
def test_a_provider_that_is_no_text_is_refused(server: ScriptedServer, name: Any) -> None:
    refused(server, BadRequestError, "provider must be a string", provider=name)


@pytest.mark.parametrize("model", [None, "", "  "])
def test_a_missing_model_is_asked_for(server: ScriptedServer, model: Any) -> None:
    refused(server, BadRequestError, "deepseek: no model given", model=model)


def test_a_call_without_provider_and_model_says_what_to_pass() -> None:
    with pytest.raises(BadRequestError, match="provider="):
        unionchat(messages=[{"role": "user", "content": "x"}])


MALFORMED: list[tuple[Any, str]] = [
    (None, "no messages"),
    ([], "empty"),
    ((), "empty"),
    ("你好", "list"),
    (b"x", "list"),
    ({"role": "user", "content": "x"}, "list"),
    (5, "list"),
    (iter([]), "list"),
    (["x"], r"messages\[0\]"),
    ([None], r"messages\[0\]"),
    ([{"role": "user", "content": "x"}, 5], r"messages\[1\]"),
    ([{}], r"messages\[0\] has no role"),
    ([{"content": "x"}], r"messages\[0\] has no role"),
    ([{"role": "", "content": "x"}], r"messages\[0\] has no role"),
    ([{"role": 5, "content": "x"}], r"messages\[0\] has no role"),
    ([{"role": "user"}], r"messages\[0\] has no content"),
    ([{"role": "user", "content": None}], r"messages\[0\] has no content"),
    ([{"role": "system", "content": None}], r"messages\[0\] has no content"),
    ([{"role": "user", "content": 5}], r"messages\[0\]\.content is a int"),
    ([{"role": "user", "content": {"type": "text"}}], r"messages\[0\]\.content is a dict"),
    ([{"role": "user", "content": []}], r"messages\[0\]\.content is an empty list"),
    ([{"role": "user", "content": ["x"]}], r"messages\[0\]\.content\[0\]"),
    ([{"role": "user", "content": [{"text": "x"}]}], r"messages\[0\]\.content\[0\]"),
    ([{"role": "tool", "content": "x"}], "tool_call_id"),
    ([{"role": "assistant", "content": None, "tool_calls": ["x"]}], r"tool_calls\[0\]"),
    ([{"role": "assistant", "content": None, "tool_calls": 5}], r"messages\[0\].*tool_calls"),
    ([{"role": "assistant", "content": None, "tool_calls": {"id": "x"}}], r"messages\[0\].*tool_calls"),
]


@pytest.mark.parametrize(("messages", "match"), MALFORMED)
def test_malformed_messages_are_named(server: ScriptedServer, messages: Any, match: str) -> None:
    refused(server, BadRequestError, match, messages=messages)


# Options and parameters.

OPTIONS = [
    ({"timeout": 0}, "timeout"),
    ({"timeout": "soon"}, "timeout"),
    ({"timeout": {"read": 5}}, "no limit 'read'"),
    ({"max_retries": -1}, "max_retries"),
    ({"max_retries": 1.5}, "max_retries"),
    ({"max_retries": True}, "max_retries"),
    ({"param_policy": "lenient"}, "param_policy.*adapt.*strict.*raw"),
    ({"extra_headers": ["x"]}, "extra_headers must be a dict"),
    ({"extra_query": "a=b"}, "extra_query must be a dict"),
    ({"extra_body": 5}, "extra_body must be a dict"),
    ({"thinking": 5}, "thinking"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {"schema": {}}}, "response_format"),
    ({"fallbacks": ["moonshot"]}, "fallbacks must be dicts"),
    ({"fallbacks": "moonshot"}, "fallbacks must be"),
    ({"fallbacks": {"provider": "moonshot"}}, "fallbacks must be"),
    ({"base_url": "api.example.com/v1"}, "base_url.*https://api.example.com/v1"),
    ({"base_url": "ftp://x/v1"}, "base_url"),
    ({"base_url": "http://"}, "base_url"),
    ({"base_url": "http://[::1"}, "base_url"),
    ({"base_url": "http://host:port/v1"}, "base_url"),
    ({"base_url": None, "api_base": "localhost:8000"}, "api_base"),
    ({"some_parameter": object()}, "JSON"),
    ({"some_parameter": {1, 2}}, "JSON"),
    ({"stop": b"x"}, "JSON"),
    ({"temperature": math.nan}, "JSON"),
    ({"extra_body": {"x": object()}}, "JSON"),
    ({"extra_headers": {"x": "a\r\nb: c"}}, "extra_headers"),
    ({"extra_headers": {"x": "中文"}}, "extra_headers"),
    ({"extra_headers": {"a b": "c"}}, "extra_headers"),
    ({"extra_headers": {"x": 5}}, "extra_headers"),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, "JSON"),
]


@pytest.mark.parametrize(("changes", "match"), OPTIONS, ids=lambda value: str(value)[:40])
def test_a_bad_option_is_refused_before_anything_is_sent(server: ScriptedServer, changes: Any, match: str) -> None:
    refused(server, BadRequestError, match, **changes)


def test_a_parameter_that_refers_to_itself_is_refused(server: ScriptedServer) -> None:
    loop: list[Any] = []
    loop.append(loop)

    refused(server, BadRequestError, "JSON", some_parameter=loop)


# Answers nobody can read.

NONSENSE = {
    "a page": (Reply(body="<html><body>502 Bad Gateway</body></html>", content_type="text/html"), "502 Bad Gateway"),
    "nothing": (Reply(body=""), "empty"),
    "white space": (Reply(body=" \n\n "), "empty"),
    "half a JSON text": (Reply(body='{"choices": [{"mess'), "choices"),
    "a list": (Reply(json=[1, 2]), "no JSON object"),
    "a text": (Reply(json="你好"), "你好"),
    "null": (Reply(body="null"), "null"),
    "no choices": (Reply(json={"id": "x"}), "no choices"),
    "empty choices": (Reply(json=answer(choices=[])), "no choices"),
    "null choices": (Reply(json=answer(choices=None)), "no choices"),
    "choices of the wrong kind": (Reply(json=answer(choices=["x"])), "choices"),
    "choices that are a dict": (Reply(json=answer(choices={"a": 1})), "choices"),
    "bytes": (Reply(body=b"\x00\xff\xfe binary"), "binary"),
    "deep": (Reply(body="[" * 100_000), "JSON"),
    "a message that is a text": (Reply(json=answer(choices=[{"index": 0, "message": "x"}])), "message"),
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_nobody_can_read_is_an_error_that_shows_its_start(
    server: ScriptedServer, name: str, stream: bool
) -> None:
    reply, match = NONSENSE[name]
    server.default(reply)

    with pytest.raises(APIResponseError, match=match) as caught:
        unionchat(**arguments(server, max_retries=3), stream=stream)

    assert len(server.requests) == 1
    assert (caught.value.provider, caught.value.model) == ("deepseek", "deepseek-v4-flash")
    assert len(str(caught.value)) < 800


@every_way
@pytest.mark.parametrize(
    "reply",
    [
        Reply(body='{"choices": [', announce=500),
        Reply(chunks=[b'{"choices": [', Cut()]),
        Reply(chunks=[b'{"choices": [', Pause(0.1), Cut(reset=True)]),
    ],
    ids=["short", "cut", "reset"],
)
def test_a_body_cut_short_is_a_connection_error(server: ScriptedServer, call: Call, reply: Reply) -> None:
    server.default(reply)

    with pytest.raises(APIConnectionError, match="cut short"):
        call(arguments(server))


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502])
def test_a_refusal_in_words_shows_them_in_part(server: ScriptedServer, status: int) -> None:
    server.reply(body="<html><h1>Sorry, no</h1>" + "x" * 5000, status=status, content_type="text/html")

    with pytest.raises(APIError, match="Sorry, no") as caught:
        unionchat(**arguments(server))

    assert caught.value.status_code == status
    assert len(str(caught.value)) < 1000


def test_a_compressed_body_that_cannot_be_read_is_an_error(server: ScriptedServer) -> None:
    server.reply(body="no gzip", headers={"content-encoding": "gzip"})

    with pytest.raises(APIResponseError, match="compressed"):
        unionchat(**arguments(server))


def test_a_server_that_speaks_no_http_is_an_error(server: ScriptedServer) -> None:
    server.reply(body="SSH-2.0-OpenSSH_9.6\r\n", raw=True)

    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1"):
        unionchat(**arguments(server))


def test_white_space_before_the_answer_is_skipped(server: ScriptedServer) -> None:
    """FIELD pain 23: sent for minutes to keep the connection alive."""
    import json

    server.reply(body="\n\n \n" + json.dumps(answer()))

    assert unionchat(**arguments(server)).choices[0].message.content == "你好！"
