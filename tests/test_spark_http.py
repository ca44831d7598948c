"""iFlytek Spark over HTTP: the address by model, and shapes of answers that the played vendor does not have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from replies import KEY, MESSAGES
from server import Reply, ScriptedServer

from unionllm import ModelResponse, StreamInterruptedError, unionchat
from unionllm._routes import build_route
from unionllm.exceptions import APIResponseError, BadRequestError, ContentPolicyViolationError
from unionllm.testing import VendorServer

HOST = "https://spark-api-open.xf-yun.com"
USAGE = {"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9}


@pytest.mark.parametrize(
    ("model", "more", "base_url", "changed"),
    [
        ("4.0Ultra", {}, f"{HOST}/v1", []),
        ("lite", {}, f"{HOST}/v1", []),
        ("spark-x", {}, f"{HOST}/v2", []),
        ("x1", {}, f"{HOST}/v2", []),
        ("spark-x", {"version": "x2"}, f"{HOST}/x2", []),
        ("spark-x", {"base_url": HOST}, f"{HOST}/v2", []),
        ("spark-x", {"base_url": f"{HOST}/v1"}, f"{HOST}/v2", []),
        ("spark-x", {"base_url": f"{HOST}/x2"}, f"{HOST}/x2", []),
        ("spark-x", {"base_url": f"{HOST}/x2", "version": "v2"}, f"{HOST}/v2", []),
        ("spark-x", {"base_url": "https://gateway.example/v1"}, "https://gateway.example/v1", []),
        ("x1", {"base_url": "https://gateway.example", "version": "x2"}, "https://gateway.example", ["version"]),
        ("spark-x2.5", {}, f"{HOST}/v1", []),
    ],
)
def test_the_address_follows_from_the_model(
    model: str, more: dict[str, Any], base_url: str, changed: list[str]
) -> None:
    call = {"provider": "xunfei_http", "model": model, "messages": MESSAGES, "api_key": KEY, **more}

    made = build_route(call, {}).chat

    assert made.base_url == base_url
    assert "version" not in made.params
    assert [change.parameter for change in made.adaptations] == changed


def test_a_version_that_there_is_not_is_refused() -> None:
    call = {"provider": "xunfei_http", "model": "spark-x", "messages": MESSAGES, "api_key": KEY, "version": "x9"}

    with pytest.raises(BadRequestError, match="version='x9' is none of v1, v2, x2"):
        build_route(call, {})


def ask(server: ScriptedServer, **more: Any) -> Any:
    given = {"provider": "xunfei_http", "model": "spark-x", "messages": MESSAGES, "api_key": KEY}
    return unionchat(**{**given, "base_url": server.url, "max_retries": 0, **more})


def body(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    choices = [{"message": {"role": "assistant", **message}, "index": 0}]
    return {"code": 0, "message": "Success", "sid": "cha1", "choices": choices, "usage": USAGE, **more}


def event(delta: dict[str, Any], **more: Any) -> str:
    head = {"code": 0, "message": "Success", "sid": "cha1", "id": "cha1", "created": 5}
    return json.dumps({**head, "choices": [{"delta": {"role": "assistant", **delta}, "index": 0}], **more})


def read(stream: Any) -> ModelResponse:
    list(stream)
    answer: ModelResponse = stream.response
    return answer


def test_a_call_that_comes_alone_is_put_into_a_list(server: ScriptedServer) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    server.reply(json=body({"content": "", "tool_calls": call}))

    [choice] = ask(server).choices

    assert choice.finish_reason == "tool_calls"
    [made] = choice.message.tool_calls
    assert (made.type, made.function.name, made.function.arguments) == ("function", "f", '{"a":1}')
    assert made.id


def test_what_says_only_that_all_is_well_is_left_out(server: ScriptedServer) -> None:
    server.reply(json=body({"content": "好"}))
    server.reply(sse=[event({"content": "好"}), event({"content": ""}, usage=USAGE), "[DONE]"])

    for answer in (ask(server), read(ask(server, stream=True))):
        assert (answer.id, answer.request_id) == ("cha1", "cha1")
        assert not {"code", "message", "sid"} & answer.to_dict().keys()


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_that_ended_with_its_signal_is_whole(usage: bool, server: ScriptedServer) -> None:
    """The last event may lack its usage; the end signal is enough."""
    more = [event({"content": ""}, usage=USAGE)] if usage else []
    server.reply(sse=["", event({"reasoning_content": "想"}), event({"content": "好"}), *more, "[DONE]"])

    answer = read(ask(server, stream=True))

    [choice] = answer.choices
    assert (choice.finish_reason, choice.provider_finish_reason) == ("stop", None)
    assert (choice.message.content, choice.message.reasoning_content) == ("好", "想")
    assert (answer.usage is not None) == usage


def test_a_stream_whose_usage_came_is_whole_without_its_signal(server: ScriptedServer) -> None:
    server.reply(sse=[event({"content": "好"}), event({"content": ""}, usage=USAGE)])

    assert read(ask(server, stream=True)).choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "told",
    [
        [event({"content": "好"})],
        [event({"content": ""}, usage=USAGE), event({"content": "好"}, usage=USAGE)],
        [event({"content": ""}, usage=USAGE), event({"content": "好"}, usage=USAGE), event({"content": "的"})],
        [event({"content": "好"}), event({"content": ""}, usage=USAGE), event({"content": "的"}, usage=USAGE)],
        [event({"content": "好"}), event({"reasoning_content": "想"}, usage=USAGE)],
        [event({"role": "tool", "tool_calls": [{"index": 1}]}, usage=USAGE)],
    ],
)
def test_a_stream_without_either_is_cut(told: list[str], server: ScriptedServer) -> None:
    """Counts of tokens beside text may be those so far."""
    server.reply(sse=told)

    with pytest.raises(StreamInterruptedError) as caught:
        list(ask(server, stream=True))

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].finish_reason is None


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_completion_tokens": 3}, "length"),
        ({"max_completion_tokens": 4}, "stop"),
        ({"max_tokens": 3}, "length"),
        ({"max_tokens": 3, "max_completion_tokens": 9}, "length"),
        ({"max_tokens": 9, "max_completion_tokens": 3}, "length"),
        ({}, "stop"),
    ],
)
def test_an_answer_of_x2_5_that_used_up_its_tokens_is_cut_short(
    limits: dict[str, int], reason: str, server: ScriptedServer
) -> None:
    server.reply(json=body({"content": "好"}))
    server.reply(sse=[event({"content": "好"}), event({"content": ""}, usage=USAGE), "[DONE]"])

    for answer in (
        ask(server, model="spark-x2.5", **limits),
        read(ask(server, model="spark-x2.5", stream=True, **limits)),
    ):
        assert answer.choices[0].finish_reason == reason
        assert answer.adaptations is None


def test_a_finish_reason_that_is_told_after_all_counts(server: ScriptedServer) -> None:
    """Newer models answer as OpenAI's do."""
    choice = {"delta": {"content": ""}, "index": 0, "finish_reason": "length"}
    server.reply(
        sse=[event({"content": "好"}), event({}, choices=[choice]), event({}, choices=[], usage=USAGE), "[DONE]"]
    )

    answer = read(ask(server, stream=True))

    assert (answer.choices[0].finish_reason, answer.choices[0].provider_finish_reason) == ("length", "length")
    assert answer.usage is not None


