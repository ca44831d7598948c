"""AppBuilder, beyond its transcripts: conversations that are created first, files, and tools of the caller."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from server import Reply, ScriptedServer

from unionllm import BadRequestError, aunionchat, unionchat
from unionllm._routes import build_route
from unionllm.exceptions import APIResponseError, NotFoundError, StreamInterruptedError
from unionllm.testing import VendorServer

APP = "01234567-89ab-cdef-0123-456789abcdef"
ASK = [{"role": "user", "content": "hi"}]
CALL: dict[str, Any] = {"provider": "appbuilder", "api_key": "k", "app_id": APP, "messages": ASK}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CREATED = {"request_id": "r0", "conversation_id": "c1"}
ANSWER = {"request_id": "r1", "answer": "好", "conversation_id": "c1", "message_id": "m1", "is_completion": True}
BUSY = {"code": "internal_error", "message": "busy"}


def ask(server: VendorServer, **call: Any) -> Any:
    return unionchat(**{**CALL, **server.arguments("appbuilder"), "max_retries": 0, **call})


def paths(server: Any) -> list[str]:
    return [request.path.rpartition("/app/")[2] for request in server.requests]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "https://qianfan.baidubce.com/v2"),
        ({"GATEWAY_URL_V2": "https://own"}, "https://own/v2"),
        ({"base_url": "https://own/v2/"}, "https://own/v2"),
        ({"base_url": "https://own/gateway/v2"}, "https://own/gateway/v2"),
    ],
)
def test_addresses(given: dict[str, Any], address: str) -> None:
    assert build_route({**CALL, **given}, {}).chat.base_url == address


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_is_created_once_and_gone_on_with(stream: bool, vendor_server: VendorServer) -> None:
    first = ask(vendor_server, stream=stream)
    if stream:
        assert all(chunk.conversation_id for chunk in first)
        first = first.response
    turns = [*ASK, {"role": "assistant", "content": "a"}, {"role": "user", "content": "more"}]
    second = ask(vendor_server, messages=turns, conversation_id=first.conversation_id)

    assert paths(vendor_server) == ["conversation", "conversation/runs", "conversation/runs"]
    assert first.conversation_id == second.conversation_id
    assert second.choices[0].message.content == "收到：more"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_second_try_goes_on_in_the_conversation_of_the_first(stream: bool, is_async: bool) -> None:
    async def aask() -> Any:
        answer: Any = await aunionchat(**CALL, base_url=server.url, stream=stream)
        if stream:
            _ = [chunk async for chunk in answer]
        return answer.response if stream else answer

    with ScriptedServer() as server:
        server.reply(Reply(json=CREATED))
        server.reply(Reply(status=500, headers={"retry-after": "0.01"}, json=BUSY))
        server.reply(Reply(sse=[ANSWER]) if stream else Reply(json=ANSWER))
        if is_async:
            answer = asyncio.run(aask())
        else:
            answer = unionchat(**CALL, base_url=server.url, stream=stream)
            answer = list(answer) and answer.response if stream else answer

        assert paths(server) == ["conversation", "conversation/runs", "conversation/runs"]
        assert answer.conversation_id == "c1"


def test_each_call_has_a_conversation_of_its_own(vendor_server: VendorServer) -> None:
    messages = [dict(ASK[0])]
    first, second = (ask(vendor_server, messages=messages).conversation_id for _ in range(2))

    assert first != second
    assert messages == ASK


def test_a_creation_that_fails_is_tried_again_and_one_without_an_id_is_told() -> None:
    with ScriptedServer() as server:
        server.reply(Reply(status=500, headers={"retry-after": "0.01"}, json=BUSY))
        server.reply(Reply(json=CREATED))
        server.reply(Reply(json=ANSWER))
        assert unionchat(**CALL, base_url=server.url).conversation_id == "c1"
        server.reply(Reply(json={"request_id": "r0"}))
        with pytest.raises(APIResponseError, match="no id was given"):
            unionchat(**CALL, base_url=server.url)


@pytest.mark.parametrize("stream", [False, True])
def test_files_are_left_in_the_conversation_first(stream: bool, vendor_server: VendorServer) -> None:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in (PIXEL, "https://example.com/a.png", PIXEL)]
    content = [{"type": "text", "text": "看"}, *parts]
    answer = ask(vendor_server, messages=[{"role": "user", "content": content}], stream=stream, user="u1")
    if stream:
        list(answer)

    assert paths(vendor_server) == ["conversation", *["conversation/file/upload"] * 2, "conversation/runs"]
    body = vendor_server.requests[-1].json
    assert (len(body["file_ids"]), body["file_ids"][0]) == (3, body["file_ids"][2])
    assert body["end_user_id"] == "u1"
    assert vendor_server.refused == []


def test_a_file_alone_is_no_question(vendor_server: VendorServer) -> None:
    with pytest.raises(BadRequestError, match="put text beside it"):
        ask(vendor_server, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}])
    assert vendor_server.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_of_the_caller_is_called_and_its_result_goes_back(stream: bool, vendor_server: VendorServer) -> None:
    calls = [{"id": f"call_{n}", "name": "get_weather", "arguments": {"city": n}} for n in (1, 2)]
    vendor_server.reply(tool_calls=calls, text="看看")
    vendor_server.reply(text="晴")

    def said(**call: Any) -> Any:
        answer = ask(vendor_server, tools=[TOOL], stream=stream, **call)
        return list(answer) and answer.response if stream else answer

    first = said()
    message = first.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "25 °C"} for call in message.tool_calls]
    second = said(messages=[*ASK, message, *results], conversation_id=first.conversation_id)

    assert first.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [{"city": 1}, {"city": 2}]
    assert first.steps is None
    assert second.choices[0].message.content == "晴"
    assert second.choices[0].finish_reason == "stop"
    assert [change.parameter for change in second.adaptations] == ["messages[0:2]"]
    assert vendor_server.refused == []


def test_results_that_nobody_waits_for_are_refused_there(vendor_server: VendorServer) -> None:
    conversation = ask(vendor_server).conversation_id
    result = {"role": "tool", "tool_call_id": "call_9", "content": "x"}
    turns = [*ASK, {"role": "assistant", "content": "a"}, result]
    with pytest.raises(BadRequestError, match="waits for"):
        ask(vendor_server, messages=turns, conversation_id=conversation)
    with pytest.raises(NotFoundError):
        ask(vendor_server, conversation_id="gone")


def test_what_components_of_the_app_did_are_steps_and_no_calls(vendor_server: VendorServer) -> None:
    vendor_server.reply(
        text="晴",
        steps=[{"name": "search", "result": '{"a":1}'}],
        context=[{"content": "title", "title": "a.md", "id": "s1", "url": "https://e.com"}],
    )
    answer = list(stream := ask(vendor_server, stream=True)) and stream.response

    told = [(step.type, step.name, step.status, step.output) for step in answer.steps]
    assert told[0] == ("tool", "search", "done", {"a": 1})
    assert told[1][:3] == ("retrieval", "RAGAgent", "done")
    assert answer.steps[1].output == answer.context
    [source] = answer.context
    assert (source.id, source.content, source.score, source.url) == ("1", "title", None, "https://e.com")
    assert (source.segment_id, source.document_name, source["from"]) == ("s1", "a.md", "knowledge_base")
    assert answer.choices[0].message.tool_calls is None


def test_a_stream_without_its_completion_is_cut_off() -> None:
    with ScriptedServer() as server:
        server.reply(Reply(sse=[{**ANSWER, "is_completion": False}]))
        with pytest.raises(StreamInterruptedError) as raised:
            list(unionchat(**CALL, base_url=server.url, stream=True, conversation_id="c1"))

    assert raised.value.partial.choices[0].message.content == "好"
    assert raised.value.partial.conversation_id == "c1"


def test_an_instruction_has_no_place_beside_results_of_tools(vendor_server: VendorServer) -> None:
    vendor_server.reply(tool_calls=[{"id": "call_1", "name": "get_weather"}])
    first = ask(vendor_server, tools=[TOOL])
    result = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
    turns = [*ASK, first.choices[0].message, result]
    given = {"conversation_id": first.conversation_id, "response_format": {"type": "json_object"}}
    second = ask(vendor_server, messages=turns, **given)

    assert [change.parameter for change in second.adaptations] == ["messages[0:2]", "response_format"]
    assert vendor_server.requests[-1].json["tool_outputs"] == [{"tool_call_id": "call_1", "output": "x"}]
