"""Who opens connections, who shares them, and when they are closed. Over real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest
from replies import answer, arguments, stream
from server import Pause, Reply, ScriptedServer, Send, encode_event

from unionllm import UnionLLM, aunionchat, unionchat
from unionllm._clients import Transports


def test_five_calls_use_one_connection(server: ScriptedServer) -> None:
    """X5 of compat.md: each call opened its own."""
    server.default(json=answer())

    for _ in range(5):
        unionchat(**arguments(server))

    assert (len(server.requests), server.connections) == (5, 1)


def test_five_async_calls_in_one_loop_use_one_connection(server: ScriptedServer) -> None:
    server.default(json=answer())

    async def calls() -> None:
        for _ in range(5):
            await aunionchat(**arguments(server))

    asyncio.run(calls())

    assert (len(server.requests), server.connections) == (5, 1)


def test_five_calls_of_a_client_use_one_connection(server: ScriptedServer) -> None:
    server.default(json=answer())

    with UnionLLM(**arguments(server)) as client:
        for _ in range(5):
            client.chat()

    assert (len(server.requests), server.connections) == (5, 1)


def test_streams_read_to_their_end_leave_the_connection_to_the_next_call(server: ScriptedServer) -> None:
    server.default(sse=stream("你", "好"))

    async def read() -> str:
        texts = ""
        for _ in range(3):
            reading = await aunionchat(**arguments(server), stream=True)
            texts += "".join([text async for text in reading.text()])
        return texts

    for _ in range(3):
        list(unionchat(**arguments(server), stream=True))
    assert (len(server.requests), server.connections) == (3, 1)
    assert asyncio.run(read()) == "你好" * 3
    assert (len(server.requests), server.connections) == (6, 2)


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_refused_call_leaves_the_connection_to_the_next_one(server: ScriptedServer, status: int) -> None:
    server.default(json={"error": {"message": "no"}}, status=status)

    for is_stream in (False, True, False):
        with pytest.raises(Exception, match="no"):
            unionchat(**arguments(server), stream=is_stream)

    assert (len(server.requests), server.connections) == (3, 1)


def test_one_event_loop_after_another(server: ScriptedServer) -> None:
    """FIELD pain 20: "Event loop is closed" on the second asyncio.run."""
    server.default(json=answer())

    for _ in range(3):
        asyncio.run(aunionchat(**arguments(server)))

    assert len(server.requests) == 3


def test_the_connections_of_a_loop_close_with_it(server: ScriptedServer) -> None:
    server.default(json=answer())

    asyncio.run(aunionchat(**arguments(server)))

    server.wait_until(lambda: server.open_connections == 0)


def test_one_client_serves_one_loop_after_another_and_sync_calls(server: ScriptedServer) -> None:
    server.default(json=answer())
    client = UnionLLM(**arguments(server))

    asyncio.run(client.acompletion())
    asyncio.run(client.achat())
    client.completion()
    client.close()

    assert len(server.requests) == 3
    server.wait_until(lambda: server.open_connections == 0)


def test_concurrent_async_calls_do_not_wait_for_each_other(server: ScriptedServer) -> None:
    server.default(json=answer(), delay=0.3)

    async def calls() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(aunionchat(**arguments(server)) for _ in range(30)))
        return loop.time() - began

    assert asyncio.run(calls()) < 3
    assert len(server.requests) == 30


def test_two_clients_share_no_connection(server: ScriptedServer) -> None:
    server.default(json=answer())

    with UnionLLM(**arguments(server)) as one, UnionLLM(**arguments(server)) as other:
        for _ in range(2):
            one.completion()
            other.completion()

    assert [request.connection for request in server.requests] == [1, 2, 1, 2]


def test_a_client_shares_no_connection_with_the_plain_functions(server: ScriptedServer) -> None:
    server.default(json=answer())

    unionchat(**arguments(server))
    with UnionLLM(**arguments(server)) as client:
        client.completion()

    assert [request.connection for request in server.requests] == [1, 2]


def test_closing_a_client_closes_its_connections_and_leaves_it_usable(server: ScriptedServer) -> None:
    server.default(json=answer())
    client = UnionLLM(**arguments(server))

    client.completion()
    client.close()
    server.wait_until(lambda: server.open_connections == 0)
    client.completion()
    client.close()
    client.close()

    assert [request.connection for request in server.requests] == [1, 2]
    server.wait_until(lambda: server.open_connections == 0)


def test_leaving_an_async_client_closes_its_connections(server: ScriptedServer) -> None:
    server.default(json=answer())

    async def calls() -> None:
        async with UnionLLM(**arguments(server)) as client:
            await client.acompletion()
            assert server.open_connections == 1
        await asyncio.to_thread(server.wait_until, lambda: server.open_connections == 0)

    asyncio.run(calls())
    assert server.open_connections == 0


def run_script(server: ScriptedServer, body: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own, in which ``given`` holds the arguments of a call."""
    given: dict[str, Any] = arguments(server)
    program = f"from unionllm import *\ngiven = {given!r}\n{textwrap.dedent(body)}"
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ or None, check=False)


