"""What is left when a program is done, forks, threads, or ends in the middle of things; each in a process of its own.

``scripts/leaks`` breaks off 10,000 streams and makes 50,000 calls.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from replies import answer, arguments, stream
from server import Pause, Reply, ScriptedServer

import unionllm

SCRIPT = Path(unionllm.__file__).parent.parent / "scripts" / "leak_check.py"
_LONGEST = 120
#: asyncio's debug mode tells of every step that takes a tenth of a second, which is the machine's affair.
HEAD = """
import asyncio, logging, multiprocessing, os, sys, threading
from unionllm import *
logging.getLogger("asyncio").addFilter(lambda record: " took " not in str(record.msg))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with every warning an error, and development mode's checks."""
    python = [sys.executable, "-X", "dev", "-W", "error"]
    return subprocess.run([*python, *command], capture_output=True, text=True, timeout=_LONGEST, check=False)


def run_program(server: ScriptedServer, body: str, **changes: Any) -> None:
    """Run a program in which ``given`` holds the arguments of a call; it must say nothing and end well."""
    given = arguments(server, **changes)
    done = run("-c", f"{HEAD}given = {given!r}\n{textwrap.dedent(body)}")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_streams_broken_off_and_calls_leave_nothing() -> None:
    """A small part of what the script does by itself."""
    done = run(str(SCRIPT), "--streams", "180", "--calls", "240", "--json")

    assert done.stderr == ""
    rows = json.loads(done.stdout)
    assert len(rows) == 6
    for row in rows:
        assert row["done"] >= 60
        left = {name: row[name] for name in ("sockets_here", "sockets_there", "tasks", "threads")}
        assert left == dict.fromkeys(left, 0), row
        assert row["bytes_left"] < 65_536, row
    assert done.returncode == 0


# The end of the interpreter, in the middle of things.

ENDS = {
    "a stream that is open": "kept = unionchat(**given, stream=True)\nnext(kept)",
    "a client that was not closed": "client = UnionLLM(**given)\nclient.completion()",
    "a client with a stream that is open": "client = UnionLLM(**given)\nkept = client.completion(stream=True)",
    "an error that holds a stream": """
        kept = unionchat(**given, stream=True)
        try:
            for chunk in kept:
                raise ValueError
        except ValueError as error:
            sys.last_value = error
    """,
    "an async client that was not closed": """
        client = UnionLLM(**given)
        async def main():
            await client.acompletion()
        asyncio.run(main())
    """,
    "an async stream that is open": """
        client = UnionLLM(**given)
        async def main():
            global kept
            kept = await client.acompletion(stream=True)
            await anext(kept)
        asyncio.run(main())
    """,
    "an async stream that nobody has read": """
        async def main():
            global kept
            kept = await aunionchat(**given, stream=True)
        asyncio.run(main())
    """,
    "a loop closed by hand": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(aunionchat(**given))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    """,
    "a task that was cancelled with the loop": """
        async def read():
            async for chunk in await aunionchat(**given, stream=True):
                pass
        async def main():
            global task
            task = asyncio.create_task(read())
            await aunionchat(**given)
        asyncio.run(main())
    """,
    "a daemon thread that reads": """
        begun = threading.Event()
        def read():
            for chunk in unionchat(**given, stream=True):
                begun.set()
        threading.Thread(target=read, daemon=True).start()
        assert begun.wait(20)
    """,
}


@pytest.mark.parametrize("body", ENDS.values(), ids=ENDS)
def test_the_interpreter_ends_without_a_word(body: str, server: ScriptedServer) -> None:
    slow = [*stream("你", "好")[:3], Pause(60)]
    server.default(lambda request: Reply(sse=slow) if request.json.get("stream") else Reply(json=answer()))

    run_program(server, body)

    server.wait_until(lambda: server.open_connections == 0)


# The garbage collector.


def test_a_stream_that_is_collected_in_the_middle_of_a_call_does_not_stop_that_call(server: ScriptedServer) -> None:
    """The collector may run while this thread holds the lock of the connection pool, which closing a stream takes."""
    server.default(
        lambda request: (
            Reply(sse=[*stream("你")[:2], Pause(60)]) if request.json.get("stream") else Reply(json=answer())
        )
    )

    run_program(
        server,
        """
        import gc
        client = UnionLLM(**given)
        def leave():
            reading = client.completion(stream=True)
            next(reading)
            try:
                raise ValueError
            except ValueError as error:
                kept = error  # which holds this frame, which holds it: only the collector ends that
        def collect(frame, event, argument):
            if event == "call" and frame.f_code.co_name == "_assign_requests_to_connections":
                gc.collect()
        gc.disable()
        for _ in range(3):
            leave()
            sys.setprofile(collect)
            client.completion()
            sys.setprofile(None)
        gc.collect()
        client.close()
        """,
    )

    server.wait_until(lambda: server.open_connections == 0)


def test_a_stream_that_nobody_holds_any_more_is_closed_at_once(server: ScriptedServer) -> None:
    server.default(sse=[*stream("你")[:2], Pause(60)])

    run_program(
        server,
        """
        import gc
        gc.disable()
        client = UnionLLM(**given)
        reading = client.completion(stream=True)
        next(reading)
        del reading
        assert not client._transports.sync()._connections._bodies._held
        """,
    )


# Forks.


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_shares_no_connection_with_its_parent(
    method: str, server: ScriptedServer, tmp_path: Path
) -> None:
    server.default(json=answer())
    given = arguments(server)
    program = f"""
        import multiprocessing, sys, warnings
        from unionllm import UnionLLM, unionchat
        given = {given!r}
        def child(number):
            return unionchat(**given).choices[0].message.content
        if __name__ == "__main__":
            client = UnionLLM(**given)
            client.completion()
            unionchat(**given)
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                assert pool.map(child, range(4), chunksize=1) == ["你好！"] * 4
                pool.close()
                pool.join()
            client.completion()
            unionchat(**given)
            client.close()
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program), encoding="utf-8")

    done = run(str(path))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    used = Counter(request.connection for request in server.requests)
    assert len(server.requests) == 8
    # The parent's two connections, each used before and after the children, and by none of them.
    assert used[1] == used[2] == 2
    assert len(used) in (3, 4)


