"""Tokens: bought once, kept while they hold, given up when refused. Flows are driven by hand, so nothing sleeps."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import time
from collections.abc import Generator
from typing import Any

import pytest
from replies import MESSAGES, answer
from server import ScriptedServer
from vendors_on_loopback import process_environment, python

from unionllm import APIConnectionError, APITimeoutError, AuthenticationError, ModelResponse
from unionllm._call import NativeBackend
from unionllm._protocols.base import Credential, Region
from unionllm._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from unionllm._protocols.tokens import Token, TokenCache, account_key
from unionllm._request import ChatRequest
from unionllm._secrets import Secret
from unionllm._timeouts import Deadline, Timeouts
from unionllm._transport import AsyncTransport, SyncTransport
from unionllm._wire import Flow, HttpReply, HttpRequest, Wait
from unionllm.exceptions import APIError

ASKED = HttpRequest(url="https://iam.acme.example/token", hides_reply=True)
KEY = account_key("https://iam.acme.example", "ak", "sk")


def buy(ends: float = 1000.0) -> Flow[Token]:
    """Asks for a token; whoever drives the flow sends its value."""
    value = yield ASKED
    return Token(value=Secret(value), ends=ends)


def result(flow: Generator[Any, Any, Any], send: Any) -> Any:
    """What a flow returns when it is sent that."""
    with pytest.raises(StopIteration) as stop:
        flow.send(send)
    return stop.value.value


def hold(cache: TokenCache, value: str, ends: float) -> None:
    flow = cache.get(KEY, 0.0, lambda: buy(ends))
    assert next(flow) is ASKED
    assert result(flow, value) == value


def test_a_token_is_bought_once_and_replaced_before_its_end() -> None:
    cache = TokenCache(early=300)
    hold(cache, "t1", ends=1000)

    assert result(cache.get(KEY, 699.0, buy), None) == "t1"
    later = cache.get(KEY, 700.0, lambda: buy(2000))
    assert next(later) is ASKED
    assert result(later, "t2") == "t2"
    assert result(cache.get(KEY, 1500.0, buy), None) == "t2"


def test_calls_that_come_at_once_share_one_purchase() -> None:
    cache = TokenCache(early=300)
    first, second, third = (cache.get(KEY, 0.0, buy) for _ in range(3))

    assert next(first) is ASKED
    assert isinstance(next(second), Wait)
    assert isinstance(next(third), Wait)
    assert isinstance(second.send(None), Wait)
    assert result(first, "t1") == "t1"
    assert result(second, None) == "t1"
    assert result(third, None) == "t1"


def test_nobody_waits_while_the_old_token_still_holds() -> None:
    cache = TokenCache(early=300)
    hold(cache, "t1", ends=1000)
    first = cache.get(KEY, 800.0, buy)

    assert next(first) is ASKED
    assert result(cache.get(KEY, 800.0, buy), None) == "t1"


def test_a_purchase_that_fails_leaves_the_old_token_while_it_holds() -> None:
    cache = TokenCache(early=300)
    hold(cache, "t1", ends=1000)
    at_800, at_1000 = cache.get(KEY, 800.0, buy), cache.get(KEY, 1000.0, buy)

    assert next(at_800) is ASKED
    with pytest.raises(StopIteration) as stop:
        at_800.throw(APIConnectionError("no answer"))
    assert stop.value.value == "t1"
    assert next(at_1000) is ASKED
    with pytest.raises(APIConnectionError):
        at_1000.throw(APIConnectionError("no answer"))


def test_a_failed_purchase_fails_all_who_waited_for_it_and_nobody_after() -> None:
    """With errors of their own: one exception raised in two threads would grow two tracebacks."""
    cache = TokenCache(early=300)
    first, second = cache.get(KEY, 0.0, buy), cache.get(KEY, 0.0, buy)
    next(first), next(second)
    error = AuthenticationError("no such key", code="x", provider="acme")

    with pytest.raises(AuthenticationError):
        first.throw(error)
    with pytest.raises(AuthenticationError, match="no such key") as caught:
        second.send(None)

    assert caught.value is not error
    assert (caught.value.code, caught.value.provider) == ("x", "acme")
    assert next(cache.get(KEY, 0.0, buy)) is ASKED


def test_a_purchase_that_is_broken_off_is_taken_over() -> None:
    cache = TokenCache(early=300)
    first, second = cache.get(KEY, 0.0, buy), cache.get(KEY, 0.0, buy)
    next(first), next(second)

    first.close()

    assert second.send(None) is ASKED
    assert result(second, "t1") == "t1"


def test_a_purchase_that_never_ends_is_given_up() -> None:
    cache = TokenCache(early=300)
    first, second = cache.get(KEY, 0.0, buy), cache.get(KEY, 0.0, buy)
    next(first)
    step, waited = next(second), 0.0
    while isinstance(step, Wait):
        waited += step.seconds
        step = second.send(None)

    assert step is ASKED
    assert 29 < waited < 31
    assert result(first, "late") == "late"
    # The one that was given up leaves the purchase of the other alone.
    assert result(second, "t1") == "t1"


def test_a_token_that_came_between_look_and_turn_is_taken() -> None:
    cache = TokenCache(early=300)

    class Late(dict[Any, Any]):
        """Hides the token from the first look."""

        looks = 0

        def get(self, key: Any, default: Any = None) -> Any:
            self.looks += 1
            return None if self.looks == 1 else super().get(key, default)

    hold(cache, "t1", ends=1000)
    cache._tokens = Late(cache._tokens)

    assert result(cache.get(KEY, 0.0, buy), None) == "t1"


def test_a_refused_token_is_forgotten_and_a_newer_one_kept() -> None:
    cache = TokenCache(early=300)
    hold(cache, "t1", ends=1000)

    cache.forget(KEY, "t0")
    cache.forget("another", "t1")
    assert result(cache.get(KEY, 0.0, buy), None) == "t1"
    cache.forget(KEY, "t1")
    assert next(cache.get(KEY, 0.0, buy)) is ASKED


def test_tokens_that_have_ended_are_not_kept() -> None:
    cache = TokenCache(early=300)
    hold(cache, "t1", ends=1000)
    flow = cache.get("another", 2000.0, lambda: buy(3000))

    next(flow)
    result(flow, "t2")

    assert list(cache._tokens) == ["another"]


@pytest.mark.parametrize("other", [("a", "bc"), ("ab", "c2"), ("ab",), ("ab", "c", "")])
def test_an_account_is_told_apart_by_all_its_credentials(other: tuple[str, ...]) -> None:
    assert account_key("ab", "c") != account_key(*other)
    assert account_key("ab", "c") == account_key("ab", "c")
    assert "secret-0123" not in account_key("ab", "secret-0123")


def test_no_repr_shows_a_token() -> None:
    assert "t1" not in repr(Token(value=Secret("t1"), ends=1.0))


_FORKED = """
import os, sys
from unionllm._protocols.tokens import TokenCache
from unionllm._wire import HttpRequest

