"""A call that is cancelled wherever it waits: it ends at once, leaves nothing behind, and its client goes on.

Each kind of call is made again and again, and cancelled at its first, second, third … suspension, until it is through.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import types
import uuid
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from replies import KEY, answer, arguments, piece, stream
from server import Pause, Recorded, Reply, ScriptedServer
from sockets import SocketServer, frame
from test_secrets_of_vendors import told

from unionllm import StreamInterruptedError, UnionLLM

Work = Callable[[UnionLLM], Awaitable[Any]]


class Cancelling:
    """Runs work in the task that awaits it, and cancels that task at some of its suspensions.

    Args:
        at: the first of them, from 1 on.
        times: how many in a row; the second hits the cleaning up after the first.
    """

    def __init__(self, at: int, times: int = 1) -> None:
        self._places = range(at, at + times)
        self.hits = 0

    @types.coroutine
    def run(self, work: Awaitable[Any]) -> Generator[Any, Any, Any]:
        steps = work.__await__()
        count, send, value = 0, steps.send, None
        while True:
            try:
                awaited = send(value)
            except StopIteration as end:
                return end.value
            count += 1
            if count in self._places:
                self.hits += 1
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                send, value = steps.send, (yield awaited)
            except BaseException as error:
                send, value = steps.throw, error


async def whole(client: UnionLLM) -> str:
    return str((await client.acompletion()).choices[0].message.content)


async def streamed(client: UnionLLM) -> str:
    got = await client.acompletion(stream=True)
    return "".join([text async for text in got.text()])


async def embedded(client: UnionLLM) -> str:
    got = await client.aembed(input=["你", "好"])
    return "你好" if len(got.data) == 2 else ""


def plain(request: Recorded) -> Reply:
    """Slow enough for every step to be waited for."""
    if request.path.endswith("/embeddings"):
        rows = [{"index": number, "embedding": [0.5]} for number in range(len(request.json["input"]))]
        return Reply(json={"object": "list", "model": "m", "data": rows}, delay=0.005)
    if request.json.get("stream"):
        first, *rest = stream("你", "好")
        return Reply(sse=[first, Pause(0.005), *rest[:1], Pause(0.005), *rest[1:]])
    return Reply(json=answer("你好"), delay=0.005)


def busy_first(request: Recorded) -> Reply:
    """Refuses the first model, and the first try of the second."""
    tries = _TRIES.setdefault(request.connection, [])
    tries.append(request)
    if request.json["model"] == "a" or len(tries) % 2:
        return Reply(json={"error": {"message": "busy"}}, status=503, headers={"retry-after-ms": "5"})
    return plain(request)


_TRIES: dict[int, list[Recorded]] = {}


def coze(request: Recorded) -> Reply:
    """Begins a chat, which is done at the second look."""
    data: Any = {"id": "7601", "conversation_id": "7500", "status": "in_progress"}
    if request.path.endswith("/retrieve"):
        looks = _LOOKS.setdefault(request.connection, [])
        looks.append(request)
        data["status"] = "completed" if len(looks) % 2 == 0 else "in_progress"
    if request.path.endswith("/message/list"):
        data = [{"id": "m1", "type": "answer", "content": "你好", "content_type": "text"}]
    return Reply(json={"code": 0, "data": data}, delay=0.002)


_LOOKS: dict[int, list[Recorded]] = {}


def wenxin(request: Recorded) -> Reply:
    """Sells a token that is too old to be kept, so that each call buys one."""
    if request.path.endswith("/BCE-BEARER/token"):
        token = {"token": "planted-token-of-a-call", "expireTime": "2000-01-01T00:00:00Z"}
        return Reply(json=token, delay=0.005)
    return plain(request)


def fetching(request: Recorded) -> Reply:
    if request.method == "GET":
        return Reply(body=b"image", content_type="image/png", delay=0.005)
    return plain(request)


def _calls(server: ScriptedServer) -> dict[str, tuple[Any, Work, dict[str, Any]]]:
    """Kind of call → the vendor, the work, and the arguments of the client."""
    usual = arguments(server)
    bought = {"provider": "wenxin", "model": "ernie-5.1", "access_key": "ALTAKmadeUpForTestsOnly1", "api_key": None}
    bought |= {"secret_key": f"planted-{uuid.uuid4().hex}", "iam_base_url": f"{server.url}/iam"}
    image = [{"type": "image_url", "image_url": {"url": f"{server.url}/i.png"}}, {"type": "text", "text": "?"}]
    seen = {"provider": "moonshot", "model": "kimi-k3", "messages": [{"role": "user", "content": image}]}
    twice = {"model": "a", "max_retries": 1, "fallbacks": [{"model": "b"}]}
    bot = {"provider": "coze", "model": "7400000000000000001", "poll_interval": 0.005}
    return {
        "whole": (plain, whole, usual),
        "stream": (plain, streamed, usual),
        "embedding": (plain, embedded, {**usual, "provider": "zhipuai", "model": "embedding-3"}),
        "retry and fallback": (busy_first, whole, {**usual, **twice}),
        "polling": (coze, whole, {**usual, **bot}),
        "purchase": (wenxin, streamed, {**usual, **bought}),
        "media": (fetching, whole, {**usual, **seen, "fetch_media": True}),
    }


async def cancel_everywhere(server: Any, work: Work, given: dict[str, Any], times: int = 1) -> int:
    """At how many places the work was cancelled."""
    odd: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: odd.append(context))
    place = 0
    while True:
        place += 1
        cancelling = Cancelling(place, times)
        async with UnionLLM(**given) as client:
            task = asyncio.ensure_future(_driven(cancelling, work(client)))
            done = (await asyncio.wait([task], timeout=20))[0]
            assert done == {task}
            if not cancelling.hits:
                assert task.result() == "你好"
                return place - 1
            assert task.cancelled(), f"swallowed at {place}: {task}"
            with pytest.raises(asyncio.CancelledError) as caught:
                task.result()
            assert KEY not in told(caught.value)
            for _ in range(3):
                await asyncio.sleep(0)  # the loop closes generators that were left in tasks of its own, at once
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert await work(client) == "你好"
            # All steps of a call go to one host, one after the other.
            await _until(server, lambda: server.open_connections <= 1)
        await _until(server, lambda: server.open_connections == 0)
        assert odd == []


async def _driven(cancelling: Cancelling, work: Awaitable[Any]) -> Any:
    return await cancelling.run(work)


async def _until(server: Any, claim: Callable[[], bool]) -> None:
    if not claim():
        await asyncio.to_thread(server.wait_until, claim, 10)


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("kind", ["whole", "stream", "embedding", "retry and fallback", "polling", "purchase", "media"])
def test_a_call_may_be_cancelled_wherever_it_waits(kind: str, times: int, server: ScriptedServer) -> None:
    vendor, work, given = _calls(server)[kind]
    server.default(vendor)

    places = asyncio.run(cancel_everywhere(server, work, given, times))

    # Connect, answer, body, and each of them again for every further step.
    assert places >= {"whole": 2, "stream": 4, "retry and fallback": 6, "polling": 6}.get(kind, 3)


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_a_call_over_a_proxy_may_be_cancelled_wherever_it_waits(
    kind: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies are spoken to by another HTTP library, which gives way at other moments."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    vendor, work, given = _calls(server)[kind]
    server.default(vendor)

    places = asyncio.run(cancel_everywhere(server, work, {**given, "base_url": "http://vendor.invalid/v1"}))

    assert places >= {"whole": 2, "stream": 4}[kind]


class _Sockets(SocketServer):
    """Counts its open conversations as the other server does its connections."""

    @property
    def open_connections(self) -> int:
        return len(self.paths) - len(self.ended)

    def wait_until(self, claim: Callable[[], bool], timeout: float) -> None:
        with self._changed:
            assert self._changed.wait_for(claim, timeout)


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_a_conversation_may_be_cancelled_wherever_it_waits(times: int) -> None:
    def talk(connection: Any) -> None:
        connection.send(frame("你"))
        threading.Event().wait(0.005)
        connection.send(frame("好", 2))

    with _Sockets(talk) as server:
        given = server.arguments(timeout=20)
        assert asyncio.run(cancel_everywhere(server, streamed, given, times)) >= 4


# Other ways to be cancelled.

ENDLESS = [piece({"role": "assistant", "content": "你"}), Pause(60)]
newer = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout and TaskGroup came with Python 3.11")


@newer
@pytest.mark.parametrize("stream", [False, True])
def test_a_timeout_of_asyncio_ends_a_call(stream: bool, server: ScriptedServer) -> None:
    server.reply(Reply(sse=ENDLESS) if stream else Reply(json={}, delay=60))
    server.reply(json=answer("你好"))

    async def run_out(limit: Any) -> None:
        # Not before: the first call of a process takes a while to be sent.
        await _until(server, lambda: len(server.requests) == 1)
        limit.reschedule(asyncio.get_running_loop().time() + 0.2)

    async def call() -> None:
        async with UnionLLM(**arguments(server, timeout=60)) as client:
            limit = asyncio.timeout(60)  # type: ignore[attr-defined]  # of Python 3.11
            running_out = asyncio.create_task(run_out(limit))
            with pytest.raises(TimeoutError):
                async with limit:
                    await (streamed(client) if stream else whole(client))
            await running_out
            await _until(server, lambda: server.open_connections == 0)
            assert await whole(client) == "你好"

    asyncio.run(call())


@newer
def test_a_failure_in_a_task_group_ends_the_calls_beside_it(server: ScriptedServer) -> None:
    server.default(sse=ENDLESS)

    async def fail() -> None:
        await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 3, 10)
        raise ZeroDivisionError

    async def together(*works: Any) -> None:
        async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined]  # as above
            for work in works:
                group.create_task(work)

    async def calls() -> None:
        async with UnionLLM(**arguments(server, timeout=60)) as client:
            with pytest.raises(BaseExceptionGroup) as caught:  # type: ignore[name-defined]  # noqa: F821  # as above
                await together(*(streamed(client) for _ in range(3)), fail())
            assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
            await _until(server, lambda: server.open_connections == 0)

    asyncio.run(calls())


@pytest.mark.parametrize("kind", ["whole", "stream", "wait"])
def test_an_interrupt_from_the_keyboard_ends_a_blocking_call(kind: str, server: ScriptedServer) -> None:
    """The signal is another one, so that a late one cannot end the tests; Python raises the same from it."""
    busy = Reply(json={"error": {"message": "busy"}}, status=503, headers={"retry-after": "60"})
    server.reply({"whole": Reply(json={}, delay=60), "stream": Reply(sse=ENDLESS), "wait": busy}[kind])
    server.reply(json=answer("你好"))
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        server.wait_until(lambda: len(server.requests) == 1, 10)
        threading.Event().wait(0.2)  # the call is to wait for what comes next
        signal.pthread_kill(main, signal.SIGUSR1)

    def read(client: UnionLLM) -> None:
        list(client.completion(stream=True))

    def handle(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=interrupt)
    try:
        with UnionLLM(**arguments(server, timeout=60, max_retries=1)) as client:
            sender.start()
            with pytest.raises(KeyboardInterrupt) as caught:
                read(client) if kind == "stream" else client.completion()
            assert KEY not in told(caught.value)
            # Only a connection whose answer was read to its end may be kept.
            server.wait_until(lambda: server.open_connections == (kind == "wait"), 10)
            assert client.completion().choices[0].message.content == "你好"
        server.wait_until(lambda: server.open_connections == 0, 10)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("of", [aiter, lambda opened: opened.text()], ids=["chunks", "text"])
def test_who_reads_on_while_a_cancellation_is_under_way_does_not_find_an_end(
    server: ScriptedServer, of: Callable[[Any], Any]
) -> None:
    server.default(sse=[*stream("你")[:2], Pause(30)])

    async def read() -> list[Any]:
        async with UnionLLM(**arguments(server)) as client:
            steps = of(await client.acompletion(stream=True))
            while True:
                first = asyncio.ensure_future(anext(steps))
                await asyncio.wait([first], timeout=0.2)
                if not first.done():
                    break
            first.cancel()
            second = asyncio.ensure_future(anext(steps))
            return await asyncio.gather(first, second, return_exceptions=True)

    ended = asyncio.run(read())

    assert [type(one) for one in ended] == [asyncio.CancelledError, StreamInterruptedError]


@pytest.mark.parametrize("answers", [True, False], ids=["goes on", "is cancelled"])
def test_a_server_that_wants_to_be_asked_before_it_takes_a_body_gets_it_when_it_says_so(answers: bool) -> None:
    body = json.dumps(answer("好的")).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    seen: list[bytes] = []
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        assert b"expect: 100-continue" in seen[0].lower()
        await asyncio.sleep(0.1)
        if answers:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            seen.append(await reader.readuntil(b"}]}"))
            writer.write(head % len(body) + body)
        else:
            seen.append(await reader.read())  # until the client hangs up
        writer.close()
        ended.set()

    async def call() -> Any:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        given = {"provider": "deepseek", "model": "m", "api_key": "sk-1", "base_url": url, "max_retries": 0}
        async with listening:
            try:
                async with UnionLLM(**given, extra_headers={"Expect": "100-continue"}) as client:
                    asking = client.acompletion(messages=[{"role": "user", "content": "你好"}])
                    return await (asking if answers else asyncio.wait_for(asking, 0.3))
            finally:
                await asyncio.wait_for(ended.wait(), 5)

    if answers:
        assert asyncio.run(call()).choices[0].message.content == "好的"
        assert json.loads(seen[1])["messages"] == [{"role": "user", "content": "你好"}]
    else:
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(call())
        assert seen[1:] == [b""]
