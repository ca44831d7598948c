"""A client that is closed while calls of its own are under way, in other threads or other tasks. Over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from replies import answer, arguments, piece
from server import Pause, ScriptedServer

from unionllm import APIConnectionError, ModelResponse, StreamInterruptedError, UnionLLM

BEGUN = [piece({"role": "assistant", "content": "你"}), piece({"content": "好"})]
#: Seconds after which a call that nobody hangs up would end by itself.
LONG = 60

Ask = Callable[[UnionLLM], Any]


def whole(client: UnionLLM) -> ModelResponse:
    return client.completion()


def opening(client: UnionLLM) -> Any:
    return client.completion(stream=True)


@pytest.mark.parametrize("ask", [whole, opening])
def test_closing_a_client_ends_the_calls_that_wait_for_an_answer(server: ScriptedServer, ask: Ask) -> None:
    """Closing a socket does not wake up the thread that reads from it: such calls waited until their limit."""
    server.default(json=answer(), delay=LONG)
    client = UnionLLM(**arguments(server, timeout=LONG, max_retries=2))

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(ask, client) for _ in range(8)]
        server.wait_until(lambda: len(server.requests) == 8, timeout=10)
        client.close()
        errors = [call.exception(timeout=20) for call in calls]

    for error in errors:
        assert isinstance(error, APIConnectionError)
        assert "the client was closed" in str(error)
        assert not error.retryable
    assert len(server.requests) == 8
    server.wait_until(lambda: server.open_connections == 0)


def test_closing_a_client_ends_a_body_that_is_being_read(server: ScriptedServer) -> None:
    server.default(chunks=[b'{"choices": [', Pause(LONG)])
    client = UnionLLM(**arguments(server, timeout=LONG))

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(whole, client)
        server.wait_until(lambda: len(server.requests) == 1)
        client.close()

        assert "the client was closed" in str(call.exception(timeout=20))


def test_closing_a_client_interrupts_the_streams_that_are_being_read(server: ScriptedServer) -> None:
    server.default(sse=[*BEGUN, Pause(LONG)])
    client = UnionLLM(**arguments(server, timeout=LONG))
    reading = client.completion(stream=True)
    texts = reading.text()
    assert [next(texts), next(texts)] == ["你", "好"]

    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, texts)
        client.close()
        error = rest.exception(timeout=20)

    assert isinstance(error, StreamInterruptedError)
    assert "the client was closed" in str(error)
    assert error.partial is not None
    assert error.partial.choices[0].message.content == "你好"


def test_a_stream_whose_client_was_closed_says_so_when_it_is_read_on(server: ScriptedServer) -> None:
    server.default(sse=[*BEGUN, Pause(LONG)])
    with UnionLLM(**arguments(server)) as client:
        reading = client.completion(stream=True)

    with pytest.raises(StreamInterruptedError, match="the client was closed"):
        list(reading)
    server.wait_until(lambda: server.open_connections == 0)


def test_a_stream_that_is_left_after_its_client_was_closed_just_ends(server: ScriptedServer) -> None:
    server.default(sse=[*BEGUN, Pause(LONG)])
    with UnionLLM(**arguments(server)) as client:
        reading = client.completion(stream=True)

    reading.close()

    assert list(reading) == []


def test_calls_made_after_the_close_are_not_touched_by_it(server: ScriptedServer) -> None:
    server.reply(json=answer(), delay=LONG)
    server.default(json=answer())
    client = UnionLLM(**arguments(server, timeout=LONG))

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(whole, client)
        server.wait_until(lambda: len(server.requests) == 1)
        client.close()
        assert client.completion().choices[0].message.content == "你好！"
        assert isinstance(call.exception(timeout=20), APIConnectionError)
    client.close()


@pytest.mark.parametrize("is_stream", [False, True])
def test_closing_a_client_ends_the_calls_of_other_tasks(server: ScriptedServer, is_stream: bool) -> None:
    server.default(json=answer(), delay=LONG)

    async def close_early() -> list[Any]:
        client = UnionLLM(**arguments(server, timeout=LONG, max_retries=2))
        calls = [asyncio.create_task(client.acompletion(stream=is_stream)) for _ in range(4)]
        await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 4, 10)
        await client.aclose()
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 20)

    for error in asyncio.run(close_early()):
        assert isinstance(error, APIConnectionError)
        assert "the client was closed" in str(error)
    assert len(server.requests) == 4


def test_closing_a_client_interrupts_the_streams_of_other_tasks(server: ScriptedServer) -> None:
    server.default(sse=[*BEGUN, Pause(LONG)])

    async def close_early() -> str:
        client = UnionLLM(**arguments(server, timeout=LONG))
        reading = await client.acompletion(stream=True)
        texts = reading.text()
        assert [await anext(texts), await anext(texts)] == ["你", "好"]
        rest = asyncio.ensure_future(anext(texts))
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(StreamInterruptedError, match="the client was closed") as caught:
            await asyncio.wait_for(rest, 20)
        assert caught.value.partial is not None
        return str(caught.value.partial.choices[0].message.content)

    assert asyncio.run(close_early()) == "你好"


def test_a_callers_own_connections_are_left_alone(server: ScriptedServer) -> None:
    server.reply(json=answer(), delay=0.3)

    with (
        httpx.Client(trust_env=False) as own,
        UnionLLM(**arguments(server, http_client=own)) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        call = pool.submit(whole, client)
        server.wait_until(lambda: len(server.requests) == 1)
        client.close()

        assert call.result(timeout=20).choices[0].message.content == "你好！"
