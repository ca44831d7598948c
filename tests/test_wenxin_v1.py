"""Baidu Qianfan's first protocol, for the private deployments that still speak it."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from qianfan import MODEL, PAIR, Ask, ask_sync, both, calling, events, said, session, told
from replies import MESSAGES
from server import Cut, Pause, Reply, ScriptedServer

from unionllm import exceptions, unionchat
from unionllm.exceptions import APIError, AuthenticationError
from unionllm.testing import VendorServer, conformance

# Against the vendor that plays it.

_NOT_OF_V1 = {"image", "reasoning", "reasoning_stream", "tools", "tools_stream"}
_CASES = [case for case in conformance.cases("wenxin") if case.name not in _NOT_OF_V1]


def secret() -> dict[str, dict[str, str]]:
    """A secret that no other test has: tokens are kept from test to test, and a port may be another server's again."""
    return {"wenxin": {"client_secret": uuid.uuid4().hex}}


@pytest.fixture
def vendor() -> Iterator[VendorServer]:
    """The played vendors, this one with a secret of its own."""
    with VendorServer(credentials=secret()) as running:
        yield running


def _v1(target: conformance.Target) -> conformance.Target:
    """The same case with V1's credentials and model, at the root of the vendor's address."""
    pair = {name: target.credentials[name] for name in PAIR}
    return conformance.Target(
        vendor=target.vendor,
        base_url=target.base_url.removesuffix("/v2"),
        credentials={**pair, "api_version": "v1"},
        model=MODEL,
    )


@pytest.mark.parametrize("client", [conformance.ask_unionchat, conformance.ask_aunionchat], ids=["sync", "async"])
@pytest.mark.parametrize("case", _CASES, ids=str)
def test_v1_passes_the_cases_that_any_client_should(
    case: conformance.Case, client: conformance.Ask, vendor: VendorServer
) -> None:
    outcome = case.check(vendor, lambda target, request: client(_v1(target), request))

    assert bool(outcome.error) == case.fails


@pytest.mark.parametrize("streamed", [False, True])
@both
def test_the_vendor_calls_a_function_whose_id_we_make(ask: Ask, streamed: bool, vendor: VendorServer) -> None:
    vendor.reply(tool_calls=[{"name": "get_weather", "arguments": {"city": "北京"}}])
    tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "strict": True}}
    arguments = vendor.arguments("wenxin")
    call = {"tools": [tool], "tool_choice": "required", "stream": streamed, "model": MODEL, "messages": MESSAGES}
    place = {"base_url": vendor.url("wenxin", ""), "api_version": "v1", "api_key": None, "access_key": None}

    answer = ask({**arguments, **call, **place, "secret_key": None})

    assert vendor.refused == []
    [made] = answer.choices[0].message.tool_calls
    assert (made.function.name, json.loads(made.function.arguments)) == ("get_weather", {"city": "北京"})
    assert made.id.startswith("call_")
    assert (answer.choices[0].finish_reason, answer.choices[0].provider_finish_reason) == (
        "tool_calls",
        "function_call",
    )


def test_a_session_that_the_server_ended_is_renewed_once() -> None:
    skew = 0.0
    with VendorServer(clock=lambda: time.time() + skew, credentials=secret()) as vendor:
        arguments = {"base_url": vendor.url("wenxin", ""), "api_version": "v1", "provider": "wenxin", "model": MODEL}
        pair = {name: vendor.credentials("wenxin")[name] for name in PAIR}
        given = {**arguments, **pair, "messages": MESSAGES, "max_retries": 0}
        first, second = unionchat(**given), unionchat(**given)
        skew = 31 * 86_400
        third = unionchat(**given, stream=True)

        assert list(third)
        assert first.choices
        assert second.choices
        paths = [request.path.rpartition("/")[2] for request in vendor.requests]
        assert paths == ["token", *["completions_pro"] * 3, "token", "completions_pro"]


@both
@pytest.mark.parametrize("code", [110, 111])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_second_refusal_is_the_callers(server: ScriptedServer, ask: Ask, code: int, streamed: bool) -> None:
    for number in (1, 2):
        server.reply(json=session(number))
        server.reply(json={"error_code": code, "error_msg": "Access token expired", "id": "as-9"})

    with pytest.raises(AuthenticationError) as caught:
        ask(calling(server, stream=streamed))

    assert (caught.value.code, caught.value.request_id) == (str(code), "as-9")
    assert [request.query.get("access_token") for request in server.requests[1::2]] == [
        "24.made-up-1",
        "24.made-up-2",
    ]


@pytest.mark.parametrize(
    ("reply", "cls", "says"),
    [
        (
            Reply(json={"error": "invalid_client", "error_description": "unknown client id"}),
            AuthenticationError,
            "unknown client id",
        ),
        (
            Reply(json={"error": "invalid_client", "error_description": "Client authentication failed"}, status=401),
            AuthenticationError,
            "Client authentication failed",
        ),
        (Reply(json={"expires_in": 5}), exceptions.InternalServerError, "no token"),
        (Reply(json={"access_token": "24.made-up", "expires_in": "x"}), exceptions.InternalServerError, "no token"),
        (Reply(body="24.made-up", status=502), exceptions.InternalServerError, "502"),
    ],
)
def test_no_token_is_an_error_that_shows_none(server: ScriptedServer, reply: Reply, cls: Any, says: str) -> None:
    server.reply(reply)

    given = calling(server)

    with pytest.raises(cls) as caught:
        ask_sync(given)

    assert says in str(caught.value)
    assert "24.made-up" not in f"{caught.value} {vars(caught.value)}"
    assert given["client_secret"] not in f"{caught.value} {vars(caught.value)}"


# What came back.