def test_an_async_client_goes_on_in_parent_and_child_after_a_fork(server: ScriptedServer) -> None:
    server.default(json=answer())

    run_program(
        server,
        """
        client = UnionLLM(**given)
        async def call():
            await client.acompletion()
        asyncio.run(call())
        child = os.fork()
        asyncio.run(call())
        client.completion()
        client.close()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
    )

    assert len(server.requests) == 5
    server.wait_until(lambda: server.open_connections == 0)


def test_a_stream_opened_before_a_fork_is_read_on_by_the_parent(server: ScriptedServer) -> None:
    server.default(sse=stream("你", "好"), split=40)

    run_program(
        server,
        """
        client = UnionLLM(**given)
        reading = client.completion(stream=True)
        next(reading)
        child = os.fork()
        if child == 0:
            client.completion(stream=True).close()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert "".join(chunk.choices[0].delta.content or "" for chunk in reading) == "你好"
        client.close()
        """,
    )

    assert len(server.requests) == 2


# Threads and loops.


def test_one_client_serves_sixteen_threads(server: ScriptedServer) -> None:
    server.default(
        lambda request: Reply(sse=stream("你", "好")) if request.json.get("stream") else Reply(json=answer())
    )

    run_program(
        server,
        """
        from concurrent.futures import ThreadPoolExecutor
        client = UnionLLM(**given)
        def work(number):
            if number % 2:
                return "".join(client.completion(stream=True).text())
            return client.completion().choices[0].message.content
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(work, range(160))) == ["你好！", "你好"] * 80
        client.close()
        """,
    )

    assert len(server.requests) == 160
    assert server.connections <= 16
    server.wait_until(lambda: server.open_connections == 0)


def test_one_client_serves_two_loops_at_once_and_loops_in_turn(server: ScriptedServer) -> None:
    server.default(json=answer())

    run_program(
        server,
        """
        client = UnionLLM(**given)
        both = threading.Barrier(2)
        async def calls():
            await asyncio.to_thread(both.wait, 20)
            await asyncio.gather(*(client.acompletion() for _ in range(10)))
        threads = [threading.Thread(target=asyncio.run, args=(calls(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(5):
            asyncio.run(client.acompletion())
        client.close()
        """,
    )

    assert len(server.requests) == 25
    server.wait_until(lambda: server.open_connections == 0)
