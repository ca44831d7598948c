"""Runs one job in this process and on Ray, kills a worker of Ray's in the middle, and prints what came of it as JSON.

A program, not a test: it needs Ray, which scripts/ray_test puts into an environment of its own. See test_ray_engine.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from unionllm._batch.job import Job, run_job
from unionllm.integrations import ray as engine
from unionllm.testing import VendorServer

LINES, DIFFERENT = 700, 600
_LONGEST = 240


def write_input(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(LINES):
            row: Any = {"custom_id": f"c{number}", "prompt": f"q{number % DIFFERENT}"}
            file.write(json.dumps(row if number % 100 else {**row, "base_url": "http://elsewhere"}) + "\n")


def told(path: Path) -> list[Any]:
    """Of each line: its id, the answer's text or the error's code."""
    found = []
    for line in path.read_bytes().splitlines():
        row = json.loads(line)
        body = (row["response"] or {}).get("body")
        found.append((row["custom_id"], body["choices"][0]["message"]["content"] if body else row["error"]["code"]))
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def workers() -> list[int]:
    """The actors of this program's own Ray: children of a raylet that is its child."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::MapWorker" in (folder / "cmdline").read_bytes():
                pid = int(folder.name)
                found += [pid] if parent_of(parent_of(pid)) == os.getpid() else []
        except OSError:
            continue  # it has ended meanwhile
    return found


def journalled(folder: Path) -> set[str]:
    """The questions that are answered in any file of the job's."""
    found = set()
    for path in [*folder.glob("*.journal"), *folder.glob("*.chunks/*.jsonl")]:
        for line in path.read_bytes().split(b"\n")[:-1]:
            body = json.loads(line)["body"]
            found.add(body["choices"][0]["message"]["content"].removeprefix("收到："))
    return found


class Killer(threading.Thread):
    """Kills one worker when a part of the work is done, and notes what was journalled and had arrived by then."""

    def __init__(self, server: VendorServer, folder: Path) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._folder = folder
        self.killed: list[int] = []
        self.known: set[str] = set()
        self.arrived = 0

    def run(self) -> None:
        until = time.monotonic() + _LONGEST
        while len(self._server.requests) < DIFFERENT // 4 and time.monotonic() < until:
            time.sleep(0.01)
        (pid, *_) = workers()
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)
        self.known = journalled(self._folder)
        self.arrived = len(self._server.requests)


def asked(server: VendorServer) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in server.requests]


def main() -> None:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ray-engine-") as name, VendorServer() as server:
        folder = Path(name)
        write_input(folder / "in.jsonl")
        arguments = {**server.arguments("zhipuai"), "model": "glm-4.5", "thinking": False, "concurrency": 8}
        job = Job(source=folder / "in.jsonl", target=folder / "one.jsonl", arguments=arguments)
        asyncio.run(run_job(job))
        (folder / "one.jsonl.journal").unlink()
        alone = asked(server)
        server.clear()

        killer = Killer(server, folder)
        killer.start()
        stats = engine.run(folder / "in.jsonl", folder / "many.jsonl", workers=2, **arguments)
        killer.join()
        arrived = asked(server)
        again = engine.run(folder / "in.jsonl", folder / "many.jsonl", workers=2, **arguments)
        results = {
            "lines": LINES,
            "sent_by_one_process": len(alone),
            "is_the_same_output": told(folder / "one.jsonl") == told(folder / "many.jsonl"),
            "answered": sum(text.startswith("收到") for _, text in told(folder / "many.jsonl")),
            "killed_workers": len(killer.killed),
            "answered_when_it_was_killed": len(killer.known),
            "sent_again_after_their_answer_was_journalled": len(killer.known & set(arrived[killer.arrived :])),
            "sent_twice_in_all": sum(count > 1 for count in Counter(arrived).values()),
            "sent": len(arrived),
            "ending": stats.ending,
            "failed": stats.failed,
            "sent_by_the_same_job_again": again.asked,
            "is_tidied_up": not (folder / "many.jsonl.journal.chunks").exists(),
            "seconds": round(time.monotonic() - begun, 1),
        }
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
