"""What a batch costs beside a bare loop of asyncio and httpx, and whether its memory grows with the number of requests.

python benchmarks/bulk.py                          10,000 and 100,000 requests, against the vendor server
python benchmarks/bulk.py --requests 2000 --fewer 500 --server fast

Each measurement is a process of its own that reads a file of JSON lines and writes one; the server is another process.
``vendor`` is ``unionllm.testing.VendorServer``, which checks every request and is the bottleneck; ``fast`` answers
every request with the same bytes at once, so that what is measured is the client. The bare loop keeps the same number
of requests under way, decodes each answer and writes it; it has no journal, no retries, no order and no limits.
``split`` is the same with eight connections to a client.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

MODEL = "glm-4.6"
KEY = "bench.0123456789abcdef"


def _answer() -> bytes:
    usage = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "这句话是正面的。"}}
    head = {"id": "c-1", "created": 1, "model": MODEL, "object": "chat.completion"}
    body = json.dumps({**head, "choices": [choice], "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class _Fast(asyncio.Protocol):
    """Answers as soon as a request is whole."""

    answer = _answer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self.rest) < end + 4 + length:
                return
            self.rest = self.rest[end + 4 + length :]
            self.transport.write(self.answer)


def serve(kind: str, pipe: Any) -> None:
    """Serve until the pipe says a word; its address goes through it first."""
    if kind == "vendor":
        from unionllm.testing import VendorServer

        with VendorServer(credentials={"zhipuai": {"api_key": KEY}}) as server:
            pipe.send(server.url("zhipuai"))
            pipe.recv()
        return

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Fast, "127.0.0.1", 0, backlog=1024)
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v4")
        await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


async def bare(source: Path, target: Path, url: str, at_once: int, clients: int = 1) -> None:
    """The loop that people write: as many workers as requests at once, and one client for all of them."""
    import httpx

    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=at_once)
        headers = {"authorization": f"Bearer {KEY}"}
        pools = [httpx.AsyncClient(limits=limits, timeout=60, headers=headers) for _ in range(clients)]

        async def work(client: httpx.AsyncClient) -> None:
            for line in lines:
                row = json.loads(line)
                reply = await client.post(f"{url}/chat/completions", json=row["body"])
                reply.raise_for_status()
                told = {"custom_id": row["custom_id"], "response": {"status_code": 200, "body": reply.json()}}
                out.write(json.dumps(told, ensure_ascii=False) + "\n")

        await asyncio.gather(*(work(pools[number % clients]) for number in range(at_once)))
        for client in pools:
            await client.aclose()


async def split(source: Path, target: Path, url: str, at_once: int) -> None:
    """The same by someone who knows that a pool of httpx's is slow with many connections: eight to a client."""
    await bare(source, target, url, at_once, clients=max(1, at_once // 8))


async def batch(source: Path, target: Path, url: str, at_once: int) -> None:
    """The same by unionllm, with a journal beside the output."""
    from unionllm._batch.job import Job, run_job

    arguments = {"provider": "zhipuai", "base_url": url, "api_key": KEY, "concurrency": at_once}
    report = await run_job(Job(source=source, target=target, arguments=arguments))
    if report.ending != "done" or report.failed:
        raise SystemExit(f"not all were answered: {report}")


WAYS = {"bare": bare, "split": split, "batch": batch}


def measure(way: str, source: Path, target: Path, url: str, at_once: int, pipe: Any) -> None:
    """One measurement, in this process."""
    begun = time.perf_counter()
    asyncio.run(WAYS[way](source, target, url, at_once))
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024})


def write_lines(path: Path, count: int, first: int) -> None:
    """So many different questions, in OpenAI's batch format."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + count):
            messages = [{"role": "user", "content": f"这句话是正面的还是负面的？第 {number} 号商品很好用，送货也快。"}]
            body = {"model": MODEL, "messages": messages, "max_tokens": 20}
            row = {"custom_id": f"r-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def in_process(function: Any, *arguments: Any) -> tuple[Any, Any]:
    """The function in a process of its own, and this end of a pipe to it."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=function, args=(*arguments, its))
    process.start()
    its.close()
    return process, ours


def main() -> None:
    """Measure, and print a Markdown table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--fewer", type=int, default=10_000, help="the other number, to see memory grow or not")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=["bare", "batch"], help="those with the larger number"
    )
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--server", choices=("vendor", "fast"), default="vendor")
    parser.add_argument("--keep", type=Path, help="a directory for the files; default: one that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulk-") as folder:
        results = run(options, options.keep or Path(folder))
    print("| way | requests | seconds | requests a second | CPU, ms a request | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for row in results:
        each = f"{row['rate']:.0f} | {row['cpu'] / row['requests'] * 1000:.2f} | {row['peak_mb']:.0f}"
        print(f"| {row['way']} | {row['requests']:,} | {row['seconds']:.1f} | {each} |")
    print()
    print(json.dumps({"server": options.server, "at_once": options.at_once, "results": results}))


def run(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """All measurements, the two ways in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    server, to_server = in_process(serve, options.server)
    url = to_server.recv()
    results = []
    numbers = itertools.count(step=max(options.requests, options.fewer))
    try:
        for count, way in itertools.product((options.fewer, options.requests), WAYS):
            if count == options.requests and way not in options.ways:
                continue
            source, target = folder / f"{way}-{count}.jsonl", folder / f"{way}-{count}.out.jsonl"
            write_lines(source, count, next(numbers))
            process, pipe = in_process(measure, way, source, target, url, options.at_once)
            told = pipe.recv()
            process.join()
            with target.open("rb") as file:
                lines = sum(1 for _ in file)
            if lines != count:
                raise SystemExit(f"{way}: {lines} lines out of {count}")
            results.append({"way": way, "requests": count, "rate": count / told["seconds"], **told})
            print(f"{way}, {count:,}: {told['seconds']:.1f} s", file=sys.stderr)
    finally:
        to_server.send("end")
        server.join()
    return results


if __name__ == "__main__":
    main()
