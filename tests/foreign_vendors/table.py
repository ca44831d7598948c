"""What was measured, or is promised, as a Markdown table; and where the two differ."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .rows import COLUMNS, PASS, ROWS, Row

TESTS = Path(__file__).resolve().parent.parent
Found = Mapping[str, Mapping[str, str]]
#: The heads of the columns; "as on the left"; "in one chunk".
WORDS = {
    "en": (
        (
            "code",
            "whole",
            "streamed",
            "async, both",
            "key as argument",
            "as variable",
            "own `base_url=`",
            "also needed",
        ),
        "the same",
        "in one chunk",
    ),
    "zh": (
        ("代码", "整段", "流式", "异步（两种）", "参数传密钥", "环境变量传密钥", "自己的 `base_url=`", "还需要"),
        "同左",
        "只有一块",
    ),
}


def measure(*codes: str) -> dict[str, dict[str, str]]:
    """Run the table, in a process of its own: see ``measure``.

    Raises:
        RuntimeError: it could not be run.
    """
    command = [sys.executable, "-m", "foreign_vendors.measure", *codes]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} in {TESTS} failed:\n{done.stderr}")
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def is_as_expected(row: Row, column: str, outcome: str) -> bool:
    """Whether a cell came out as its row says; a refusal only if nothing at all was sent."""
    expected = row.expected(column)
    return outcome == expected if expected == PASS else expected in outcome and " | " not in outcome


def unexpected(found: Found) -> Iterator[str]:
    """What is not as the rows say."""
    for row in ROWS:
        for column in COLUMNS:
            outcome = found[row.name][column]
            if not is_as_expected(row, column, outcome):
                yield f"{row.name}, {column}: expected {row.expected(column)!r}, found {outcome!r}"


def plain_table(found: Found) -> str:
    """What was measured: "pass", or the reason."""
    lines = [("code", *COLUMNS), ("---",) * (len(COLUMNS) + 1)]
    for row in ROWS:
        lines.append((row.name, *(_told(row, column, found[row.name][column]) for column in COLUMNS)))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _told(row: Row, column: str, outcome: str) -> str:
    return row.expected(column) if is_as_expected(row, column, outcome) else f"UNEXPECTED: {outcome}"


def user_table(language: str) -> str:
    """What is promised, for the docs: with the names of the arguments and the variables."""
    heads, same, in_one_piece = WORDS[language]
    lines = [heads, ("---",) * len(heads)]
    for row in ROWS:
        cells = [_cell(row, column, language) for column in COLUMNS]
        if row.in_one_piece:
            cells = [
                f"{cell} {in_one_piece}" if name == "streamed" else cell
                for name, cell in zip(COLUMNS, cells, strict=True)
            ]
        merged = [same if n and cell == cells[n - 1] and cell[0] != "✓" else cell for n, cell in enumerate(cells)]
        lines.append((f"`{row.code}`", *merged, _needed(row)))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _needed(row: Row) -> str:
    names = [f"{name}=" for name in row.settings] + list(row.environment)
    if row.is_self_hosted:
        names.append("base_url=")
    return " ".join(f"`{name}`" for name in names)


def _cell(row: Row, column: str, language: str) -> str:
    if column in row.instead:
        return row.instead[column][language == "zh"]
    names = {"keyword": [f"{name}=" for name in row.keywords], "variable": list(row.variables)}.get(column, [])
    return " ".join(["✓", *(f"`{name}`" for name in names)])
