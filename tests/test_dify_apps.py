"""Dify: what takes several requests, and what an answer leaves to be learnt."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from server import Pause, ScriptedServer

from unionllm import (
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    Stream,
    UnionLLM,
    aunionchat,
    unionchat,
)
from unionllm._protocols import agent_turns
from unionllm.testing import VendorServer

MESSAGES = [{"role": "user", "content": "你好"}]


def to(server: VendorServer, mode: str = "chat", **more: Any) -> dict[str, Any]:
    played: Any = server.vendor("dify")
    return {**server.arguments("dify"), "api_key": played.app_key(mode), "messages": MESSAGES, **more}


def paths(server: VendorServer) -> list[str]:
    return [request.path.removeprefix("/v1") for request in server.requests]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("mode", "first", "later"),
    [
        ("workflow", ["/chat-messages", "/info", "/workflows/run"], ["/workflows/run"]),
        ("completion", ["/chat-messages", "/info", "/completion-messages"], ["/completion-messages"]),
        ("chat", ["/chat-messages"], ["/chat-messages"]),
    ],
)
def test_the_kind_of_an_app_is_asked_for_once(
    mode: str, first: list[str], later: list[str], stream: bool, vendor_server: VendorServer
) -> None:
    for wanted in (first, later):
        vendor_server.clear()
        answer = unionchat(**to(vendor_server, mode, stream=stream))
        list(answer) if isinstance(answer, Stream) else None
        assert paths(vendor_server) == wanted


def test_a_kind_that_is_told_is_believed(vendor_server: VendorServer) -> None:
    unionchat(**to(vendor_server, "workflow", app_type="workflow"))
    unionchat(**to(vendor_server, "workflow", model="workflow"))

    assert paths(vendor_server) == ["/workflows/run"] * 2
    with pytest.raises(BadRequestError, match="not_chat_app") as caught:
        unionchat(**to(vendor_server, "workflow", app_type="chat"))
    assert 'app_type="chat"' in str(caught.value)
    with pytest.raises(BadRequestError, match="is none of chat, chatbot"):
        unionchat(**to(vendor_server, app_type="assistant"))


def test_an_agent_is_streamed_and_joined_and_that_is_remembered(vendor_server: VendorServer) -> None:
    modes = []
    for _ in range(2):
        answer = unionchat(**to(vendor_server, "agent-chat"))
        assert answer.choices[0].message.content == "收到：你好"
        modes.append([json.loads(request.body)["response_mode"] for request in vendor_server.requests])
        vendor_server.clear()

    assert modes == [["blocking", "streaming"], ["streaming"]]


def test_what_is_learnt_of_one_key_says_nothing_of_another(vendor_server: VendorServer) -> None:
    unionchat(**to(vendor_server, "workflow"))
    vendor_server.clear()

    unionchat(**to(vendor_server, "chat"))

    assert paths(vendor_server) == ["/chat-messages"]


def test_the_path_that_people_forget_is_added(vendor_server: VendorServer) -> None:
    root = vendor_server.url("dify").removesuffix("/v1")
    server = ScriptedServer()
    with server:
        server.reply(json={"answer": "好", "conversation_id": "c", "message_id": "m"})
        unionchat(provider="dify", api_key="app-1", base_url=server.url, messages=MESSAGES)
        assert server.requests[0].path == "/v1/chat-messages"
    assert unionchat(**to(vendor_server, base_url=f"{root}/v1/")).choices[0].message.content == "收到：你好"


def test_a_key_of_the_knowledge_api_is_refused_here(vendor_server: VendorServer) -> None:
    with pytest.raises(AuthenticationError, match="knowledge API"):
        unionchat(**{**to(vendor_server), "api_key": "dataset-1234567890"})

    assert vendor_server.requests == []


def test_suggestions_come_on_request(vendor_server: VendorServer) -> None:
    vendor_server.reply(vendor="dify", text="好", suggestions=["然后呢？"])
    answer = unionchat(**to(vendor_server, suggestions=True, user="li"))

    assert answer.suggestions == ["然后呢？"]
    assert vendor_server.requests[-1].query == {"user": "li"}
    assert unionchat(**to(vendor_server, suggestions=True)).suggestions is None  # switched off there
    vendor_server.clear()
    stream = unionchat(**to(vendor_server, suggestions=True, stream=True))
    assert list(stream)
    assert stream.response is not None
    assert [change.parameter for change in stream.response.adaptations or ()] == ["suggestions"]
    assert paths(vendor_server) == ["/chat-messages"]


@pytest.mark.parametrize("mode", ["chat", "agent-chat"])
def test_moderation_takes_back_what_was_said(mode: str, vendor_server: VendorServer) -> None:
    said: dict[str, Any] = {"text": ["坏", "话"], "replace": "换个话题吧。", "vendor": "dify"}
    vendor_server.reply(**said)
    stream = unionchat(**to(vendor_server, mode, stream=True))
    chunks = list(stream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "坏话"
    [taken_back] = [chunk for chunk in chunks if "replace_content" in chunk.choices[0].delta]
    assert taken_back.choices[0].delta["replace_content"] == "换个话题吧。"
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert stream.response is not None
    assert stream.response.choices[0].message.content == "换个话题吧。"
    if mode == "agent-chat":
        vendor_server.reply(**said)
        whole = unionchat(**to(vendor_server, mode)).choices[0]
        assert (whole.message.content, whole.finish_reason) == ("换个话题吧。", "content_filter")
        assert "replace_content" not in whole.message


def test_earlier_turns_are_warned_of_once(
    vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agent_turns, "_warned", set())
    turns = [*MESSAGES, {"role": "assistant", "content": "好"}, *MESSAGES]
    with caplog.at_level(logging.WARNING, logger="unionllm"):
        first = unionchat(**to(vendor_server, messages=turns))
        unionchat(**to(vendor_server, messages=turns))
        unionchat(**to(vendor_server, messages=turns, conversation_id=first.conversation_id))

    [warning] = [record.getMessage() for record in caplog.records]
    assert "conversation_id" in warning


def test_a_conversation_belongs_to_its_user(vendor_server: VendorServer) -> None:
    with UnionLLM(**{**to(vendor_server), "messages": None, "user": "li"}) as client:
        first = client.chat(messages=MESSAGES)
        again = client.chat(messages=MESSAGES, conversation_id=first.conversation_id)

        assert again.conversation_id == first.conversation_id
        with pytest.raises(NotFoundError, match="Conversation Not Exists"):
            client.chat(messages=MESSAGES, conversation_id=first.conversation_id, user="wang")


def test_a_file_is_left_for_the_same_user(vendor_server: VendorServer) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZFZm10", "format": "wav"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "听"}, part]}]

    unionchat(**to(vendor_server, user="li", messages=messages))

    # The server refuses a file that another user has left.
    assert [(request.path, request.status) for request in vendor_server.requests] == [
        ("/v1/files/upload", 201),
        ("/v1/chat-messages", 200),
    ]
    [file] = json.loads(vendor_server.requests[-1].body)["files"]
    assert (file["type"], file["transfer_method"]) == ("audio", "local_file")


def test_a_file_without_a_word_is_no_question(vendor_server: VendorServer) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}

    with pytest.raises(BadRequestError, match="Put a text part beside"):
        unionchat(**to(vendor_server, messages=[{"role": "user", "content": [part]}]))

    assert vendor_server.requests == [] or [request.path for request in vendor_server.requests] == ["/v1/info"]


def test_a_flow_that_fails_ends_in_an_error_that_holds_its_text(vendor_server: VendorServer) -> None:
    vendor_server.fault("server", vendor="dify", place="failed_flow", text="一二三四五六")
    with pytest.raises(InternalServerError) as caught:
        unionchat(**to(vendor_server, "workflow", app_type="workflow"))
    assert not caught.value.retryable

    vendor_server.fault("server", vendor="dify", place="failed_flow", text="一二三四五六")
    with pytest.raises(InternalServerError) as caught:
        list(unionchat(**to(vendor_server, "advanced-chat", stream=True)))
    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "一二三"


@pytest.mark.parametrize("mode", ["workflow", "completion"])
def test_first_calls_at_once_all_find_their_place(mode: str, vendor_server: VendorServer) -> None:
    async def ask() -> list[Any]:
        return await asyncio.gather(*(aunionchat(**to(vendor_server, mode)) for _ in range(8)))

    assert [answer.choices[0].message.content for answer in asyncio.run(ask())] == ["收到：你好"] * 8


def scripted(server: ScriptedServer, *events: dict[str, Any], **call: Any) -> Any:
    """What a stream of these events is read as."""
    ids = {"task_id": "t1", "message_id": "m1", "conversation_id": "c1"}
    server.reply(chunks=["".join(f"data: {json.dumps({**ids, **event})}\n\n" for event in events).encode()])
    arguments: dict[str, Any] = {
        "provider": "dify",
        "api_key": "app-1",
        "base_url": f"{server.url}/v1",
        "max_retries": 0,
    }
    stream = unionchat(**{**arguments, "messages": MESSAGES, "stream": True, **call})
    list(stream)
    return stream.response


_SAID = {"event": "message", "answer": "你好世界"}
_END = {"event": "message_end", "metadata": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}
_FLOW = {"event": "workflow_finished", "data": {"status": "succeeded", "outputs": {"answer": "你好世界"}}}
_REPLACED = {"event": "message_replace", "answer": "换", "reason": "output_moderation"}


@pytest.mark.parametrize(
    ("events", "text", "finish"),
    [
        ([_SAID, _FLOW, _REPLACED, _END], "换", "content_filter"),
        ([_SAID, _REPLACED, _END, _FLOW], "换", "content_filter"),
        ([_REPLACED, _FLOW], "换", "content_filter"),
        ([_FLOW, _SAID, _END], "你好世界", "stop"),
        ([_SAID, _END, _FLOW, _END], "你好世界", "stop"),
        ([{"event": "text_chunk", "data": {"text": "<think>想</think>好"}}, _FLOW], "好", "stop"),
    ],
)
def test_events_of_a_flow_may_come_in_any_order(
    events: list[dict[str, Any]], text: str, finish: str, server: ScriptedServer
) -> None:
    answer = scripted(server, *events)

    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (text, finish)


@pytest.mark.parametrize(
    "event",
    [
        {"event": "message_end", "metadata": {"retriever_resources": [None, {"content": 5, "score": "high"}]}},
        {"event": "message_end", "metadata": {"usage": "n/a"}},
        {"event": "message_end", "metadata": "x"},
        {"event": "message_end", "metadata": {"usage": {"total_price": "1", "total_cost": 2, "prompt_tokens": "10"}}},
        {"event": "node_finished", "data": None},
        {"event": "node_finished", "data": {"outputs": "x", "process_data": 5, "title": 5, "elapsed_time": "fast"}},
        {"event": "text_chunk", "data": None},
        {"event": "human_input_required", "data": None},
        {"event": "agent_thought", "id": 7, "tool": ["a"], "tool_input": "NaN"},
        {"event": "workflow_finished", "data": {"status": "succeeded", "outputs": ["x"]}},
    ],
    ids=str,
)
def test_an_odd_detail_does_not_cost_the_answer(event: dict[str, Any], server: ScriptedServer) -> None:
    answer = scripted(server, _SAID, event, _END)

    assert answer.choices[0].message.content == "你好世界"
    told = answer.to_dict()
    json.dumps(told, allow_nan=False)
    assert type(answer)(**told).to_dict() == told


def test_silence_after_the_end_is_no_failure(server: ScriptedServer) -> None:
    events = [_SAID, _END]
    server.reply(sse=[*({"conversation_id": "c1", **event} for event in events), Pause(20)])
    started = time.monotonic()
    call: dict[str, Any] = {"provider": "dify", "api_key": "app-1", "base_url": f"{server.url}/v1"}

    stream = unionchat(**call, messages=MESSAGES, stream=True, timeout={"idle": 0.3})

    assert "".join(stream.text()) == "你好世界"
    assert time.monotonic() - started < 10


def test_what_belongs_to_an_app_does_not_travel(vendor_server: VendorServer) -> None:
    mine = {"conversation_id": "c", "inputs": {"secret": "42"}, "suggestions": True, "app_type": "chat", "user": "li"}
    vendor_server.fault("server", vendor="dify")
    other = {**vendor_server.arguments("deepseek"), "model": "deepseek-v4-flash"}
    answer = unionchat(**to(vendor_server, **mine, max_retries=0, fallbacks=[other]))

    assert answer.provider == "deepseek"
    assert json.loads(vendor_server.requests[-1].body).keys() == {"model", "messages", "user_id"}


def test_another_key_is_another_app(vendor_server: VendorServer) -> None:
    with UnionLLM(**{**to(vendor_server), "conversation_id": "conversation-of-the-first"}) as client:
        played: Any = vendor_server.vendor("dify")
        answer = client.chat(messages=MESSAGES, api_key=played.app_key("advanced-chat"))

    assert answer.conversation_id != "conversation-of-the-first"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"app_type": "workflow", "conversation_id": "c"}, "conversation_id"),
        ({"app_type": "workflow", "inputs": {"query": "q"}}, "messages[0]"),
        ({"app_type": "chat", "input_key": "q"}, "input_key"),
        ({"user": "a", "user_id": "b"}, "user_id"),
        ({"response_mode": "sometimes"}, "response_mode"),
    ],
    ids=str,
)
def test_nothing_is_left_out_without_a_trace(given: dict[str, Any], named: str, vendor_server: VendorServer) -> None:
    mode = "workflow" if given.get("app_type") == "workflow" else "chat"
    answer = unionchat(**to(vendor_server, mode, **given))

    assert named in [change.parameter for change in answer.adaptations or ()]
    with pytest.raises(BadRequestError):
        unionchat(**to(vendor_server, mode, **given, param_policy="strict"))


@pytest.mark.parametrize("given", [{"inputs": "abc"}, {"inputs": ["a"]}, {"files": 5}, {"files": "abc"}], ids=str)
def test_what_cannot_be_read_is_refused_here(given: dict[str, Any], vendor_server: VendorServer) -> None:
    with pytest.raises(BadRequestError, match="must be a"):
        unionchat(**to(vendor_server, app_type="completion", **given))

    assert vendor_server.requests == []


@pytest.mark.parametrize("url", ["/data/reports/summaries1", "data:image/png;base64,", "data:a\r\nb: c;base64,QUJD"])
def test_what_is_no_medium_is_refused_here(url: str, vendor_server: VendorServer) -> None:
    parts = [{"type": "text", "text": "看"}, {"type": "image_url", "image_url": {"url": url}}]

    with pytest.raises(BadRequestError, match="path of a file is never opened"):
        unionchat(**to(vendor_server, messages=[{"role": "user", "content": parts}]))

    assert vendor_server.requests == []


def test_a_file_is_left_once_for_all_tries(vendor_server: VendorServer) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZFZm10", "format": "wav"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "听"}, part]}]
    for _ in range(2):
        vendor_server.fault("too_many_requests", vendor="dify", retry_after=0)

    unionchat(**to(vendor_server, messages=messages, max_retries=2))

    assert paths(vendor_server) == ["/files/upload", *["/chat-messages"] * 3]


def test_a_path_cannot_be_written_into_an_id(server: ScriptedServer) -> None:
    server.reply(json={"task_id": "t", "workflow_run_id": "r", "data": {"status": "succeeded", "outputs": {"a": "b"}}})
    call: dict[str, Any] = {"provider": "dify", "api_key": "app-1", "base_url": f"{server.url}/v1"}
    unionchat(**call, messages=MESSAGES, app_type="workflow", workflow_id="../../v1/files/upload?x=")

    assert server.requests[0].path.startswith("/v1/workflows/..%2F") or "%2F" in server.requests[0].path


def test_a_gateway_that_streams_unasked_is_read(server: ScriptedServer) -> None:
    server.reply(sse=[{"conversation_id": "c1", **_SAID}, {"conversation_id": "c1", **_END}])
    call: dict[str, Any] = {"provider": "dify", "api_key": "app-1", "base_url": f"{server.url}/v1"}

    assert unionchat(**call, messages=MESSAGES).choices[0].message.content == "你好世界"