def test_a_forked_child_opens_connections_of_its_own(server: ScriptedServer) -> None:
    server.default(json=answer())

    done = run_script(
        server,
        """
        import os
        unionchat(**given)
        child = os.fork()
        unionchat(**given)
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        unionchat(**given)
        print("parent is done")
        """,
    )

    assert (done.stdout, done.stderr) == ("parent is done\n", "")
    connections = [request.connection for request in server.requests]
    assert len(connections) == 4
    assert sorted(connections) == [1, 1, 1, 2]


def test_a_child_whose_first_call_was_interrupted_does_not_take_the_parents_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transports = Transports()
    parents = transports.sync()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as child:
        child.setattr("unionllm._clients.never_free", interrupted)
        child.setattr("os.getpid", lambda: -1)
        with pytest.raises(KeyboardInterrupt):
            transports.sync()

    monkeypatch.setattr("os.getpid", lambda: -1)
    assert transports.sync() is not parents


def test_a_forked_child_that_ends_normally_leaves_the_parents_connection_alone(server: ScriptedServer) -> None:
    server.default(json=answer())

    done = run_script(
        server,
        """
        import os, sys
        client = UnionLLM(**given)
        client.completion()
        if os.fork() == 0:
            client.close()
            sys.exit(0)
        os.wait()
        client.completion()
        client.close()
        """,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [request.connection for request in server.requests] == [1, 1]


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streams-left", "loops-closed-without-notice"])
def test_a_program_that_ends_without_closing_anything_ends_quietly(server: ScriptedServer, is_streamed: bool) -> None:
    server.default(**({"sse": stream("你")} if is_streamed else {"json": answer()}))
    streams = """
        import asyncio
        async def main():
            async for chunk in await aunionchat(**given, stream=True):
                break
        asyncio.run(main())
        for chunk in unionchat(**given, stream=True):
            break
        kept = unionchat(**given, stream=True)
    """
    # ``asyncio.run`` gives notice, ``loop.close()`` none. Python ignores what asyncio itself says to that.
    loops = """
        import asyncio, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(aunionchat(**given))
            loop.close()
    """

    done = run_script(server, streams if is_streamed else loops)

    assert (done.returncode, done.stdout, done.stderr, len(server.requests)) == (0, "", "", 3)


@pytest.mark.parametrize("value", ["socks://127.0.0.1:1", "http://127.0.0.1:1"])
def test_a_proxy_in_the_environment_is_not_asked_for_loopback(
    server: ScriptedServer, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    monkeypatch.setenv("HTTP_PROXY", value)
    server.reply(json=answer())

    assert unionchat(**arguments(server)).choices[0].message.content == "你好！"


def send_answer(send: Send) -> None:
    """A whole answer; when this returns, the client has read it, and its pool has the connection."""
    body = json.dumps(answer()).encode()
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    send(Pause(0.1))


@pytest.mark.parametrize("is_busy", [True, False], ids=["busy", "free"])
def test_a_late_word_of_the_server_is_not_taken_for_the_next_answer(server: ScriptedServer, is_busy: bool) -> None:
    """Some servers say 408 on a connection that they are about to close."""
    said = threading.Event()

    def events(send: Send) -> None:
        send_answer(send)
        send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        said.set()
        send(Pause(5))

    server.reply(Reply(raw=True, events=events))
    server.reply(json=answer("zweite"))

    async def calls() -> str | None:
        async with UnionLLM(**arguments(server)) as client:
            await client.acompletion()
            assert said.wait(5) if is_busy else await asyncio.to_thread(said.wait, 5)
            return (await client.acompletion()).choices[0].message.content

    assert asyncio.run(calls()) == "zweite"
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_connection_that_the_server_closed_while_the_loop_was_busy_is_not_used_again(server: ScriptedServer) -> None:
    for _ in range(3):
        server.reply(Reply(raw=True, events=send_answer))
    server.default(json=answer())

    async def calls() -> None:
        async with UnionLLM(**arguments(server)) as client:
            await asyncio.gather(*(client.acompletion() for _ in range(3)))
            server.wait_until(lambda: server.open_connections == 0)  # the event loop stands still meanwhile
            await client.acompletion()

    asyncio.run(calls())
    assert [request.connection for request in server.requests][-1] == 4


@pytest.mark.parametrize(
    "headers",
    [{"content-security-policy": "x" * 60_000}, {f"x-{number}": "y" for number in range(500)}],
    ids=["long", "many"],
)
def test_a_long_head_is_read_in_an_event_loop_too(server: ScriptedServer, headers: dict[str, str]) -> None:
    server.default(json=answer(), headers=headers)

    whole = [unionchat(**arguments(server)), asyncio.run(aunionchat(**arguments(server)))]

    assert [one.choices[0].message.content for one in whole] == ["你好！"] * 2


def test_a_busy_event_loop_is_no_silence_of_the_server(server: ScriptedServer) -> None:
    began, sent, read = threading.Event(), threading.Event(), threading.Event()

    def events(send: Send) -> None:
        first, second, *rest = map(encode_event, stream("你", "好")[1:])
        send(first)
        began.wait(5)
        send(second)
        sent.set()
        read.wait(5)
        send(b"".join(rest))

    server.reply(Reply(events=events))

    async def call() -> str:
        text = ""
        async for chunk in await aunionchat(**arguments(server, timeout={"idle": 0.3}), stream=True):
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""
            if text == "你":
                asyncio.get_running_loop().call_soon(work)
            elif text == "你好":
                read.set()
        return text

    def work() -> None:
        began.set()
        sent.wait(5)
        time.sleep(0.4)  # longer than the limit

    assert asyncio.run(call()) == "你好"


def test_what_was_sent_is_let_go_of_although_the_connection_stays_open(server: ScriptedServer) -> None:
    server.default(json=answer())
    large = [{"role": "user", "content": "only in this test " * 6000}]

    async def call() -> list[str]:
        async with UnionLLM(**arguments(server)) as client:
            await client.acompletion(messages=large)
            for _ in range(5):  # an answer may be quicker than the task that wrote the request is told to end
                await asyncio.sleep(0)
            gc.collect()
            bodies = [one for one in gc.get_objects() if type(one).__name__ == "LimitedBody"]
            # Other tests' may still be held by the tracebacks of errors that they kept.
            held = [one._value for one in bodies if not one._value.closed]
            return [repr(one) for one in held if b"only in this test" in one.getvalue()]

    assert asyncio.run(call()) == []
    assert server.requests[0].json["messages"] == large
