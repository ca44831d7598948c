"""CONTRIBUTING.md is true: its recipe for a vendor, followed to the letter in a copy, ends in green tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from vendors_on_loopback import ROOT, environment, process_environment

#: Seconds that one block may take on a busy machine.
_LONGEST = 300
_COPIED = (
    *("unionllm", "tests", "docs", "scripts", "examples"),
    *("pyproject.toml", "mkdocs.yml", "README.md", "README.zh-CN.md", "CHANGELOG.md"),
)


class Block(NamedTuple):
    """A block of the recipe, and the file that the text before it names, if it is one."""

    language: str
    code: str
    file: str


def recipe(page: str) -> list[Block]:
    """The blocks of the section on vendors, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    [section] = re.findall(r"^## [^\n]*(?:ten minutes|十分钟)\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    found = []
    for before, language, code in re.findall(r"(.*?)^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE):
        files = re.findall(r"`(unionllm/[\w/]+\.py)`", before)
        found.append(Block(language, code, files[-1] if files else ""))
    return found


BLOCKS = recipe("CONTRIBUTING.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy, with a ``python`` that is this one."""
    copy = tmp_path / "checkout"
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def run(checkout: Path, *command: str) -> str:
    variables = environment(keys=False)
    variables |= dict.fromkeys(("ACME_API_KEY", "ACME_BASE_URL"))
    variables["PYTHONPATH"] = str(checkout)
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=checkout,
        env=process_environment(variables),
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_recipe_for_a_vendor_ends_in_an_answer_and_green_tests(checkout: Path) -> None:
    printed = []
    for block in BLOCKS:
        if block.file:
            assert (checkout / block.file).exists(), f"{block.file} is not among what the first block wrote"
            (checkout / block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            printed.append(run(checkout, sys.executable, "-W", "error", "-c", block.code))
        else:
            printed.append(run(checkout, "bash", "-euc", block.code))

    written, answer, tests = printed
    assert "unionllm/providers/acme.py" in written
    assert answer == "acme acme-1 你好！\n"
    [passed] = re.findall(r"^(\d+) passed, \d+ deselected", tests, re.MULTILINE)
    assert int(passed) > 150


def test_a_name_that_is_taken_is_refused(checkout: Path) -> None:
    command = BLOCKS[0].code.replace("acme ", "zhipuai ", 1)

    with pytest.raises(AssertionError, match="zhipuai is there already"):
        run(checkout, "bash", "-euc", command)


def test_the_recipe_is_the_same_in_both_languages() -> None:
    assert recipe("CONTRIBUTING.zh-CN.md") == BLOCKS
    assert [block.language for block in BLOCKS] == ["bash", "python", "python", "python", "bash"]
