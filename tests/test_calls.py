"""Calls over real sockets: connections, retries, fallbacks, defaults, options."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from replies import KEY, MESSAGES, answer, arguments, piece, stream
from server import Cut, Pause, Reply, ScriptedServer

from unionllm import ModelResponse, UnionLLM, aunionchat, unionchat
from unionllm._routes import build_route
from unionllm.exceptions import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InsufficientBalanceError,
    InternalServerError,
    ProviderError,
    RateLimitError,
    ServiceUnavailableError,
)

BUSY = {"error": {"message": "busy"}}


def call_sync(given: dict[str, Any]) -> ModelResponse:
    return unionchat(**given)


def call_async(given: dict[str, Any]) -> ModelResponse:
    return asyncio.run(aunionchat(**given))


def call_client(given: dict[str, Any]) -> ModelResponse:
    with UnionLLM(**given) as client:
        return client.completion()


def call_async_client(given: dict[str, Any]) -> ModelResponse:
    async def call() -> ModelResponse:
        async with UnionLLM(**given) as client:
            return await client.acompletion()

    return asyncio.run(call())


Call = Callable[[dict[str, Any]], ModelResponse]
every_way = pytest.mark.parametrize("call", [call_sync, call_async, call_client, call_async_client])
both = pytest.mark.parametrize("call", [call_sync, call_async])


@every_way
def test_an_answer_is_the_vendors_in_our_shape(server: ScriptedServer, call: Call) -> None:
    server.reply(json=answer("你好！"))

    response = call(arguments(server))

    assert response.choices[0].message.content == "你好！"
    assert response["usage"]["total_tokens"] == 5
    assert response.provider == "deepseek"
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json["messages"] == MESSAGES
    assert KEY not in request.body.decode()


# Retries.


@every_way
def test_a_passing_failure_is_tried_again(server: ScriptedServer, call: Call) -> None:
    server.reply(json=BUSY, status=503)
    server.reply(json=answer())

    assert call(arguments(server, max_retries=2)).choices[0].message.content == "你好！"
    assert len(server.requests) == 2
    assert server.requests[0].body == server.requests[1].body


@both
def test_two_retries_are_the_default(server: ScriptedServer, call: Call) -> None:
    server.default(json=BUSY, status=503, headers={"retry-after": "0"})

    with pytest.raises(ServiceUnavailableError):
        call(arguments(server, max_retries=None))

    assert len(server.requests) == 3


@both
@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_no_retries_are_made_when_none_are_wanted(server: ScriptedServer, call: Call, status: int) -> None:
    server.default(json=BUSY, status=status)

    with pytest.raises(APIStatusError):
        call(arguments(server, max_retries=0))

    assert len(server.requests) == 1


@both
def test_the_vendors_retry_after_is_honoured(server: ScriptedServer, call: Call) -> None:
    server.reply(json=BUSY, status=429, headers={"Retry-After-Ms": "300"})
    server.reply(json=answer())

    call(arguments(server, max_retries=1))

    first, second = server.requests
    assert 0.3 <= second.received_at - first.received_at < 2


def test_a_date_in_retry_after_is_told_in_seconds(server: ScriptedServer) -> None:
    server.reply(json=BUSY, status=429, headers={"Retry-After": email.utils.formatdate(time.time() + 20, usegmt=True)})

    with pytest.raises(RateLimitError) as caught:
        call_sync(arguments(server))

    assert caught.value.retry_after is not None
    assert 15 < caught.value.retry_after <= 21


@both
@pytest.mark.parametrize("status", [402, 403, 429])
def test_an_empty_balance_is_never_tried_again(server: ScriptedServer, call: Call, status: int) -> None:
    server.default(json={"error": {"code": "1113", "message": "余额不足"}}, status=status)

    with pytest.raises(InsufficientBalanceError, match="充值"):
        call(arguments(server, provider="zhipuai", model="glm-5.2", max_retries=5))

    assert len(server.requests) == 1


@both
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_cannot_get_better_is_sent_once(server: ScriptedServer, call: Call, status: int) -> None:
    server.default(json={"error": {"message": "no"}}, status=status)

    with pytest.raises(Exception, match="no") as caught:
        call(arguments(server, max_retries=5))

    assert caught.value.status_code == status  # type: ignore[attr-defined]  # an APIError
    assert len(server.requests) == 1


@both
def test_a_connection_that_ends_before_the_answer_is_tried_again(server: ScriptedServer, call: Call) -> None:
    server.reply(chunks=[Cut(reset=True)])
    server.reply(json=answer())

    assert call(arguments(server, max_retries=1)).choices[0].message.content == "你好！"


@both
def test_waiting_for_a_retry_stops_at_the_total_limit(server: ScriptedServer, call: Call) -> None:
    server.default(json=BUSY, status=429, headers={"retry-after": "30"})
    began = time.monotonic()

    with pytest.raises(RateLimitError):
        call(arguments(server, max_retries=2, timeout={"total": 1}))

    assert time.monotonic() - began < 1
    assert len(server.requests) == 1


@both
def test_the_total_limit_holds_over_all_tries(server: ScriptedServer, call: Call) -> None:
    server.default(json={}, delay=60)
    began = time.monotonic()

    with pytest.raises(APITimeoutError, match=r"total limit of 0\.4 s"):
        call(arguments(server, max_retries=5, timeout={"total": 0.4}))

    assert 0.3 < time.monotonic() - began < 2


# Fallbacks.


@both
def test_a_fallback_answers_with_its_own_credentials(server: ScriptedServer, call: Call) -> None:
    server.reply(json=BUSY, status=503)
    server.reply(json=answer("二"))
    other = {"provider": "moonshot", "model": "kimi-k3", "api_key": "second-key", "base_url": f"{server.url}/other"}

    response = call(arguments(server, fallbacks=[other], extra_headers={"x-mine": "1"}, temperature=0.5))

    assert (response.choices[0].message.content, response.provider) == ("二", "moonshot")
    first, second = server.requests
    assert (first.path, second.path) == ("/chat/completions", "/other/chat/completions")
    assert second.headers["authorization"] == "Bearer second-key"
    assert second.json["model"] == "kimi-k3"
    assert second.json["messages"] == MESSAGES


@both
def test_the_first_providers_credentials_never_reach_another_one(
    server: ScriptedServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", "key-from-environment")
    monkeypatch.setenv("MOONSHOT_BASE_URL", f"{server.url}/moonshot")
    server.reply(json=BUSY, status=503)
    server.reply(json=answer("二"))

    call(
        arguments(
            server,
            fallbacks=[{"provider": "moonshot", "model": "kimi-k3"}],
            extra_headers={"x-secret": "header-secret"},
            extra_query={"q": "query-secret"},
            extra_body={"b": "body-secret"},
        )
    )

    second = server.requests[1]
    assert second.path == "/moonshot/chat/completions"
    assert second.headers["authorization"] == "Bearer key-from-environment"
    sent = repr((second.headers, second.query, second.body))
    assert KEY not in sent
    assert "secret" not in sent


@both
def test_a_fallback_to_another_model_keeps_key_and_address(server: ScriptedServer, call: Call) -> None:
    server.reply(json={"error": {"message": "gone"}}, status=404)
    server.reply(json=answer("二"))

    assert call(arguments(server, fallbacks=[{"model": "other"}])).choices[0].message.content == "二"
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[1].json["model"] == "other"


@both
def test_the_last_error_is_raised_when_every_fallback_failed(server: ScriptedServer, call: Call) -> None:
    server.reply(json={"error": {"message": "first"}}, status=404)
    server.reply(json={"error": {"message": "second"}}, status=403)
    server.reply(json={"error": {"message": "third"}}, status=500)

    with pytest.raises(InternalServerError, match="third"):
        call(arguments(server, fallbacks=[{"model": "b"}, {"model": "c"}]))

    assert [request.json["model"] for request in server.requests] == ["deepseek-v4-flash", "b", "c"]


def test_a_stream_falls_back_before_its_first_chunk_only(server: ScriptedServer) -> None:
    server.reply(json=BUSY, status=503)
    server.reply(sse=stream("二"))
    server.reply(sse=[piece({"content": "一"}), Cut()])

    first = unionchat(**arguments(server, fallbacks=[{"model": "b"}]), stream=True)
    assert list(first.text()) == ["二"]
    second = unionchat(**arguments(server, fallbacks=[{"model": "b"}]), stream=True)
    with pytest.raises(APIConnectionError):
        list(second)

    assert len(server.requests) == 3


# Options.


@both
def test_extra_headers_query_and_body_are_sent(server: ScriptedServer, call: Call) -> None:
    server.reply(json=answer())

    call(arguments(server, extra_headers={"X-Trace": "t"}, extra_query={"a": "1 2"}, extra_body={"vendor": {"x": 1}}))

    [request] = server.requests
    assert request.headers["x-trace"] == "t"
    assert request.query == {"a": "1 2"}
    assert request.json["vendor"] == {"x": 1}


def test_the_scheme_of_an_address_may_be_in_capitals(server: ScriptedServer) -> None:
    server.reply(json=answer())
    url = server.url.replace("http://", "HTTP://")

    call_sync(arguments(server, base_url=url))
    chat = build_route({**arguments(server), "base_url": None}, {"DEEPSEEK_API_BASE": url}).chat

    assert len(server.requests) == 1
    assert chat.base_url == server.url  # the environment's


@pytest.mark.parametrize("name", ["base_url", "api_base", "endpoint_url"])
@pytest.mark.parametrize("path", ["/v9", "/v9/", "/v9/chat/completions", "/v9/chat/completions/"])
def test_every_spelling_of_the_address_is_understood(server: ScriptedServer, name: str, path: str) -> None:
    server.reply(json=answer())

    call_sync(arguments(server, **{"base_url": None, name: server.url + path}))

    assert server.requests[0].path == "/v9/chat/completions"


def test_a_callers_own_client_carries_the_call_and_stays_open(server: ScriptedServer) -> None:
    server.default(json=answer())

    with httpx.Client(headers={"x-own": "1"}, trust_env=False) as own:
        for _ in range(2):
            call_sync(arguments(server, http_client=own))
        assert not own.is_closed

    assert [request.headers["x-own"] for request in server.requests] == ["1", "1"]
    assert server.connections == 1


def test_a_callers_own_async_client_carries_the_call_and_stays_open(server: ScriptedServer) -> None:
    server.reply(json=answer())
    server.reply(sse=stream("流"))

    async def calls() -> str:
        async with httpx.AsyncClient(headers={"x-own": "1"}, trust_env=False) as own:
            await aunionchat(**arguments(server, http_client=own))
            reading = await aunionchat(**arguments(server, http_client=own), stream=True)
            texts = [text async for text in reading.text()]
            assert not own.is_closed
        return "".join(texts)

    assert asyncio.run(calls()) == "流"
    assert all(request.headers["x-own"] == "1" for request in server.requests)


def test_limits_hold_with_a_callers_own_client(server: ScriptedServer) -> None:
    server.reply(sse=[b"", Pause(60)])

    with httpx.Client(trust_env=False) as own, pytest.raises(APITimeoutError, match=r"first token limit of 0\.2 s"):
        call_sync(arguments(server, http_client=own, timeout={"first_token": 0.2}))


def test_a_client_of_the_wrong_kind_is_refused(server: ScriptedServer) -> None:
    with httpx.Client(trust_env=False) as own, pytest.raises(ProviderError, match="AsyncClient"):
        call_async(arguments(server, http_client=own))

    async def calls_with_async_client() -> None:
        async with httpx.AsyncClient(trust_env=False) as own:
            with pytest.raises(ProviderError, match=r"httpx\.Client"):
                call_sync(arguments(server, http_client=own))

    asyncio.run(calls_with_async_client())
    assert server.requests == []


def test_many_threads_may_call_at_once(server: ScriptedServer) -> None:
    server.default(lambda request: Reply(json=answer(request.json["messages"][0]["content"])))

    def ask(number: int) -> str | None:
        messages = [{"role": "user", "content": str(number)}]
        return unionchat(**arguments(server, messages=messages)).choices[0].message.content

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(128))) == [str(number) for number in range(128)]