def test_references_of_a_search_are_no_calls(server: ScriptedServer) -> None:
    found = [{"index": 1, "url": "https://a.example", "title": "t"}]
    told = {"role": "tool", "content": "", "tool_calls": found}
    server.reply(sse=[event(told), event({"content": "好"}), event({"content": ""}, usage=USAGE), "[DONE]"])
    server.reply(json=body({"content": "好"}, choices=[{"message": {**told}, "index": 0}]))

    streamed, whole = read(ask(server, stream=True)), ask(server)

    for answer in (streamed, whole):
        assert answer.search_results == found
        assert answer.choices[0].message.tool_calls is None
        assert answer.choices[0].finish_reason == "stop"
    assert streamed.choices[0].message.content == "好"


def test_references_that_come_in_several_events_are_all_told_once(server: ScriptedServer) -> None:
    first, second = {"index": 1, "url": "https://a.example"}, {"index": 2, "url": "https://b.example"}
    told = [event({"role": "tool", "content": "", "tool_calls": found}) for found in ([first], [second], [first])]
    server.reply(sse=[*told, event({"content": "好"}), event({"content": ""}, usage=USAGE), "[DONE]"])

    stream = ask(server, stream=True)
    chunks = [chunk for chunk in stream if (chunk.model_extra or {}).get("search_results")]

    assert chunks[-1].search_results == [first, second]
    assert stream.response.search_results == [first, second]


