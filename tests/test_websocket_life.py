"""Who ends a WebSocket and when, which way it goes out, and what is never written down of it."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from server import Reply, ScriptedServer
from sockets import CREDENTIALS, MESSAGES, SocketServer, frame, stay_silent
from test_secrets import told
from test_websocket import Call, every_way, failure, say, streamed, to_http

from unionllm import UnionLLM, aunionchat, unionchat
from unionllm.exceptions import APIConnectionError, APIError, ProviderError, StreamInterruptedError, UnionLLMError

#: Seconds after which a call that nobody ends would end by itself.
LONG = 60


@pytest.fixture
def begun() -> Iterator[SocketServer]:
    """A server that says two words and then waits for what the client does."""
    with SocketServer(say(frame("你", 0), frame("好"), stay_silent)) as server:
        yield server


# Leaving.


def test_leaving_the_loop_ends_the_connection(begun: SocketServer) -> None:
    for chunk in unionchat(**begun.arguments(), stream=True):
        assert chunk.choices[0].delta.content == "你"
        break

    assert begun.wait_until_ended() == [1006]


@pytest.mark.parametrize("way", ["close", "with", "dropped"])
def test_a_stream_that_is_let_go_ends_the_connection(way: str, begun: SocketServer) -> None:
    stream = unionchat(**begun.arguments(), stream=True)
    next(iter(stream.text()))
    if way == "close":
        stream.close()
        assert stream.response is not None
        assert stream.response.choices[0].message.content == "你"
    elif way == "with":
        with stream:
            pass
    del stream
    gc.collect()

    begun.wait_until_ended()


def test_leaving_an_async_loop_ends_the_connection(begun: SocketServer) -> None:
    async def read() -> None:
        async with await aunionchat(**begun.arguments(), stream=True) as stream:
            async for _ in stream:
                break

    asyncio.run(read())

    assert begun.wait_until_ended() == [1006]


def test_an_exception_in_the_loop_ends_the_connection(begun: SocketServer) -> None:
    stream = unionchat(**begun.arguments(), stream=True)

    def fail() -> None:
        for _ in stream:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    begun.wait_until_ended()


# Cancelling, and ends from elsewhere.


@pytest.mark.parametrize("stream", [False, True])
def test_a_cancelled_call_ends_the_connection(stream: bool, begun: SocketServer) -> None:
    async def call() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(talk(), 0.3)
        await asyncio.to_thread(begun.wait_until_ended)

    async def talk() -> None:
        answer = await aunionchat(**begun.arguments(timeout=LONG), stream=stream)
        async for _ in answer:
            pass

    asyncio.run(call())


def test_a_call_that_is_cancelled_in_its_handshake_ends_the_connection(server: ScriptedServer) -> None:
    server.reply(json={}, delay=LONG)

    async def call() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aunionchat(**to_http(server, timeout=LONG)), 0.2)
        await asyncio.to_thread(server.wait_until, lambda: server.open_connections == 0)

    asyncio.run(call())


def test_a_cancelled_wait_for_a_chunk_is_not_the_end_of_the_answer(begun: SocketServer) -> None:
    async def read() -> None:
        stream = await aunionchat(**begun.arguments(timeout=LONG), stream=True)
        texts = stream.text()
        assert [await anext(texts), await anext(texts)] == ["你", "好"]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(texts), 0.1)
        with pytest.raises(StreamInterruptedError, match="cancelled"):
            await anext(texts)

    asyncio.run(read())

    begun.wait_until_ended()


def test_another_thread_may_close_a_stream_that_waits(begun: SocketServer) -> None:
    stream = unionchat(**begun.arguments(timeout=LONG), stream=True)
    texts = stream.text()
    assert [next(texts), next(texts)] == ["你", "好"]

    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, texts)
        threading.Event().wait(0.1)  # until the other thread waits for the next frame
        stream.close()
        assert rest.result(timeout=20) == []

    begun.wait_until_ended()


def test_closing_a_client_ends_its_calls(begun: SocketServer) -> None:
    client = UnionLLM(**begun.arguments(timeout=LONG))
    texts = client.chat(stream=True).text()
    assert [next(texts), next(texts)] == ["你", "好"]

    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, texts)
        threading.Event().wait(0.1)
        client.close()
        error = rest.exception(timeout=20)

    assert isinstance(error, StreamInterruptedError)
    assert "the client was closed" in str(error)
    begun.wait_until_ended()


def test_closing_an_async_client_ends_its_calls(begun: SocketServer) -> None:
    async def read() -> BaseException | None:
        client = UnionLLM(**begun.arguments(timeout=LONG))
        task = asyncio.create_task(client.achat())
        await asyncio.to_thread(threading.Event().wait, 0.2)
        await client.aclose()
        done, _ = await asyncio.wait([task], timeout=20)
        return done.pop().exception()

    error = asyncio.run(read())

    assert isinstance(error, APIConnectionError)
    assert "the client was closed" in str(error)
    begun.wait_until_ended()


# Proxies and clients.


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that says the same to everyone; its address, and the heads it was sent."""
    heads: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                heads.append(connection.recv(65536))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@every_way
