"""docs/testing.md is true: its test files pass as they stand, its programs run, its command serves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest
from pages import blocks, name_of
from test_docs import run_apart
from vendors_on_loopback import ROOT, environment, process_environment, python

from unionllm.testing.vendors import VENDORS, load

PAGES = [ROOT / "docs" / "testing.md", ROOT / "docs" / "testing.zh-CN.md"]
_FILES = [(page, block) for page in PAGES for block in blocks(page, "python")]
_TESTS = [pytest.param(page, block, id=name_of(page)) for page, block in _FILES if "\ndef test_" in block]
_PROGRAMS = [pytest.param(page, block, id=name_of(page)) for page, block in _FILES if "\ndef test_" not in block]


@pytest.mark.parametrize(("page", "block"), _TESTS)
def test_a_test_file_of_the_page_passes(page: Path, block: str, tmp_path: Path) -> None:
    (tmp_path / "test_block.py").write_text(block, encoding="utf-8")

    done = subprocess.run(
        python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_block.py"),
        cwd=tmp_path,
        env=process_environment(environment()),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"^[3-9] passed", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(("page", "block"), _PROGRAMS)
def test_a_program_of_the_page_runs(page: Path, block: str, tmp_path: Path) -> None:
    printed = run_apart(block, tmp_path, url="")

    assert printed in ("一|二|三 想\n", "True\n")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_vendor_and_every_place_of_an_error_is_told(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert [name for name in VENDORS if f"`{name}`" not in text] == []
    places = {place for name in VENDORS for place in load(name).places}
    assert [place for place in sorted(places) if f"`{place}`" not in text] == []


def test_both_kinds_of_blocks_are_there() -> None:
    assert (len(_TESTS), len(_PROGRAMS)) == (4, 4)


def test_the_server_of_the_shell_tells_where_it_is_and_answers() -> None:
    command = python("-m", "unionllm", "mock")
    with subprocess.Popen(command, env=process_environment(environment()), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = ""
        while "api_key" not in told.partition("zhipuai\n")[2]:
            told += process.stdout.readline().decode()
        _, _, zhipuai = told.partition("zhipuai\n")
        url, key = re.findall(r"^  \w+ +(\S+)$", zhipuai, re.MULTILINE)
        response = httpx.post(
            f"{url}/chat/completions",
            headers={"Authorization": f"Bearer {key}"},
            json={"model": "glm-4.6", "messages": [{"role": "user", "content": "你好"}]},
        )
        process.kill()

    assert response.json()["choices"][0]["message"]["content"] == "收到：你好"


def test_a_port_that_is_taken_is_told(vendor_server: object) -> None:
    port = getattr(vendor_server, "port")  # noqa: B009  # the fixture's type is not imported here

    done = subprocess.run(
        python("-m", "unionllm", "mock", "--port", str(port)),
        env=process_environment(environment()),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
