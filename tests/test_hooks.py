"""What hooks are told of a call, when, and that they are never in its way."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest
from pydantic import BaseModel
from replies import USAGE, answer, piece, stream
from server import Cut, Reply, ScriptedServer

from unionllm import (
    APIConnectionError,
    APIResponseError,
    AuthenticationError,
    BadRequestError,
    RateLimitError,
    StreamInterruptedError,
    UnionLLM,
    aunionchat,
    unionchat,
    unionembed,
)
from unionllm.hooks import CallEvent, ErrorEvent, RequestEvent, ResponseEvent, RetryEvent

KEY = "sk-planted-0123456789abcdef"
SECRET_TEXT = "病历：张三"
MESSAGES = [{"role": "user", "content": SECRET_TEXT}]
BUSY = Reply(status=429, headers={"retry-after": "0.01", "x-request-id": "req-1"}, json={"error": {"message": "slow"}})


class Seen:
    """Events in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    @property
    def hooks(self) -> dict[str, Any]:
        return dict.fromkeys(("on_request", "on_response", "on_retry", "on_error"), self.events.append)

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def call(server: ScriptedServer) -> dict[str, Any]:
    return {"provider": "deepseek", "model": "m", "messages": MESSAGES, "base_url": server.url, "api_key": KEY}


def ask(call: dict[str, Any], *, is_async: bool) -> Any:
    """The answer, or the response of a stream that was read to its end."""
    if not is_async:
        got = unionchat(**call)
        if not call.get("stream"):
            return got
        list(got)
        return got.response

    async def run() -> Any:
        got = await aunionchat(**call)
        if not call.get("stream"):
            return got
        async for _ in got:
            pass
        return got.response

    return asyncio.run(run())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_call_is_a_request_and_a_response(
    is_stream: bool, is_async: bool, seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=stream("一", "二")) if is_stream else server.reply(json=answer("一二"))

    response = ask({**call, **seen.hooks, "stream": is_stream, "temperature": 0.5}, is_async=is_async)

    asked, answered = seen.events
    assert isinstance(asked, RequestEvent)
    assert isinstance(answered, ResponseEvent)
    assert (asked.call, asked.operation, asked.provider, asked.model) == (answered.call, "chat", "deepseek", "m")
    assert (asked.attempt, asked.stream, asked.host) == (1, is_stream, server.url.removeprefix("http://"))
    assert [message["content"] for message in asked.messages] == [SECRET_TEXT]
    assert asked.params["temperature"] == 0.5
    assert answered.response is response
    assert (answered.finish_reason, answered.usage) == ("stop", response.usage)
    assert 0 <= asked.elapsed <= answered.elapsed
    if is_stream:
        assert asked.elapsed <= answered.time_to_first_chunk <= answered.elapsed
    else:
        assert answered.time_to_first_chunk is None


