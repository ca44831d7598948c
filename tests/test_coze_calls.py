"""Coze: who is asked, what is checked before anything is sent, turns, files, tools of the caller, chatflows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from server import ScriptedServer

from unionllm import UnionLLM, unionchat
from unionllm._registry import find
from unionllm._routes import build_route
from unionllm.exceptions import APIResponseError, AuthenticationError, BadRequestError, InternalServerError
from unionllm.testing import VendorServer

BOT = "7400000000000000001"
MESSAGES = [{"role": "user", "content": "你好"}]
WEATHER = {"name": "get_weather", "arguments": {"city": "北京"}, "id": "call_1"}


def to(server: VendorServer, **more: Any) -> dict[str, Any]:
    given = {"model": BOT, "messages": MESSAGES, "max_retries": 0, "poll_interval": 0.02}
    return {**server.arguments("coze"), **given, **more}


def scripted(server: ScriptedServer, **more: Any) -> dict[str, Any]:
    given = {"provider": "coze", "api_key": "pat_1", "base_url": server.url, "model": BOT, "messages": MESSAGES}
    return {**given, "max_retries": 2, "poll_interval": 0.02, **more}


# Who is asked, and where.


def route(environ: Mapping[str, str] | None = None, **given: Any) -> Any:
    return build_route({"provider": "coze", "api_key": "pat_1", "messages": MESSAGES, **given}, environ or {}).chat


@pytest.mark.parametrize(
    ("given", "environ", "base"),
    [
        ({}, {}, "https://api.coze.com"),
        ({"region": "cn"}, {}, "https://api.coze.cn"),
        ({"provider": "coze_cn"}, {}, "https://api.coze.cn"),
        ({"provider": "kouzi"}, {}, "https://api.coze.cn"),
        ({"provider": "coze_studio", "base_url": "http://host:8888/v3/"}, {}, "http://host:8888"),
        ({"base_url": "http://host:8888/"}, {}, "http://host:8888"),
        ({"base_url": "https://host/coze/v3"}, {}, "https://host/coze"),
        ({}, {"COZE_API_BASE": "https://api.coze.cn/"}, "https://api.coze.cn"),
    ],
)
def test_the_address(given: dict[str, Any], environ: dict[str, str], base: str) -> None:
    assert route({"COZE_BOT_ID": "1", **environ}, **given).base_url == base


@pytest.mark.parametrize(
    ("given", "environ", "bot"),
    [
        ({"bot_id": "74"}, {"COZE_BOT_ID": "73"}, "74"),
        ({"bot_id": "74", "model": "72"}, {"COZE_BOT_ID": "73"}, "74"),
        ({"model": "72"}, {"COZE_BOT_ID": "73"}, "72"),
        ({"model": "coze/72"}, {}, "72"),
        ({"model": "any string"}, {"COZE_BOT_ID": "73"}, "73"),
        ({}, {"COZE_BOT_ID": "73"}, "73"),
    ],
)
def test_the_bot_is_an_argument_first_then_of_the_environment(
    given: dict[str, Any], environ: dict[str, str], bot: str
) -> None:
    chat = route(environ, **given)

    assert chat.params["bot_id"] == bot
    assert chat.secrets == ("pat_1",)  # the id of a bot is none


@pytest.mark.parametrize("name", ["COZE_API_KEY", "COZE_API_TOKEN"])
def test_the_key_may_stand_in_the_environment(name: str) -> None:
    assert route({name: "pat_2"}, api_key=None, bot_id="74").credentials == {"api_key": "pat_2"}


def test_a_call_without_a_key_names_both_variables_and_the_console() -> None:
    with pytest.raises(AuthenticationError, match=r"COZE_API_KEY or COZE_API_TOKEN .*coze\.cn/open/oauth"):
        route(api_key=None, region="cn", bot_id="74")


def test_a_refused_key_tells_of_the_other_cloud() -> None:
    found = find("coze")
    assert found is not None
    error = found.adapter.error(route(bot_id="74"), {"code": 4100, "msg": "authentication is invalid"})  # type: ignore[attr-defined]

    assert "api.coze.cn (region='cn') are not interchangeable" in str(error)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": "coze"}, "no bot is named.*COZE_BOT_ID"),
        ({"bot_id": "74", "app_id": "75", "workflow_id": "w"}, "not both"),
        ({"model": "coze", "app_id": "75"}, "no bot is named"),
        ({"messages": MESSAGES * 101}, "more than the 100"),
        ({"messages": MESSAGES * 51, "workflow_id": "w"}, "more than the 50"),
        ({"parameters": '{"a": 1}'}, "parameters is a str, not a dict"),
        ({"custom_variables": ["a"]}, "custom_variables is a list"),
        ({"meta_data": {str(n): "" for n in range(17)}}, "16 pairs at most"),
        ({"meta_data": {"k": "v" * 513}}, "16 pairs at most"),
        ({"poll_interval": 0}, "poll_interval=0 is no number of seconds"),
        ({"poll_timeout": "long"}, "poll_timeout='long'"),
        ({"messages": [*MESSAGES, {"role": "assistant", "content": "a"}]}, "Last message role should be user"),
        ({"messages": [{"role": "ghost", "content": "a"}, *MESSAGES]}, "knows no role 'ghost'"),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "https://e.com/a"}}]},
                    *MESSAGES,
                ]
            },
            "in the user's messages only",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequestError, match=says):
        route(**{"model": "74", **given})


# Turns.


def test_system_texts_stand_at_the_head_of_the_first_question(vendor_server: VendorServer) -> None:
    turns = [{"role": "system", "content": "简短"}, *MESSAGES, {"role": "assistant", "content": "好"}, *MESSAGES]
    answer = unionchat(**to(vendor_server, messages=turns))

    sent = vendor_server.requests[0].json["additional_messages"]
    assert [(message["role"], message["content"]) for message in sent] == [
        ("user", "简短\n\n你好"),
        ("assistant", "好"),
        ("user", "你好"),
    ]
    assert [(change.parameter, change.given) for change in answer.adaptations or ()] == [("messages", "system")]


@pytest.mark.parametrize("history", ["drop", "render"])
def test_history_may_be_left_out_or_written_into_the_question(history: str, vendor_server: VendorServer) -> None:
    turns = [*MESSAGES, {"role": "assistant", "content": "好"}, *MESSAGES]
    answer = unionchat(**to(vendor_server, messages=turns, history=history))

    [sent] = vendor_server.requests[0].json["additional_messages"]
    assert sent["content"] == ("你好" if history == "drop" else "user: 你好\n\nassistant: 好\n\nuser: 你好")
    assert [change.parameter for change in answer.adaptations or ()] == ["messages[0:2]"]
    assert "history" not in vendor_server.requests[0].json


def test_an_answer_of_no_words_is_left_out_and_named(vendor_server: VendorServer) -> None:
    answer = unionchat(**to(vendor_server, messages=[*MESSAGES, {"role": "assistant", "content": ""}, *MESSAGES]))

    assert len(vendor_server.requests[0].json["additional_messages"]) == 2
    assert [change.parameter for change in answer.adaptations or ()] == ["messages[1]"]


def test_a_reply_in_a_shape_of_the_callers_is_asked_for_in_words(vendor_server: VendorServer) -> None:
    vendor_server.reply(text='{"a": 1}')
    unionchat(**to(vendor_server, response_format={"type": "json_object"}))

    assert "JSON" in vendor_server.requests[0].json["additional_messages"][-1]["content"]


def test_one_file_in_two_messages_is_left_once(vendor_server: VendorServer) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZFZm10", "format": "wav"}}
    content = [{"type": "text", "text": "听"}, part]
    unionchat(**to(vendor_server, messages=[{"role": "user", "content": content}] * 2))

    assert [request.path for request in vendor_server.requests][:2] == ["/v1/files/upload", "/v3/chat"]
    for message in vendor_server.requests[1].json["additional_messages"]:
        items = json.loads(message["content"])
        assert [item["type"] for item in items] == ["text", "audio"]
        assert items[1]["file_id"]


def test_a_file_that_gets_no_id_is_an_error(server: ScriptedServer) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content = [{"type": "text", "text": "看"}, part]
    server.reply(json={"code": 0, "data": None})

    with pytest.raises(APIResponseError, match="no id was given"):
        unionchat(**scripted(server, messages=[{"role": "user", "content": content}]))


# Tools of the caller.


@pytest.mark.parametrize("stream", [False, True])
def test_results_of_tools_go_to_the_chat_that_asked(stream: bool, vendor_server: VendorServer) -> None:
    vendor_server.reply(tool_calls=[WEATHER])
    vendor_server.reply(text="晴")
    first = finished(unionchat(**to(vendor_server, stream=stream)))
    [call] = first.choices[0].message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls"
    assert (call.id, json.loads(call.function.arguments)) == ("call_1", {"city": "北京"})

    turns = [*MESSAGES, first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "晴，25 度"}]
    ids = {"conversation_id": first.conversation_id, "chat_id": first.chat_id}
    more = {"custom_variables": {"name": "li"}, "response_format": {"type": "json_object"}}
    second = finished(unionchat(**to(vendor_server, messages=turns, stream=stream, user="li", **ids, **more)))

    assert second.choices[0].message.content == "晴"
    assert (second.chat_id, second.conversation_id) == (first.chat_id, first.conversation_id)
    [sent] = [request for request in vendor_server.requests if request.path.endswith("submit_tool_outputs")]
    assert sent.json == {"tool_outputs": [{"tool_call_id": "call_1", "output": "晴，25 度"}], "stream": stream}
    assert sent.query == ids
    changed = [change.parameter for change in second.adaptations or ()]
    assert changed == ["messages[0:2]", "response_format", "custom_variables"]
    assert vendor_server.refused == []


@pytest.mark.parametrize("missing", ["conversation_id", "chat_id"])
def test_results_of_tools_without_their_chat_are_refused_here(missing: str, vendor_server: VendorServer) -> None:
    ids = {"conversation_id": "1", "chat_id": "2", missing: None}
    turns = [*MESSAGES, {"role": "tool", "tool_call_id": "call_1", "content": "晴"}]

    with pytest.raises(BadRequestError, match=rf"Pass {missing}=response\.{missing} of the answer"):
        unionchat(**to(vendor_server, messages=turns, **ids))
    assert vendor_server.requests == []


def test_the_id_of_a_chat_means_nothing_to_a_question(vendor_server: VendorServer) -> None:
    answer = unionchat(**to(vendor_server, chat_id="7601"))

    assert [change.parameter for change in answer.adaptations or ()] == ["chat_id"]
    assert vendor_server.requests[0].query == {}


def finished(answer: Any) -> Any:
    """The whole answer, also of a stream."""
    if hasattr(answer, "response"):
        list(answer)
        return answer.response
    return answer


# Chatflows.


def test_a_chatflow_has_no_field_for_a_user(vendor_server: VendorServer) -> None:
    answer = unionchat(**to(vendor_server, workflow_id="w1", user="li", parameters={"n": 1}))

    assert [request.path for request in vendor_server.requests] == ["/v1/workflows/chat"]
    assert set(vendor_server.requests[0].json) == {"workflow_id", "bot_id", "parameters", "additional_messages"}
    assert [change.parameter for change in answer.adaptations or ()] == ["user"]


def test_a_chatflow_that_fails_is_not_run_again(vendor_server: VendorServer) -> None:
    vendor_server.fault("server", vendor="coze", place="failed_event", text="一二三四五六")

    with pytest.raises(InternalServerError) as raised:
        unionchat(**to(vendor_server, workflow_id="w1", max_retries=2))

    assert len(vendor_server.requests) == 1
    assert raised.value.partial is not None
    assert raised.value.partial.choices[0].message.content == "一二三"


def test_a_client_keeps_a_conversation(vendor_server: VendorServer) -> None:
    with UnionLLM(**{**to(vendor_server), "messages": None, "user": "li"}) as client:
        first = client.chat(messages=MESSAGES)
        again = client.chat(messages=MESSAGES, conversation_id=first.conversation_id)

    assert again.conversation_id == first.conversation_id
    assert again.chat_id != first.chat_id
    assert {request.json["user_id"] for request in vendor_server.requests if request.body} == {"li"}
