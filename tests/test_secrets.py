"""A planted key appears in the Authorization header and nowhere else."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from replies import KEY, answer, arguments, piece
from server import Cut, Pause, Recorded, Reply, ScriptedServer

import unionllm
from unionllm import UnionLLM, aunionchat, unionchat
from unionllm.exceptions import APIError, UnionLLMError

HEADER_SECRET = "planted-header-secret-42"
QUERY_SECRET = "planted-query-secret-43"


def call_sync(given: dict[str, Any]) -> Any:
    return unionchat(**given)


def call_async(given: dict[str, Any]) -> Any:
    return asyncio.run(aunionchat(**given))


def call_client(given: dict[str, Any]) -> Any:
    with UnionLLM(**given) as client:
        return client.completion()


def call_async_client(given: dict[str, Any]) -> Any:
    async def call() -> Any:
        async with UnionLLM(**given) as client:
            return await client.acompletion()

    return asyncio.run(call())


def read_sync(given: dict[str, Any]) -> Any:
    return list(unionchat(**given, stream=True))


def read_async(given: dict[str, Any]) -> Any:
    async def read() -> Any:
        return [chunk async for chunk in await aunionchat(**given, stream=True)]

    return asyncio.run(read())


Call = Callable[[dict[str, Any]], Any]
every_way = pytest.mark.parametrize(
    "call", [call_sync, call_async, call_client, call_async_client, read_sync, read_async]
)


def echo(request: Recorded) -> Reply:
    """What careless vendors do: repeat the key in the refusal."""
    key = request.headers["authorization"].removeprefix("Bearer ")
    body = {"error": {"message": f"Incorrect API key provided: {key}.", "code": "invalid_api_key", key: key}}
    return Reply(json=body, status=401, headers={"x-request-id": f"r-{len(key)}"})


FAULTS: dict[str, Any] = {
    "echoed key": echo,
    "echoed key in a page": lambda request: Reply(body=f"<p>{request.headers['authorization']}</p>", status=502),
    "echoed key in a good page": lambda request: Reply(body=f"<p>{request.headers['authorization']}</p>"),
    "echoed key in an event": lambda request: Reply(sse=["{oops " + request.headers["authorization"]]),
    "echoed key in an error event": lambda request: Reply(
        sse=[piece({"content": "A"}), {"error": {"message": request.headers["authorization"]}}]
    ),
    "cut": Reply(sse=[piece({"content": "A"}), Cut()]),
    "reset": Reply(chunks=[b"data: ", Pause(0.05), Cut(reset=True)]),
    "silent": Reply(json={}, delay=60),
    "no http": Reply(body="SSH-2.0-x\r\n", raw=True),
    "bad gzip": Reply(body="x", headers={"content-encoding": "gzip"}),
    "redirect": Reply(status=307, headers={"location": "/elsewhere"}, body=""),
    "busy": Reply(json={"error": {"message": "busy"}}, status=503),
}


@pytest.fixture(params=["refused", "not written out", "no scheme", *FAULTS])
def failing(request: pytest.FixtureRequest, server: ScriptedServer) -> dict[str, Any]:
    """The arguments of a call that fails in some way."""
    given = arguments(server, timeout={"first_token": 0.3, "idle": 0.3})
    if request.param == "refused":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            given["base_url"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
    elif request.param == "not written out":
        given["parameter"] = object()
    elif request.param == "no scheme":
        given["base_url"] = "127.0.0.1/v1"
    else:
        server.default(FAULTS[request.param])
    return given


def told(error: BaseException | None) -> str:
    """Everything that a program might print or store of an error: its text, its causes, its frames' variables."""
    parts = []
    while error is not None:
        parts += [str(error), repr(error), repr(vars(error))]
        for frame, line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:  # this file's own variables hold the key by right
                shown = traceback.StackSummary.extract([(frame, line)], capture_locals=True)
                parts += shown.format()
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


@every_way
def test_no_failure_shows_the_key_not_even_with_local_variables(failing: dict[str, Any], call: Call) -> None:
    with pytest.raises(UnionLLMError) as caught:
        call(failing)

    assert KEY[5:] not in told(caught.value)


@every_way
def test_no_failure_holds_on_to_an_error_of_the_http_library(failing: dict[str, Any], call: Call) -> None:
    """Its request has the header; whoever reports errors walks the chain."""
    with pytest.raises(UnionLLMError) as caught:
        call(failing)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@every_way
def test_no_pickle_of_an_error_holds_the_key(failing: dict[str, Any], call: Call) -> None:
    with pytest.raises(UnionLLMError) as caught:
        call(failing)

    data = pickle.dumps(caught.value)

    assert KEY.encode() not in data
    assert KEY not in told(pickle.loads(data))
    if isinstance(caught.value, APIError):
        assert KEY not in json.dumps(caught.value.body, default=str)


