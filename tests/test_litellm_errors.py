"""The bridge to LiteLLM: its errors as ours, by what really happened."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import litellm_vendor
import pytest
from litellm_vendor import KEY, call_of, run, whole
from server import Cut, Recorded, Reply, ScriptedServer

from unionllm import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    _litellm,
    aunionchat,
    unionchat,
)

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop = litellm_vendor.isolated, litellm_vendor.one_loop
routes = pytest.mark.parametrize("route", ["anthropic", "deepinfra", "mistral", "ollama", "openai"])
modes = pytest.mark.parametrize(("is_async", "stream"), [(False, False), (False, True), (True, False), (True, True)])


def fail(arguments: dict[str, Any], *, is_async: bool = False, stream: bool = False) -> APIError:
    """The error that a call ends with."""

    async def acall() -> None:
        answer = await aunionchat(stream=stream, **arguments)
        if stream:
            async for _ in answer:
                pass

    def call() -> None:
        run(acall()) if is_async else list(unionchat(stream=stream, **arguments))

    with pytest.raises(APIError) as caught:
        call()
    return caught.value


STATUSES: list[tuple[int, type[APIError]]] = [
    (400, BadRequestError),
    (401, AuthenticationError),
    (402, InsufficientBalanceError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (408, APIStatusError),
    (413, BadRequestError),
    (422, BadRequestError),
    (429, RateLimitError),
    (500, InternalServerError),
    (502, InternalServerError),
    (503, ServiceUnavailableError),
    (504, InternalServerError),
    (529, InternalServerError),
]


@modes
@routes
def test_the_class_follows_the_vendors_status(server: ScriptedServer, route: str, is_async: bool, stream: bool) -> None:
    """LiteLLM's own classes do not: a 403 is an APIError on one route, a 529 becomes a 500 on another."""
    for status, kind in STATUSES:
        server.default(status=status, json={"error": {"message": f"no, because {status}"}})
        error = fail(call_of(server, route), is_async=is_async, stream=stream)
        assert (type(error), error.status_code) == (kind, status)
        assert f"no, because {status}" in str(error)
        assert (error.provider, error.llm_provider) == (route, route)
        assert error.model
        assert error.original
        assert error.retryable is kind.default_retryable


def is_ours(frame: FrameType) -> bool:
    """Whether code of the library runs in the frame."""
    return "unionllm" in Path(frame.f_code.co_filename).parts


def test_litellms_own_class_is_named(server: ScriptedServer) -> None:
    server.default(status=403, json={"error": {"message": "no"}})
    assert fail(call_of(server, "openai")).original == "APIError"
    assert fail(call_of(server, "anthropic")).original == "PermissionDeniedError"


@modes
@routes
def test_a_rate_limit_says_how_long_to_wait(server: ScriptedServer, route: str, is_async: bool, stream: bool) -> None:
    server.default(status=429, headers={"Retry-After": "7", "x-request-id": "req-9"}, json={"error": {"message": "no"}})
    error = fail(call_of(server, route), is_async=is_async, stream=stream)
    assert (error.retry_after, error.request_id) == (7.0, "req-9")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("context_length_exceeded", 400, ContextWindowExceededError),
        ("content_policy_violation", 400, ContentPolicyViolationError),
        ("insufficient_quota", 429, InsufficientBalanceError),
    ],
)
@modes
def test_a_vendors_code_says_more_than_its_status(
    server: ScriptedServer, code: str, status: int, kind: type[APIError], is_async: bool, stream: bool
) -> None:
    for route in ("openai", "mistral", "anthropic"):
        server.default(status=status, json={"error": {"message": "too much", "code": code}})
        error = fail(call_of(server, route), is_async=is_async, stream=stream)
        assert (type(error), error.status_code, error.code) == (kind, status, code)
        assert error.body == {"error": {"message": "too much", "code": code}}
        assert not error.retryable


