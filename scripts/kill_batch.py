"""Kills `unionllm batch` again and again (SIGKILL, at random moments), and checks what is left at the end.

python scripts/kill_batch.py                              20 kills, 2,000 requests
python scripts/kill_batch.py --kills 3 --requests 150     what the tests run

The vendor server counts what arrives. When a process is dead, what its journal holds is noted: nothing of that may ever
arrive again. After the last kill the job is run to its end: every line must stand in the output once, in order, with
its own answer. Prints what was counted, as JSON; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from unionllm.testing import VendorServer  # noqa: E402  # found by the line above

#: Seconds for one process to get anywhere; starting one takes seconds on a busy machine.
_LONGEST = 120


def start(server: VendorServer, folder: Path) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "unionllm", "batch", "in.jsonl", "-o", "out.jsonl", "--concurrency", "16"]
    command += ["--provider", "zhipuai", "--model", "glm-4.6", "--base-url", server.url("zhipuai")]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "ZHIPUAI_API_KEY": server.credentials("zhipuai")["api_key"]}
    return subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.PIPE)


def journalled(folder: Path) -> set[str]:
    """The questions whose answers are whole lines of the journal: the server repeats the question in its answer."""
    path = folder / "out.jsonl.journal"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return {text_of(json.loads(line)["body"]) for line in lines}


def text_of(body: Any) -> str:
    """The question that an answer belongs to."""
    return str(body["choices"][0]["message"]["content"]).removeprefix("收到：")


def asked(server: VendorServer) -> list[str]:
    """The questions that have arrived, in that order."""
    return [request.json["messages"][-1]["content"] for request in server.requests]


def kill_at_random(process: subprocess.Popen[bytes], folder: Path, chance: random.Random, step: int) -> str:
    """Kill it: while it starts, while it reads what there is, or when it has some answers more. Tells which."""
    journal = folder / "out.jsonl.journal"
    before = journal.stat().st_size if journal.exists() else 0
    if chance.random() < 0.2:
        kind = "by the clock"
        time.sleep(chance.uniform(0, 2))
    else:
        kind = "while it works"
        wanted = before + chance.randrange(1, step) * 600
        until = time.monotonic() + _LONGEST
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < wanted):
            if time.monotonic() > until:
                raise SystemExit("nothing was journalled")
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return kind if process.returncode == -signal.SIGKILL else "too late"


def run(kills: int, requests: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill, resume, and count."""
    chance = random.Random(seed)
    with (folder / "in.jsonl").open("w", encoding="utf-8") as file:
        for number in range(requests):
            # Every tenth question has been asked before.
            question = f"q{number if number % 10 else number // 2}"
            file.write(json.dumps({"custom_id": f"c{number}", "prompt": question}) + "\n")
    moments: Counter[str] = Counter()
    again: list[str] = []
    torn = 0
    known: set[str] = set()
    seen = 0
    with VendorServer() as server:
        for _ in range(kills):
            with start(server, folder) as process:
                moments[kill_at_random(process, folder, chance, 2 * requests // (kills + 2))] += 1
            arrived = asked(server)
            again += [question for question in arrived[seen:] if question in known]
            seen, known = len(arrived), journalled(folder)
            path = folder / "out.jsonl.journal"
            torn += path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
        with start(server, folder) as process:
            told = process.communicate(timeout=_LONGEST)[1].decode()
        arrived = asked(server)
        again += [question for question in arrived[seen:] if question in known]
        refused = len(server.refused)
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    wanted = [(f"c{number}", f"q{number if number % 10 else number // 2}") for number in range(requests)]
    found = [(row["custom_id"], text_of(row["response"]["body"])) for row in rows]
    return {
        "kills": kills,
        "moments": dict(moments),
        "lines": len(rows),
        "exit_code": process.returncode,
        "said": told.strip().splitlines()[-1:],
        "is_complete_and_in_order": found == wanted,
        "different_questions": len({question for _, question in wanted}),
        "requests_that_arrived": len(arrived),
        "sent_again_after_their_answer_was_journalled": len(again),
        "torn_last_lines": torn,
        "refused_by_the_server": refused,
    }


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20261129)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-batch-") as folder:
        told = run(options.kills, options.requests, options.seed, Path(folder))
    print(json.dumps(told, ensure_ascii=False, indent=2))
    is_right = told["is_complete_and_in_order"] and told["exit_code"] == 0 and not told["refused_by_the_server"]
    return 0 if is_right and not told["sent_again_after_their_answer_was_journalled"] else 1


if __name__ == "__main__":
    sys.exit(main())