@every_way
def test_the_log_shows_requests_and_replies_without_the_key(
    server: ScriptedServer, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    server.default(echo)
    given = arguments(
        server,
        extra_headers={"x-token": HEADER_SECRET},
        extra_query={"signature": QUERY_SECRET},
        messages=[{"role": "user", "content": f"my key is {KEY}"}],
    )

    with caplog.at_level(logging.DEBUG), pytest.raises(APIError):
        call(given)

    assert "/chat/completions" in caplog.text
    assert KEY not in caplog.text
    assert HEADER_SECRET not in caplog.text
    assert QUERY_SECRET not in caplog.text


@pytest.mark.parametrize("level", ["debug", "DEBUG", "info"])
def test_the_environment_turns_the_log_on_for_programs(server: ScriptedServer, level: str) -> None:
    server.reply(json={"error": {"message": "busy"}}, status=503, headers={"retry-after": "0"})
    server.reply(json=answer())
    given = arguments(server, max_retries=1)
    program = f"from unionllm import unionchat\nprint(unionchat(**{given!r}).choices[0].message.content)"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"UNIONLLM_LOG": level, "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"},
    )

    assert done.stdout == "你好！\n", done.stderr
    assert "trying again" in done.stderr
    assert ("/chat/completions" in done.stderr) == (level != "info")
    assert KEY not in done.stderr


def test_without_being_asked_nothing_is_logged(server: ScriptedServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.reply(json=answer())

    unionchat(**arguments(server))

    assert capfd.readouterr() == ("", "")


@every_way
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: ScriptedServer, call: Call, status: int) -> None:
    """The key would go along to a host that the user never named."""
    with ScriptedServer() as elsewhere:
        server.default(status=status, headers={"location": f"{elsewhere.url}/v1/chat/completions"}, body="moved")
        elsewhere.default(json=answer())

        with pytest.raises(APIError) as caught:
            call(arguments(server, max_retries=2))

        assert elsewhere.requests == []
    assert caught.value.status_code == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("is_stream", [False, True])
def test_redirects_are_not_followed_by_a_callers_client_either(server: ScriptedServer, is_stream: bool) -> None:
    import httpx

    server.default(status=307, headers={"location": "/elsewhere"}, body="moved")

    with httpx.Client(follow_redirects=True, trust_env=False) as own, pytest.raises(APIError):
        unionchat(**arguments(server, http_client=own), stream=is_stream)

    assert [request.path for request in server.requests] == ["/chat/completions"]


PASSWORD = "planted-password-44"
WRONG: dict[str, dict[str, Any]] = {
    "repeated by the vendor": {},
    "no JSON": {"parameter": object()},
    "no limit": {"timeout": -1},
    "a bad header": {"extra_headers": {"x-token": f"{HEADER_SECRET}\n", "x-other-token": HEADER_SECRET}},
    "another scheme": {"base_url": f"ftp://user:{PASSWORD}@127.0.0.1/v1?signature={PASSWORD}"},
    "a query": {"base_url": f"http://user:{PASSWORD}@127.0.0.1/v1?signature={PASSWORD}"},
    "nobody there": {"base_url": f"http://user:{PASSWORD}@127.0.0.1:1/v1"},
    "no second credential": {"provider": "tiangong", "app_secret": None, "APP_KEY": PASSWORD},
}


@every_way
@pytest.mark.parametrize("wrong", WRONG)
def test_no_failure_shows_extras_addresses_or_the_environment(
    server: ScriptedServer, call: Call, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments are found wrong in frames that hold all of them, and the environment with everybody's keys."""
    monkeypatch.setenv("SOMEBODY_ELSES_KEY", "planted-key-of-the-environment")
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    server.default(lambda request: Reply(json={"error": {"message": f"{request.query} {request.headers}"}}, status=401))
    extras = {"extra_headers": {"x-token": HEADER_SECRET}, "extra_query": {"signature": QUERY_SECRET}}
    given = arguments(server, **{**extras, "api_key": None, "fallbacks": [{"model": "b", **extras}], **WRONG[wrong]})

    with pytest.raises(UnionLLMError) as caught:
        call(given)

    text = told(caught.value)
    secrets = (KEY, HEADER_SECRET, QUERY_SECRET, PASSWORD, "planted-key-of-the-environment")
    assert [secret for secret in secrets if secret in text] == []


def test_a_client_shows_no_key(server: ScriptedServer) -> None:
    client = UnionLLM(**arguments(server), MOONSHOT_API_KEY=KEY, client_secret=KEY)

    assert repr(client) == "UnionLLM(provider='deepseek', model='deepseek-v4-flash')"
    assert KEY not in repr(vars(client))
    client.close()


def test_an_answer_holds_no_key(server: ScriptedServer) -> None:
    server.reply(json=answer())

    response = unionchat(**arguments(server))

    assert KEY not in repr(response)
    assert KEY not in response.model_dump_json()
    assert KEY.encode() not in pickle.dumps(response)


def test_a_key_among_a_fallbacks_arguments_is_hidden_too(server: ScriptedServer) -> None:
    server.default(echo)
    given = arguments(
        server, fallbacks=[{"provider": "moonshot", "model": "m", "api_key": KEY, "base_url": server.url}]
    )

    with pytest.raises(unionllm.AuthenticationError) as caught:
        unionchat(**given)

    assert len(server.requests) == 2
    assert KEY not in told(caught.value)
