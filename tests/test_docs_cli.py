"""docs/cli.md is true: its commands run as they stand, and every command and exit code is told."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from cli_runs import run_here, set_variables, variables_for
from pages import blocks, name_of
from test_cli_chat import PNG
from test_docs_commands import check_install
from typer.models import OptionInfo
from vendors_on_loopback import ROOT, process_environment

from unionllm.cli import COMMANDS, codes
from unionllm.cli._conversation import COMMANDS as SLASH_COMMANDS
from unionllm.testing import VendorServer

PAGES = [ROOT / "docs" / "cli.md", ROOT / "docs" / "cli.zh-CN.md"]
_LINES = [line for block in blocks(PAGES[0], "bash") for line in block.splitlines()]
#: The start of a line → what it prints.
_PRINTED = {
    "batch": '"ending": "done"',
    "chat": "收到",
    "compare": "deepseek",
    "providers": "zhipuai",
    "doctor": "version",
    "bench": "deepseek",
}


@pytest.mark.parametrize("line", _LINES)
def test_a_command_of_the_page_runs(
    line: str,
    vendor_server: VendorServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(PNG)
    (tmp_path / "notes.txt").write_text("笔记", encoding="utf-8")
    variables = variables_for(vendor_server, "zhipuai", "deepseek", "moonshot")
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = shlex.split(line)
    if words[0] == "pip":
        check_install(words[2:])
        return
    if "|" in words:
        done = subprocess.run(
            ["bash", "-c", line],
            env=process_environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "笔记" in done.stdout
        return
    set_variables(monkeypatch, variables)

    ran = run_here(capsys, *words[1:])

    assert ran.code == 0, ran.err
    assert _PRINTED[words[1]] in ran.out or "zhipuai" in ran.out
    if "--plot" in words:
        assert (tmp_path / words[-1]).is_file()


def test_both_pages_have_the_same_commands() -> None:
    assert blocks(PAGES[0], "bash") == blocks(PAGES[1], "bash")
    assert {shlex.split(line)[1] for line in _LINES if line.startswith("unionllm")} == set(COMMANDS) - {"mock"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_exit_code_is_told(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert [name for name in COMMANDS if f"\n## {name}\n" not in text or f"| `{name}` |" not in text] == []
    assert [name for name in SLASH_COMMANDS if f"`/{name}" not in text] == []
    told = {code for name, code in vars(codes).items() if name.isupper()}
    assert [code for code in told if f"\n| {code} |" not in text] == []


def options_of(command: str) -> list[str]:
    function = importlib.import_module(f"unionllm.cli.{COMMANDS[command]}").command
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, hint in hints.items():
        option = hint.__metadata__[0] if hasattr(hint, "__metadata__") else None
        if isinstance(option, OptionInfo):
            # In an annotation the first of its names stands where the default would.
            declared = [word for word in (option.default, *(option.param_decls or ())) if str(word).startswith("--")]
            found.append(declared[0] if declared else f"--{name.replace('_', '-')}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_option_is_told(command: str, page: Path) -> None:
    section = page.read_text(encoding="utf-8").partition(f"\n## {command}\n")[2].partition("\n## ")[0]

    assert options_of(command) != []
    assert [name for name in options_of(command) if not re.search(f"{name}(?![-a-z])", section)] == []
