"""Defects of older releases with agent platforms, named after their numbers in compat.md (c), on the vendor server."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from server import ScriptedServer

from unionllm import (
    AuthenticationError,
    BadRequestError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    unionchat,
)
from unionllm.testing import VendorServer

MESSAGES = [
    {"role": "system", "content": "简短"},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "好"},
    {"role": "user", "content": "再见"},
]
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ALL = ("coze", "dify", "fastgpt")


def to(server: VendorServer, provider: str, **more: Any) -> dict[str, Any]:
    """A call of that platform, tried once."""
    model = server.vendor(provider).examples["chat"]
    given = {"model": model, "messages": copy.deepcopy(MESSAGES), "max_retries": 0}
    return {**server.arguments(provider), **given, **more}


@pytest.mark.parametrize("provider", ALL)
def test_a1_earlier_turns_are_not_lost_in_silence(provider: str, vendor_server: VendorServer) -> None:
    answer = unionchat(**to(vendor_server, provider))

    sent = "".join(request.body.decode() for request in vendor_server.requests)
    named = [change.parameter for change in answer.adaptations or ()]
    assert all(turn["content"] in sent for turn in MESSAGES) or any(name.startswith("messages[0") for name in named)


@pytest.mark.parametrize("provider", ALL)
def test_a1_pictures_are_sent_as_the_platform_takes_them(provider: str, vendor_server: VendorServer) -> None:
    for url in (PIXEL, "https://example.com/a.png"):
        parts = [{"type": "text", "text": "图里有什么？"}, {"type": "image_url", "image_url": {"url": url}}]
        answer = unionchat(**to(vendor_server, provider, messages=[{"role": "user", "content": parts}]))
        assert answer.choices[0].message.content

    assert vendor_server.refused == []
    assert b"![image]" not in b"".join(request.body for request in vendor_server.requests)


@pytest.mark.parametrize("provider", ALL)
def test_x16_a_refused_key_is_an_error_in_streams_too(provider: str, vendor_server: VendorServer) -> None:
    wrong = {name: value[:-1] + "x" for name, value in vendor_server.credentials(provider).items()}

    for stream in (False, True):
        with pytest.raises(AuthenticationError):
            unionchat(**to(vendor_server, provider, stream=stream, **wrong))


@pytest.mark.parametrize("provider", ALL)
def test_x8_the_callers_messages_stay_as_they_are(provider: str, vendor_server: VendorServer) -> None:
    call = to(vendor_server, provider)
    unionchat(**call)

    assert call["messages"] == MESSAGES


@pytest.mark.parametrize("provider", ALL)
def test_x6_chunks_come_when_they_were_sent(provider: str, vendor_server: VendorServer) -> None:
    vendor_server.reply(vendor=provider, text=["一", "二", "三", "四"], pace=0.2)
    started = time.monotonic()
    arrived = [time.monotonic() - started for _ in unionchat(**to(vendor_server, provider, stream=True))]

    assert arrived[0] < arrived[-1] - 0.3


def test_y1_a_whole_answer_of_dify_keeps_its_conversation_and_takes_all_that_is_given(server: ScriptedServer) -> None:
    call = {"provider": "dify", "api_key": "app-k", "base_url": f"{server.url}/v1", "messages": MESSAGES[-1:]}
    server.reply(json={"answer": "", "conversation_id": "c1", "message_id": "m1", "metadata": {}})
    files = [{"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}]

    answer = unionchat(**call, inputs={"city": "北京"}, files=files)

    assert (answer.conversation_id, answer.choices[0].message.content) == ("c1", "")
    assert json.loads(server.requests[0].body)["inputs"] == {"city": "北京"}
    assert json.loads(server.requests[0].body)["files"] == files
    server.reply(status=502, headers={"content-type": "text/html"}, body="<html>Bad Gateway</html>")
    with pytest.raises(InternalServerError):
        unionchat(**call, max_retries=0)
    with pytest.raises(BadRequestError, match="messages is empty"):
        unionchat(**{**call, "messages": []})


def test_y2_a_stream_of_dify_raises_its_errors_and_keeps_its_text(vendor_server: VendorServer) -> None:
    vendor_server.fault("not_found", vendor="dify", place="in_stream", text="一二三四五六")
    with pytest.raises(NotFoundError) as caught:
        list(unionchat(**to(vendor_server, "dify", stream=True)))
    assert caught.value.partial is not None

    vendor_server.reply(vendor="dify", text=["data: ", "一", " data: 二"])
    stream = unionchat(**to(vendor_server, "dify", stream=True))
    chunks = list(stream)
    assert "".join(stream_text(chunks)) == "data: 一 data: 二"
    assert all(chunk.choices for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]


def test_y2_tokens_of_nodes_are_counted_once(vendor_server: VendorServer) -> None:
    played: Any = vendor_server.vendor("dify")
    call = to(vendor_server, "dify", stream=True, api_key=played.app_key("workflow"), app_type="workflow")
    vendor_server.reply(vendor="dify", text="好", usage={"prompt": 3, "completion": 1})
    chunks = list(unionchat(**call))

    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage is not None] == [4]


def test_a1_a_chat_that_fastgpt_keeps_is_not_sent_to_it_again(vendor_server: VendorServer) -> None:
    answers = [unionchat(**to(vendor_server, "fastgpt", **more)) for more in ({}, {"conversation_id": "c1"})]

    assert [json.loads(request.body)["messages"] for request in vendor_server.requests] == [MESSAGES, MESSAGES[-1:]]
    assert answers[0].adaptations is None
    assert [(change.parameter, change.given) for change in answers[1].adaptations or ()] == [
        ("messages[0:3]", ["system", "user", "assistant"])
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_g1_fastgpt_has_a_memory_and_tells_its_context(vendor_server: VendorServer, stream: bool) -> None:
    vendor_server.reply(text="好", reasoning="想", context=[{"content": "一段", "score": 0.5}])

    answer: Any = unionchat(**to(vendor_server, "fastgpt", chatId="c1", variables={"uid": "1"}, stream=stream))
    if stream:
        assert "".join(answer.text()) == "好"
        answer = answer.response

    sent = json.loads(vendor_server.requests[0].body)
    assert (sent["chatId"], sent["variables"], sent["detail"]) == ("c1", {"uid": "1"}, True)
    assert answer.choices[0].message.content == "好"
    assert [(passage.content, passage.score) for passage in answer.context] == [("一段", 0.5)]
    assert answer.id
    assert answer.usage.total_tokens > 2


def test_g1_a_key_that_fastgpt_refuses_is_told_as_such(vendor_server: VendorServer) -> None:
    with pytest.raises(AuthenticationError, match="Api key is invalid") as caught:
        unionchat(**to(vendor_server, "fastgpt", api_key="fastgpt-wrong"))

    assert caught.value.code == "514"


def stream_text(chunks: Any) -> list[str]:
    return [chunk.choices[0].delta.content or "" for chunk in chunks]


def test_z1_a_whole_answer_of_coze_takes_the_third_version_and_keeps_its_ids(vendor_server: VendorServer) -> None:
    answer = unionchat(**to(vendor_server, "coze", model="coze", bot_id="7400000000000000001"))

    paths = ["/v3/chat", "/v3/chat/retrieve", "/v3/chat/message/list"]
    assert [request.path for request in vendor_server.requests] == paths
    sent = vendor_server.requests[0].json
    assert sent["stream"] is False
    assert "steam" not in sent
    query = {"conversation_id": answer.conversation_id, "chat_id": answer.chat_id}
    assert [request.query for request in vendor_server.requests] == [{}, query, query]
    assert answer.id == answer.chat_id
    again = unionchat(**to(vendor_server, "coze", conversation_id=answer.conversation_id))
    assert again.conversation_id == answer.conversation_id
    assert vendor_server.requests[3].query == {"conversation_id": answer.conversation_id}


def test_z2_a_stream_of_coze_is_accepted_and_keeps_its_user(vendor_server: VendorServer) -> None:
    for name in ("user_id", "user"):
        list(unionchat(**to(vendor_server, "coze", stream=True, **{name: "li"})))
    list(unionchat(**to(vendor_server, "coze", stream=True)))
    list(unionchat(**to(vendor_server, "coze", stream=True)))

    assert vendor_server.refused == []
    assert [request.json["user_id"] for request in vendor_server.requests] == ["li", "li", "unionllm", "unionllm"]
    roles = {message["role"] for request in vendor_server.requests for message in request.json["additional_messages"]}
    assert roles == {"user", "assistant"}


@pytest.mark.parametrize(
    ("place", "code", "cls"),
    [
        ("in_stream", "4013", RateLimitError),
        ("in_200", "4100", AuthenticationError),
        ("failed_event", "4028", InsufficientBalanceError),
        ("failed_bare", "5000", InternalServerError),
    ],
)
def test_z2_a_stream_of_coze_raises_its_errors(
    place: str, code: str, cls: type[Exception], vendor_server: VendorServer
) -> None:
    vendor_server.fault(code, vendor="coze", place=place, text="一二三四五六")

    with pytest.raises(cls):
        list(unionchat(**to(vendor_server, "coze", stream=True)))


@pytest.mark.parametrize("name", ["base_url", "api_base"])
def test_z2_the_base_of_coze_is_the_callers(name: str, vendor_server: VendorServer) -> None:
    call = to(vendor_server, "coze", stream=True)
    base = call.pop("base_url")
    list(unionchat(**{**call, name: f"{base}/v3/"}))

    assert [request.path for request in vendor_server.requests] == ["/v3/chat"]
