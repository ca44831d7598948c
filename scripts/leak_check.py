"""Breaks streams off at random points, and makes plain calls; tells how many sockets, tasks and bytes are left over.

python -W error scripts/leak_check.py [--streams 10000] [--calls 50000] [--json]

The vendor is a process of its own, so that its sockets and its memory are not counted as ours. Exit 1 if anything is
left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import multiprocessing
import os
import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unionllm import UnionLLM

_EVENTS = 60
_HEAD = {"id": "r-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_ANSWER = {
    "id": "r-1",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "你好"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
#: Bytes that all of a part may leave: caches breathe, but one object kept of each stream or call would be more.
_FLAT = 65_536
_THREADS = 16


# The vendor.


class Vendor:
    """Answers chats; a stream goes on until its client has gone, or at last ends."""

    def __init__(self) -> None:
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.open += 1
        try:
            while await self.answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; gives whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
        body = await reader.readexactly(length)
        if head.startswith("get /open"):
            writer.write(_whole({"open": self.open - 1}))
        elif b'"stream":true' in body:
            await self.stream(writer)
        else:
            writer.write(_whole(_ANSWER))
        await writer.drain()
        return True

    async def stream(self, writer: asyncio.StreamWriter) -> None:
        """Events, a few at a time, with the turns of the loop between them."""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(_EVENTS):
            delta = {"role": "assistant", "content": ""} if number == 0 else {"content": f"第{number}句，"}
            _event(writer, {**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            if number % 4 == 0:
                await writer.drain()
                await asyncio.sleep(0)
                if writer.is_closing():
                    raise ConnectionResetError
        _event(writer, {**_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        _event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")


def _whole(body: Any) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data


def _event(writer: asyncio.StreamWriter, value: Any) -> None:
    data = f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def run_vendor(ready: Any) -> None:
    """The vendor's process."""
    logging.getLogger("asyncio").disabled = True  # it tells of every client that has left

    async def main() -> None:
        server = await asyncio.start_server(Vendor().serve, "127.0.0.1", 0, backlog=1024)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main(), debug=False)


def still_open(port: int) -> int:
    """Connections that the vendor holds, once that has come to rest, or five seconds are over."""
    import http.client

    count, began = 1, time.monotonic()
    while count and time.monotonic() - began < 5:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/open")
        count = int(json.loads(connection.getresponse().read())["open"])
        connection.close()
    return count


# The client.


class Stop(Exception):  # noqa: N818  # no error, but a caller's reason to leave
    """What a caller's own code raises in the middle of a stream."""


def break_off(client: UnionLLM, chance: random.Random) -> None:
    """One stream, left somewhere in one of the ways there are."""
    way, after = chance.choice(("break", "close", "with", "raise", "delete", "unread")), chance.randrange(_EVENTS)
    stream = client.completion(stream=True)
    if way == "unread":
        stream.close()
    elif way == "delete":
        for _ in range(after):
            next(stream)
        del stream
    else:
        with contextlib.suppress(Stop):
            _read(stream, way, after)


def _read(stream: Any, way: str, after: int) -> None:
    if way == "with":
        with stream:
            next(stream)
        return
    for number, _ in enumerate(stream):
        if number == after and way == "break":
            break
        if number == after and way == "close":
            stream.close()
        if number == after and way == "raise":
            raise Stop


