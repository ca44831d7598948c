"""Streams: read to the end, left early, closed from outside. Over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from replies import USAGE, answer, arguments, piece, stream
from server import Pause, Reply, ScriptedServer, Send, encode_event

from unionllm import AsyncStream, ModelResponse, ModelResponseChunk, Stream, aunionchat, unionchat
from unionllm.exceptions import AuthenticationError, StreamInterruptedError

#: A stream that goes on for longer than any test.
ENDLESS = [piece({"role": "assistant", "content": "你"}), piece({"content": "好"}), Pause(60)]


def opened(server: ScriptedServer, **changes: Any) -> Stream:
    return unionchat(**arguments(server, **changes), stream=True)


async def aopened(server: ScriptedServer, **changes: Any) -> AsyncStream:
    return await aunionchat(**arguments(server, **changes), stream=True)


async def disconnected(server: ScriptedServer) -> float:
    return await asyncio.to_thread(server.wait_for_disconnect)


def content_of(chunk: ModelResponse) -> str:
    return "".join(choice.delta.content or "" for choice in chunk.choices)  # type: ignore[attr-defined]  # a chunk's


def test_a_stream_read_to_its_end_gives_text_end_and_usage(server: ScriptedServer) -> None:
    server.reply(sse=stream("你", "好"))

    chunks = list(opened(server))

    assert "".join(map(content_of, chunks)) == "你好"
    assert all(isinstance(chunk, ModelResponseChunk) for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == USAGE["total_tokens"]
    assert {(chunk.id, chunk.model) for chunk in chunks} == {("r-1", "m")}


def test_an_async_stream_gives_the_same_chunks(server: ScriptedServer) -> None:
    server.default(sse=stream("你", "好"))

    async def read() -> list[ModelResponseChunk]:
        return [chunk async for chunk in await aopened(server)]

    assert asyncio.run(read()) == list(opened(server))


def test_text_comes_in_the_chunk_that_brought_the_finish_reason(server: ScriptedServer) -> None:
    """O1 of compat.md: it was dropped."""
    server.reply(sse=[piece({"content": "A"}), piece({"content": "B"}, "stop"), "[DONE]"])

    assert "".join(map(content_of, opened(server))) == "AB"


def test_chunks_are_handed_out_when_they_arrive(server: ScriptedServer) -> None:
    """The server sends the next piece only when the last one was seen: reading ahead would never end."""
    seen = threading.Semaphore(0)

    def script(send: Send) -> None:
        for event in stream("你", "好"):
            send(encode_event(event))
            if event != "[DONE]" and event["choices"] and event["choices"][0]["finish_reason"] is None:
                assert seen.acquire(timeout=5)

    server.reply(events=script)
    texts = []
    for chunk in opened(server):
        texts.append(content_of(chunk))
        seen.release()

    assert texts == ["", "你", "好", ""]


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_text_is_whole_however_the_bytes_are_cut(server: ScriptedServer, cut: int) -> None:
    server.reply(sse=stream("你好", "\u2028吗"), split=cut)

    assert "".join(map(content_of, opened(server))) == "你好\u2028吗"


def test_the_whole_answer_stands_in_response_once_the_stream_has_ended(server: ScriptedServer) -> None:
    server.reply(sse=stream("你", "好"))
    reading = opened(server)

    assert reading.response is None
    next(reading)
    assert reading.response is None
    for _ in reading:
        pass

    assert reading.response is not None
    assert reading.response.choices[0].message.content == "你好"
    assert reading.response.usage is not None
    assert reading.response.usage.total_tokens == 5
    assert reading.response.provider == "deepseek"


def test_text_iterates_the_text_alone(server: ScriptedServer) -> None:
    thought = piece({"reasoning_content": "想"})
    server.default(sse=[thought, *stream("你", "好")])

    async def read() -> list[str]:
        return [text async for text in (await aopened(server)).text()]

    assert list(opened(server).text()) == ["你", "好"]
    assert asyncio.run(read()) == ["你", "好"]


def test_next_and_for_can_be_mixed(server: ScriptedServer) -> None:
    server.reply(sse=stream("一", "二", "三"))
    reading = opened(server)

    texts = [content_of(next(reading)), content_of(next(reading))]
    texts += [content_of(chunk) for chunk in reading]

    assert "".join(texts) == "一二三"
    assert next(reading, None) is None
    assert list(reading) == []


def test_anext_and_async_for_can_be_mixed(server: ScriptedServer) -> None:
    server.reply(sse=stream("一", "二", "三"))

    async def read() -> list[str]:
        reading = await aopened(server)
        texts = [content_of(await anext(reading)), content_of(await anext(reading))]
        texts += [content_of(chunk) async for chunk in reading]
        assert [chunk async for chunk in reading] == []
        return texts

    assert "".join(asyncio.run(read())) == "一二三"


def leave_by_break(reading: Stream) -> None:
    for _ in reading:
        break


def leave_by_break_after_next(reading: Stream) -> None:
    next(reading)
    leave_by_break(reading)


def leave_by_exception(reading: Stream) -> None:
    with contextlib.suppress(ZeroDivisionError):
        for _ in reading:
            raise ZeroDivisionError


def leave_text(reading: Stream) -> None:
    for _ in reading.text():
        break


def leave_with(reading: Stream) -> None:
    with reading:
        next(reading)


def leave_with_by_exception(reading: Stream) -> None:
    with contextlib.suppress(ZeroDivisionError), reading:
        raise ZeroDivisionError


def leave_by_close(reading: Stream) -> None:
    next(reading)
    reading.close()
    reading.close()


def leave_unread(reading: Stream) -> None:
    reading.close()


WAYS = [
    leave_by_break,
    leave_by_break_after_next,
    leave_by_exception,
    leave_text,
    leave_with,
    leave_with_by_exception,
    leave_by_close,
    leave_unread,
]


@pytest.mark.parametrize("leave", WAYS)
def test_leaving_a_stream_closes_its_connection_at_once(
    server: ScriptedServer, leave: Callable[[Stream], None]
) -> None:
    server.reply(sse=ENDLESS)
    reading = opened(server)  # held by this variable all the while

    leave(reading)

    server.wait_for_disconnect()
    assert next(reading, None) is None
    assert list(reading) == []


def test_a_left_stream_holds_what_had_come(server: ScriptedServer) -> None:
    server.reply(sse=ENDLESS)
    reading = opened(server)

    for chunk in reading:
        if content_of(chunk) == "好":
            break

    assert reading.response is not None
    assert reading.response.choices[0].message.content == "你好"
    assert reading.response.choices[0].finish_reason is None


def test_a_stream_that_nobody_holds_any_more_is_closed(server: ScriptedServer) -> None:
    server.reply(sse=ENDLESS)

    opened(server)

    server.wait_for_disconnect()


def test_a_stream_is_closed_from_another_thread_while_it_waits(server: ScriptedServer) -> None:
    server.reply(sse=ENDLESS)
    reading = opened(server)
    waits = threading.Event()
    ended_by: list[BaseException | None] = []

    def read() -> None:
        try:
            for chunk in reading:
                if content_of(chunk) == "好":
                    waits.set()
        except BaseException as error:
            ended_by.append(error)
        else:
            ended_by.append(None)

    thread = threading.Thread(target=read)
    thread.start()
    assert waits.wait(5)
    server.wait_until(lambda: server.open_connections == 1)
    reading.close()

    server.wait_for_disconnect()
    thread.join(2)
    assert not thread.is_alive()
    assert ended_by == [None]


async def aleave_by_break(reading: AsyncStream) -> None:
    async for _ in reading:
        break


async def aleave_by_exception(reading: AsyncStream) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async for _ in reading:
            raise ZeroDivisionError


async def aleave_text(reading: AsyncStream) -> None:
    async for _ in reading.text():
        break


async def aleave_with(reading: AsyncStream) -> None:
    async with reading:
        await anext(reading)


async def aleave_by_close(reading: AsyncStream) -> None:
    await anext(reading)
    await reading.aclose()
    await reading.close()


async def aleave_unread(reading: AsyncStream) -> None:
    await reading.close()


async def aleave_by_cancellation(reading: AsyncStream) -> None:
    async def read() -> None:
        async for _ in reading:
            pass

    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=0.2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def aleave_by_cancelling_twice(reading: AsyncStream) -> None:
    async def read() -> None:
        async for _ in reading:
            pass

    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=0.2)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def aleave_by_timeout(reading: AsyncStream) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_read_all(reading), 0.2)


async def _read_all(reading: AsyncIterator[Any]) -> None:
    async for _ in reading:
        pass


#: A cancelled wait takes the rest of the answer away from whoever reads on: that must not look like its end.
CUTTING_WAYS = [aleave_by_cancellation, aleave_by_cancelling_twice, aleave_by_timeout]

ASYNC_WAYS = [
    aleave_by_break,
    aleave_by_exception,
    aleave_text,
    aleave_with,
    aleave_by_close,
    aleave_unread,
    *CUTTING_WAYS,
]


@pytest.mark.parametrize("leave", ASYNC_WAYS)
def test_leaving_an_async_stream_closes_its_connection_at_once(
    server: ScriptedServer, leave: Callable[[AsyncStream], Any]
) -> None:
    server.reply(sse=ENDLESS)

    async def read() -> None:
        reading = await aopened(server)
        await leave(reading)
        await disconnected(server)
        if leave in CUTTING_WAYS:
            with pytest.raises(StreamInterruptedError):
                await _read_all(reading)
        assert [chunk async for chunk in reading] == []

    asyncio.run(read())


@pytest.mark.parametrize("reply", [Reply(json={}, delay=60), Reply(sse=[b"", Pause(60)])], ids=["no head", "head"])
def test_cancelling_the_call_itself_closes_the_connection(server: ScriptedServer, reply: Reply) -> None:
    server.reply(reply)

    async def call() -> None:
        task = asyncio.create_task(aopened(server))
        await asyncio.to_thread(server.wait_until, lambda: bool(server.requests))
        await asyncio.wait([task], timeout=0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await disconnected(server)

    asyncio.run(call())


def test_a_refused_request_raises_at_the_call(server: ScriptedServer) -> None:
    """X16 of compat.md: a refusal was an empty stream."""
    server.default(json={"error": {"message": "no such key"}}, status=401)

    with pytest.raises(AuthenticationError, match="no such key"):
        opened(server)
    with pytest.raises(AuthenticationError, match="no such key"):
        asyncio.run(aopened(server))


def test_an_answer_sent_whole_is_streamed_all_the_same(server: ScriptedServer) -> None:
    server.reply(json=answer("全文"))

    reading = opened(server)

    assert list(reading.text()) == ["全文"]
    assert reading.response is not None
    assert reading.response.choices[0].finish_reason == "stop"
