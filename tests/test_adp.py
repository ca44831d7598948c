"""Tencent's ADP: texts that are replaced, references without passages, conversations that the caller names, the key."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from unionllm import APIError, BadRequestError, InternalServerError, unionchat
from unionllm._framing import Event
from unionllm._join import Joiner
from unionllm._request import ChatRequest
from unionllm._routes import build_route
from unionllm.providers.adp import adapter
from unionllm.testing import VendorServer

ASK = [{"role": "user", "content": "你好"}]
_ID = re.compile(r"[a-zA-Z0-9_-]{32,64}")


def call(server: VendorServer, **changes: Any) -> dict[str, Any]:
    return {**server.arguments("adp"), "messages": ASK, "max_retries": 0, **changes}


def sent(server: VendorServer) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(server.requests[-1].body)
    return body


def test_text_that_is_taken_back_is_replaced(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="一二三四五六", replace="我无法回答", finish_reason="content_filter")
    answer = unionchat(**call(vendor_server))
    vendor_server.reply(text="一二三四五六", replace="我无法回答", finish_reason="content_filter")
    chunks = list(unionchat(**call(vendor_server, stream=True)))

    assert answer.choices[0].message.content == "我无法回答"
    assert answer.choices[0].finish_reason == "content_filter"
    assert [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content] == [
        "一二三",
        "四五六",
    ]
    assert [chunk.choices[0].delta.get("replace_content") for chunk in chunks][-2:] == ["我无法回答", None]


def test_a_text_that_only_grows_is_given_out_in_pieces(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="一二三四五六", reasoning="想一想再说")
    chunks = list(unionchat(**call(vendor_server, stream=True, Incremental=False)))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "一二三四五六"
    assert "".join(chunk.choices[0].delta.reasoning_content or "" for chunk in chunks) == "想一想再说"
    assert not any("replace_content" in chunk.choices[0].delta for chunk in chunks)


def test_a_replaced_message_leaves_the_others_as_they_are() -> None:
    parser = adapter.chunk_parser(ChatRequest(provider="adp", model="adp", messages=()))
    joiner = Joiner()
    for data in (
        {"Type": "message.added", "Message": {"Type": "thought", "MessageId": "t"}},
        {"Type": "text.delta", "MessageId": "t", "Text": "想"},
        {"Type": "text.delta", "MessageId": "a", "Text": "一"},
        {"Type": "text.delta", "MessageId": "b", "Text": "二"},
        {"Type": "text.replace", "MessageId": "a", "Text": "甲"},
        {"Type": "text.replace", "MessageId": "t", "Text": "别想"},
    ):
        for chunk in parser.feed(Event(json.dumps(data))):
            joiner.add(chunk)

    response = joiner.response()
    assert response is not None
    assert response.choices[0].message.content == "甲二"
    assert response.choices[0].message.reasoning_content == "想"


@pytest.mark.parametrize("stream", [False, True])
def test_references_and_tools_stand_in_the_answer(vendor_server: VendorServer, stream: bool) -> None:
    passages = [{"content": "不说", "id": "r1", "title": "a.pdf", "url": "https://example.com/a.pdf"}]
    vendor_server.reply(text="好", context=passages, steps=[{"name": "查询", "result": {"a": 1}}])

    got = unionchat(**call(vendor_server, stream=stream))
    answer = got if not stream else list(got) and got.response

    [reference] = answer.context
    assert (reference.id, reference.content, reference.score) == (1, "a.pdf", None)
    assert (reference.segment_id, reference.document_id, reference.url) == ("r1", "doc-1", "https://example.com/a.pdf")
    tool, found = answer.steps
    assert (tool.type, tool.name, tool.output, tool.elapsed) == ("tool", "查询", {"a": 1}, 1.5)
    assert (found.type, found.output) == ("retrieval", [reference])
    assert answer.choices[0].message.tool_calls is None


def test_a_conversation_is_made_and_told(vendor_server: VendorServer) -> None:
    first = unionchat(**call(vendor_server))
    made = sent(vendor_server)["ConversationId"]
    again = unionchat(**call(vendor_server, conversation_id=first.conversation_id))

    assert first.conversation_id == made
    assert _ID.fullmatch(made)
    assert again.conversation_id == made
    assert again.adaptations is None


@pytest.mark.parametrize("given", ["short", "x" * 65, "会话" * 20, 7])
def test_a_conversation_of_another_shape_is_refused_here(vendor_server: VendorServer, given: Any) -> None:
    with pytest.raises(BadRequestError, match="32 to 64"):
        unionchat(**call(vendor_server, conversation_id=given))

    assert vendor_server.requests == []


def test_system_messages_are_the_role_of_the_call(vendor_server: VendorServer) -> None:
    system = [{"role": "system", "content": "简短"}, {"role": "developer", "content": "礼貌"}]
    answer = unionchat(**call(vendor_server, messages=[*system, *ASK]))
    assert sent(vendor_server)["SystemRole"] == "简短\n\n礼貌"
    assert answer.adaptations is None

    answer = unionchat(**call(vendor_server, messages=[*system, *ASK], SystemRole="冷静"))
    assert sent(vendor_server)["SystemRole"] == "冷静"
    assert [change.parameter for change in answer.adaptations or ()] == ["messages"]

    with pytest.raises(BadRequestError, match="Last message role should be user"):
        unionchat(**call(vendor_server, messages=system))


@pytest.mark.parametrize("ending", ["/adp/v2", "/adp/v2/", "/adp/v2/chat"])
def test_every_form_of_the_address_does(vendor_server: VendorServer, ending: str) -> None:
    answer = unionchat(**call(vendor_server, base_url=f"{vendor_server.url('adp', '')}{ending}"))

    assert answer.choices[0].message.content == "收到：你好"


def test_a_host_alone_gets_its_path() -> None:
    given = {"provider": "adp", "api_key": "k", "messages": ASK, "base_url": "https://example.com"}

    assert build_route(given, {}).chat.base_url == "https://example.com/adp/v2"


def test_files_are_refused_here(vendor_server: VendorServer) -> None:
    part = {"type": "file_url", "file_url": {"url": "https://example.com/a.pdf"}}
    with pytest.raises(BadRequestError, match="text and images"):
        unionchat(**call(vendor_server, messages=[{"role": "user", "content": [part]}]))


def test_the_key_is_in_the_body_and_in_no_log(vendor_server: VendorServer, caplog: pytest.LogCaptureFixture) -> None:
    key = vendor_server.credentials("adp")["api_key"]
    with caplog.at_level(logging.DEBUG, logger="unionllm"):
        unionchat(**call(vendor_server))
        with pytest.raises(APIError) as caught:
            unionchat(**call(vendor_server, api_key="NotTheRightKey0123"))

    assert "authorization" not in vendor_server.requests[0].headers
    assert sent(vendor_server)["AppKey"] == "***"
    assert '"AppKey":"***"' in caplog.text
    shown = f"{caplog.text} {vendor_server.requests} {caught.value!r} {caught.value.body}"
    assert key not in shown
    assert "NotTheRightKey0123" not in shown


def test_a_question_that_was_answered_in_part_is_not_asked_again(vendor_server: VendorServer) -> None:
    vendor_server.fault("server", place="in_stream", text="一二三四五六")
    with pytest.raises(InternalServerError) as caught:
        unionchat(**call(vendor_server, max_retries=2))

    assert len(vendor_server.requests) == 1
    assert caught.value.partial is not None
    assert not caught.value.retryable
