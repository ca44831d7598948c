"""What the way between unionllm and LiteLLM costs, in both directions, against a server on this machine.

python benchmarks/bridge.py                      a Markdown table, then the same as JSON
python benchmarks/bridge.py --rounds 9 --calls 200 --chunks 100

Both ways of a pair are called in turn, in one process: one call each, or one stream, and whose turn comes first
alternates. What a call through LiteLLM costs here doubles and halves within seconds, so each is compared with its
neighbour, and the ratio of a round is the median of its pairs'; streams are short, so that neighbours are near. A turn
ends when LiteLLM's threads have done what it left to them, which for a chunk is half of the work, and would else be
taken for a cost of the next turn. The garbage of a round is collected before the next one: to look through all that
LiteLLM has loaded takes as long as a stream. A chunk's figure has its part of the opening of its stream in it. All
figures are medians of the rounds: of CPU time, and of the time that passed, without the wait for LiteLLM's threads;
``of_sums`` in the JSON is the ratio of all CPU time, with whatever comes in few of the turns. What has a bound is asked
three times as many rounds as the rest. All calls are the same, as in most programs, and so we remember where they go;
those with tools show what a call costs that is not remembered. The server runs in a process of its own and answers at
once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

#: Of each way in a round.
TURNS = 50
#: Seconds after which a process is looked at again, the CPU time in them that is no work but the looking, and the
#: seconds after which it should have done its work.
PAUSE, IDLE, LONGEST = 0.005, 0.0003, 30.0
#: Of what has a bound, how many rounds for one of what has none: 1.05 is not far from 1.
ROUNDS_OF_BOUND = 3

MESSAGES = [{"role": "user", "content": "你好"}]
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Look it up", "parameters": _SCHEMA}}]
_HEAD = {"id": "c-1", "created": 1, "model": "m"}
_USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def _whole() -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "晴，25 度"}}
    body = json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _stream(chunks: int) -> bytes:
    def event(delta: dict[str, Any], end: str | None = None, **more: Any) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": end}]
        return f"data: {json.dumps({**_HEAD, 'object': 'chat.completion.chunk', 'choices': choices, **more})}\n\n"

    # Not the same text twice: LiteLLM takes a hundred of them for a model that repeats itself.
    events = [event({"role": "assistant", "content": ""}), *(event({"content": f"{n} "}) for n in range(chunks))]
    body = "".join([*events, event({}, "stop"), event({}, choices=[], usage=_USAGE), "data: [DONE]\n\n"]).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def serve(port: Any, chunks: int) -> None:
    """Answer every request on a free port, which is put into ``port``."""
    whole, stream = _whole(), _stream(chunks)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _read_head(reader):
            length = next((line.split(b":")[1] for line in head.split(b"\r\n") if b"content-length" in line), b"0")
            request = json.loads(await reader.readexactly(int(length)))
            writer.write(stream if request.get("stream") else whole)
            await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(main())


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).lower()
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@dataclass
class Pair:
    """Two ways to the same answer; ``measured`` is compared with ``bare``."""

    name: str
    unit: str
    bare: Callable[[], Any]
    measured: Callable[[], Any]
    #: How many turns of each a round has.
    count: int
    #: How many units one turn is.
    units: int = 1
    #: What the ratio is to keep within.
    bound: float | None = None


@dataclass
class Cost:
    """Seconds that one unit takes: of the process's CPU, LiteLLM's own threads included, and of the day."""

    cpu: float
    time: float


def _cost(call: Callable[[], Any], units: int) -> Cost:
    begun, used = time.perf_counter(), time.process_time()
    call()
    passed = time.perf_counter() - begun
    return Cost((_await_threads() - used) / units, passed / units)


def _await_threads() -> float:
    """Wait until nothing is done in this process any more; the CPU time that it had used when that began."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        used = time.process_time()
        time.sleep(PAUSE)
        if time.process_time() - used < IDLE:
            return used
    raise SystemExit(f"something has gone on for {LONGEST:g} s in this process: nothing here is to be believed")


