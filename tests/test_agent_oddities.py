"""Odd details in what agent platforms answer do not cost the answer; odd arguments are refused by errors of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server import ScriptedServer

from unionllm import APIError, BadRequestError, unionchat

MESSAGES = [{"role": "user", "content": "你好"}]


def ask(server: ScriptedServer, provider: str, **call: Any) -> Any:
    given: dict[str, Any] = {"provider": provider, "api_key": "key-1234567890", "base_url": f"{server.url}/api/v1"}
    return unionchat(**{**given, "messages": MESSAGES, "max_retries": 0, **call})


def test_results_of_tools_alone_go_to_their_conversation(server: ScriptedServer) -> None:
    server.reply(
        json={"answer": "好", "conversation_id": "c1", "message_id": "m", "is_completion": True, "content": []}
    )
    said = [{"role": "tool", "tool_call_id": "1", "content": "x"}]

    answer = ask(server, "appbuilder", app_id="app1", conversation_id="c1", messages=said)

    assert answer.choices[0].message.content == "好"
    assert server.requests[0].json["tool_outputs"] == [{"tool_call_id": "1", "output": "x"}]


_ITEM = {"event_code": 0, "event_id": "1", "event_type": "t", "event_status": "done", "content_type": "text"}


@pytest.mark.parametrize(
    ("content", "counts"),
    [
        ([None], None),
        ("x", None),
        ([{**_ITEM, "outputs": "x", "usage": {}}], None),
        ([{**_ITEM, "usage": {"prompt_tokens": "3", "completion_tokens": "4"}}], (3, 4)),
    ],
)
def test_appbuilder_is_read_leniently(content: Any, counts: Any, server: ScriptedServer) -> None:
    server.reply(json={"answer": "好", "conversation_id": "c1", "message_id": "m", "content": content})
    answer = ask(server, "appbuilder", app_id="app1", conversation_id="c1")

    assert answer.choices[0].message.content == "好"
    usage = answer.usage
    assert (None if usage is None else (usage.prompt_tokens, usage.completion_tokens)) == counts


_CHAT = {"event": "answer", "data": {"choices": [{"delta": {"content": "好"}}]}}
_STOP = {"event": "answer", "data": {"choices": [{"delta": {}, "finish_reason": "stop"}]}}


@pytest.mark.parametrize(
    "odd",
    [
        ("flowResponses", [{"id": {"a": 1}}]),
        (
            "flowResponses",
            [{"moduleType": "datasetSearchNode", "quoteList": [{"id": ["1"], "q": "Q", "score": 10**400}]}],
        ),
        ("flowResponses", [{"quoteList": [{"id": "1", "q": "Q", "score": [{"type": ["a"], "value": 1}]}]}]),
        ("flowNodeResponse", {"id": {"a": 1}}),
        ("flowNodeResponse", None),
        ("updateVariables", None),
        ("updateVariables", []),
        ("interactive", None),
        ("toolCall", {"tool": None}),
        ("answer", {"choices": [None]}),
    ],
    ids=str,
)
def test_fastgpt_streams_are_read_leniently(odd: tuple[str, Any], server: ScriptedServer) -> None:
    events = [_CHAT, {"event": odd[0], "data": odd[1]}, _STOP]
    body = "".join(f"event: {one['event']}\ndata: {json.dumps(one['data'])}\n\n" for one in events)
    server.reply(chunks=[f"{body}event: answer\ndata: [DONE]\n\n".encode()])

    assert "".join(ask(server, "fastgpt", stream=True).text()) == "好"


@pytest.mark.parametrize(
    "told",
    [
        {"content": [{"text": {"content": "好"}}, None]},
        {"content": ["好"]},
        {"content": [{"text": {"content": "好"}}, {"tools": ["x"]}]},
        {"content": "好", "nodes": 5},
        {"content": "好", "nodes": [{"id": {"a": 1}}]},
    ],
    ids=str,
)
def test_fastgpt_answers_are_read_leniently(told: dict[str, Any], server: ScriptedServer) -> None:
    message = {"role": "assistant", "content": told["content"]}
    choices = [{"message": message, "finish_reason": "stop", "index": 0}]
    server.reply(json={"responseData": told.get("nodes", []), "id": "", "choices": choices})

    assert ask(server, "fastgpt").choices[0].message.content == "好"


@pytest.mark.parametrize(
    ("output", "usage"),
    [
        ({"thoughts": [None]}, {}),
        ({"thoughts": "x"}, {}),
        ({"doc_references": [None, {"text": "t"}]}, {}),
        ({}, "x"),
        ({}, {"models": 5}),
        ({}, {"models": [{"model_id": "m", "input_tokens": "3", "output_tokens": 4}]}),
        ({"workflow_message": {"node_id": "1", "message": "x"}}, {}),
    ],
    ids=str,
)
def test_bailian_is_read_leniently(output: dict[str, Any], usage: Any, server: ScriptedServer) -> None:
    server.reply(json={"request_id": "r", "output": {"text": "好", "finish_reason": "stop", **output}, "usage": usage})

    assert ask(server, "bailian_app", app_id="a").choices[0].message.content == "好"


def test_a_text_that_is_an_object_is_told_as_json(server: ScriptedServer) -> None:
    server.reply(json={"request_id": "r", "output": {"text": {"result": "hi"}, "finish_reason": "stop"}})

    assert ask(server, "bailian_app", app_id="a").choices[0].message.content == '{"result": "hi"}'


@pytest.mark.parametrize(
    ("provider", "given"), [("bailian_app", {"image_list": 5}), ("appbuilder", {"file_ids": 5})], ids=str
)
def test_what_is_no_list_is_refused(provider: str, given: dict[str, Any], server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match="must be a list"):
        ask(server, provider, app_id="a", conversation_id="c", **given)

    assert server.requests == []


def test_one_address_is_a_list_of_one(server: ScriptedServer) -> None:
    server.reply(json={"request_id": "r", "output": {"text": "好", "finish_reason": "stop"}})
    ask(server, "bailian_app", app_id="a", image_list="https://example.com/a.png")

    assert server.requests[0].json["input"]["image_list"] == ["https://example.com/a.png"]


@pytest.mark.parametrize(
    "given", [{"AppKey": "OTHERSECRETKEY99"}, {"extra_body": {"AppKey": "OTHERSECRETKEY99"}}], ids=str
)
def test_a_key_by_the_vendors_name_is_masked_too(given: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(status=400, json={"Error": {"Code": 1, "Message": "bad AppKey OTHERSECRETKEY99"}})

    with pytest.raises(APIError) as caught:
        ask(server, "adp", **given)

    assert server.requests[0].json["AppKey"] == "OTHERSECRETKEY99"
    assert "OTHERSECRETKEY99" not in f"{caught.value} {caught.value!r} {caught.value.body}"


def test_an_error_of_zhipus_that_says_success_is_none(server: ScriptedServer) -> None:
    choices = [None, {"message": {"role": "assistant", "content": "好"}, "finish_reason": "stop"}]
    server.reply(json={"id": "1", "choices": choices, "error": {"code": 0, "message": "success"}, "usage": [None]})

    assert ask(server, "zhipu_app", agent_id="a").choices[0].message.content == "好"


def test_a_null_among_ragflows_passages_costs_itself_alone(server: ScriptedServer) -> None:
    message = {
        "role": "assistant",
        "content": "好",
        "reference": [None, {"id": "1", "content": "t", "similarity": 0.5}],
    }
    server.reply(json={"id": "1", "choices": [{"message": message, "finish_reason": "stop"}]})
    answer = ask(server, "ragflow", chat_id="c")

    assert [(one.content, one.position) for one in answer.context] == [("t", 1)]