def buy():
    yield HttpRequest(url="https://iam.acme.example/token")

cache = TokenCache(early=300)
begun = cache.get("key", 0.0, buy)
next(begun)
child = os.fork()
if child == 0:
    # The call that is buying lives on in the parent only.
    os._exit(0 if isinstance(next(cache.get("key", 0.0, buy)), HttpRequest) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_does_not_wait_for_a_call_of_its_parent() -> None:
    done = subprocess.run(
        python("-c", _FORKED), env=process_environment({}), capture_output=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")


# What the drivers and the call do for it.


class Buying(OpenAICompatible):
    """Buys a token and calls with it; a refused one is given up."""

    cache = TokenCache(early=300)

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        token = yield from self.cache.get(chat.base_url, chat.now, lambda: self.buy(chat))
        return chat.changed(credentials={"api_key": token})

    def buy(self, chat: ChatRequest) -> Flow[Token]:
        reply: HttpReply = yield HttpRequest(url=f"{chat.base_url}/token", hides_reply=True)
        return Token(value=Secret(reply.content.decode()), ends=chat.now + 1000)

    def renew(self, chat: ChatRequest, error: APIError) -> bool:
        self.cache.forget(chat.base_url, chat.credentials["api_key"])
        return isinstance(error, AuthenticationError)


BUYING = Buying(
    OpenAISpec(
        name="acme",
        title="Acme",
        regions=(Region(name="cn", base_url="https://api.acme.example"),),
        credentials=(Credential(required=False),),
    )
)


def flow_of(server: ScriptedServer, *, stream: bool = False) -> Flow[Any]:
    backend = NativeBackend(BUYING)
    chat = ChatRequest(provider="acme", model="m", messages=tuple(MESSAGES), base_url=server.url, stream=stream)
    return (backend.stream if stream else backend.answer)(chat, deadline())


def deadline(total: float | None = None) -> Deadline:
    return Deadline(Timeouts(total=total), time.monotonic)


def run(flow: Flow[Any], total: float | None = None) -> Any:
    transport = SyncTransport()
    try:
        got = transport.run(flow, deadline(total))
        return got if isinstance(got, ModelResponse) else list(got)[-1]
    finally:
        transport.close()


REFUSAL = {"error": {"code": "invalid_api_key", "message": "gone"}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_token_is_replaced_and_the_call_begins_again_once(server: ScriptedServer, stream: bool) -> None:
    server.reply(body="token-1")
    server.reply(json=REFUSAL, status=401)
    server.reply(body="token-2")
    server.reply(json=answer())

    got = run(flow_of(server, stream=stream))

    assert got.choices[0].finish_reason == "stop"
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, "Bearer token-1", None, "Bearer token-2"]


def test_a_second_refusal_is_the_callers(server: ScriptedServer) -> None:
    for body in ("token-1", "token-2"):
        server.reply(body=body)
        server.reply(json=REFUSAL, status=401)

    with pytest.raises(AuthenticationError, match="gone"):
        run(flow_of(server))

    assert len(server.requests) == 4


def test_the_log_does_not_show_what_a_token_request_is_answered(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply(body="token-1")
    server.reply(json=answer("token-1 is your word"))

    with caplog.at_level(logging.DEBUG, "unionllm"):
        run(flow_of(server))

    assert "token-1" not in caplog.text
    assert "*** is your word" in caplog.text


def test_a_call_that_is_left_lets_go_of_its_flow_at_once(server: ScriptedServer) -> None:
    """A traceback that somebody keeps would keep the flow, and every call that waits for its token."""
    closed: list[str] = []

    def flow() -> Flow[None]:
        try:
            yield Wait(seconds=30)
        finally:
            closed.append("closed")

    async def leave() -> None:
        task = asyncio.ensure_future(AsyncTransport().run(kept[0], deadline()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed == ["closed"]

    kept = [flow(), flow()]
    asyncio.run(leave())
    with pytest.raises(APITimeoutError, match="total limit of 1 s"):
        run(kept[1], total=1)
    assert closed == ["closed"] * 2