@pytest.mark.parametrize("is_async", [False, True])
def test_every_try_is_told(is_async: bool, seen: Seen, call: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(BUSY)
    server.reply(json=answer())

    ask({**call, **seen.hooks}, is_async=is_async)

    assert seen.kinds == ["RequestEvent", "RetryEvent", "RequestEvent", "ResponseEvent"]
    retry = seen.events[1]
    assert isinstance(retry, RetryEvent)
    assert isinstance(retry.error, RateLimitError)
    assert (retry.error_type, retry.status, retry.request_id) == ("RateLimitError", 429, "req-1")
    assert (retry.wait, retry.is_fallback, retry.attempt) == (0.01, False, 1)
    assert [event.attempt for event in seen.events] == [1, 1, 2, 2]
    assert len({event.call for event in seen.events}) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failure_is_told_once_after_the_last_try(
    is_async: bool, seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(BUSY)
    server.reply(BUSY)

    with pytest.raises(RateLimitError) as caught:
        ask({**call, **seen.hooks, "max_retries": 1}, is_async=is_async)

    assert seen.kinds == ["RequestEvent", "RetryEvent", "RequestEvent", "ErrorEvent"]
    failed = seen.events[-1]
    assert failed.error is caught.value
    assert (failed.error_type, failed.status, failed.request_id) == ("RateLimitError", 429, "req-1")
    assert failed.attempt == 2


def test_a_fallback_is_told_and_names_the_next_vendor(seen: Seen, call: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(status=402, json={"error": {"message": "no money"}})
    server.reply(json=answer())
    fallback = {"provider": "moonshot", "model": "kimi-k3", "api_key": "sk-2", "base_url": server.url}

    unionchat(**call, **seen.hooks, fallbacks=[fallback])

    assert seen.kinds == ["RequestEvent", "RetryEvent", "RequestEvent", "ResponseEvent"]
    assert (seen.events[1].is_fallback, seen.events[1].wait) == (True, 0)
    assert [event.provider for event in seen.events] == ["deepseek", "deepseek", "moonshot", "moonshot"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_that_breaks_is_an_error_and_no_response(
    is_async: bool, seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=[piece({"role": "assistant", "content": "一"}), Cut()])

    with pytest.raises(StreamInterruptedError):
        ask({**call, **seen.hooks, "stream": True}, is_async=is_async)

    assert seen.kinds == ["RequestEvent", "ErrorEvent"]
    assert seen.events[-1].error_type == "StreamInterruptedError"
    assert seen.events[-1].time_to_first_chunk > 0


def test_a_stream_that_is_left_is_a_response_without_an_end(
    seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=stream("一", "二", "三"))

    opened = unionchat(**call, **seen.hooks, stream=True)
    assert seen.kinds == ["RequestEvent"]
    for chunk in opened:
        if chunk.choices[0].delta.content:
            break
    opened.close()

    assert seen.kinds == ["RequestEvent", "ResponseEvent"]
    left = seen.events[-1]
    assert (left.finish_reason, left.usage) == (None, None)
    assert left.response.choices[0].message.content == "一"


def test_an_async_stream_can_be_left_and_taken_step_by_step(
    seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=stream("一", "二", "三"))

    async def run() -> None:
        async with await aunionchat(**call, **seen.hooks, stream=True) as opened:
            await anext(opened)

    asyncio.run(run())

    assert seen.kinds == ["RequestEvent", "ResponseEvent"]


def test_a_stream_that_is_dropped_unread_closes_its_connection(
    seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=[piece({"role": "assistant", "content": "一"}), piece({"content": "二"})], delay=0)

    unionchat(**call, **seen.hooks, stream=True)

    server.wait_until(lambda: server.open_connections == 0)
    assert seen.kinds == ["RequestEvent", "ResponseEvent"]
    assert (seen.events[-1].response, seen.events[-1].finish_reason, seen.events[-1].usage) == (None, None, None)


def test_a_cancelled_call_is_an_error_without_one(seen: Seen, call: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(json=answer(), delay=30)

    async def run() -> None:
        task = asyncio.create_task(aunionchat(**call, **seen.hooks))
        await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())

    assert seen.kinds == ["RequestEvent", "ErrorEvent"]
    assert (seen.events[-1].error, seen.events[-1].error_type) == (None, "cancelled")


def test_a_reply_that_does_not_fit_is_an_error(seen: Seen, call: dict[str, Any], server: ScriptedServer) -> None:
    class Book(BaseModel):
        title: str

    server.reply(json=answer('{"name": "西游记"}'))
    with pytest.raises(APIResponseError):
        unionchat(**call, **seen.hooks, response_format=Book)

    assert seen.kinds == ["RequestEvent", "ErrorEvent"]


def test_embeddings_are_told_too(seen: Seen, server: ScriptedServer) -> None:
    server.reply(json={"model": "embedding-3", "data": [{"index": 0, "embedding": [0.5]}], "usage": USAGE})

    unionembed("embedding-3", SECRET_TEXT, provider="zhipuai", api_key=KEY, base_url=server.url, **seen.hooks)

    assert [(event.operation, event.model) for event in seen.events] == [("embeddings", "embedding-3")] * 2
    assert (seen.events[0].messages, seen.events[1].usage.prompt_tokens) == ((), USAGE["prompt_tokens"])


def test_events_show_neither_keys_nor_texts(seen: Seen, call: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(BUSY)
    server.reply(json=answer("密文回答"))
    server.reply(status=401, json={"error": {"message": f"bad key {KEY}"}})

    headers = {"x-api-key": "planted-header-secret"}
    unionchat(**call, **seen.hooks, extra_headers=headers)
    with pytest.raises(AuthenticationError):
        unionchat(**call, **seen.hooks, extra_headers=headers)

    assert set(seen.kinds) == {"RequestEvent", "RetryEvent", "ResponseEvent", "ErrorEvent"}
    shown = "\n".join(repr(event) for event in seen.events)
    for hidden in (KEY, "planted-header-secret", SECRET_TEXT, "密文回答"):
        assert hidden not in shown
    assert KEY not in str(seen.events[-1].error)
    assert "attempt=1" in shown


def test_events_cannot_be_changed(seen: Seen, call: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(json=answer())
    unionchat(**call, **seen.hooks)

    event: CallEvent = seen.events[0]
    with pytest.raises(AttributeError):
        event.model = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        seen.events[0].params["temperature"] = 1


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_hook_that_fails_is_logged_and_the_answer_kept(
    is_stream: bool, call: dict[str, Any], server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: CallEvent) -> None:
        raise ValueError(f"cannot write {KEY}")

    server.reply(BUSY)
    server.reply(sse=stream("一")) if is_stream else server.reply(json=answer("一"))
    hooks: dict[str, Any] = dict.fromkeys(("on_request", "on_response", "on_retry", "on_error"), fail)

    with caplog.at_level(logging.ERROR, logger="unionllm"):
        response = ask({**call, **hooks, "stream": is_stream}, is_async=False)

    assert response.choices[0].message.content == "一"
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [text.split("\n")[0] for text in told] == [
        f"a hook failed: {name}" for name in ("on_request", "on_retry", "on_request", "on_response")
    ]
    assert all("Traceback" in text and "cannot write ***" in text and KEY not in text for text in told)


async def later(event: CallEvent) -> None:
    raise AssertionError(event)


@pytest.mark.parametrize("hook", [later, "print", 3])
def test_what_cannot_be_a_hook_is_refused_before_anything_is_sent(
    hook: Any, call: dict[str, Any], server: ScriptedServer
) -> None:
    with pytest.raises(BadRequestError, match="on_response must be a plain function"):
        unionchat(**call, on_response=hook)
    assert server.requests == []


def test_a_clients_hooks_see_all_its_calls_unless_a_call_has_its_own(
    seen: Seen, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.default(json=answer())
    own: list[Any] = []
    with UnionLLM(**call, on_request=seen.events.append, on_response=seen.events.append) as client:
        client.chat()
        client.chat(on_response=own.append)
        asyncio.run(client.achat())

    assert seen.kinds == ["RequestEvent", "ResponseEvent", "RequestEvent", "RequestEvent", "ResponseEvent"]
    assert [type(event).__name__ for event in own] == ["ResponseEvent"]
    assert [event.call for event in seen.events][:2] == [seen.events[0].call] * 2


def test_a_hook_runs_in_the_thread_of_the_call(call: dict[str, Any], server: ScriptedServer) -> None:
    server.reply(json=answer())
    threads: list[int] = []

    unionchat(**call, on_response=lambda event: threads.append(threading.get_ident()))

    assert threads == [threading.get_ident()]


def test_a_server_that_is_not_there_is_an_error_with_every_try(seen: Seen, call: dict[str, Any]) -> None:
    with pytest.raises(APIConnectionError):
        unionchat(**{**call, "base_url": "http://127.0.0.1:9"}, **seen.hooks, max_retries=0)

    assert seen.kinds == ["RequestEvent", "ErrorEvent"]
    assert isinstance(seen.events[-1], ErrorEvent)
    assert seen.events[-1].status is None


def test_calls_without_hooks_load_no_code_for_them(server: ScriptedServer) -> None:
    server.reply(json=answer())
    program = (
        "import sys; from unionllm import unionchat; "
        f"print(unionchat('m', [{{'role': 'user', 'content': 'x'}}], provider='deepseek', api_key='sk-1', "
        f"base_url='{server.url}').usage.total_tokens); "
        "print(sorted(name for name in sys.modules if name in ('unionllm.hooks', 'unionllm.cost', 'opentelemetry')))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == [str(USAGE["total_tokens"]), "[]"], done.stderr
