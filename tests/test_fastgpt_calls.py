"""FastGPT: where a call goes, and what it sends."""

from __future__ import annotations

from typing import Any

import pytest
from fastgpt_app import APP, ASK, TURNS, ask, body_of

from unionllm import BadRequestError
from unionllm._call import NativeBackend
from unionllm._protocols.agents import Agent
from unionllm._routes import build_route
from unionllm.testing import VendorServer

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
_CN, _INTL = "https://api.fastgpt.in/api", "https://cloud.fastgpt.io/api"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, f"{_CN}/v1"),
        ({"region": "cn"}, f"{_CN}/v1"),
        ({"region": "intl"}, f"{_INTL}/v1"),
        ({"base_url": "https://host"}, "https://host/api/v1"),
        ({"base_url": "https://host/"}, "https://host/api/v1"),
        ({"api_base": "https://host/api"}, "https://host/api/v1"),
        ({"base_url": "https://host/api/v1/"}, "https://host/api/v1"),
        ({"base_url": "https://host/api/v2"}, "https://host/api/v2"),
        ({"base_url": "https://host/api/v2/chat/completions"}, "https://host/api/v2"),
        ({"base_url": "https://host/kb/api"}, "https://host/kb/api/v1"),
        ({"FASTGPT_API_BASE": "http://localhost:3000"}, "http://localhost:3000/api/v1"),
    ],
)
def test_a_call_goes_where_it_is_told_to(given: dict[str, Any], url: str) -> None:
    route = build_route({"provider": "FastGPT", "messages": ASK, "FASTGPT_API_KEY": "fastgpt-k", **given}, {})

    assert isinstance(route.backend, NativeBackend)
    assert isinstance(route.backend.adapter, Agent)
    assert route.backend.adapter.chat_request(route.chat).url == f"{url}/chat/completions"


def test_without_a_chat_the_history_is_sent_and_with_one_the_question(vendor_server: VendorServer) -> None:
    whole_history = ask(vendor_server, messages=TURNS)
    assert body_of(vendor_server)["messages"] == TURNS
    assert whole_history.adaptations is None
    assert whole_history.conversation_id is None

    question = ask(vendor_server, messages=TURNS, conversation_id="c1")
    assert body_of(vendor_server)["messages"] == ASK
    assert body_of(vendor_server)["chatId"] == "c1"
    assert question.conversation_id == "c1"
    assert question.adaptations is not None
    [left_out] = question.adaptations
    assert (left_out.parameter, left_out.action) == ("messages[0:3]", "dropped")
    assert left_out.given == ["system", "user", "assistant"]


def test_history_is_left_out_or_written_into_the_question_where_that_is_wanted(vendor_server: VendorServer) -> None:
    ask(vendor_server, messages=TURNS, history="render")
    [message] = body_of(vendor_server)["messages"]
    assert message["content"].startswith("system: 简短")

    ask(vendor_server, messages=TURNS, history="drop")
    assert body_of(vendor_server)["messages"] == ASK


def test_the_platforms_own_arguments_arrive_by_their_names(vendor_server: VendorServer) -> None:
    own = {
        "variables": {"uid": "1"},
        "responseChatItemId": "m1",
        "appId": APP,
        "retainDatasetCite": True,
        "metadata": {"a": "b"},
        "showSkillReferences": True,
    }

    answer = ask(vendor_server, user_id="u1", chatId="c1", **own)

    sent = body_of(vendor_server)
    assert sent == {
        "model": "fastgpt",
        "messages": ASK,
        "detail": True,
        "chatId": "c1",
        "customUid": "u1",
        **own,
    }
    assert answer.adaptations is None
    assert [request.refused for request in vendor_server.refused] == []


def test_a_setting_of_models_is_left_out_and_told(vendor_server: VendorServer) -> None:
    answer = ask(vendor_server, temperature=0.5, max_tokens=9, messages=[{"role": "developer", "content": "a"}, *ASK])

    assert body_of(vendor_server).keys() == {"model", "messages", "detail"}
    assert [change.parameter for change in answer.adaptations or ()] == [
        "temperature",
        "max_tokens",
        "messages[0].role",
    ]


def test_a_model_that_looks_like_an_app_is_one(vendor_server: VendorServer) -> None:
    ask(vendor_server, model="6" * 24)
    assert body_of(vendor_server)["appId"] == "6" * 24

    ask(vendor_server, model="gpt-4o")
    assert "appId" not in body_of(vendor_server)


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "image_url", "image_url": {"url": PIXEL}}, None),
        ({"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}}, None),
        (
            {"type": "image_url", "image_url": "https://e.com/a.png"},
            {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": PIXEL.partition(",")[2]}},
            {"type": "image_url", "image_url": {"url": PIXEL}},
        ),
        ({"type": "file_url", "name": "a.pdf", "url": "https://e.com/x"}, None),
        (
            {"type": "file_url", "file_url": {"url": "https://e.com/b/%E4%B8%80.pdf?x=1"}},
            {"type": "file_url", "name": "一.pdf", "url": "https://e.com/b/%E4%B8%80.pdf?x=1"},
        ),
        (
            {"type": "file", "file": {"filename": "a.csv", "file_url": "https://e.com/1"}},
            {"type": "file_url", "name": "a.csv", "url": "https://e.com/1"},
        ),
        (
            {"type": "file_url", "file_url": "https://e.com"},
            {"type": "file_url", "name": "file", "url": "https://e.com"},
        ),
    ],
)
def test_parts_arrive_in_the_platforms_form(
    part: dict[str, Any], sent: dict[str, Any] | None, vendor_server: VendorServer
) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "看"}, part]}]

    ask(vendor_server, messages=messages)

    assert body_of(vendor_server)["messages"][0]["content"][1] == (sent or part)
    assert [request.refused for request in vendor_server.refused] == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}},
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "file_url", "file_url": {"url": "file:///etc/passwd"}},
        {"type": "table", "table": 1},
    ],
)
def test_what_the_platform_does_not_take_is_refused_here(part: dict[str, Any], vendor_server: VendorServer) -> None:
    with pytest.raises(BadRequestError, match=r"messages\[0\]\.content\[0\]"):
        ask(vendor_server, messages=[{"role": "user", "content": [part]}])

    assert vendor_server.requests == []


def test_the_last_message_has_to_be_the_users(vendor_server: VendorServer) -> None:
    with pytest.raises(BadRequestError, match="Last message role should be user"):
        ask(vendor_server, messages=TURNS[:3])
