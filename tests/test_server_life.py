"""The test bed's own server: clients that leave, scripts that fail, connections, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from raw_client import GET, PAYLOAD, connect, exchange
from server import Answer, Cut, DisconnectedError, Pause, Reply, ScriptedServer, Send, encode_event


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=5) as running:
        yield running


def test_a_stall_ends_when_the_client_gives_up(server: ScriptedServer) -> None:
    server.reply(stall=30)

    with pytest.raises(httpx.ReadTimeout), httpx.Client(trust_env=False, timeout=0.1) as client:
        client.get(server.url)

    assert server.wait_for_disconnect() < 1
    server.wait_until(lambda: server.open_connections == 0)


def test_a_stall_comes_after_the_payload_and_ends_in_a_cut(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(sse=["a"], stall=0.1)
    server.reply(stall=0.1)

    with client.stream("GET", "/") as response:
        pieces = response.iter_raw()
        assert next(pieces) == encode_event("a")
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            next(pieces)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.get("/")


def test_leaving_the_block_ends_whatever_still_plays() -> None:
    """A stall, a pause, a client that does not read, an idle connection: none of them may hold a test up."""
    with ScriptedServer() as server:
        server.reply(stall=30)
        server.reply(chunks=[b"a", Pause(30)])
        server.reply(body=b"x" * 50_000_000)
        socks = [connect(server) for _ in range(4)]
        for sock in socks[:3]:
            sock.sendall(GET)
        server.wait_until(lambda: len(server.requests) == 3 and server.connections == 4)
        began = time.monotonic()

    assert time.monotonic() - began < 1
    for sock in socks:
        sock.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scripted-server")]


def test_a_client_that_leaves_in_mid_stream_is_noticed_at_once(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(sse=[{"n": 1}, Pause(30), {"n": 2}])

    with client.stream("GET", "/") as response:
        next(response.iter_raw())

    assert server.wait_for_disconnect(timeout=5) < 0.5


def test_a_client_that_leaves_is_noticed_while_the_script_waits_for_something_else(
    server: ScriptedServer, client: httpx.Client
) -> None:
    released = threading.Event()
    endings: list[type[BaseException]] = []

    def events(send: Send) -> None:
        send(PAYLOAD)
        released.wait(5)
        try:
            send(PAYLOAD)
        except DisconnectedError as error:
            endings.append(type(error))
            raise

    server.reply(events=events)
    with client.stream("GET", "/") as response:
        next(response.iter_raw())

    assert server.wait_for_disconnect(timeout=5) < 0.5
    released.set()
    server.wait_until(lambda: bool(endings))


def test_an_endless_script_ends_with_its_client(server: ScriptedServer, client: httpx.Client) -> None:
    def events(send: Send) -> None:
        while True:
            send(b"x" * 65536)

    server.reply(events=events)
    with client.stream("GET", "/") as response:
        next(response.iter_raw())

    server.wait_for_disconnect()
    server.wait_until(lambda: server.open_connections == 0)


def test_a_script_and_its_test_can_take_turns(server: ScriptedServer, client: httpx.Client) -> None:
    """What was received can be checked at a moment when the rest has certainly not been sent."""
    turn = threading.Semaphore(0)

    def events(send: Send) -> None:
        for piece in (b"a", b"b", b"c"):
            assert turn.acquire(timeout=5)
            send(piece)

    server.reply(events=events)
    turn.release()
    received = []
    with client.stream("GET", "/") as response:
        for piece in response.iter_raw():
            received.append(piece)
            turn.release()

    assert received == [b"a", b"b", b"c"]


def test_waiting_for_a_disconnect_fails_when_the_client_stays(server: ScriptedServer, client: httpx.Client) -> None:
    with pytest.raises(AssertionError, match="no reply was streamed"):
        server.wait_for_disconnect(timeout=0.05)
    server.reply(chunks=[b"a", Pause(30)])

    with client.stream("GET", "/"), pytest.raises(AssertionError, match="still connected after"):
        server.wait_for_disconnect(timeout=0.1)


@pytest.mark.parametrize(("last", "ending"), [([], "sent to its end"), ([Cut()], "cut by the script")])
def test_a_reply_that_came_to_its_end_was_not_left_in_mid_stream(
    server: ScriptedServer, last: list[Cut], ending: str
) -> None:
    server.reply(chunks=[b"a", *last])

    with httpx.Client(trust_env=False) as client, contextlib.suppress(httpx.RemoteProtocolError):
        client.get(server.url)

    with pytest.raises(AssertionError, match=ending):
        server.wait_for_disconnect(timeout=5)


def test_connections_are_counted_and_kept_alive(server: ScriptedServer) -> None:
    server.default(sse=["a"])

    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for _ in range(3):
            client.get("/")
        assert (server.connections, server.open_connections) == (1, 1)
    httpx.get(server.url, trust_env=False)

    assert server.connections == 2
    assert [request.connection for request in server.requests] == [1, 1, 1, 2]
    server.wait_until(lambda: server.open_connections == 0)


def test_a_client_that_asks_for_it_gets_its_connection_closed(server: ScriptedServer, client: httpx.Client) -> None:
    server.default(json={})

    for _ in range(2):
        client.get("/", headers={"Connection": "close"})

    assert server.connections == 2


def test_async_clients_are_served_side_by_side(server: ScriptedServer) -> None:
    server.default(lambda request: Reply(chunks=[request.path.encode(), Pause(0.2), b"."]))

    async def get_all() -> list[str]:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            return [reply.text for reply in await asyncio.gather(*(client.get(f"/{n}") for n in range(20)))]

    began = time.monotonic()
    assert asyncio.run(get_all()) == [f"/{n}." for n in range(20)]
    assert time.monotonic() - began < 2
    assert server.connections == 20


def test_a_cancelled_async_client_is_noticed(server: ScriptedServer) -> None:
    server.reply(sse=["a", Pause(30)])

    async def start_and_cancel() -> float:
        async with httpx.AsyncClient(trust_env=False) as client:
            task = asyncio.create_task(client.get(server.url))
            await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 1)
            task.cancel()
            return await asyncio.to_thread(server.wait_for_disconnect)

    assert asyncio.run(start_and_cancel()) < 0.5


def explode(_: object) -> Any:
    raise ZeroDivisionError("by the script")


@pytest.mark.parametrize("answer", [Reply(events=explode), explode])
def test_an_error_in_a_script_is_raised_at_the_end(answer: Answer) -> None:
    def call_once() -> None:
        with ScriptedServer() as server:
            server.reply(answer)
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(server.url, trust_env=False)

    with pytest.raises(ZeroDivisionError, match="by the script"):
        call_once()


def test_a_request_without_a_script_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="scripted for request 1: GET /x"), ScriptedServer() as server:
        assert httpx.get(f"{server.url}/x", trust_env=False).status_code == 404


@pytest.mark.parametrize("request_bytes", [b"\x16\x03\x01\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"])
def test_a_request_that_is_no_http_1_1_is_a_fault(request_bytes: bytes) -> None:
    with pytest.raises(ValueError, match="not a request in"), ScriptedServer() as server:
        exchange(server, request_bytes)


def test_the_failure_of_the_test_stays_visible_beside_a_fault() -> None:
    with pytest.raises(AssertionError, match="no reply was scripted") as caught, ScriptedServer() as server:
        httpx.get(server.url, trust_env=False).raise_for_status()

    assert isinstance(caught.value.__context__, httpx.HTTPStatusError)


def test_a_skip_is_not_turned_into_a_fault() -> None:
    def call_and_skip() -> None:
        with ScriptedServer() as server:
            httpx.get(server.url, trust_env=False)
            pytest.skip("the test's own word")

    with pytest.raises(pytest.skip.Exception):
        call_and_skip()


def test_a_script_that_does_not_end_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[ScriptedServer.__module__], "_LAST_SECONDS", 0.05)
    released = threading.Event()

    def call_and_leave() -> None:
        with ScriptedServer() as server, connect(server) as sock:
            server.reply(events=lambda _: released.wait(5))
            sock.sendall(GET)
            server.wait_until(lambda: len(server.requests) == 1)

    with pytest.raises(RuntimeError, match="a script still runs"):
        call_and_leave()
    released.set()
    for thread in threading.enumerate():
        if thread.name.startswith("scripted-server"):
            thread.join(5)


def test_a_request_broken_off_by_the_client_is_no_fault(server: ScriptedServer) -> None:
    with connect(server) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")

    server.wait_until(lambda: server.connections == 1 and server.open_connections == 0)
    assert server.requests == []


@pytest.mark.parametrize("fields", [{"json": {}, "sse": []}, {"events": print, "split": 1}, {"body": b"", "split": 0}])
def test_a_contradictory_reply_is_refused_where_it_is_written(server: ScriptedServer, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"one payload|split="):
        server.reply(**fields)
