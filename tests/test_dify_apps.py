"""Dify: what takes several requests, and what an answer leaves to be learnt."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from server import ScriptedServer

from unionllm import (
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    Stream,
    UnionLLM,
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

    with pytest.raises(BadRequestError, match="put a text part beside it"):
        unionchat(**to(vendor_server, messages=[{"role": "user", "content": [part]}]))


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
