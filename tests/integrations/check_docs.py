"""docs/integrations.md and docs/migrating.md are true: their code runs, and the classes that they replace exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integrations.conftest import MIGRATING, PAGES
from langchain_core.language_models import BaseChatModel
from pages import blocks, name_of, stem
from server import ScriptedServer
from vendors_on_loopback import TEXT, environment, vendor

from unionllm import _clients
from unionllm.integrations.langchain import ChatUnionLLM
from unionllm.testing import VendorServer

#: What each block prints, in order; the twins share it.
PRINTS = {
    "docs/integrations": [
        f"{TEXT} 5\n{TEXT}",
        "['2', '4']\n",
        "北京：晴，25 °C\n",
        "西游记 1592\n",
        f"{TEXT} 5\n{TEXT}",
        "北京：晴，25 °C\n西游记\n",
    ],
    "docs/migrating": [f"{TEXT}\n", f"{TEXT}\n", f"{TEXT}5\n", f"{TEXT}\n"],
}
#: Every chat model of the package that is being retired, as its published archive exports them.
RETIRED = json.loads((Path(__file__).parent / "retired_classes.json").read_text(encoding="utf-8"))
#: Of other packages.
ELSEWHERE = {"ChatOpenAI", "ChatLiteLLM"}
CASES = [(page, number) for page in PAGES for number in range(1, len(blocks(page, "python")) + 1)]


@pytest.fixture
def on_loopback(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name, value in environment(server.url).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    server.default(vendor)
    yield server
    _clients.shared().close()


@pytest.mark.parametrize(("page", "number"), CASES, ids=[f"{name_of(page)}-{number}" for page, number in CASES])
def test_code_runs_as_it_stands(
    page: Path, number: int, on_loopback: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code = blocks(page, "python")[number - 1]

    exec(compile(code, f"{name_of(page)}, block {number}", "exec", dont_inherit=True), {"__name__": "__main__"})

    assert capsys.readouterr().out == PRINTS[stem(page)][number - 1]
    assert on_loopback.requests


def rows(page: Path) -> list[tuple[str, str]]:
    """Old class and new call of every row."""
    return re.findall(
        r"^\| `(\w+)(?:\([^`]*\))?` \| `(ChatUnionLLM\(.+?\))` \|", page.read_text(encoding="utf-8"), re.M
    )


@pytest.mark.parametrize("page", MIGRATING, ids=name_of)
def test_every_chinese_class_of_the_retired_package_has_its_row(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = [old for old, _ in rows(page)]

    assert set(named) - ELSEWHERE == set(RETIRED["of_chinese_vendors"])
    assert len(named) == len(set(named))
    assert set(named) >= ELSEWHERE
    assert not set(named) & set(RETIRED["others"])
    assert f"{RETIRED['package']} {RETIRED['version']}" in text.replace("\n", " ")


@pytest.mark.parametrize(("page", "row"), [(page, row) for page in MIGRATING for row in rows(page)], ids=str)
def test_every_new_call_works(
    page: Path, row: tuple[str, str], vendors: VendorServer, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the played vendor, which knows the models of the page; keys come by environment or argument, as ever."""
    server.default(vendor)
    made: Any = eval(row[1], {"ChatUnionLLM": ChatUnionLLM})  # the page's own code
    assert isinstance(made, BaseChatModel)
    is_played = made.provider in vendors.vendors
    where: dict[str, Any] = vendors.arguments(made.provider) if is_played else {"base_url": server.url}
    where.pop("bot_id", None)

    told = made.invoke("你好", **where)

    assert told.text in ("收到：你好", TEXT)
    assert vendors.refused == []
