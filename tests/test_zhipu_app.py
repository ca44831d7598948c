"""Zhipu's agents and apps: who is asked, contents of many shapes, jobs that take their time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from server import Reply, ScriptedServer

from unionllm import APITimeoutError, BadRequestError, InternalServerError, aunionchat, unionchat
from unionllm._routes import build_route
from unionllm._wire import HttpReply, Wait
from unionllm.providers.zhipu_app import adapter
from unionllm.testing import VendorServer
from unionllm.testing.vendors.zhipu_app import AGENT_ID, APP_ID, SLOW_AGENT_ID

ASK = [{"role": "user", "content": "你好"}]
_JOB = {"agent_id": SLOW_AGENT_ID, "async_id": "j1", "status": "pending"}
_DONE = {**_JOB, "status": "success", "choices": [{"message": {"content": "好"}, "finish_reason": "stop"}]}


def call(server: VendorServer, **changes: Any) -> dict[str, Any]:
    return {**server.arguments("zhipu_app"), "messages": ASK, "max_retries": 0, **changes}


def scripted(server: ScriptedServer, **changes: Any) -> dict[str, Any]:
    usual = {"provider": "zhipu_app", "api_key": "k.s", "base_url": f"{server.url}/api", "agent_id": SLOW_AGENT_ID}
    return {**usual, "messages": ASK, "max_retries": 0, **changes}


def paths(server: VendorServer) -> list[str]:
    return [request.path.rpartition("/")[2] for request in server.requests]


@pytest.mark.parametrize("shape", ["object", "string", "list", "messages"])
def test_contents_of_every_shape_are_texts(vendor_server: VendorServer, shape: str) -> None:
    for stream in (False, True):
        vendor_server.reply(text="一二三四五", shape=shape)
        got = unionchat(**call(vendor_server, agent_id=AGENT_ID, stream=stream))
        text = "".join(got.text()) if stream else got.choices[0].message.content

        assert text == "一二三四五"


@pytest.mark.parametrize(
    ("model", "path"), [(AGENT_ID, "agents"), (APP_ID, "invoke"), (f"zhipu_app/{APP_ID}", "invoke")]
)
def test_a_model_that_is_no_placeholder_names_who_is_asked(vendor_server: VendorServer, model: str, path: str) -> None:
    unionchat(**call(vendor_server, model=model, input_key="q"))

    assert paths(vendor_server) == [path]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "agent_id="),
        ({"model": "zhipu_app"}, "app_id="),
        ({"app_id": APP_ID}, "input_key="),
        ({"app_id": APP_ID, "inputs": "a"}, "is no dict"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(
    vendor_server: VendorServer, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(BadRequestError, match=word):
        unionchat(**call(vendor_server, **changes))

    assert vendor_server.requests == []


def test_the_address_of_the_models_does_for_a_base_url() -> None:
    given = {"provider": "zhipu_app", "api_key": "k", "messages": ASK, "agent_id": "a"}

    for ending in ("", "/paas/v4", "/paas/v4/"):
        base_url = f"https://open.bigmodel.cn/api{ending}"
        assert build_route({**given, "base_url": base_url}, {}).chat.base_url == "https://open.bigmodel.cn/api"


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_job_is_begun_once_and_waited_for(vendor_server: VendorServer, stream: bool) -> None:
    vendor_server.reply(text="好", polls=2)

    got = unionchat(**call(vendor_server, agent_id=SLOW_AGENT_ID, stream=stream))

    assert ("".join(got.text()) if stream else got.choices[0].message.content) == "好"
    assert paths(vendor_server) == ["agents", *["async-result"] * 3]
    assert json.loads(vendor_server.requests[1].body)["async_id"] == "job-1"


def test_a_long_job_is_waited_for_in_an_event_loop_too(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好")

    answer: Any = asyncio.run(aunionchat(**call(vendor_server, agent_id=SLOW_AGENT_ID)))

    assert answer.choices[0].message.content == "好"


def test_a_look_that_fails_is_repeated_and_the_job_is_not(server: ScriptedServer) -> None:
    broken = Reply(status=500, json={"error": {"code": "500", "message": "内部错误"}})
    for reply in (Reply(json=_JOB), broken, broken, Reply(json=_DONE)):
        server.reply(reply)
    assert unionchat(**scripted(server, max_retries=2)).choices[0].message.content == "好"

    for reply in (Reply(json=_JOB), broken, broken, broken):
        server.reply(reply)
    with pytest.raises(InternalServerError) as caught:
        unionchat(**scripted(server, max_retries=2))
    assert not caught.value.retryable
    assert [request.path for request in server.requests].count("/api/v1/agents") == 2


def test_a_job_told_as_an_event_is_waited_for(server: ScriptedServer) -> None:
    server.reply(Reply(sse=[_JOB]))
    server.reply(Reply(json=_DONE))

    assert "".join(unionchat(**scripted(server, stream=True)).text()) == "好"


def test_a_job_without_an_end_is_given_up() -> None:
    given = {"provider": "zhipu_app", "api_key": "k", "messages": ASK, "agent_id": SLOW_AGENT_ID}
    flow = adapter.complete(build_route(given, {}).chat)
    pending = HttpReply(status=200, headers={}, content=json.dumps(_JOB).encode(), url="https://example.com")
    step, waited = next(flow), 0.0
    while waited < 1800:
        waited += step.seconds if isinstance(step, Wait) else 0
        step = flow.send(None if isinstance(step, Wait) else pending)
    with pytest.raises(APITimeoutError, match="j1") as caught:
        flow.send(pending)

    assert waited < 1810
    assert not caught.value.retryable


def test_an_answer_without_choices_is_no_answer(server: ScriptedServer) -> None:
    server.reply(Reply(json={"hello": "world"}))

    with pytest.raises(Exception, match="holds no choices"):
        unionchat(**scripted(server))


def test_nodes_of_an_app_are_steps_and_their_usage_is_one(vendor_server: VendorServer) -> None:
    steps = [{"name": "检索", "result": {"a": 1}}]
    vendor_server.reply(text="好", steps=steps, usage={"prompt": 9, "completion": 3})
    given = {"app_id": APP_ID, "input_key": "q", "send_log_event": True, "inputs": {"city": "北京"}}

    stream = unionchat(**call(vendor_server, stream=True, **given))
    list(stream)

    answer = stream.response
    assert answer is not None
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (9, 3, 12)
    assert [(step.type, step.name, step.output) for step in answer.steps or ()] == [("node", "检索", {"a": 1})]
    sent = json.loads(vendor_server.requests[0].body)["messages"][0]["content"]
    assert [(item["key"], item["value"]) for item in sent] == [("city", "北京"), ("q", "你好")]


def test_a_question_that_has_no_variable_is_named(vendor_server: VendorServer) -> None:
    answer = unionchat(**call(vendor_server, app_id=APP_ID, inputs={"city": "北京"}))

    assert [(change.parameter, change.given) for change in answer.adaptations or ()] == [("messages", "你好")]


def test_network_error_is_no_ending(server: ScriptedServer) -> None:
    server.reply(Reply(json={"choices": [{"message": {"content": "一"}, "finish_reason": "network_error"}]}))

    with pytest.raises(InternalServerError, match="network_error"):
        unionchat(**scripted(server))