def test_a_proxy_of_the_environment_is_taken(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"provider": "xunfei", "model": "lite", "messages": MESSAGES, "max_retries": 0, **CREDENTIALS}
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with proxy(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n") as (address, heads):
        monkeypatch.setenv("HTTPS_PROXY", address)
        error = failure(call, {**given, "base_url": "wss://spark.invalid"})

    assert isinstance(error, APIConnectionError)
    assert heads[0].startswith(b"CONNECT spark.invalid:443 HTTP/1.1\r\n")
    assert b"authorization=" not in heads[0]


def test_a_client_of_the_callers_is_refused(begun: SocketServer) -> None:
    async def call() -> None:
        async with httpx.AsyncClient() as client:
            with pytest.raises(ProviderError, match="http_client= has no use here"):
                await aunionchat(**begun.arguments(), http_client=client)

    with httpx.Client() as client, pytest.raises(ProviderError, match="http_client= has no use here"):
        unionchat(**begun.arguments(), http_client=client)
    asyncio.run(call())

    assert begun.paths == []


# Secrets.


def refuse(server: ScriptedServer) -> dict[str, Any]:
    """A gateway that repeats what it was sent."""
    server.default(lambda request: Reply(status=401, json={"message": f"no {request.query['authorization']}"}))
    return to_http(server)


def break_off(server: ScriptedServer) -> dict[str, Any]:
    server.default(Reply(raw=True, body="HTTP/1.1 101 No\r\n\r\n"))
    return to_http(server)


def stall(server: ScriptedServer) -> dict[str, Any]:
    server.default(json={}, delay=LONG)
    return to_http(server, timeout=0.2)


def no_address(server: ScriptedServer) -> dict[str, Any]:
    return {**to_http(server), "base_url": "ws://127.0.0.1:1"}


@every_way
@pytest.mark.parametrize("fail", [refuse, break_off, stall, no_address])
def test_no_failure_shows_the_signed_url_not_even_with_local_variables(
    fail: Any, call: Call, server: ScriptedServer
) -> None:
    given = fail(server)

    with pytest.raises(UnionLLMError) as caught:
        call(given)

    # What the test itself was given is known to its own frames.
    mine = {str(Path(__file__)), str(Path(__file__).with_name("test_websocket.py"))}
    seen = told_without(caught.value, mine)
    assert "authorization=" not in seen
    signatures = [request.query["authorization"] for request in server.requests]
    assert [secret for secret in (*CREDENTIALS.values(), *signatures) if secret in seen] == []


def told_without(error: BaseException, files: set[str]) -> str:
    """``told`` of ``test_secrets``, with the frames of further test files left out."""
    kept = [(f, line) for f, line in traceback.walk_tb(error.__traceback__) if f.f_code.co_filename not in files]
    shown = [traceback.StackSummary.extract([pair], capture_locals=True).format() for pair in kept]
    return "\n".join([told(error.with_traceback(None)), *("".join(lines) for lines in shown)])


@every_way
def test_a_gateway_that_echoes_a_credential_is_masked(call: Call, server: ScriptedServer) -> None:
    server.default(json={"message": f"unknown key {CREDENTIALS['api_key']}"}, status=401)

    error = failure(call, to_http(server))

    assert "unknown key ***" in str(error)
    assert CREDENTIALS["api_key"] not in f"{error!r} {error.body}"


@every_way
def test_no_log_has_the_signature_or_a_credential(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), SocketServer(say(frame("好", 2))) as server:
        call(server.arguments())

    written = [record.getMessage() for record in caplog.records]
    assert any("你好" in line for line in written)  # the frame, with its app_id masked
    assert not any("authorization=" in line or "signature=" in line for line in written)
    assert not any(secret in line for line in written for secret in CREDENTIALS.values())


def test_the_library_is_imported_by_a_call_alone() -> None:
    program = (
        "import sys, unionllm, unionllm._transport, unionllm.providers.xunfei\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'websockets']"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_failed_handshake_is_tried_again_with_a_fresh_signature(server: ScriptedServer) -> None:
    server.reply(status=503, json={"message": "busy"}, headers={"retry-after": "1.1"})
    server.reply(status=401, json={"message": "HMAC signature does not match"})

    with pytest.raises(APIError):
        streamed(to_http(server, max_retries=1))

    first, second = (request.query for request in server.requests)
    assert first["date"] != second["date"]
    assert first["authorization"] != second["authorization"]
