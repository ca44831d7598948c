"""What starting costs: importing the entry point, and a program from its start to its first answer.

The floor of the first is a bare interpreter, which every figure is told beyond.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable

from measuring import Column, Row, arguments, environment, in_turn, interpreter, report, rows, server
from ways import KEY, WAYS

_TELL = """
import json, resource, sys
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([most // 1024 if sys.platform == "darwin" else most, len(sys.modules)]))
"""


def _started(name: str, program: str, expected: str = "") -> Callable[[], Row]:
    """Runs a program of that way's in a fresh interpreter: its wall and CPU seconds, and what it printed last."""
    command = [interpreter(WAYS[name]), "-I", "-c", program]

    def run() -> Row:
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            command, env=environment(with_tls=False), capture_output=True, encoding="utf-8", check=False, cwd=os.sep
        )
        wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or expected not in done.stdout:
            raise SystemExit(f"{name} answered {done.stdout!r}:\n{done.stderr[-2000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": wall, "cpu": cpu, "printed": done.stdout.splitlines()[-1]}

    return run


def imports(names: list[str], rounds: int) -> None:
    columns = (
        Column(title="CPU", command={}, of="cpu", unit="ms", scale=1000, bound=0.5),
        Column(title="time", command={}, of="wall", unit="ms", scale=1000),
        Column(title="memory", command={}, of="memory", unit="MB", scale=1 / 1024),
        Column(title="modules", command={}, of="modules", unit="", scale=1, has_ratio=False),
    )
    asked = [
        program for name in names for program in (_started(name, _TELL), _started(name, f"{WAYS[name].entry}\n{_TELL}"))
    ]
    for run in asked:
        run()  # so that bytecode is there
    answers = in_turn(rounds, asked)
    beyond = {
        name: [_beyond(bare, whole) for bare, whole in zip(answers[2 * place], answers[2 * place + 1], strict=True)]
        for place, name in enumerate(names)
    }
    results = [
        rows({name: [column.figure(row) for row in told] for name, told in beyond.items()}, column)
        for column in columns
    ]
    report("imports", "Importing, beyond a bare interpreter", columns, results, rounds)


def _beyond(bare: Row, whole: Row) -> Row:
    """What a program cost more than the interpreter alone."""
    (memory, modules), (all_memory, all_modules) = (json.loads(row["printed"]) for row in (bare, whole))
    costs = {cost: whole[cost] - bare[cost] for cost in ("cpu", "wall")}
    return {**costs, "memory": all_memory - memory, "modules": all_modules - modules}


def first_answers(names: list[str], rounds: int) -> None:
    columns = (
        Column(title="CPU", command={}, of="cpu", unit="ms", scale=1000, bound=1.9),
        Column(title="time", command={}, of="wall", unit="ms", scale=1000, bound=1.9),
    )
    with server() as url:
        able = [name for name in names if WAYS[name].program]
        programs = [WAYS[name].program.replace("URL", url).replace("KEY", KEY) for name in able]
        asked = [_started(name, program, "25") for name, program in zip(able, programs, strict=True)]
        for run in asked:
            run()
        answers = in_turn(rounds, asked)
    told = dict(zip(able, answers, strict=True))
    results = [
        rows({name: [column.figure(row) for row in found] for name, found in told.items()}, column)
        for column in columns
    ]
    report("first-answer", "Process start to first answer", columns, results, rounds)


def main() -> None:
    given = arguments(__doc__, rounds=9)
    imports(given.ways, given.rounds)
    first_answers(given.ways, given.rounds)


if __name__ == "__main__":
    main()
