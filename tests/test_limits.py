"""Each limit of a call runs out under its own name: whole and streamed, in blocking code and in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from replies import arguments, piece
from server import Pause, Reply, ScriptedServer
from tunnels import deaf_server

from unionllm import APITimeoutError, aunionchat, unionchat

SECONDS = 0.3


def ask_sync(given: dict[str, Any]) -> None:
    got = unionchat(**given)
    if given["stream"]:
        list(got)


def ask_async(given: dict[str, Any]) -> None:
    async def ask() -> None:
        got = await aunionchat(**given)
        if given["stream"]:
            [chunk async for chunk in got]

    asyncio.run(ask())


@contextlib.contextmanager
def not_accepting(server: ScriptedServer) -> Iterator[dict[str, Any]]:
    with deaf_server() as address:
        yield {"base_url": address}


@contextlib.contextmanager
def not_reading(server: ScriptedServer) -> Iterator[dict[str, Any]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        messages = [{"role": "user", "content": "x" * 10_000_000}]  # more than a network holds that nobody reads from
        yield {"base_url": f"http://127.0.0.1:{listener.getsockname()[1]}", "messages": messages}


@contextlib.contextmanager
def silent(server: ScriptedServer) -> Iterator[dict[str, Any]]:
    server.default(json={}, delay=60)
    yield {}


@contextlib.contextmanager
def dripping_headers(server: ScriptedServer) -> Iterator[dict[str, Any]]:
    """Each read is answered well within the limit, and no header ever ends."""
    drops = [drop for number in range(600) for drop in (b"x-%d: y\r\n" % number, Pause(0.1))]
    server.default(Reply(raw=True, chunks=[b"HTTP/1.1 200 OK\r\n", *drops]))
    yield {}


@contextlib.contextmanager
def falling_silent(server: ScriptedServer) -> Iterator[dict[str, Any]]:
    begun = Reply(sse=[piece({"role": "assistant", "content": "你"}), Pause(60)])
    server.default(lambda request: begun if request.json.get("stream") else Reply(chunks=[b'{"choices": [', Pause(60)]))
    yield {}


@contextlib.contextmanager
def dripping(server: ScriptedServer) -> Iterator[dict[str, Any]]:
    """Never silent, and never through."""
    events = [event for _ in range(300) for event in (piece({"content": "你"}), Pause(0.1))]
    spaces = [space for _ in range(300) for space in (b" ", Pause(0.1))]
    server.default(lambda request: Reply(sse=events) if request.json.get("stream") else Reply(chunks=spaces))
    yield {}


CASES = [
    ("connect", not_accepting),
    ("write", not_reading),
    ("first_token", silent),
    ("first_token", dripping_headers),
    ("idle", falling_silent),
    ("total", dripping),
    ("total", silent),
    ("total", not_accepting),
    ("total", not_reading),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
@pytest.mark.parametrize(("limit", "vendor"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_a_limit_is_named_when_it_runs_out(
    limit: str, vendor: Any, ask: Any, stream: bool, server: ScriptedServer
) -> None:
    with vendor(server) as changes:
        given = {**arguments(server, **changes), "stream": stream, "timeout": {limit: SECONDS}}
        with pytest.raises(APITimeoutError, match=rf"the {limit.replace('_', ' ')} limit of 0\.3 s ran out") as caught:
            ask(given)

    assert f"timeout={{'{limit}': seconds}}" in str(caught.value)
    # Past its connection the vendor may have done the work, and charged it.
    assert caught.value.retryable == (limit == "connect")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_limit_of_waiting_for_a_connection_is_named(stream: bool, server: ScriptedServer) -> None:
    """Only a client of the caller's has so few connections that one must be waited for."""
    server.default(sse=[piece({"role": "assistant", "content": "你"}), Pause(60)])
    few = httpx.Limits(max_connections=1)
    wanted = pytest.raises(APITimeoutError, match=r"the pool limit of 0\.3 s ran out")
    given = {**arguments(server), "timeout": {"pool": SECONDS}, "stream": stream}

    with (
        httpx.Client(limits=few, trust_env=False) as own,
        unionchat(**arguments(server, http_client=own), stream=True),
        wanted,
    ):
        ask_sync({**given, "http_client": own})

    async def wait() -> None:
        async with (
            httpx.AsyncClient(limits=few, trust_env=False) as own,
            await aunionchat(**arguments(server, http_client=own), stream=True),
        ):
            with wanted:
                await aunionchat(**given, http_client=own)

    asyncio.run(wait())
    assert len(server.requests) == 2


@pytest.mark.parametrize("order", [(0.2, 0.5, 0.8), (0.8, 0.5, 0.2), (0.5, 0.8, 0.2)])
def test_each_of_many_streams_ends_by_its_own_limit(order: tuple[float, ...], server: ScriptedServer) -> None:
    """Whichever of them began to wait first; and one that goes on is ended by none of theirs."""
    ended: list[float] = []

    async def wait(seconds: float) -> None:
        with pytest.raises(APITimeoutError, match=rf"the idle limit of {seconds:g} s ran out") as caught:
            async for _ in await aunionchat(**arguments(server, timeout={"idle": seconds}), stream=True):
                pass
        assert caught.value.partial.choices[0].message.content == "你"
        ended.append(seconds)

    async def talk() -> int:
        given = arguments(server, model="talks", timeout={"idle": 10})
        return len([chunk async for chunk in await aunionchat(**given, stream=True)])

    def script(request: Any) -> Reply:
        talks = [event for _ in range(12) for event in (piece({"content": "你"}), Pause(0.1))]
        last = [piece({}, "stop"), "[DONE]"]
        silence = [piece({"role": "assistant", "content": "你"}), Pause(60)]
        return Reply(sse=[*talks, *last] if request.json["model"] == "talks" else silence)

    async def main() -> int:
        told, *_ = await asyncio.gather(talk(), *map(wait, order))
        return told

    server.default(script)
    assert asyncio.run(main()) == 13
    assert ended == sorted(order)


@pytest.mark.usefixtures("no_garbage")
def test_the_timer_of_an_event_loop_holds_nothing_of_the_call_that_set_it(server: ScriptedServer) -> None:
    server.default(Reply(sse=[piece({"role": "assistant", "content": "你"}), Pause(60)]))
    kept: ContextVar[object] = ContextVar("kept")

    class OfARequest:
        pass

    async def main() -> list[object]:
        async def first() -> None:
            kept.set(OfARequest())
            async for _ in await aunionchat(**arguments(server, timeout={"idle": 20}), stream=True):
                return

        async def other() -> None:
            async for _ in await aunionchat(**arguments(server, timeout={"idle": 30}), stream=True):
                pass

        task = asyncio.create_task(first())
        await asyncio.sleep(0)
        waiting = asyncio.create_task(other())
        await task
        del task
        await asyncio.sleep(0.1)
        gc.collect()
        left = [each for each in gc.get_objects() if isinstance(each, OfARequest)]
        waiting.cancel()
        return left

    assert asyncio.run(main()) == []