@pytest.mark.parametrize(
    ("more", "finish", "word"),
    [
        ({"finish_reason": "normal"}, "stop", "normal"),
        ({"finish_reason": "stop"}, "stop", "stop"),
        ({"finish_reason": "length"}, "length", "length"),
        ({"finish_reason": "content_filter", "need_clear_history": True}, "content_filter", "content_filter"),
        ({"finish_reason": "normal", "is_truncated": True}, "length", "is_truncated"),
        ({"is_truncated": True}, "length", "is_truncated"),
        ({"need_clear_history": True}, "content_filter", "need_clear_history"),
        ({}, "stop", "is_end"),
        ({"function_call": {"name": "f", "arguments": "{}"}}, "tool_calls", "function_call"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_end_has_openais_word(
    server: ScriptedServer, more: dict[str, Any], finish: str, word: str, streamed: bool
) -> None:
    server.reply(json=session())
    if streamed:
        head = {"sentence_id": 0, "is_end": False}
        server.reply(chunks=[events(said("he", **head), said("llo", **{**more, "sentence_id": 1, "is_end": True}))])
    else:
        server.reply(json=said(**more))

    answer = ask_sync(calling(server, stream=streamed))

    assert (answer.choices[0].finish_reason, answer.choices[0].provider_finish_reason) == (finish, word)
    assert answer.choices[0].message.content == "hello"
    assert (answer.id, answer.created, answer.model, answer.usage.total_tokens) == ("as-3", 1, MODEL, 3)
    assert answer.need_clear_history == more.get("need_clear_history", False)


def test_thoughts_and_pages_are_kept(server: ScriptedServer) -> None:
    server.reply(json=session())
    call = {"name": "f", "arguments": "{}", "thoughts": "想"}
    pages = {"search_results": [{"index": 1, "url": "https://e.x", "title": "t"}]}
    server.reply(json=said("", function_call=call, search_info=pages))

    answer = ask_sync(calling(server))

    assert answer.choices[0].message.reasoning_content == "想"
    assert [(page.id, page.url, page.title) for page in answer.context] == [("1", "https://e.x", "t")]
    assert answer.search_info == pages


_CODES = {
    "InternalServerError": "1 336000",
    "ServiceUnavailableError": "2 336100",
    "NotFoundError": "3 15 336005",
    "RateLimitError": "4 17 18 19 336501 336502",
    "PermissionDeniedError": "6 336004",
    "AuthenticationError": "13 14 100 110 111",
    "BadRequestError": "336001 336002 336003 336101 336104 336105",
    "ContextWindowExceededError": "336007 336103",
}
_ROWS = [pytest.param(int(code), name, id=code) for name, codes in _CODES.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "name"), _ROWS)
@pytest.mark.parametrize("place", ["body", "at once", "later"])
def test_an_error_in_a_200_has_its_class(server: ScriptedServer, code: int, name: str, place: str) -> None:
    body = {"error_code": code, "error_msg": "no", "id": "as-3"}
    bare = json.dumps(body).encode() + b"\n"
    for number in range(2 if code in (110, 111) and place != "later" else 1):
        server.reply(json=session(number))
        server.reply(json=body) if place == "body" else server.reply(
            chunks=[bare if place == "at once" else events(said("he", is_end=False)) + bare]
        )

    with pytest.raises(APIError) as caught:
        ask_sync(calling(server, stream=place != "body"))

    error = caught.value
    assert (type(error).__name__, error.code, error.request_id) == (name, str(code), "as-3")
    assert error.retryable == (
        name in ("InternalServerError", "ServiceUnavailableError", "RateLimitError") and code != 17
    )
    if place == "later":
        assert error.partial is not None
        assert error.partial.choices[0].message.content == "he"


def test_a_daily_limit_that_means_no_money_says_so(server: ScriptedServer) -> None:
    server.reply(json=session())
    server.reply(json={"error_code": 17, "error_msg": "账户已欠费"})

    with pytest.raises(exceptions.InsufficientBalanceError):
        ask_sync(calling(server))


def test_a_stream_ends_with_the_event_that_says_so(server: ScriptedServer) -> None:
    """The vendor may keep the connection open after it."""
    server.reply(json=session())
    server.reply(chunks=[events(said("好", is_end=True)), Pause(30)])
    began = time.monotonic()

    assert ask_sync(calling(server, stream=True)).choices[0].message.content == "好"
    assert time.monotonic() - began < 3


def test_a_stream_cut_before_its_end_is_an_error(server: ScriptedServer) -> None:
    server.reply(json=session())
    server.reply(chunks=[events(said("he", is_end=False))])

    with pytest.raises(exceptions.StreamInterruptedError) as caught:
        ask_sync(calling(server, stream=True))

    assert caught.value.partial is not None


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("at_token", [False, True], ids=["chat", "token"])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(json={"error_code": 18, "error_msg": "no"}),
        Reply(json={}, delay=60),
        Reply(body="<p>", content_type="text/html"),
        Reply(chunks=[b"data: {", Cut(reset=True)]),
    ],
    ids=["refused", "silent", "page", "reset"],
)
def test_neither_token_nor_secret_shows_in_logs_errors_and_tracebacks(
    server: ScriptedServer, ask: Ask, reply: Reply, streamed: bool, at_token: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """V1 puts both into the query of its addresses."""
    server.reply(reply) if at_token else server.reply(json=session())
    server.default(reply)
    given = calling(server, stream=streamed, timeout={"first_token": 0.2, "idle": 0.2})

    with caplog.at_level(logging.DEBUG, "unionllm"), pytest.raises(APIError) as caught:
        ask(given)

    shown = caplog.text + told(caught.value)
    assert "24.made-up" not in shown
    assert given["client_secret"] not in shown
