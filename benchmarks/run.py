"""Ask every question, and write docs/benchmarks.md and its Chinese twin: ``python benchmarks/run.py``.

An hour or two on two cores. ``bash scripts/peers`` makes the clients' environments before; those that lack one are
left out. ``--brief`` leaves the slowest clients out of the longest questions, and takes an hour; ``--quick`` takes
sizes that tell nothing, to see that all of it runs; ``--into DIR`` writes elsewhere. With ``--keep DIR`` a run that was
broken off goes on with the question that it was at.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import FLOOR, ROOT, available, interpreter, rounded
from ways import WAYS

HERE = Path(__file__).resolve().parent

#: Script → the arguments of a quick run.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "starting": ("--rounds", "1"),
    "call": ("--rounds", "2", "--calls", "3"),
    "first_chunk": ("--rounds", "2", "--calls", "2"),
    "chunks": ("--rounds", "2", "--chunks", "20"),
    "many_streams": ("--rounds", "1", "--streams", "10", "--chunks", "3", "--paced", "2"),
    "memory": ("--calls", "3", "--streams", "3"),
    "installation": (),
    "bridge": ("--rounds", "2", "--calls", "2", "--chunks", "10"),
}

#: Clients that take minutes for a round of these questions, and one that gives up on a thousand streams.
SLOW = ("litellm", "any-llm-sdk", "langchain-openai", "pydantic-ai-slim", "unionllm-0.3.0")
LONG = {"chunks": SLOW, "many_streams": (*SLOW, "aisuite"), "memory": SLOW}

_SHOWN = ("httpx", "httpcore", "pydantic", "openai", "litellm", "aiohttp", "httpx-aiohttp", "requests")
_VERSIONS = (
    "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)

TITLES = {
    "imports": "导入（扣除解释器本身）",
    "first-answer": "从进程启动到第一个回答",
    "call": "每次调用的 CPU",
    "call-tls": "每次调用的 CPU，TLS",
    "first-chunk": "到第一个 chunk 的时间",
    "chunks": "每个 chunk 的 CPU，一条长流",
    "many-streams": "每秒 chunk 数，多条流同时进行",
    "paced-streams": "每秒 20 个 chunk 的多条流",
    "memory": "内存",
    "installation": "安装",
    "bridge": "与 LiteLLM 之间的桥",
}


def ask(script: str, arguments: tuple[str, ...]) -> str:
    """What a question prints."""
    command = [sys.executable, str(HERE / f"{script}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{script} failed; the page is left as it was.")
    return done.stdout


def tables(printed: str) -> list[tuple[str, dict[str, Any]]]:
    """The tables of a question, each with what its JSON says."""
    parts = [part.strip() for part in printed.strip().split("\n\n")]
    found = []
    for table, rest in zip(parts[::2], parts[1::2], strict=True):
        told: dict[str, Any] = json.loads(rest)
        told.setdefault("question", "bridge")
        told.setdefault("title", "The bridge to LiteLLM")
        found.append((table, told))
    return found


def verdicts(told: list[dict[str, Any]]) -> str:
    """What we have set ourselves, and what was reached."""
    lines = ["| | bound | reached |", "|---|---|---|"]
    for question in told:
        for row in question.get("results", ()):  # of the bridge
            if row["bound"] is not None:
                mark = "" if row["ratio"] <= row["bound"] else " ✗"
                name = f"{row['name']}: CPU of a {row['unit']}"
                lines.append(f"| {name} | ≤ {row['bound']:g} | {row['ratio']:.3f}{mark} |")
        for column in question.get("columns", ()):
            ours = next((row for row in column["rows"] if row["way"] == "unionllm"), None)
            if column["bound"] is None or ours is None:
                continue
            reached = ours.get("ratio", ours["median"])
            sign, is_kept = (
                ("≥", reached >= column["bound"]) if column["is_least"] else ("≤", reached <= column["bound"])
            )
            unit = "" if "ratio" in ours else f" {column['unit']}"
            mark = "" if is_kept else " ✗"
            name = f"{question['title']}: {column['title']}"
            lines.append(f"| {name} | {sign} {column['bound']:g}{unit} | {rounded(reached)}{unit}{mark} |")
    return "\n".join(lines)


def noise(told: list[dict[str, Any]]) -> float:
    """How far the middle half of the floor's own figures lies apart, at the median of all questions; in percent."""
    spreads = sorted(
        row["spread"]
        for question in told
        for column in question.get("columns", ())
        for row in column["rows"]
        if row["way"] == FLOOR and "spread" in row and "ratio" in row
    )
    return 100 * float(spreads[len(spreads) // 2]) if spreads else 0.0


def versions() -> str:
    """One row a client, with the versions of what its time goes through."""
    lines = ["| client | versions |", "|---|---|"]
    for name in available():
        done = subprocess.run([interpreter(WAYS[name]), "-I", "-c", _VERSIONS], capture_output=True, check=True)
        found = json.loads(done.stdout)
        shown = [f"{each} {found[each]}" for each in dict.fromkeys((name, *_SHOWN)) if each in found]
        if name in ("ours", "unionllm-0.3.0"):
            shown.insert(0, f"unionllm {found['unionllm']}")
        lines.append(f"| {WAYS[name].name} | {', '.join(shown)} |")
    return "\n".join(lines)


def page(template: str, told: list[tuple[str, dict[str, Any]]], facts: dict[str, str], *, chinese: bool) -> str:
    """The page, from its template."""
    parts = []
    for table, question in told:
        title = TITLES[question["question"]] if chinese else question["title"]
        parts.append(f"### {title}\n\n{table}")
    text = (HERE / template).read_text(encoding="utf-8")
    for name, value in {**facts, "tables": "\n\n".join(parts)}.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--brief", action="store_true", help="the slowest clients are not asked the longest questions")
    parser.add_argument("--into", type=Path, default=ROOT / "docs")
    parser.add_argument("--keep", type=Path, help="a folder for what the questions print, where a later run finds it")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS))
    parser.add_argument("--rounds", type=int, help="of all questions but memory and installation")
    given = parser.parse_args()
    told: list[tuple[str, dict[str, Any]]] = []
    for script, quick in QUESTIONS.items():
        print(f"{script} …", file=sys.stderr, flush=True)
        asked = [name for name in given.ways or available() if not (given.brief and name in LONG.get(script, ()))]
        options = ("--ways", *asked) if asked and script != "bridge" else ()
        if given.rounds and script not in ("memory", "installation"):
            options = (*options, "--rounds", str(given.rounds))
        kept = given.keep / f"{script}.txt" if given.keep else None
        if kept is not None and kept.exists():
            printed = kept.read_text(encoding="utf-8")
        else:
            printed = ask(script, (*(quick if given.quick else ()), *options))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(printed, encoding="utf-8")
        told += tables(printed)
        print(f"{told[-1][0]}\n", file=sys.stderr, flush=True)
    results = [question for _, question in told]
    facts = {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python "
        f"{platform.python_version()}",
        "load": f"{os.getloadavg()[1]:.1f}",
        "noise": f"{noise(results):.0f}",
        "versions": versions(),
        "verdicts": verdicts(results),
        "left_out": ", ".join(WAYS[name].name for name in SLOW if given.brief and name in available()) or "–",
    }
    for template, name, chinese in (
        ("page.md", "benchmarks.md", False),
        ("page.zh-CN.md", "benchmarks.zh-CN.md", True),
    ):
        (given.into / name).write_text(page(template, told, facts, chinese=chinese), encoding="utf-8")


if __name__ == "__main__":
    main()
