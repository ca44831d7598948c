"""Coze: chats that are created, polled and listed, and streams, that go wrong. What has begun is never begun again."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from server import Cut, Pause, Reply, ScriptedServer

from unionllm import unionchat
from unionllm.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    BadRequestError,
    ContentPolicyViolationError,
    InternalServerError,
    RateLimitError,
    StreamInterruptedError,
)
from unionllm.testing import VendorServer

BOT = "7400000000000000001"
MESSAGES = [{"role": "user", "content": "你好"}]


def to(server: VendorServer, **more: Any) -> dict[str, Any]:
    given = {"model": BOT, "messages": MESSAGES, "max_retries": 0, "poll_interval": 0.02}
    return {**server.arguments("coze"), **given, **more}


def paths(server: VendorServer | ScriptedServer) -> list[str]:
    return [request.path.removeprefix("/v3/chat") for request in server.requests]


# Polling.


def scripted(server: ScriptedServer, **more: Any) -> dict[str, Any]:
    given = {"provider": "coze", "api_key": "pat_1", "base_url": server.url, "model": BOT, "messages": MESSAGES}
    return {**given, "max_retries": 2, "poll_interval": 0.02, **more}


def chat(status: str, **more: Any) -> dict[str, Any]:
    return {"code": 0, "data": {"id": "7601", "conversation_id": "7500", "status": status, **more}}


LISTED = {"code": 0, "data": [{"id": "m1", "type": "answer", "content": "好", "content_type": "text"}]}


def test_polls_are_some_time_apart(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", polls=3)
    unionchat(**to(vendor_server, poll_interval=0.2))

    polls = [request.received_at for request in vendor_server.requests if request.path.endswith("retrieve")]
    assert len(polls) == 4
    assert all(later - earlier > 0.15 for earlier, later in pairwise(polls))


def test_a_poll_that_fails_is_made_again_and_the_chat_is_not(server: ScriptedServer) -> None:
    server.reply(json=chat("in_progress"))
    server.reply(Reply(status=502, body="<html>"))
    server.reply(Reply(chunks=[Cut(reset=True)]))
    server.reply(json=chat("completed"))
    server.reply(json={"code": 4013, "msg": "too many"})
    server.reply(json=LISTED)

    answer = unionchat(**scripted(server))

    assert answer.choices[0].message.content == "好"
    assert paths(server) == ["", "/retrieve", "/retrieve", "/retrieve", "/message/list", "/message/list"]


@pytest.mark.parametrize("place", ["poll", "list"])
def test_a_chat_that_cannot_be_followed_is_an_error_that_tells_its_ids(place: str, server: ScriptedServer) -> None:
    server.reply(json=chat("in_progress"))
    if place == "list":
        server.reply(json=chat("completed"))
    for _ in range(4):
        server.reply(Reply(status=503, body="busy"))

    with pytest.raises(InternalServerError) as raised:
        unionchat(**scripted(server))

    assert paths(server).count("") == 1  # never begun again, though retries are left
    assert not raised.value.retryable
    assert raised.value.partial is not None
    assert (raised.value.partial.chat_id, raised.value.partial.conversation_id) == ("7601", "7500")


def test_a_failed_chat_is_not_begun_again(vendor_server: VendorServer) -> None:
    vendor_server.fault("server", vendor="coze", place="failed_poll", polls=1)
    with pytest.raises(InternalServerError) as raised:
        unionchat(**to(vendor_server, max_retries=2))

    assert paths(vendor_server) == ["", "/retrieve", "/retrieve"]
    assert raised.value.request_id == "20261123000000TESTLOGID"


def test_a_refused_chat_is_asked_for_again(vendor_server: VendorServer) -> None:
    vendor_server.fault("4016", vendor="coze", retry_after=0)
    vendor_server.reply(text="好")

    assert unionchat(**to(vendor_server, max_retries=1)).choices[0].message.content == "好"
    assert paths(vendor_server) == ["", "", "/retrieve", "/message/list"]


def test_a_conversation_that_is_busy_says_so(vendor_server: VendorServer) -> None:
    vendor_server.fault("4016", vendor="coze")
    with pytest.raises(RateLimitError, match="has a chat that still runs") as raised:
        unionchat(**to(vendor_server))

    assert raised.value.retryable


@pytest.mark.parametrize("status", ["in_progress", "created"])
def test_a_chat_that_never_ends_is_given_up(status: str, server: ScriptedServer) -> None:
    for _ in range(60):
        server.reply(json=chat(status))

    with pytest.raises(APITimeoutError, match=r"still runs after .* poll_timeout=") as raised:
        unionchat(**scripted(server, poll_timeout=0.2))

    assert raised.value.partial is not None
    assert raised.value.partial.chat_id == "7601"


def test_the_whole_limit_counts_while_a_chat_is_polled(server: ScriptedServer) -> None:
    for _ in range(60):
        server.reply(json=chat("in_progress"))
    started = time.monotonic()

    with pytest.raises(APITimeoutError) as raised:
        unionchat(**scripted(server, poll_interval=30, timeout={"total": 0.3}))

    assert time.monotonic() - started < 10
    assert raised.value.partial is not None
    assert raised.value.partial.chat_id == "7601"


def test_a_silent_poll_is_given_up_after_some_tries(server: ScriptedServer) -> None:
    server.reply(json=chat("in_progress"))
    for _ in range(4):
        server.reply(Reply(chunks=[Pause(5)]))

    with pytest.raises(APIConnectionError):
        unionchat(**scripted(server, timeout={"idle": 0.1, "first_token": 0.1}))
    assert paths(server) == ["", *["/retrieve"] * 4]


@pytest.mark.parametrize(
    ("run", "cls", "code"),
    [
        (chat("failed", last_error={"code": 4014, "msg": "risky"}), ContentPolicyViolationError, "4014"),
        (chat("failed", last_error={"code": 0, "msg": ""}), InternalServerError, "failed"),
        (chat("expired"), InternalServerError, "expired"),
        ({"code": 0, "data": None}, APIResponseError, None),
        ({"code": 0, "data": {"status": "completed"}}, APIResponseError, None),
        ({"code": 0, "data": [1]}, APIResponseError, None),
    ],
)
def test_endings_that_are_none(run: Any, cls: type[APIError], code: str | None, server: ScriptedServer) -> None:
    server.reply(json=chat("in_progress"))
    server.reply(json=run)

    with pytest.raises(cls) as raised:
        unionchat(**scripted(server))
    assert (raised.value.code, raised.value.retryable) == (code, False)


@pytest.mark.parametrize("listed", [{"code": 0, "data": "x"}, {"code": 0, "data": [1]}])
def test_a_list_that_nobody_can_read_is_an_error(listed: Any, server: ScriptedServer) -> None:
    for reply in (chat("in_progress"), chat("completed"), listed):
        server.reply(json=reply)

    with pytest.raises(APIResponseError, match="make"):
        unionchat(**scripted(server))


# Streams.


def events(*pairs: tuple[str, Any]) -> Reply:
    return Reply(chunks=[f"event:{name}\ndata:{json.dumps(data)}\n\n".encode() for name, data in pairs])


BEGUN = ("conversation.chat.created", chat("created")["data"])
SAID = ("conversation.message.delta", {"id": "m1", "type": "answer", "content": "好", "content_type": "text"})


@pytest.mark.parametrize(
    ("ending", "cls", "retryable"),
    [
        ([("error", {"code": 5000, "msg": "internal"})], InternalServerError, True),
        ([BEGUN, ("error", {"code": 5000, "msg": "internal"})], InternalServerError, False),
        ([BEGUN, ("conversation.chat.failed", {"code": 4013, "msg": "many"})], RateLimitError, False),
        ([BEGUN, ("conversation.chat.failed", chat("failed")["data"])], InternalServerError, False),
        ([BEGUN, ("conversation.chat.expired", chat("expired")["data"])], InternalServerError, False),
        ([BEGUN, ("done", "[DONE]")], StreamInterruptedError, False),
        ([BEGUN], StreamInterruptedError, False),
    ],
)
def test_a_stream_without_a_word(ending: Any, cls: type[APIError], retryable: bool, server: ScriptedServer) -> None:
    """Once the bot has run, it is not begun again."""
    server.reply(events(*ending))

    with pytest.raises(cls) as raised:
        list(unionchat(**scripted(server, stream=True, max_retries=0)))
    assert raised.value.retryable is retryable


def test_a_chat_in_place_of_a_stream_is_an_error(server: ScriptedServer) -> None:
    server.reply(json=chat("in_progress"))

    with pytest.raises(APIResponseError):
        list(unionchat(**scripted(server, stream=True)))


@pytest.mark.parametrize(
    "data", [{"id": "m1", "type": "answer", "content": [{"a": 1}]}, {"id": "m1", "type": "verbose", "content": "[1]"}]
)
def test_odd_contents_are_kept_or_passed_over(data: Any, server: ScriptedServer) -> None:
    server.reply(events(BEGUN, ("conversation.message.completed", data), ("done", "[DONE]")))

    stream = unionchat(**scripted(server, stream=True))
    list(stream)
    assert stream.response is not None
    assert stream.response.choices[0].message.content == ('[{"a": 1}]' if data["type"] == "answer" else "")


@pytest.mark.parametrize("data", [[1], "x", 5])
def test_an_event_that_makes_no_sense_is_an_error(data: Any, server: ScriptedServer) -> None:
    server.reply(events(BEGUN, SAID, ("conversation.message.completed", data)))

    with pytest.raises(APIResponseError) as raised:
        list(unionchat(**scripted(server, stream=True)))
    assert raised.value.partial is not None


# Details.


@pytest.mark.parametrize(
    "odd",
    [{"usage": "3"}, {"usage": [1]}, {"last_error": "boom"}, {"status": "COMPLETED"}, {"required_action": [1]}],
    ids=str,
)
def test_an_odd_detail_of_a_chat_does_not_cost_its_answer(odd: dict[str, Any], server: ScriptedServer) -> None:
    done = chat("completed")
    done["data"] = {**done["data"], **odd}
    said = {"id": "1", "role": "assistant", "type": "answer", "content": "好", "reasoning_content": 5}
    for reply in (chat("in_progress"), done, {"code": 0, "data": [None, said]}):
        server.reply(json=reply)

    assert unionchat(**scripted(server)).choices[0].message.content == "好"


@pytest.mark.parametrize("status", ["queued", "IN_PROGRESS", None, ["x"]])
def test_a_status_that_nobody_knows_is_no_end(status: Any, server: ScriptedServer) -> None:
    waiting, said = chat("in_progress"), {"id": "1", "role": "assistant", "type": "answer", "content": "好"}
    waiting["data"] = {**waiting["data"], "status": status}
    for reply in (chat("created"), waiting, chat("completed"), {"code": 0, "data": [said]}):
        server.reply(json=reply)

    assert unionchat(**scripted(server)).choices[0].message.content == "好"
    assert len(server.requests) == 4


def recall(content: Any, kind: str = "verbose") -> dict[str, Any]:
    return {"id": "0", "type": kind, "content": content if isinstance(content, str) else json.dumps(content)}


@pytest.mark.parametrize(
    "message",
    [
        recall({"msg_type": "knowledge_recall", "data": json.dumps({"chunks": [None, {"slice": "a", "meta": "x"}]})}),
        recall({"msg_type": "knowledge_recall", "data": "nothing found"}),
        recall({"msg_type": "knowledge_recall", "data": '{"chunks": {}}'}),
        recall("5", "knowledge"),
        {"id": "2", "type": "answer", "content_type": "image", "content": '{"image_ori": "http://x"}'},
    ],
    ids=str,
)
def test_an_odd_recall_does_not_cost_the_answer(message: dict[str, Any], server: ScriptedServer) -> None:
    said = {"id": "1", "role": "assistant", "type": "answer", "content": "好"}
    for reply in (chat("in_progress"), chat("completed"), {"code": 0, "data": [message, said]}):
        server.reply(json=reply)

    assert (unionchat(**scripted(server)).choices[0].message.content or "").endswith("好")


def test_text_behind_a_thought_in_pieces_is_not_lost(server: ScriptedServer) -> None:
    thought = {"id": "m1", "type": "answer", "content": "", "reasoning_content": "想"}
    whole = {"id": "m1", "type": "answer", "content": "好"}
    done = ("conversation.chat.completed", chat("completed")["data"])
    server.reply(
        events(BEGUN, ("conversation.message.delta", thought), ("conversation.message.completed", whole), done)
    )

    assert "".join(unionchat(**scripted(server, stream=True)).text()) == "好"


def test_an_event_without_a_status_has_that_of_its_name(server: ScriptedServer) -> None:
    begun = ("conversation.chat.created", {"id": "7601", "conversation_id": "7500"})
    done = ("conversation.chat.completed", {"id": "7601", "conversation_id": "7500"})
    piece = ("conversation.message.delta", {"id": "m1", "type": "answer", "content": "好"})
    server.reply(events(begun, piece, done))

    assert "".join(unionchat(**scripted(server, stream=True)).text()) == "好"


@pytest.mark.parametrize(
    "given", [{"poll_interval": float("inf")}, {"poll_timeout": 1e12}, {"session_name": 5}], ids=str
)
def test_settings_that_are_none_are_refused_here(given: dict[str, Any], server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match="is no"):
        unionchat(**scripted(server, **given))

    assert server.requests == []


def test_a_secret_at_the_edge_of_an_excerpt_is_masked_whole(server: ScriptedServer) -> None:
    key = "pat_" + "Z" * 240
    server.reply(body=f"<html>you sent Bearer {key}</html>")

    with pytest.raises(APIResponseError) as raised:
        unionchat(**{**scripted(server), "api_key": key})

    assert "ZZZZ" not in f"{raised.value} {raised.value.body}"
