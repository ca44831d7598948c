"""Streams in rarer situations: closed by another task, compressed, over a caller's own client."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from replies import arguments, piece, stream
from server import Pause, ScriptedServer

from unionllm import AsyncStream, aunionchat, unionchat
from unionllm.exceptions import APIError, APITimeoutError, BadRequestError, StreamInterruptedError

BEGUN = [piece({"role": "assistant", "content": "你"}), piece({"content": "好"})]


def test_an_async_stream_is_closed_by_another_task_while_it_waits(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    async def read() -> list[str]:
        reading = await aunionchat(**arguments(server), stream=True)
        texts: list[str] = []
        waits = asyncio.Event()

        async def consume() -> None:
            async for text in reading.text():
                texts.append(text)
                if text == "好":
                    waits.set()

        task = asyncio.create_task(consume())
        await waits.wait()
        await asyncio.sleep(0)
        await reading.aclose()
        await asyncio.to_thread(server.wait_for_disconnect)
        await asyncio.wait_for(task, 2)
        return texts

    assert asyncio.run(read()) == ["你", "好"]


def test_an_async_stream_that_nobody_holds_any_more_is_closed(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    async def read() -> None:
        await aunionchat(**arguments(server), stream=True)
        gc.collect()
        await asyncio.to_thread(server.wait_for_disconnect)

    asyncio.run(read())


def test_a_loop_that_ends_closes_its_open_streams(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])
    kept: list[Any] = []

    async def read() -> None:
        kept.append(await aunionchat(**arguments(server), stream=True))
        await anext(kept[0])

    asyncio.run(read())

    server.wait_for_disconnect()


def test_an_end_signal_without_a_finish_reason_ends_the_answer_without_one(server: ScriptedServer) -> None:
    """Some gateways send it so; a finish reason is not invented."""
    server.reply(sse=[*BEGUN, "[DONE]"])
    reading = unionchat(**arguments(server), stream=True)

    chunks = list(reading)

    assert chunks[-1].choices[0].finish_reason is None
    assert reading.response is not None
    assert reading.response.choices[0].message.content == "你好"
    assert reading.response.choices[0].finish_reason is None


def by_anext(reading: AsyncStream) -> Any:
    return reading


def by_an_iterator(reading: AsyncStream) -> Any:
    return aiter(reading)


def by_text(reading: AsyncStream) -> Any:
    return reading.text()


@pytest.mark.parametrize("way", [by_anext, by_an_iterator, by_text])
def test_a_cancelled_wait_does_not_look_like_the_end_of_the_answer(
    server: ScriptedServer, way: Callable[[AsyncStream], Any]
) -> None:
    """``asyncio.wait_for`` cancels what it waits for, which closes the connection: half an answer is left."""
    server.reply(sse=[*BEGUN, Pause(60)])

    async def read() -> None:
        reading = await aunionchat(**arguments(server, timeout=60), stream=True)
        steps = way(reading)
        await anext(steps)
        await anext(steps)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(steps), 0.1)
        with pytest.raises(StreamInterruptedError, match=r"next chunk was cancelled.*idle") as caught:
            await anext(steps)
        assert caught.value.provider == "deepseek"
        assert caught.value.partial is not None
        assert caught.value.partial.choices[0].message.content == "你好"
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
        await asyncio.to_thread(server.wait_for_disconnect)

    asyncio.run(read())


def test_a_stream_closed_after_a_cancelled_wait_just_ends(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    async def read() -> list[Any]:
        async with await aunionchat(**arguments(server, timeout=60), stream=True) as reading:
            await anext(reading)
            await anext(reading)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(reading), 0.1)
        return [chunk async for chunk in reading]

    assert asyncio.run(read()) == []


def test_text_of_a_compressed_stream_arrives_when_it_is_sent(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)], gzip=True)

    reading = unionchat(**arguments(server, timeout=5), stream=True)

    texts = reading.text()
    assert [next(texts), next(texts)] == ["你", "好"]
    reading.close()
    server.wait_for_disconnect()


def test_leaving_a_stream_of_a_callers_own_client_closes_the_connection(server: ScriptedServer) -> None:
    server.default(sse=[*BEGUN, Pause(60)])

    async def read() -> None:
        async with httpx.AsyncClient(trust_env=False) as own:
            async for _ in await aunionchat(**arguments(server, http_client=own), stream=True):
                break
            await asyncio.to_thread(server.wait_for_disconnect)

    with httpx.Client(trust_env=False) as own:
        for _ in unionchat(**arguments(server, http_client=own), stream=True):
            break
        server.wait_for_disconnect()
    asyncio.run(read())


def test_the_idle_limit_holds_with_a_callers_own_client(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    with (
        httpx.Client(trust_env=False) as own,
        pytest.raises(APITimeoutError, match=r"idle limit of 0\.3 s") as caught,
    ):
        list(unionchat(**arguments(server, http_client=own, timeout={"idle": 0.3, "first_token": 3}), stream=True))

    assert caught.value.partial is not None


def test_a_failed_stream_has_ended_and_keeps_its_partial_answer(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, {"error": {"message": "no more", "code": "invalid_request_error"}}])
    reading = unionchat(**arguments(server), stream=True)

    with pytest.raises(BadRequestError, match="no more"):
        list(reading)

    assert list(reading) == []
    assert reading.response is not None
    assert reading.response.choices[0].message.content == "你好"
    assert reading.response.choices[0].finish_reason is None


def test_an_error_in_the_loops_body_is_not_hidden_by_the_close(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    def consume() -> None:
        for chunk in unionchat(**arguments(server), stream=True):
            raise KeyError(chunk.id)

    with pytest.raises(KeyError, match="r-1"):
        consume()
    server.wait_for_disconnect()


def test_many_streams_run_side_by_side(server: ScriptedServer) -> None:
    server.default(sse=stream("你", "好"))

    async def read() -> str:
        return "".join([text async for text in (await aunionchat(**arguments(server), stream=True)).text()])

    async def read_all() -> list[str]:
        return await asyncio.gather(*(read() for _ in range(50)))

    assert asyncio.run(read_all()) == ["你好"] * 50


def test_a_stream_closed_after_its_error_raises_nothing_more(server: ScriptedServer) -> None:
    server.reply(sse=[*BEGUN])
    reading = unionchat(**arguments(server), stream=True)

    with pytest.raises(APIError), reading:
        list(reading)
    reading.close()

    assert next(reading, None) is None


def test_an_answer_without_a_word_has_its_role_all_the_same(server: ScriptedServer) -> None:
    server.reply(sse=[piece({}, "stop"), "[DONE]"])

    [only] = unionchat(**arguments(server), stream=True)

    assert (only.choices[0].delta.role, only.choices[0].finish_reason) == ("assistant", "stop")


def test_what_a_choice_says_without_a_delta_is_kept(server: ScriptedServer) -> None:
    """Such as a mark of the vendor's beside the finish reason."""
    last = piece({}, choices=[{"index": 0, "finish_reason": "stop", "flag": 3}])
    server.reply(sse=[*BEGUN, last, "[DONE]"])

    reading = unionchat(**arguments(server), stream=True)

    assert [getattr(chunk.choices[0], "flag", None) for chunk in reading] == [None, None, 3]
    assert reading.response is not None
    assert reading.response.choices[0].model_dump()["flag"] == 3
