"""docs/pains.md holds what it promises: every test it names exists, and both languages name the same ones."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import pytest
from vendors_on_loopback import ROOT

_PAGES = {"docs/pains.md": "not yet", "docs/pains.zh-CN.md": "尚未"}
_COUNT = 32


@dataclass(frozen=True)
class Row:
    """One pain."""

    number: int
    tests: tuple[str, ...]
    #: Whether something about it is not shown so far.
    is_open: bool


def rows(page: str) -> list[Row]:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]
    assert all(len(row) == 4 and all(row) for row in cells), page
    mark = f"**{_PAGES[page]}**"
    return [
        Row(number=int(number), tests=tuple(re.findall(r"`([^`]+)`", shown)), is_open=mark in shown)
        for number, _, _, shown in cells
    ]


def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_")}


@pytest.mark.parametrize("page", _PAGES)
def test_every_pain_has_a_row_and_every_row_a_test_or_an_open_mark(page: str) -> None:
    found = rows(page)

    assert [row.number for row in found] == list(range(1, _COUNT + 1))
    assert [row.number for row in found if not row.tests and not row.is_open] == []


@pytest.mark.parametrize("page", _PAGES)
def test_every_test_that_is_named_exists(page: str) -> None:
    named = {test for row in rows(page) for test in row.tests}
    known = {path: names_in(path) for path in {test.partition("::")[0] for test in named}}

    assert [test for test in sorted(named) if test.partition("::")[2] not in known[test.partition("::")[0]]] == []


def test_both_languages_name_the_same_tests() -> None:
    english, chinese = (rows(page) for page in _PAGES)

    assert english == chinese
