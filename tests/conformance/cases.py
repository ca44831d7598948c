"""Loads what the conformance suite runs: transcripts, error tables and parameter tables, one directory a provider.

``transcripts/<provider>/<case>/`` holds

``call.json``
    Arguments of ``unionchat`` beyond provider, credentials and ``base_url``. ``stream`` is true when there is a
    ``reply.sse``, unless it is said here.
``request.json``
    What the vendor must receive: ``body`` (compared as equal), and where it matters ``path``, ``method``, ``headers``
    (name in lower case → value, null: must be absent; ``<jwt of id.secret>`` stands for a token signed with that key).
    A list, for a call that takes several requests. Missing: nothing may be sent.
``reply.json``
    What the vendor answers: ``status``, ``headers``, and ``json`` or ``body`` (text). A list, for several.
``reply.sse``
    The bytes of a stream; the answer to the last request. ``reply.json`` may give its ``headers``.
``expected.json``
    The whole answer as ``to_dict()``, where ``"<made>"`` stands for a value made up on the way, and ``adaptations`` are
    the names of the parameters. Or ``{"error": …}`` with ``class``, ``code``, ``status_code``, ``retryable``,
    ``request_id``, and where they matter ``retry_after``, ``mentions`` (phrases of the message) and ``partial`` (the
    answer so far).

``{server}`` and ``{key}`` in these files stand for the server's address and the planted key.

``transcripts/<provider>/errors.json`` and ``parameters.json`` are tables, a row for each row of the vendor's page, and
``exempt.json`` says why a required case is missing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unionllm._registry import PROVIDERS
from unionllm.testing.vendors import VENDORS

ROOT = Path(__file__).parent / "transcripts"

#: Providers that no transcript can play, and why.
EXEMPT_PROVIDERS = {
    "local": "runs a model in this process; there is no vendor whose bytes could be played",
    "openai_compatible": "stands for any server; asked of two played vendors in test_openai_compatible.py",
}

#: Providers whose bytes the scripted server cannot play, and why. The played vendor asks them all the rest.
NOT_AS_BYTES = {"xunfei": "speaks WebSocket; its tables are in tests/test_spark.py"}

#: Cases that every provider has. Of a pair, one is enough.
REQUIRED_CASES = (
    ("plain",),
    ("stream",),
    ("tools",),
    ("tools_stream",),
    ("reasoning",),
    ("reasoning_stream",),
    ("reasoning_history",),
    ("usage_cached",),
    ("finish_length",),
    ("content_filter",),
    ("vision", "vision_refused"),
    ("json_schema",),
    ("error_auth",),
    ("error_rate_limit",),
    ("error_no_balance",),
    ("error_context",),
    ("error_policy",),
    ("error_not_found",),
    ("error_server",),
    ("error_in_stream",),
    ("error_in_200",),
    ("html_page",),
    ("empty_body",),
)

#: Of these, what a provider needs as bytes if the vendor server plays it: its page's own examples. The rest it then
#: has from ``test_scenarios.py``, which asks the played vendor, judged by that vendor's SDK.
REQUIRED_AS_BYTES = (("plain",), ("stream",))

#: Providers that came before the vendor server and have every case as bytes.
ALL_AS_BYTES = frozenset({"zhipuai", "moonshot", "deepseek"})

#: Tables that every provider has.
REQUIRED_TABLES = ("errors.json", "parameters.json")


@dataclass(frozen=True)
class Case:
    """One transcript."""

    provider: str
    name: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.provider}-{self.name}"

    @property
    def call(self) -> dict[str, Any]:
        call: dict[str, Any] = _read(self.folder / "call.json")
        return {"stream": self.sse is not None, **call}

    @property
    def is_stream(self) -> bool:
        return bool(self.call["stream"])

    @property
    def sse(self) -> bytes | None:
        path = self.folder / "reply.sse"
        return path.read_bytes() if path.exists() else None

    @property
    def requests(self) -> list[dict[str, Any]]:
        return _listed(self.folder / "request.json")

    @property
    def replies(self) -> list[dict[str, Any]]:
        return _listed(self.folder / "reply.json")

    @property
    def expected(self) -> dict[str, Any]:
        expected: dict[str, Any] = _read(self.folder / "expected.json")
        return expected

    @property
    def error(self) -> dict[str, Any] | None:
        return self.expected.get("error")


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    provider: str
    values: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.provider}-{self.values['name']}"


def providers() -> list[str]:
    """Native providers that transcripts are asked of."""
    return [name for name in PROVIDERS if name not in EXEMPT_PROVIDERS]


def cases() -> list[Case]:
    """Every transcript of every provider."""
    return [
        Case(folder.parent.name, folder.name, folder)
        for folder in sorted(ROOT.glob("*/*"))
        if (folder / "expected.json").exists()
    ]


def rows(table: str) -> list[Row]:
    """Every row of that table of every provider."""
    return [Row(path.parent.name, values) for path in sorted(ROOT.glob(f"*/{table}")) for values in _read(path)]


def missing(provider: str) -> list[str]:
    """What the suite requires of a provider and does not find, one line each."""
    if provider in NOT_AS_BYTES and provider in VENDORS:
        return []
    folder = ROOT / provider
    exempt = _read(folder / "exempt.json") if (folder / "exempt.json").exists() else {}
    found = {case.name for case in cases() if case.provider == provider} | {name for name in exempt if exempt[name]}
    needed = REQUIRED_AS_BYTES if provider in VENDORS and provider not in ALL_AS_BYTES else REQUIRED_CASES
    wanted = [f"transcripts/{provider}/{' or '.join(names)}/" for names in needed if not found & set(names)]
    tables = [f"transcripts/{provider}/{table}" for table in REQUIRED_TABLES if not (folder / table).exists()]
    return [*wanted, *tables]


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _listed(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    data = _read(path)
    return data if isinstance(data, list) else [data]
