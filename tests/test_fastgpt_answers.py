"""FastGPT: what its answers tell besides a text, how its streams end, and what may be asked next."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from fastgpt_app import APP, DONE, MODEL, STOP, TEXT, ask, body_of, call, event, whole
from server import Cut, Pause, Reply, ScriptedServer, Step

from unionllm import aunionchat, unionchat
from unionllm.exceptions import StreamInterruptedError
from unionllm.testing import VendorServer

# What it tells.


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", ["/api/v1", "/api/v2"])
def test_both_versions_tell_everything_whole_and_streamed(at: str, stream: bool, vendor_server: VendorServer) -> None:
    form = {"type": "userSelect", "params": {"description": "选", "userSelectOptions": [{"key": "a", "value": "A"}]}}
    vendor_server.reply(
        text=["晴，", "25 °C"],
        reasoning="想一想",
        context=[{"content": "一段", "id": "q1", "score": 0.5, "title": "a.md"}],
        steps=[{"name": "search", "arguments": {"q": "天气"}, "result": '{"n": 1}'}],
        usage={"prompt": 12, "completion": 7},
        interactive=form,
    )

    answer = ask(vendor_server, at=at, stream=stream, conversation_id="c1")

    message = answer.choices[0].message
    assert (message.content, message.reasoning_content, message.tool_calls) == ("晴，25 °C", "想一想", None)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.to_dict() == {
        "prompt_tokens": 12,
        "completion_tokens": 7,
        "total_tokens": 19,
        "embeddingTokens": 6,
    }
    [passage] = answer.context or ()
    assert (passage.id, passage.content, passage.score, passage.document_name) == ("q1", "一段", 0.5, "a.md")
    assert (passage.document_id, passage.dataset_id, passage["source_id"], passage.position) == ("col", "ds", "s1", 0)
    tools = [step for step in answer.steps or () if step.type == "tool"]
    assert [(step.id, step.name, step.input, step.output) for step in tools] == [
        ("tool-0", "search", {"q": "天气"}, {"n": 1})
    ]
    assert answer.interactive == form
    assert answer.conversation_id == "c1"
    assert answer.id
    assert answer.model == "fastgpt"
    assert abs(answer.created - time.time()) < 60


def test_a_stream_tells_its_nodes_with_the_last_chunk_alone(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="一二三四五六", context=["一段"], fast_answer="快 ")

    *before, last = unionchat(**call(vendor_server, chatId="c1"), stream=True)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in before) == "快 一二三四五六"
    assert all(chunk.usage is None and chunk.context is None for chunk in before)
    assert all(chunk.conversation_id == "c1" for chunk in (*before, last))
    assert len({chunk.id for chunk in (*before, last)}) == 1
    assert last.usage is not None
    assert [passage.content for passage in last.context or ()] == ["一段"]


def test_the_second_version_tells_of_a_search_as_soon_as_it_is_over(server: ScriptedServer) -> None:
    search = {"id": "r1", "moduleType": "datasetSearchNode", "moduleName": "KB", "quoteList": [{"id": "q", "q": "一"}]}
    events = [event("flowNodeResponse", search), TEXT, STOP, event("flowNodeResponse", MODEL), DONE]
    server.reply(Reply(chunks=events))

    first, *_ = stream = list(unionchat(**call(server, base_url=f"{server.url}/api/v2"), stream=True))

    [step] = first.steps or ()
    assert (step.type, step.name, step.id) == ("retrieval", "KB", "r1")
    assert step.output[0].content == "一"
    assert [passage.id for passage in stream[-1].context or ()] == ["q"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_without_details_has_a_text_alone(stream: bool, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", reasoning="想", context=["一段"])

    answer = ask(vendor_server, detail=False, stream=stream)

    assert body_of(vendor_server)["detail"] is False
    assert (answer.choices[0].message.content, answer.choices[0].message.reasoning_content) == ("好", "想")
    assert (answer.usage, answer.context) == (None, None)


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_plugin_ends_with_is_its_text_and_its_outputs(stream: bool, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="", outputs={"城市": "北京"})

    answer = ask(vendor_server, stream=stream)

    assert answer.choices[0].message.content == '{"城市": "北京"}'
    assert answer.outputs == {"城市": "北京"}


def test_a_list_is_put_together_from_its_items(server: ScriptedServer) -> None:
    items = [
        {"reasoning": {"content": "想"}},
        {"type": "tool", "tool": {"id": "t", "toolName": "查", "functionName": "f", "params": "{}", "response": "晴"}},
        {"text": {"content": "一"}},
        {"type": "text", "text": {"content": "二"}},
        {"file": {"type": "image", "url": "https://e.com/a.png"}},
        {"something": "new"},
    ]
    server.reply(json=whole(items, [MODEL], newVariables={"n": 1}))

    answer = ask(server)

    message = answer.choices[0].message
    assert (message.content, message.reasoning_content) == ("一\n二", "想")
    assert message["files"] == [{"type": "image", "url": "https://e.com/a.png"}]
    [step] = answer.steps or ()
    assert (step.name, step.input, step.output) == ("查", {}, "晴")
    assert answer["newVariables"] == {"n": 1}


def test_a_node_that_fails_beside_a_text_leaves_its_error_in_the_answer(server: ScriptedServer) -> None:
    server.reply(json=whole("好", error={"message": "boom"}))

    answer = ask(server)

    assert answer.choices[0].message.content == "好"
    assert answer["error"] == {"message": "boom"}


def test_tools_come_piece_by_piece(server: ScriptedServer) -> None:
    tools = [
        event("toolCall", {"tool": {"id": "t", "toolName": "查", "params": "", "response": ""}}),
        event("toolParams", {"tool": {"id": "t", "params": '{"q": '}}),
        event("toolParams", {"tool": {"id": "t", "params": "1}"}}),
        event("toolResponse", {"tool": {"id": "t", "response": "晴"}}),
        event("plan", {"anything": 1}),
    ]
    server.reply(Reply(chunks=[*tools, TEXT, STOP, DONE, event("flowResponses", [MODEL])]))

    answer = ask(server, stream=True)

    [step] = answer.steps or ()
    assert (step.id, step.name, step.input, step.output) == ("t", "查", {"q": 1}, "晴")
    assert answer.choices[0].message.tool_calls is None


# How a stream ends.


def test_nodes_behind_the_end_of_the_text_are_read_though_the_connection_stays_open(server: ScriptedServer) -> None:
    server.reply(Reply(chunks=[TEXT, STOP, DONE, Pause(0.05), event("flowResponses", [MODEL]), Pause(30)]))
    started = time.monotonic()

    answer = ask(server, stream=True, timeout=20)

    assert answer.usage is not None
    assert answer.usage.total_tokens == 18
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("limit", [20, 0.3])
def test_silence_behind_the_end_of_the_text_is_an_end(limit: float, server: ScriptedServer) -> None:
    """Well before the limit of silence: a caller who has the whole text does not wait for what may never come."""
    server.reply(Reply(chunks=[TEXT, STOP, DONE, Pause(30)]))
    started = time.monotonic()

    answer = ask(server, stream=True, timeout=limit)

    assert answer.choices[0].message.content == "好"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is None
    assert time.monotonic() - started < 10


def test_silence_behind_the_end_of_the_text_is_an_end_in_async_code_too(server: ScriptedServer) -> None:
    server.reply(Reply(chunks=[TEXT, STOP, DONE, Pause(30)]))

    async def read() -> Any:
        stream = await aunionchat(**call(server, timeout=0.3), stream=True)
        return [chunk async for chunk in stream], stream.response

    chunks, answer = asyncio.run(read())

    assert chunks[-1].choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == "好"


@pytest.mark.parametrize("ending", [(), (Cut(),)])
def test_a_stream_that_ends_before_its_end_is_interrupted(ending: tuple[Step, ...], server: ScriptedServer) -> None:
    server.reply(Reply(chunks=[TEXT, *ending]))

    with pytest.raises(StreamInterruptedError) as caught:
        ask(server, stream=True)

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "好"


# What may be asked next.


def test_suggestions_are_asked_for_where_the_app_and_the_chat_are_known(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", suggestions=["然后呢？"])

    answer = ask(vendor_server, suggestions=True, appId=APP, chatId="c1")

    assert answer.suggestions == ["然后呢？"]
    assert [request.path for request in vendor_server.requests] == [
        "/api/v1/chat/completions",
        "/api/core/ai/agent/v2/createQuestionGuide",
    ]
    assert body_of(vendor_server) == {"appId": APP, "chatId": "c1"}
    assert "suggestions" not in json.loads(vendor_server.requests[0].body)


def test_the_app_may_stand_behind_the_key(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", suggestions=["然后呢？"])
    key = f"{vendor_server.credentials('fastgpt')['api_key']}-{APP}"

    answer = ask(vendor_server, suggestions=True, api_key=key, at="/api/v2")

    assert answer.suggestions == ["然后呢？"]


@pytest.mark.parametrize("more", [{"stream": True, "appId": APP, "chatId": "c1"}, {"appId": APP}, {"chatId": "c1"}])
def test_suggestions_that_cannot_be_asked_for_are_told(more: dict[str, Any], vendor_server: VendorServer) -> None:
    answer = ask(vendor_server, suggestions=True, **more)

    assert [change.parameter for change in answer.adaptations or ()] == ["suggestions"]
    assert answer.suggestions is None
    assert len(vendor_server.requests) == 1


def test_an_answer_without_suggestions_is_still_one(server: ScriptedServer) -> None:
    server.reply(json=whole("好"))
    server.reply(Reply(status=500, json={"code": 500, "statusText": "error", "message": "no", "data": None}))

    answer = ask(server, suggestions=True, appId=APP, chatId="c1")

    assert answer.choices[0].message.content == "好"
    assert answer.suggestions is None