def test_text_beside_references_is_kept(server: ScriptedServer) -> None:
    found = [{"index": 1, "url": "https://a.example"}]
    told = {"role": "tool", "content": "查到了。", "reasoning_content": "想", "tool_calls": found}
    server.reply(sse=[event(told), event({"content": "好"}), event({"content": ""}, usage=USAGE), "[DONE]"])
    server.reply(json=body({}, choices=[{"message": told, "index": 0}]))

    for answer, text in ((read(ask(server, stream=True)), "查到了。好"), (ask(server), "查到了。")):
        message = answer.choices[0].message
        assert (message.role, message.content, message.reasoning_content) == ("assistant", text, "想")
        assert (message.tool_calls, answer.search_results) == (None, found)


def test_references_of_two_choices_are_all_told(server: ScriptedServer) -> None:
    told = [{"role": "tool", "content": "", "tool_calls": [{"url": url}]} for url in "ab"]
    server.reply(json=body({}, choices=[{"message": one, "index": index} for index, one in enumerate(told)]))

    assert ask(server).search_results == [{"url": "a"}, {"url": "b"}]


def test_calls_as_they_once_were_become_calls_of_tools(vendor_server: VendorServer) -> None:
    call = {"role": "assistant", "content": "查", "function_call": {"name": "f", "arguments": "{}"}}
    result = {"role": "function", "name": "f", "content": "晴"}
    given = {**vendor_server.arguments("xunfei_http"), "model": "4.0Ultra", "max_retries": 0}

    answer = unionchat(**given, messages=[*MESSAGES, call, result])

    [request] = vendor_server.requests
    assert request.refused == ""
    _, called, told = request.json["messages"]
    assert "function_call" not in called
    assert called["tool_calls"][0]["function"] == call["function_call"]
    assert (told["role"], told["tool_call_id"]) == ("tool", called["tool_calls"][0]["id"])
    assert [change.parameter for change in answer.adaptations] == ["messages[1].function_call", "messages[2].role"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_code_beside_choices_is_an_error_all_the_same(stream: bool, server: ScriptedServer) -> None:
    refused = {**body({"content": ""}), "code": 10014, "message": "output audit", "sid": "cha9"}
    server.reply(Reply(sse=[event({"content": "好"}), json.dumps(refused)]) if stream else Reply(json=refused))

    with pytest.raises(ContentPolicyViolationError) as caught:
        read(ask(server, stream=True)) if stream else ask(server)

    assert (caught.value.code, caught.value.request_id) == ("10014", "cha9")
    if stream:
        assert caught.value.partial is not None
        assert caught.value.partial.choices[0].message.content == "好"


@pytest.mark.parametrize("choices", [5, "x", [5], [{"message": 5, "delta": 5}], [{"index": 0}]])
def test_choices_that_are_none_are_an_answer_nobody_can_read(choices: Any, server: ScriptedServer) -> None:
    server.reply(json={**body({}), "choices": choices})
    server.reply(sse=[event({}, choices=choices)])

    with pytest.raises(APIResponseError):
        ask(server)
    with pytest.raises((APIResponseError, StreamInterruptedError)):
        read(ask(server, stream=True))
