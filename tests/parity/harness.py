"""The official clients against the vendor server: who asks whom, in which cases, and what is known not to work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from unionllm.testing import VendorServer
from unionllm.testing._received import Received
from unionllm.testing.conformance import Call, Case, Outcome, cases

HERE = Path(__file__).parent
DRIVERS = HERE / "drivers"
#: Columns of the table, and the cases of ``unionllm.testing.conformance`` that stand for each.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "chat": ("chat", "chat_byte_by_byte"),
    "stream": ("stream", "stream_byte_by_byte"),
    "tools": ("tools", "tools_stream", "tool_result"),
    "image": ("image",),
    "U+2028": ("chat_line_separators", "stream_line_separators"),
    "bad key": ("bad_key", "bad_key_stream"),
    "rate limit": ("rate_limit", "rate_limit_stream"),
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One SDK talking to one vendor."""

    sdk: str
    vendor: str
    #: Which of the vendor's bases the SDK is pointed at; None: its usual one.
    base: str | None = None
    #: What is told apart by this name when an SDK has two protocols for one vendor.
    protocol: str = ""
    #: Models other than the vendor's usual examples: for this protocol.
    models: Mapping[str, str] = field(default_factory=dict)
    #: What the driver needs to know besides.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Keywords that make our adapter do the same; ``{root}`` stands for the vendor's address without a base.
    ours: Mapping[str, Any] = field(default_factory=dict)
    #: Whether our adapter wants the vendor's usual base all the same.
    ours_at_usual_base: bool = False
    #: Whether the vendor's page has a stream's usage asked for by ``stream_options``.
    asks_usage: bool = False

    def __str__(self) -> str:
        return "-".join(part for part in (self.sdk, self.vendor, self.protocol) if part)


@dataclass(frozen=True, kw_only=True)
class Played:
    """One case as it went: what arrived at the server, and what the client made of the answer."""

    outcome: Outcome
    requests: list[Received]
    foreign: list[str]
    #: Why the case is not passed; "" when it is.
    fault: str
    words: str = ""


class Driver:
    """One SDK in its own process."""

    def __init__(self, sdk: str, home: str) -> None:
        # No proxy, no key and no setting of whoever runs the tests may reach an SDK; some read .env where they stand.
        env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": home,
            "PYTHONUTF8": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVERS / "run.py"), sdk],
            cwd=home,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """Have the SDK make one call. Raises RuntimeError if its process ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise RuntimeError(f"the driver ended: {self._process.stderr.read()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Harness:
    """A server, and the drivers that were needed so far."""

    def __init__(self, server: VendorServer, home: str) -> None:
        self._server = server
        self._home = home
        self._drivers: dict[str, Driver] = {}

    def play(self, pair: Pair, case: Case) -> Played:
        """Have an SDK make the call of a case, and judge it."""
        case.prepare(self._server)
        target = case.target(self._server)
        is_ours = pair.sdk == "ours"
        base = None if is_ours and pair.ours_at_usual_base else pair.base
        target = replace(target, base_url=self._server.url(pair.vendor, base))
        target = replace(target, model=pair.models.get(case.needs, target.model))
        if pair.sdk not in self._drivers:
            self._drivers[pair.sdk] = Driver(pair.sdk, self._home)
        request = dict(case.request)
        if is_ours:
            root = self._server.url(pair.vendor, "")
            request |= {name: value.format(root=root) if value else value for name, value in pair.ours.items()}
        elif pair.asks_usage and request.get("stream"):
            request["stream_options"] = {"include_usage": True}
        found = self._drivers[pair.sdk].ask(target=asdict(target), request=request, options=dict(pair.options))
        foreign, words = found.pop("foreign"), found.pop("words", "")
        calls = [Call(**call) for call in found.pop("tool_calls", None) or ()]
        outcome = Outcome(**found, tool_calls=calls)
        fault = ""
        try:
            case.check_outcome(self._server, outcome)
        except AssertionError as error:
            fault = f"{error} {words}".strip()
        return Played(outcome=outcome, requests=self._server.requests, foreign=foreign, fault=fault, words=words)

    def close(self) -> None:
        """End the drivers."""
        for driver in self._drivers.values():
            driver.close()


@contextmanager
def open_harness(server: VendorServer | None = None) -> Iterator[Harness]:
    """A server and no driver yet."""
    with tempfile.TemporaryDirectory() as home, server or VendorServer() as server:
        harness = Harness(server, home)
        try:
            yield harness
        finally:
            harness.close()


def cases_of(pair: Pair) -> dict[str, Case]:
    """The cases of a pair, by name: those that its vendor's models can do."""
    names = {name for column in COLUMNS.values() for name in column}
    return {case.name: case for case in cases(pair.vendor) if case.name in names}