def _round(pair: Pair) -> tuple[list[Cost], list[Cost]]:
    """What one unit of each way costs, turn by turn."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(pair.count + pair.count % 2):
        order = [(pair.bare, costs[0]), (pair.measured, costs[1])]
        for call, told in order if number % 2 == 0 else reversed(order):
            told.append(_cost(call, pair.units))
    return costs


def _ratio(bare: list[float], measured: list[float]) -> float:
    return statistics.median(after / before for before, after in zip(bare, measured, strict=True))


def measure(pair: Pair, rounds: int) -> dict[str, Any]:
    """Medians of interleaved rounds."""
    for call in (pair.bare, pair.measured):
        for _ in range(1 + pair.count // 4):
            call()
    ratios, times = [], []
    costs: tuple[list[float], list[float]] = ([], [])
    sums = [0.0, 0.0]
    for _ in range(rounds * (1 if pair.bound is None else ROUNDS_OF_BOUND)):
        _await_threads()
        gc.collect()
        bare, measured = _round(pair)
        ratios.append(_ratio([cost.cpu for cost in bare], [cost.cpu for cost in measured]))
        times.append(_ratio([cost.time for cost in bare], [cost.time for cost in measured]))
        for number, way in enumerate((bare, measured)):
            costs[number].append(statistics.median(cost.cpu for cost in way))
            sums[number] += sum(cost.cpu for cost in way)
    return {
        "name": pair.name,
        "unit": pair.unit,
        "bound": pair.bound,
        "bare_us": round(statistics.median(costs[0]) * 1e6, 1),
        "measured_us": round(statistics.median(costs[1]) * 1e6, 1),
        # Three digits behind the point, as everywhere: a bound of 1.05 is not kept by 1.054.
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "of_sums": round(sums[1] / sums[0], 3),
        "time": round(statistics.median(times), 2),
    }


def _drain(stream: Any, expected: int) -> None:
    if sum(1 for _ in stream) < expected:
        raise SystemExit("a stream was too short: nothing here is to be believed")


def pairs(url: str, calls: int, chunks: int) -> list[Pair]:
    """What is compared."""
    from unionllm import litellm_plugin, unionchat

    litellm_plugin.register()
    import litellm

    asked = {"messages": MESSAGES, "api_key": "sk-1", "max_retries": 0}
    bare: Any = {"model": "openai/m", "api_base": url, **asked}
    bridge: Any = {"provider": "openai", "model": "m", "base_url": url, **asked}
    native: Any = {"provider": "deepseek", "model": "deepseek-v4-flash", "base_url": url, **asked}
    plugin: Any = {"model": "unionllm/deepseek/deepseek-v4-flash", "api_base": url, **asked}
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}

    there = "unionchat → LiteLLM, over litellm.completion"
    inside = "litellm.completion → unionllm, over LiteLLM's own openai route"
    around = "litellm.completion → unionllm, over unionchat"

    def streaming(name: str, before: Callable[[], Any], after: Callable[[], Any]) -> Pair:
        few = max(1, calls // 2)
        return Pair(name, "chunk", lambda: _drain(before(), chunks), lambda: _drain(after(), chunks), few, chunks)

    call = Pair(there, "call", lambda: litellm.completion(**bare), lambda: unionchat(**bridge), calls)
    chunk = streaming(there, lambda: litellm.completion(**bare, **options), lambda: unionchat(**bridge, stream=True))
    return [
        replace(call, bound=1.05),
        replace(chunk, bound=1.05),
        Pair(
            there.replace(",", " with tools,"),
            "call",
            lambda: litellm.completion(**bare, tools=TOOLS),
            lambda: unionchat(**bridge, tools=TOOLS),
            calls,
        ),
        Pair(inside, "call", lambda: litellm.completion(**bare), lambda: litellm.completion(**plugin), calls),
        streaming(
            inside, lambda: litellm.completion(**bare, **options), lambda: litellm.completion(**plugin, **options)
        ),
        Pair(around, "call", lambda: unionchat(**native), lambda: litellm.completion(**plugin), calls),
        streaming(around, lambda: unionchat(**native, stream=True), lambda: litellm.completion(**plugin, **options)),
    ]


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--chunks", type=int, default=50)
    given = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    port = context.Value("i", 0)
    server = context.Process(target=serve, args=(port, given.chunks), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    try:
        found = pairs(f"http://127.0.0.1:{port.value}/v1", given.calls, given.chunks)
        results = [measure(pair, given.rounds) for pair in found]
    finally:
        server.terminate()
        server.join()
    print("| way | unit | bare, CPU | measured, CPU | ratio | of the time |\n|---|---|---|---|---|---|")
    for row in results:
        told = f"{row['bare_us']} µs | {row['measured_us']} µs | **{row['ratio']:.2f}** | {row['time']}"
        print(f"| {row['name']} | {row['unit']} | {told} |")
    print()
    print(json.dumps({"rounds": given.rounds, "results": results}, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
