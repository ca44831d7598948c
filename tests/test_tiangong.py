"""Tiangong, beyond its transcripts: signatures, the choice of the endpoint, and a host that is no more."""

from __future__ import annotations

import hashlib
import socket
import time
from typing import Any

import pytest
from server import Reply, ScriptedServer

from unionllm import UnionLLM, unionchat
from unionllm._call import NativeBackend
from unionllm._network import translate
from unionllm._routes import build_route
from unionllm._timeouts import Deadline, Timeouts
from unionllm._wire import OpenStream
from unionllm.exceptions import APIConnectionError, APIError
from unionllm.providers.tiangong import sign
from unionllm.testing import VendorServer

KEYS = {"provider": "tiangong", "app_key": "test-app-key", "app_secret": "test-app-secret"}
ASK = {"model": "SkyChat-MegaVerse", "messages": [{"role": "user", "content": "你好"}]}
WORK = {**ASK, "model": "sky-work"}
OK = {"code": 200, "code_msg": "success", "resp_data": {"reply": "好", "status": 3, "finish_reason": 1}}


def test_the_signature_is_that_of_the_worked_example() -> None:
    assert sign("test-app-key", "test-app-secret", "1700000000") == "588eec69bdaa714fcff616ea47fe1c1e"


def test_every_try_is_signed_anew(server: ScriptedServer) -> None:
    server.reply(Reply(status=500, headers={"retry-after": "1.01"}, json={"code": 500}))
    server.reply(Reply(json=OK))

    unionchat(**KEYS, **ASK, base_url=server.url)

    stamps = [request.headers["timestamp"] for request in server.requests]
    assert int(stamps[0]) < int(stamps[1])
    for request, stamp in zip(server.requests, stamps, strict=True):
        signed = hashlib.md5(f"test-app-keytest-app-secret{stamp}".encode()).hexdigest()
        assert request.headers["sign"] == signed


@pytest.mark.parametrize(
    ("model", "given", "called"),
    [
        ("SkyChat-MegaVerse", "", "https://sky-api.singularity-ai.com/saas/api/v4/generate"),
        ("sky-work", "", "https://api-maas.singularity-ai.com/sky-work/api/v1/chat"),
        ("SkyChat-3.0", "", "https://api-maas.singularity-ai.com/sky-work/api/v1/chat"),
        ("m", "https://h/sky-work/api/v1", "https://h/sky-work/api/v1/chat"),
        ("m", "https://h/sky-work/api/v1/chat", "https://h/sky-work/api/v1/chat"),
        ("m", "https://h/saas/api/v3/generate", "https://h/saas/api/v3/generate"),
        ("sky-work", "https://h/saas/api/v4", "https://h/sky-work/api/v1/chat"),
        ("sky-work", "https://h/own", "https://h/own/chat"),
    ],
)
def test_address_and_model_choose_the_endpoint(model: str, given: str, called: str) -> None:
    route = build_route({**KEYS, **ASK, "model": model, "base_url": given or None}, {})

    step = next(route.backend.answer(route.chat, _deadline()))

    assert getattr(step, "request", step).url == called


@pytest.mark.parametrize("how", [WORK, {**ASK, "base_url": "/sky-work/api/v1"}], ids=["model", "base_url"])
def test_the_endpoint_that_only_streams_answers_whole_calls(how: dict[str, Any], vendor_server: VendorServer) -> None:
    vendor_server.reply(text=["晴", "。"], context=[{"content": "25 度", "title": "天气", "url": "https://a.example"}])
    call = {**vendor_server.arguments("tiangong"), **how}
    if "base_url" in how:
        call["base_url"] = vendor_server.url("tiangong", how["base_url"])

    response = unionchat(**call)

    assert (response.choices[0].message.content, response.choices[0].finish_reason) == ("晴。", "stop")
    assert [(page.content, page.id) for page in response.context or ()] == [("25 度", "https://a.example")]
    assert response.usage is None
    assert vendor_server.refused == []


def test_parameters_of_that_endpoint_stand_at_the_top(vendor_server: VendorServer) -> None:
    call = {**vendor_server.arguments("tiangong"), **WORK, "max_completion_tokens": 9, "temperature": 2, "n": 1}

    response = unionchat(**call)

    sent = vendor_server.requests[0].json
    assert sent == {"messages": ASK["messages"], "intent": "chat", "max_tokens": 9, "temperature": 1}
    told = [change.parameter for change in response.adaptations or ()]
    assert told == ["max_completion_tokens", "temperature", "n"]


def _deadline() -> Deadline:
    return Deadline(Timeouts(), time.monotonic)


def _lost(url: str, *, stream: bool = False) -> APIError:
    """What a call ends in whose host has no address."""
    route = build_route({**KEYS, **ASK, "base_url": url or None, "stream": stream}, {})
    assert isinstance(route.backend, NativeBackend)
    flow: Any = route.backend.stream if stream else route.backend.answer
    running = flow(route.chat, _deadline())
    step = next(running)
    request = step.request if isinstance(step, OpenStream) else step
    network = OSError("failed")
    network.__cause__ = socket.gaierror("no such name")
    with pytest.raises(APIError) as caught:
        running.throw(translate(network, _deadline(), request.url))
    return caught.value


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_host_without_address_says_that_the_service_may_be_gone(stream: bool) -> None:
    error = _lost("", stream=stream)

    assert type(error) is APIConnectionError
    assert "sky-api.singularity-ai.com could not be resolved" in str(error)
    assert "withdrawn" in str(error)


def test_another_host_without_address_is_only_that() -> None:
    error = _lost("https://gateway.example/saas/api/v4")

    assert type(error) is APIConnectionError
    assert "withdrawn" not in str(error)


def test_half_a_key_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIANGONG_APP_SECRET", raising=False)
    monkeypatch.delenv("SKYCHAT_APP_SECRET", raising=False)

    with UnionLLM(provider="tiangong", app_key="k") as client, pytest.raises(APIError, match=r"app_secret=.*TIANGONG"):
        client.completion(**ASK)
