"""One client in its own environment, doing what it is told: ``python worker.py WAY URL``, a JSON command a line.

Answers each with a JSON line of what it cost: ``cpu`` and ``wall`` in seconds, or bytes of memory.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ways import WAYS, Way

#: One event loop for all asynchronous commands, as in a program that lives: it runs while nothing is asked, too. One
#: that stood still would close in the next turn, and on its time, what has idled too long meanwhile.
_LOOP = asyncio.new_event_loop()


class Clock:
    """Adds up wall and CPU seconds of this process."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __enter__(self) -> Clock:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time()
        self.wall += time.perf_counter()

    def told(self) -> dict[str, float]:
        return {"cpu": self.cpu, "wall": self.wall}


def _expect(is_right: bool) -> None:
    if not is_right:
        raise SystemExit("an answer was not what the server sent: nothing here is to be believed")


def calls(way: Way, count: int) -> dict[str, float]:
    with Clock() as clock:
        for _ in range(count):
            _expect("25" in way.call())
    return clock.told()


async def acalls(way: Way, count: int) -> dict[str, float]:
    with Clock() as clock:
        for _ in range(count):
            _expect("25" in await way.acall())
    return clock.told()


def first_chunk(way: Way, count: int) -> dict[str, float]:
    clock = Clock()
    for _ in range(count):
        with clock:
            chunks = way.stream("m")
            next(chunks)
        _expect(sum(1 for _ in chunks) >= 2)
    return clock.told()


async def afirst_chunk(way: Way, count: int) -> dict[str, float]:
    clock = Clock()
    for _ in range(count):
        with clock:
            chunks = way.astream("m")
            await anext(chunks)
        _expect(await _count(chunks) >= 2)
    return clock.told()


async def _count(chunks: Any) -> int:
    seen = 0
    async for _ in chunks:
        seen += 1
    return seen


def stream(way: Way, count: int) -> dict[str, float]:
    with Clock() as clock:
        _expect(sum(1 for _ in way.stream(f"burst-{count}")) >= count)
    return clock.told()


async def astream(way: Way, count: int) -> dict[str, float]:
    with Clock() as clock:
        _expect(await _count(way.astream(f"burst-{count}")) >= count)
    return clock.told()


async def many(way: Way, model: str, streams: int, count: int) -> dict[str, float]:
    """Streams at once, each of ``count`` chunks."""
    with Clock() as clock:
        seen = await asyncio.gather(*(_count(way.astream(f"{model}-{count}")) for _ in range(streams)))
        _expect(min(seen) >= count)
    return clock.told()


def _resident() -> int:
    """Bytes that this process holds; where the system does not tell, the most that it ever held."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def growth(way: Way, count: int) -> dict[str, float]:
    """Bytes that calls leave behind."""
    before = _resident()
    calls(way, count)
    return {"bytes": _resident() - before}


async def open_streams(way: Way, count: int) -> dict[str, float]:
    """Bytes that streams hold while they are open."""
    await _count(way.astream("m"))  # so that what all streams need is there
    before = _resident()
    opened = [way.astream("held-1") for _ in range(count)]
    await asyncio.gather(*(anext(chunks) for chunks in opened))
    held = _resident() - before
    # In turn: what one client needs for closing is no question here.
    for chunks in opened:
        await chunks.aclose()  # type: ignore[attr-defined]
    return {"bytes": held}


COMMANDS: dict[str, Callable[..., dict[str, float] | Awaitable[dict[str, float]]]] = {
    command.__name__: command  # type: ignore[attr-defined]
    for command in (calls, acalls, first_chunk, afirst_chunk, stream, astream, many, growth, open_streams)
}


def main(name: str, url: str) -> None:
    told_to, sys.stdout = sys.stdout, sys.stderr  # some clients print
    way = WAYS[name](url)

    async def awaited(command: Any, given: dict[str, Any]) -> Any:
        return await command(way, **given)

    while line := _LOOP.run_until_complete(_LOOP.run_in_executor(None, sys.stdin.readline)):
        given = json.loads(line)
        command = COMMANDS[given.pop("do")]
        is_async = asyncio.iscoroutinefunction(command)
        told = _LOOP.run_until_complete(awaited(command, given)) if is_async else command(way, **given)
        print(json.dumps(told), file=told_to, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
