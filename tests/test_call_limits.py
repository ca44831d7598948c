"""Limits of calls with fallbacks, and credentials that the called provider does not know. Over real sockets."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from replies import KEY, answer, arguments, piece
from server import Pause, ScriptedServer

from unionllm import APITimeoutError, AuthenticationError, BadRequestError, ModelResponse, unionchat
from unionllm._timeouts import Deadline, Timeouts

BUSY = {"error": {"message": "busy"}}


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_total_of_a_fallbacks_own_runs_from_its_start() -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(total=40), clock)
    clock.now += 10

    deadline.start_route(Timeouts(total=5))

    assert (deadline.left(), deadline.total) == (5, 5)
    clock.now += 6
    assert (deadline.left(), deadline.is_over) == (0, False)
    deadline.start_route(Timeouts(total=60))
    assert (deadline.left(), deadline.total) == (24, 40)
    clock.now += 24
    assert (deadline.left(), deadline.is_over) == (0, True)


def test_a_total_of_a_fallbacks_own_needs_none_of_the_call() -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(), clock)

    deadline.start_route(Timeouts(total=5, first_token=30))

    assert deadline.read_seconds() == 5
    assert deadline.applied == ("total", 5)
    deadline.start_route(Timeouts())
    assert (deadline.left(), deadline.is_over) == (None, False)


def test_the_total_cuts_the_time_to_send_too() -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(total=40), clock)
    assert deadline.write_seconds() == 60 or deadline.applied == ("total", 40)

    clock.now += 30

    assert deadline.write_seconds() == 10
    assert deadline.applied == ("total", 40)


def test_a_fallback_that_is_out_of_its_own_time_leaves_it_to_the_next_one(server: ScriptedServer) -> None:
    server.reply(json=BUSY, status=503)
    server.reply(json=answer(), delay=30)
    server.reply(json=answer("三"))
    fallbacks = [{"model": "b", "timeout": {"total": 0.2}}, {"model": "c"}]

    response: ModelResponse = unionchat(**arguments(server, timeout=20, fallbacks=fallbacks))

    assert response.choices[0].message.content == "三"
    assert [request.json["model"] for request in server.requests] == ["deepseek-v4-flash", "b", "c"]


def test_the_error_of_the_last_fallback_names_its_own_total(server: ScriptedServer) -> None:
    server.reply(json=BUSY, status=503)
    server.reply(sse=[piece({"content": "一"}), Pause(30)])
    fallbacks = [{"model": "b", "timeout": {"total": 0.5}}]

    with pytest.raises(APITimeoutError, match=r"total limit of 0\.5 s"):
        list(unionchat(**arguments(server, timeout=20, fallbacks=fallbacks), stream=True))


def test_the_total_ends_a_request_that_nobody_takes() -> None:
    """A vendor that accepts the connection and then reads nothing: the write limit alone would be 60 s."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        messages = [{"role": "user", "content": "x" * 30_000_000}]

        with pytest.raises(APITimeoutError, match=r"total limit of 0\.5 s"):
            unionchat(
                provider="deepseek",
                model="m",
                messages=messages,
                api_key=KEY,
                base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}",
                timeout={"total": 0.5},
            )


def test_a_first_provider_without_a_key_is_a_mistake_and_not_a_failure(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Falling back would hide it for ever."""
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    fallback = {"provider": "moonshot", "model": "kimi-k3", "api_key": KEY, "base_url": server.url}

    with pytest.raises(AuthenticationError, match="Missing API key"):
        unionchat(**arguments(server, api_key=None, fallbacks=[fallback]))

    assert server.requests == []


@pytest.mark.parametrize("name", ["app_secret", "token", "client_id", "secret_key"])
@pytest.mark.parametrize("policy", ["adapt", "raw"])
def test_a_credential_of_another_vendor_stays_here_and_is_told(server: ScriptedServer, name: str, policy: str) -> None:
    server.reply(json=answer())

    response = unionchat(**arguments(server, param_policy=policy, **{name: "planted-secret-of-another"}))

    assert [(change.parameter, change.action) for change in response.adaptations or ()] == [(name, "dropped")]
    assert "planted-secret-of-another" not in response.model_dump_json()
    sent = server.requests[0]
    assert "planted-secret-of-another" not in repr((sent.headers, sent.query, sent.body))


def test_strict_policy_refuses_a_credential_of_another_vendor(server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match=r"app_secret= has no effect here.*deepseek.*api_key") as caught:
        unionchat(**arguments(server, param_policy="strict", app_secret="planted-secret"))

    assert "planted-secret" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("spelling", ["api_key", "app_key", "apk_key"])
def test_a_spelling_of_the_key_is_no_other_vendors_credential(server: ScriptedServer, spelling: str) -> None:
    server.reply(json=answer())
    given: dict[str, Any] = arguments(server, param_policy="strict", api_key=None)

    assert unionchat(**{**given, spelling: KEY}).adaptations is None


def test_a_local_server_of_the_callers_own_gets_its_key(server: ScriptedServer) -> None:
    server.reply(sse=[piece({"content": "hi"}, "stop"), "[DONE]"])

    unionchat(**arguments(server, provider="local", model="m"))

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