@modes
@routes
def test_a_refused_connection_is_no_server_error(route: str, is_async: bool, stream: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    arguments = {"provider": route, "model": "m", "api_key": KEY, "messages": [{"role": "user", "content": "hi"}]}
    url = f"http://127.0.0.1:{port}"
    error = fail({**arguments, "base_url": url, "max_retries": 0}, is_async=is_async, stream=stream)
    assert (type(error), error.status_code, error.retryable) == (APIConnectionError, None, True)
    assert f"127.0.0.1:{port}" in str(error)


@modes
@routes
def test_a_connection_that_is_lost_is_no_server_error(
    server: ScriptedServer, route: str, is_async: bool, stream: bool
) -> None:
    server.default(chunks=[Cut()])
    error = fail(call_of(server, route), is_async=is_async, stream=stream)
    assert (type(error), error.status_code) == (APIConnectionError, None)


@modes
@routes
def test_the_time_limit_is_named(server: ScriptedServer, route: str, is_async: bool, stream: bool) -> None:
    server.default(delay=5, json={})
    error = fail(call_of(server, route, timeout=0.2), is_async=is_async, stream=stream)
    assert (type(error), error.status_code) == (APITimeoutError, None)
    assert "0.2 s" in str(error)
    assert "timeout=" in str(error)


def test_the_total_limit_is_named_when_it_is_the_shorter_one(server: ScriptedServer) -> None:
    server.default(delay=5, json={})
    error = fail(call_of(server, "mistral", timeout={"total": 0.2, "first_token": 9}))
    assert "total limit" in str(error)


@routes
@pytest.mark.parametrize("is_async", [False, True])
def test_an_answer_that_is_no_json_is_unreadable(server: ScriptedServer, route: str, is_async: bool) -> None:
    server.default(body="<html>gateway</html>", content_type="text/html")
    error = fail(call_of(server, route), is_async=is_async)
    assert (type(error), error.status_code, error.retryable) == (APIResponseError, None, False)
    assert "Traceback" not in str(error)


def test_an_answer_without_choices_is_unreadable(server: ScriptedServer) -> None:
    for body in ({}, whole(choices=[])):
        server.default(json=body)
        for route in ("openai", "mistral", "deepinfra"):
            assert type(fail(call_of(server, route))) is APIResponseError


def test_a_vendor_that_says_it_failed_has_failed(server: ScriptedServer) -> None:
    body = whole()
    body["choices"][0]["finish_reason"] = "network_error"
    server.default(json=body)
    assert type(fail(call_of(server, "mistral"))) is InternalServerError


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything our logger says, in a program with a key in its environment."""
    monkeypatch.setenv("MISTRAL_API_KEY", "sk-from-the-environment")
    caplog.set_level(logging.DEBUG, logger="unionllm")
    return caplog


@modes
def test_no_secret_is_told_and_nothing_of_litellms_hangs_on(
    server: ScriptedServer, log: pytest.LogCaptureFixture, is_async: bool, stream: bool
) -> None:
    """LiteLLM's chain holds the request with its Authorization header, its debug information the whole prompt."""
    for key, sent in ((KEY, KEY), (None, "sk-from-the-environment")):
        for route in ("mistral", "openai") if key else ("mistral",):
            server.default(status=401, json={"error": {"message": f"Incorrect API key: {sent}", "code": f"k-{sent}"}})
            error = fail(call_of(server, route, api_key=key), is_async=is_async, stream=stream)
            told = "".join(traceback.format_exception(error)) + repr((error, error.__dict__, log.text))
            assert "你好" not in told
            told += "".join(
                repr(frame.f_locals) for frame, _ in traceback.walk_tb(error.__traceback__) if is_ours(frame)
            )
            assert "***" in str(error)
            assert sent not in told
            assert error.__cause__ is None
            assert error.__context__ is None
            copied = pickle.loads(pickle.dumps(error))
            assert (type(copied), str(copied), copied.__dict__) == (type(error), str(error), error.__dict__)


def test_the_keys_of_keyword_credentials_are_masked_too(server: ScriptedServer) -> None:
    server.default(status=403, json={"message": "no such secret: wJalrXUtnFEMI"})
    more = {"aws_secret_access_key": "wJalrXUtnFEMI", "aws_access_key_id": "AKIA123", "aws_region_name": "us-east-1"}
    model = "anthropic.claude-3-sonnet-20240229-v1:0"
    error = fail(call_of(server, "openai", provider="bedrock", model=model, api_key=None, **more))
    assert type(error) is PermissionDeniedError
    assert "no such secret: ***" in str(error)


@pytest.mark.parametrize("place", ["AZURE_API_KEY", "azure_key", "api_key"])
def test_a_key_that_litellm_finds_is_masked_though_it_is_another_one_by_now(
    place: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment or set on LiteLLM; the program sets a new one while the call is under way."""
    found = "sk-found-by-litellm"
    litellm = _litellm._load()

    def put(value: str) -> None:
        if place.isupper():
            monkeypatch.setenv(place, value)
        else:
            monkeypatch.setattr(litellm, place, value)

    def refuse(request: Recorded) -> Reply:
        put("sk-the-next-one")
        sent = request.headers.get("api-key") or request.headers.get("authorization")
        return Reply(status=401, json={"error": {"message": f"Incorrect API key provided: {sent}", "code": "401"}})

    put(found)
    server.default(refuse)
    error = fail(call_of(server, "openai", provider="azure", api_key=None, api_version="2024-06-01"))

    assert "Incorrect API key provided" in str(error)
    assert found not in f"{error}{error.body}"


def test_what_the_caller_was_handling_is_not_the_cause(server: ScriptedServer) -> None:
    """Python hangs the exception being handled under a new one; its status is not this call's."""

    class HTTPStatusError(Exception):
        response = type("Response", (), {"status_code": 401, "json": dict})()

    server.default(chunks=[Cut()])
    try:
        raise HTTPStatusError
    except HTTPStatusError:
        error = fail(call_of(server, "mistral"))
    assert (type(error), error.status_code) == (APIConnectionError, None)


def test_a_key_refused_by_a_host_of_the_callers_says_that_none_was_sent(server: ScriptedServer) -> None:
    server.default(status=401, json={"error": {"message": "no key"}})
    error = fail(call_of(server, "openai", api_key=None))
    assert "keys of other hosts are not sent" in str(error)
