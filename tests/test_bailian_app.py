"""Bailian applications, beyond their transcripts: addresses, ids, sessions, what has no place in a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from server import Reply, ScriptedServer

from unionllm import BadRequestError, unionchat
from unionllm._framing import Event
from unionllm._registry import find
from unionllm._routes import build_route
from unionllm.exceptions import AuthenticationError, InternalServerError, RateLimitError
from unionllm.testing import VendorServer

APP = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
CALL: dict[str, Any] = {"provider": "bailian_app", "api_key": "sk-1", "messages": [{"role": "user", "content": "hi"}]}
OK = {"request_id": "r1", "output": {"text": "好", "finish_reason": "stop", "session_id": "s1"}}


def ask(server: VendorServer, **call: Any) -> Any:
    return unionchat(**{**CALL, **server.arguments("bailian_app"), "max_retries": 0, "app_id": APP, **call})


def sent(server: VendorServer) -> Mapping[str, Any]:
    body: Mapping[str, Any] = server.requests[-1].json
    return body


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "https://dashscope.aliyuncs.com/api/v1"),
        ({"region": "intl"}, "https://dashscope-intl.aliyuncs.com/api/v1"),
        ({"base_url": "https://h"}, "https://h/api/v1"),
        ({"base_url": "https://h/api/v1/"}, "https://h/api/v1"),
        ({"base_url": "https://h/compatible-mode/v1"}, "https://h/api/v1"),
        ({"base_url": "https://h/gateway"}, "https://h/gateway"),
        ({"DASHSCOPE_HTTP_BASE_URL": "https://own/api/v1"}, "https://own/api/v1"),
    ],
)
def test_addresses(given: dict[str, Any], address: str) -> None:
    assert build_route({**CALL, "app_id": APP, **given}, {}).chat.base_url == address


@pytest.mark.parametrize("name", ["bailian", "alibailian", "dashscope"])
def test_the_names_of_the_models_keep_their_meaning(name: str) -> None:
    found = find(name)
    assert found is not None
    assert found.adapter.spec.name == "qwen"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"model": "a1"}, "/api/v1/apps/a1/completion"),
        ({"model": "bailian_app/a1"}, "/api/v1/apps/a1/completion"),
        ({"model": "qwen-plus", "app_id": "a2"}, "/api/v1/apps/a2/completion"),
        ({"model": "bailian", "app_id": "a2"}, "/api/v1/apps/a2/completion"),
    ],
)
def test_an_application_is_named_by_its_id(given: dict[str, Any], path: str, vendor_server: VendorServer) -> None:
    ask(vendor_server, **{"app_id": None, **given})

    assert vendor_server.requests[-1].path == path


@pytest.mark.parametrize("model", [None, "bailian", "bailian-app", "dashscope-app"])
def test_a_call_that_names_no_application_says_how_to(model: str | None) -> None:
    with pytest.raises(BadRequestError, match="app_id=…") as raised:
        unionchat(**CALL, model=model)

    assert "provider='qwen'" in str(raised.value)


def test_a_key_of_the_twin_is_suspected() -> None:
    with ScriptedServer() as server:
        server.reply(Reply(status=401, json={"code": "InvalidApiKey", "message": "Invalid API-key provided."}))
        with pytest.raises(AuthenticationError, match="Keys are made at"):
            unionchat(**CALL, app_id=APP, base_url=server.url)


@pytest.mark.parametrize("name", ["conversation_id", "session_id"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_session_goes_on_with_the_question_alone(name: str, stream: bool, vendor_server: VendorServer) -> None:
    first = ask(vendor_server)
    turns = [*CALL["messages"], {"role": "assistant", "content": "a"}, {"role": "user", "content": "more"}]
    second = ask(vendor_server, messages=turns, stream=stream, **{name: first.conversation_id})
    if stream:
        assert all(chunk.conversation_id == first.conversation_id for chunk in second)
        second = second.response

    assert second.conversation_id == first.conversation_id
    assert sent(vendor_server)["input"] == {"prompt": "more", "session_id": first.conversation_id}
    assert [change.parameter for change in second.adaptations] == ["messages[0:2]"]
    assert len(turns) == 3


def test_what_has_no_place_is_left_out_and_told(vendor_server: VendorServer) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "look"}, image]},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "hi"},
    ]
    response = ask(vendor_server, messages=messages, user="u1", max_tokens=5, temperature=0.5)

    told = {change.parameter for change in response.adaptations}
    assert told == {"messages[0].content[1]", "user", "max_tokens"}
    assert sent(vendor_server)["input"]["messages"][0] == {"role": "user", "content": "look"}
    assert sent(vendor_server)["parameters"] == {"temperature": 0.5}


def test_increments_are_asked_for_whatever_the_call_says(vendor_server: VendorServer) -> None:
    vendor_server.reply(text=["aa", "aa"])
    stream = ask(vendor_server, stream=True, incremental_output=False)

    assert "".join(stream.text()) == "aaaa"
    assert [change.parameter for change in stream.response.adaptations] == ["incremental_output"]


def test_a_workspace_travels_in_its_header(vendor_server: VendorServer) -> None:
    ask(vendor_server, workspace="ws-1", extra_body={"input": {"x": 1}, "y": 2})

    assert vendor_server.requests[-1].headers["x-dashscope-workspace"] == "ws-1"
    assert sent(vendor_server)["input"]["x"] == 1
    assert sent(vendor_server)["y"] == 2


def test_a_file_alone_is_no_question(vendor_server: VendorServer) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(BadRequestError, match="put text beside it"):
        ask(vendor_server, messages=[{"role": "user", "content": [part]}])

    assert vendor_server.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_nodes_thoughts_and_sources(stream: bool, vendor_server: VendorServer) -> None:
    vendor_server.reply(
        text=["晴", "。"],
        steps=[{"name": "search", "arguments": {"q": "x"}, "result": '{"a":1}'}, {"thought": "so"}],
        nodes=[{"name": "LLM", "content": "晴"}],
        context=[{"content": "c", "title": "t.md", "url": "https://e.com/a"}],
    )
    answer = ask(vendor_server, stream=stream, has_thoughts=True, doc_reference_type="indexed")
    if stream:
        chunks = list(answer)
        assert all(chunk.context is None for chunk in chunks[:-1])
        answer = answer.response

    assert answer.choices[0].message.content == "晴。<ref>[1]</ref>"
    assert answer.choices[0].message.tool_calls is None
    told = [(step.type, step.name, step.input, step.output) for step in answer.steps]
    assert told == [
        ("tool", "search", {"q": "x"}, {"a": 1}),
        ("thought", None, None, "so"),
        ("node", "LLM", None, "晴"),
    ]
    [source] = answer.context
    assert (source.id, source.content, source.score, source.document_name) == ("1", "c", None, "t.md")


def parse(*outputs: dict[str, Any]) -> Any:
    route = build_route({**CALL, "app_id": APP, "stream": True}, {})
    parser = route.backend.adapter.chunk_parser(route.chat)  # type: ignore[attr-defined]
    return [chunk for output in outputs for chunk in parser.feed(Event(json.dumps({"output": output})))]


def test_thoughts_may_come_again_or_one_by_one() -> None:
    one, two = ({"action_type": "api", "action_name": name, "observation": "x"} for name in ("a", "b"))

    again = parse({"thoughts": [one]}, {"thoughts": [one, two]}, {"thoughts": [one, two]})
    alone = parse({"thoughts": [one]}, {"thoughts": [two]})

    for chunks in (again, alone):
        assert [(step.id, step.name) for chunk in chunks for step in chunk.steps] == [
            ("thought-1", "a"),
            ("thought-2", "b"),
        ]


def test_the_vendors_word_on_retries_counts() -> None:
    refused = {"code": "InternalError", "message": "m"}
    with ScriptedServer() as server:
        server.reply(Reply(status=500, headers={"x-should-retry": "false"}, json=refused))
        with pytest.raises(InternalServerError) as raised:
            unionchat(**CALL, app_id=APP, base_url=server.url)

    assert raised.value.retryable is False


def test_a_limit_is_waited_for() -> None:
    with ScriptedServer() as server:
        busy = {"code": "Throttling.RateQuota", "message": "m"}
        server.reply(Reply(status=429, headers={"retry-after": "0.01"}, json=busy))
        server.reply(Reply(json=OK))
        assert unionchat(**CALL, app_id=APP, base_url=server.url).choices[0].message.content == "好"
        server.reply(Reply(status=429, json=busy))
        with pytest.raises(RateLimitError):
            unionchat(**CALL, app_id=APP, base_url=server.url, max_retries=0)
