"""What the questions share: the server, the clients in their environments, rounds, medians, tables.

Every client lives in a process of its own. In each round all of them are asked in turn, in an order that alternates; a
figure is the median of the rounds, a ratio the median of the rounds' ratios to the floor of the same round. Costs are
CPU seconds of the client's process where nothing else is said: others may use the machine, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ways import WAYS, Way

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = ROOT / ".venv-peers"
CERTIFICATE = (str(ROOT / "tests" / "tls" / "cert.pem"), str(ROOT / "tests" / "tls" / "key.pem"))
FLOOR = "httpx"

Row = dict[str, Any]


def interpreter(way: type[Way]) -> str:
    """The Python that calls it: that of its environment, or this one if it has none yet."""
    own = PEERS / way.home / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def available() -> list[str]:
    """The ways whose environments scripts/peers has made."""
    return [name for name in WAYS if (PEERS / name / "installed").exists()]


def environment(*, with_tls: bool = True) -> dict[str, str]:
    """Variables of the clients' processes: no proxy, no keys, nothing from the network; our certificate trusted.

    Args:
        with_tls: without it the clients trust whom they trust by themselves. Reading one certificate in place of a
            hundred and fifty makes httpx, which reads them for every client, start faster than it does for anybody.
    """
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if with_tls else ()
    trusted = dict.fromkeys(names, CERTIFICATE[0])
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore", "NO_PROXY": "*"}
    return {**kept, **trusted, **quiet, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def server(*certificate: str) -> Iterator[str]:
    """The vendor on this machine; gives its URL."""
    command = [sys.executable, str(HERE / "server.py"), *certificate]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


class FailedError(Exception):
    """A client could not do what it was told; its process has ended."""


class Worker:
    """A client in a process of its own, which does what it is told."""

    def __init__(self, name: str, url: str) -> None:
        command = [interpreter(WAYS[name]), str(HERE / "worker.py"), name, url]
        self.name = name
        self.has_failed = False
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def try_to(self, **command: Any) -> Row:
        """What it answers; a peer that fails is left out from then on, with a word about it."""
        if self.has_failed:
            return {}
        try:
            return self.ask(**command)
        except FailedError as error:
            if self.name in (FLOOR, "ours"):
                raise SystemExit(str(error)) from None
            self.has_failed = True
            print(error, file=sys.stderr)
            return {}

    def ask(self, **command: Any) -> Row:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise FailedError(f"{self.name} did not do {command}:\n{self._process.communicate()[1][-2000:]}")
        told: Row = json.loads(line)
        return told


def in_turn(rounds: int, asked: Sequence[Callable[[], Row]]) -> list[list[Row]]:
    """What each answered in each round; the order alternates."""
    answers: list[list[Row]] = [[] for _ in asked]
    for number in range(rounds):
        order = list(zip(asked, answers, strict=True))
        for ask, told in order if number % 2 == 0 else reversed(order):
            told.append(ask())
    return answers


def median_ratio(measured: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(after / before for after, before in zip(measured, floor, strict=True))


def spread(values: Sequence[float]) -> float:
    """How far apart the middle half of the values lies, as a part of their median: the noise of a figure."""
    middle = statistics.median(values)
    low, high = min(values), max(values)
    if len(values) >= 4:
        low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / middle if middle else 0.0


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure of a question.

    Args:
        title: above the figures.
        of: what to read of a worker's answer.
        unit: of the figure; ``scale`` makes it of what the worker told for one ``per``.
        bound: for the floor's multiple; ``is_least``: ours shall not be less.
    """

    title: str
    command: dict[str, Any]
    of: str = "cpu"
    unit: str = "µs"
    scale: float = 1e6
    per: int = 1
    kind: str = "sync"
    bound: float | None = None
    is_least: bool = False
    #: Whether a ratio to the floor means anything.
    has_ratio: bool = True
    #: How often the command is run before the first round.
    warm_up: int = 1
    #: Ways that cannot be asked this, besides those that lack the kind.
    without: tuple[str, ...] = ()

    def figure(self, told: Row) -> float:
        value = float(told[self.of]) * self.scale / self.per
        return 1 / value if self.is_least else value


def measure(column: Column, workers: Sequence[Worker], rounds: int) -> dict[str, list[Row]]:
    """What each client that can be asked answered in each round."""
    able = [
        worker for worker in workers if column.kind in WAYS[worker.name].kinds and worker.name not in column.without
    ]
    able = [worker for worker in able if not worker.has_failed]
    for worker in able:
        for _ in range(column.warm_up):
            worker.try_to(**column.command)
    asked = [lambda worker=worker: worker.try_to(**column.command) for worker in able]
    told = {worker.name: told for worker, told in zip(able, in_turn(rounds, asked), strict=True)}
    return {worker.name: told[worker.name] for worker in able if not worker.has_failed}


def rows(figures: dict[str, list[float]], column: Column) -> list[Row]:
    """Medians, spreads, and ratios to the floor."""
    found = []
    for name, values in figures.items():
        row: Row = {"way": WAYS[name].name, "median": statistics.median(values), "spread": round(spread(values), 3)}
        if column.has_ratio and FLOOR in figures:
            row["ratio"] = round(median_ratio(values, figures[FLOOR]), 3)
        found.append(row)
    return found


@dataclass(frozen=True, kw_only=True)
class Question:
    """A table: one column a figure, one row a client."""

    name: str
    title: str
    columns: tuple[Column, ...]
    #: Over TLS.
    is_secure: bool = False


def report(name: str, title: str, columns: Sequence[Column], results: Sequence[list[Row]], rounds: int) -> None:
    """Print the table, then the same as JSON."""
    names = list(dict.fromkeys(row["way"] for rows in results for row in rows))
    print(f"| {title} | {' | '.join(column.title for column in columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for way in names:
        cells = [
            _cell(next((row for row in rows if row["way"] == way), None), column)
            for rows, column in zip(results, columns, strict=True)
        ]
        print(f"| {way} | {' | '.join(cells)} |")
    print()
    told = [
        {"title": column.title, "unit": column.unit, "bound": column.bound, "is_least": column.is_least, "rows": rows}
        for column, rows in zip(columns, results, strict=True)
    ]
    print(json.dumps({"question": name, "title": title, "rounds": rounds, "columns": told}, ensure_ascii=False))
    print()


def _cell(row: Row | None, column: Column) -> str:
    if row is None:
        return "–"
    figure = f"{rounded(row['median'])} {column.unit}"
    return f"**{row['ratio']:.2f}** ({figure})" if "ratio" in row else figure


def rounded(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def arguments(description: str | None, rounds: int, **sizes: int) -> argparse.Namespace:
    """What every question can be told on the command line."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--ways", nargs="+", default=None, choices=list(WAYS), help="default: those with environments")
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    given = parser.parse_args()
    if given.ways is None:
        given.ways = available()
    if not given.ways:
        raise SystemExit("No peer has an environment yet: bash scripts/peers makes them.")
    return given


def answer(question: Question, given: argparse.Namespace) -> None:
    """Ask, measure and print."""
    with server(*(CERTIFICATE if question.is_secure else ())) as url, contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(name, url)) for name in given.ways]
        answers: dict[str, dict[str, list[Row]]] = {}
        for column in question.columns:
            # Columns that read two things of one command have it run once.
            if str(column.command) not in answers:
                answers[str(column.command)] = measure(column, workers, given.rounds)
    results = []
    for column in question.columns:
        told = answers[str(column.command)]
        results.append(rows({name: [column.figure(row) for row in found] for name, found in told.items()}, column))
    report(question.name, question.title, question.columns, results, given.rounds)
