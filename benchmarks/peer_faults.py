"""Other clients beside ours under eight faults, each in its own environment, all in one run.

bash scripts/peers                        # makes the environments
python scripts/fault_matrix.py --peers    # prints the table
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from server import Cut, Pause, Reply, ScriptedServer

ROOT = Path(__file__).resolve().parent.parent

#: Name of a peer → its distribution, and the packages whose errors are its own.
PEERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ours": ("unionllm", ("unionllm",)),
    "openai": ("openai", ("openai",)),
    "any-llm-sdk": ("any-llm-sdk", ("any_llm",)),
    "aisuite": ("aisuite", ("aisuite",)),
    "pydantic-ai-slim": ("pydantic-ai-slim", ("pydantic_ai",)),
    "langchain-openai": ("langchain-openai", ("langchain_openai", "langchain_core")),
    "litellm": ("litellm", ("litellm",)),
    "unionllm-0.3.0": ("unionllm", ("unionllm",)),
}
COLUMNS = (
    "429, then an answer",
    "503, then an answer",
    "400",
    "cut after 2 events",
    "ended after 2 events",
    "broken JSON",
    "silent for 8 s",
    "usage unasked",
)
_SECONDS_OF_A_CLIENT = 300


def _piece(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


_USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_BEGUN = [_piece({"role": "assistant", "content": "Hel"}), _piece({"content": "lo"})]
_ENDED = [_piece({}, "stop"), "[DONE]"]
_COUNTED = {**_piece({}), "choices": [], "usage": _USAGE}


def _answer() -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    head = {"id": "r", "object": "chat.completion", "created": 1, "model": "m"}
    return Reply(json={**head, "choices": [choice], "usage": _USAGE})


def _refusal(status: int, **headers: str) -> Reply:
    return Reply(status=status, json={"error": {"message": "no", "type": "t", "code": "c"}}, headers=headers)


def _stream(*events: Any) -> Reply:
    return Reply(sse=events)


def _with_usage_if_asked(request: Any) -> Reply:
    asked = (request.json.get("stream_options") or {}).get("include_usage")
    return _stream(*_BEGUN, _ENDED[0], *([_COUNTED] if asked else []), "[DONE]")


def _script(servers: list[ScriptedServer]) -> None:
    full, busy, refusing, cut, ended, broken, silent, counting = servers
    full.reply(_refusal(429, **{"Retry-After": "2"}))
    full.default(_answer())
    busy.reply(_refusal(503))
    busy.default(_answer())
    refusing.default(_refusal(400))
    cut.default(_stream(*_BEGUN, Cut()))
    ended.default(_stream(*_BEGUN))
    broken.default(_stream(*_BEGUN, '{"id": "r", "choices": [{', *_ENDED))
    silent.default(_stream(*_BEGUN, Pause(8), *_ENDED))
    counting.default(_with_usage_if_asked)


def measure(name: str) -> list[dict[str, Any]]:
    """What that client made of each fault; fewer than eight if it did not come so far."""
    with ExitStack() as stack:
        well, *servers = [stack.enter_context(ScriptedServer()) for _ in ("well", *COLUMNS)]
        well.default(lambda request: _with_usage_if_asked(request) if request.json.get("stream") else _answer())
        _script(servers)
        python = ROOT / ".venv-peers" / name / "bin" / "python"
        command = [str(python), str(ROOT / "benchmarks" / "fault_peer.py"), name]
        urls = [f"{server.url}/v1" for server in (well, *servers)]
        done = subprocess.run(
            [*command, *urls], capture_output=True, text=True, timeout=_SECONDS_OF_A_CLIENT, check=False, cwd=ROOT
        )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(told) < len(COLUMNS):
        print(done.stderr[-2000:], file=sys.stderr)
    return told


def version(name: str) -> str:
    """The version of the peer, as its environment has it."""
    python = ROOT / ".venv-peers" / name / "bin" / "python"
    code = f"from importlib.metadata import version; print(version({PEERS[name][0]!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout.strip()


def cells(name: str, told: list[dict[str, Any]]) -> Iterator[str]:
    """The outcomes in words; seconds where there was something to wait for."""
    own = PEERS[name][1]
    for column, outcome in zip(COLUMNS, told, strict=False):
        waited = f", {outcome['seconds']:.1f} s" if "then" in column or "silent" in column else ""
        if outcome.get("error") is not None:
            package, _, cls = outcome["error"].partition(".")
            yield f"{f'own `{cls}`' if package in own else f'`{package}.{cls}`'}{waited}"
        elif column == "usage unasked":
            yield "yes" if outcome["tokens"] else "no"
        elif "then" in column:
            yield f"ok{waited}"
        else:
            yield f"**silent**, finish `{outcome['finish']}`"


def print_peers() -> None:
    """Measure every client that has an environment, ours first."""
    print(f"\nEight clients, {datetime.now(timezone.utc):%Y-%m-%d}, default settings and timeout=2:\n")
    print(f"| client | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}", flush=True)
    for name in PEERS:
        if not (ROOT / ".venv-peers" / name).exists():
            print(f"| {name} | no environment: `bash scripts/peers {name}` |")
            continue
        print(f"| {PEERS[name][0]} {version(name)} | {' | '.join(cells(name, measure(name)))} |", flush=True)


if __name__ == "__main__":
    print_peers()
