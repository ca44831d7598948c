"""The fault matrix: every fault of the table × every provider × sync and async × whole and streamed.

``python scripts/fault_matrix.py`` prints it.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from fault_cells import EXEMPT, Matrix, cells, is_covered, providers
from fault_table import EXCEPTIONS, JOINED, ROWS, Row
from vendors_on_loopback import ROOT, environment, process_environment, python

from unionllm._registry import PROVIDERS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_ends_as_its_row_says(row: Row) -> None:
    report = Matrix(row).run()

    assert report.wrong == []
    assert len(report.cells) >= 4 * (len(providers()) - 1)


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_a_provider_is_in_the_matrix_or_there_is_a_reason(provider: str) -> None:
    if provider in EXEMPT:
        assert EXEMPT[provider]
        return
    assert is_covered(provider), f"write unionllm/testing/vendors/{provider}.py from the vendor's documentation"
    missing = [row.name for row in ROWS if provider not in {cell.provider for cell in cells(row)}]
    # A WebSocket has neither a body nor a Content-Length.
    assert len(missing) <= 6, missing


def test_a_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_an_exception_is_one_to_a_row_and_has_a_reason() -> None:
    names = {row.name for row in ROWS}
    assert {name for name, _ in EXCEPTIONS} <= names
    assert {provider for _, provider in EXCEPTIONS} | set(JOINED) <= set(providers())
    assert all(instead.why for instead in EXCEPTIONS.values())
    assert all(JOINED.values())


@pytest.mark.parametrize("page", ["faults.md", "faults.zh-CN.md"])
def test_the_page_counts_the_cells_of_each_fault(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    groups: dict[str, int] = {}
    for row in ROWS:
        groups[row.group] = groups.get(row.group, 0) + len(cells(row))

    missing = [f"{group}: {count}" for group, count in groups.items() if f"| {group} | {count} | {count} |" not in text]

    assert missing == [], "python scripts/fault_matrix.py prints the table"


def test_one_command_prints_the_matrix() -> None:
    done = subprocess.run(
        python(str(ROOT / "scripts" / "fault_matrix.py"), "refused"),
        env=process_environment(environment(keys=False)),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| connection refused | 124 | 124 | `APIConnectionError`, retried |" in done.stdout
    assert re.search(r"^124 cells, 124 passed: 1 faults, 31 providers, ", done.stdout, re.MULTILINE)