async def abreak_off(client: UnionLLM, chance: random.Random) -> None:
    """The same in an event loop; cancellation is one more way."""
    way = chance.choice(("break", "close", "with", "raise", "delete", "cancel", "cancel early"))
    after = chance.randrange(_EVENTS)
    if way.startswith("cancel"):
        task = asyncio.create_task(_aread_all(client))
        for _ in range(1 + after if way == "cancel" else after % 5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return
    stream = await client.acompletion(stream=True)
    with contextlib.suppress(Stop):
        await _aread(stream, way, after)


async def _aread_all(client: UnionLLM) -> None:
    async for _ in await client.acompletion(stream=True):
        pass


async def _aread(stream: Any, way: str, after: int) -> None:
    if way == "with":
        async with stream:
            await anext(stream)
        return
    if way == "delete":
        await anext(stream)
        return
    number = 0
    async for _ in stream:
        if number == after and way == "break":
            break
        if number == after and way == "close":
            await stream.aclose()
        if number == after and way == "raise":
            raise Stop
        number += 1


# What is left over.


@dataclass(kw_only=True)
class Figures:
    """What one part did, and what it left."""

    part: str
    done: int
    seconds: float = 0.0
    sockets_here: int = 0
    sockets_there: int = 0
    tasks: int = 0
    threads: int = 0
    measured: int = 0
    bytes_left: int = 0
    resident_growth: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return not (self.sockets_here or self.sockets_there or self.tasks or self.threads) and self.bytes_left < _FLAT


def own_sockets() -> int:
    """Sockets of this process."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return count


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Meter:
    """Counts what is kept: bytes by tracemalloc, which is slow, over the last quarter, when every cache is full."""

    def __init__(self, total: int) -> None:
        self.start, self._total = total * 3 // 4, total
        self.first = self.start + (total - self.start) // 8
        self._first = 0
        self._resident = 0

    def at(self, number: int) -> None:
        """So many are done."""
        if number == self.start:
            tracemalloc.start()
        if number == self.first:
            gc.collect()
            self._first, self._resident = tracemalloc.get_traced_memory()[0], resident()

    def batch(self, done: int, most: int) -> int:
        """How many may be begun at once without passing by a place where something is counted."""
        stops = [stop - done for stop in (self.start, self.first, self._total) if stop > done]
        return min(most, *stops)

    def end(self, figures: Figures) -> None:
        """All are done."""
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - self._first
        tracemalloc.stop()
        figures.measured, figures.bytes_left = self._total - self.first, kept
        figures.resident_growth = resident() - self._resident


def in_turn(count: int, work: Callable[[], Any], figures: Figures) -> None:
    """So many, one after the other."""
    meter = Meter(count)
    for number in range(count):
        meter.at(number)
        work()
    meter.end(figures)


def in_threads(count: int, work: Callable[[], Any], figures: Figures) -> None:
    """So many, in threads that share the client."""
    meter = Meter(count)
    with ThreadPoolExecutor(_THREADS) as pool:
        done = 0
        while done < count:
            meter.at(done)
            batch = meter.batch(done, 500)
            for future in [pool.submit(work) for _ in range(batch)]:
                future.result()
            done += batch
        meter.end(figures)


def in_loop(count: int, work: Callable[[], Awaitable[Any]], figures: Figures) -> None:
    """So many in an event loop, some at once."""

    async def main() -> None:
        meter, done = Meter(count), 0
        while done < count:
            meter.at(done)
            batch = meter.batch(done, 20)
            await asyncio.gather(*(work() for _ in range(batch)))
            done += batch
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)
        figures.tasks = len(asyncio.all_tasks()) - 1
        meter.end(figures)

    asyncio.run(main(), debug=False)


Way = Callable[[int, Any, Figures], None]


def measure(part: str, count: int, port: int, way: Way, work: Callable[[UnionLLM], Any]) -> Figures:
    """Run one part with a client of its own, and count what it leaves."""
    figures = Figures(part=part, done=count)
    sockets, threads, began = own_sockets(), threading.active_count(), time.monotonic()
    client = UnionLLM(
        provider="deepseek",
        model="m",
        api_key="k",
        base_url=f"http://127.0.0.1:{port}",
        messages=[{"role": "user", "content": "你好"}],
        max_retries=0,
    )
    way(count, lambda: work(client), figures)
    client.close()
    gc.collect()
    figures.seconds = round(time.monotonic() - began, 1)
    figures.sockets_there = still_open(port)
    figures.sockets_here = own_sockets() - sockets
    figures.threads = threading.active_count() - threads
    return figures


def main() -> int:
    """Run every part, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    vendor = context.Process(target=run_vendor, args=(theirs,), daemon=True)
    vendor.start()
    port = ours.recv()
    third = options.streams // 3
    parts: list[tuple[str, int, Way, Callable[[UnionLLM], Any]]] = [
        ("streams broken off", options.streams - 2 * third, in_turn, lambda client: break_off(client, chance)),
        ("streams broken off in 16 threads", third, in_threads, lambda client: break_off(client, chance)),
        ("async streams broken off", third, in_loop, lambda client: abreak_off(client, chance)),
        ("calls", options.calls // 2, in_turn, lambda client: client.completion()),
        ("calls in 16 threads", options.calls // 4, in_threads, lambda client: client.completion()),
        ("async calls", options.calls - options.calls // 2 - options.calls // 4, in_loop, lambda c: c.acompletion()),
    ]
    rows = []
    for part, count, way, work in parts:
        figures = measure(part, count, port, way, work)
        rows.append(figures)
        if not options.json:
            print(_line(figures), flush=True)
    vendor.terminate()
    vendor.join()
    vendor.close()
    ours.close()
    theirs.close()
    if options.json:
        print(json.dumps([{**asdict(figures), "is_clean": figures.is_clean} for figures in rows]))
    return 0 if all(figures.is_clean for figures in rows) else 1


def _line(figures: Figures) -> str:
    told = f"{figures.sockets_here} sockets here, {figures.sockets_there} there, {figures.tasks} tasks, "
    told += f"{figures.threads} threads, {figures.bytes_left:,} bytes, {figures.resident_growth / 1e6:+.1f} MB resident"
    return f"{figures.done:>6,} {figures.part:<33} {figures.seconds:>7} s  left: {told}"


if __name__ == "__main__":
    sys.exit(main())
