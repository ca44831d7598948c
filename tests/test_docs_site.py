"""The documentation as a site: built strictly, whole in both languages, and nothing in it comes from elsewhere."""

from __future__ import annotations

import fcntl
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import headings, name_of, stem
from vendors_on_loopback import ROOT

import unionllm

#: Seconds that a build may take on a busy machine.
_LONGEST = 300
_LANGUAGES = ("", "zh-CN/")


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags are read as nothing."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)
_Loader.add_constructor("!ENV", lambda loader, node: None)
CONFIG: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)


def groups_of(nav: list[Any]) -> tuple[list[str], set[str]]:
    """The pages of ``nav``, and the titles of its groups."""
    pages: list[str] = []
    titles: set[str] = set()
    for entry in nav:
        if isinstance(entry, str):
            pages.append(entry)
            continue
        [(title, below)] = entry.items()
        titles.add(title)
        inner = groups_of(below if isinstance(below, list) else [below])
        pages += inner[0]
        titles |= inner[1]
    return pages, titles


PAGES, TITLES = groups_of(CONFIG["nav"])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    built = shared / "site"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "site.done").exists():
            done = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(built)],
                cwd=ROOT,
                env={**os.environ, "NO_MKDOCS_2_WARNING": "true"},
                capture_output=True,
                encoding="utf-8",
                timeout=_LONGEST,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (shared / "site.done").touch()
    return built


def page_of(path: str) -> str:
    return path.removesuffix("index.md").replace(".md", "/") + "index.html"


@pytest.mark.parametrize("language", _LANGUAGES)
def test_every_page_is_built(site: Path, language: str) -> None:
    assert [path for path in PAGES if not (site / language / page_of(path)).is_file()] == []


def test_every_page_is_in_a_group() -> None:
    written = {stem(page).removeprefix("docs/") + ".md" for page in (ROOT / "docs").rglob("*.md")}
    lost = sorted(written - set(PAGES))

    assert not lost, (
        f"in no group of `nav` in mkdocs.yml: {', '.join(lost)}; add each below the group that it belongs to"
    )
    assert len(PAGES) == len(set(PAGES))


def test_every_page_has_its_twin() -> None:
    pages = [*ROOT.glob("README*.md"), *ROOT.glob("CONTRIBUTING*.md"), *(ROOT / "docs").rglob("*.md")]
    both = {f"{stem(page)}{ending}" for page in pages for ending in (".md", ".zh-CN.md")}

    assert both - {name_of(page) for page in pages} == set(), "write these pages, with the headings of their twins"


def test_contributing_is_the_same_in_both_languages() -> None:
    english, chinese = [headings(ROOT / f"CONTRIBUTING{ending}") for ending in (".md", ".zh-CN.md")]

    assert [heading.split()[0] for heading in english] == [heading.split()[0] for heading in chinese]


def test_every_group_is_translated() -> None:
    [i18n] = [plugin["i18n"] for plugin in CONFIG["plugins"] if isinstance(plugin, dict) and "i18n" in plugin]
    [chinese] = [language for language in i18n["languages"] if language["locale"] == "zh-CN"]

    assert set(chinese["nav_translations"]) == TITLES


@pytest.mark.parametrize("language", _LANGUAGES)
def test_every_public_name_is_in_the_reference(site: Path, language: str) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (site / language / "reference").rglob("*.html"))
    told = {anchor.rpartition(".")[2] for anchor in re.findall(r'id="(unionllm\.[\w.]+)"', text)}
    # Names of 0.x for classes that have another one.
    same = {"APICallError", "InvalidRequestError", "Timeout"}

    assert set(unionllm.__all__) - told - same == {"__version__"}
    for module in ("adapters", "testing.conformance", "hooks"):
        # Aliases of types, and a table: they have no docstrings, and stand where they are used.
        assert set(importlib.import_module(f"unionllm.{module}").__all__) - told <= {"Flow", "Ask", "CASES"}


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(
        r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//|<link\b[^>]*\bhref="(?:https?:)?//'
    )
    pages = list(site.rglob("*.html"))

    assert pages
    assert [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))] == []
    assert [css.name for css in site.rglob("*.css") if re.search(r"url\(\W?https?:", css.read_text("utf-8"))] == []


def test_links_lead_to_pages_and_not_to_their_sources(site: Path) -> None:
    left = {
        f"{page.relative_to(site)}: {link}"
        for page in site.rglob("*.html")
        for link in re.findall(r'href="(?!https?:)([^"]+\.md)(?:#[^"]*)?"', page.read_text(encoding="utf-8"))
    }

    assert left == set()


def test_what_lies_outside_of_the_pages_is_copied(site: Path) -> None:
    text = (site / "scale-out" / "index.html").read_text(encoding="utf-8")
    [link] = re.findall(r'href="([^"]*files/examples/proxy/README[^"]*)"', text)

    assert (site / "scale-out" / link).resolve().read_text("utf-8") == (ROOT / "examples/proxy/README.md").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("language", _LANGUAGES)
def test_programs_find_a_list_of_the_pages_and_the_text_of_all(site: Path, language: str) -> None:
    told = (site / language / "llms.txt").read_text(encoding="utf-8")
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", told, re.MULTILINE)

    assert len(links) == len([path for path in PAGES if not path.startswith("reference/")])
    assert [link for link in links if not (site / language / link / "index.html").is_file()] == []
    assert len((site / language / "llms-full.txt").read_text(encoding="utf-8")) > 100_000


def test_chinese_lines_are_joined_without_a_space(site: Path) -> None:
    text = (site / "zh-CN" / "index.html").read_text(encoding="utf-8")

    assert re.findall(r"<p>[^<]*[\u4e00-\u9fff，。]\n[\u4e00-\u9fff][^<]*", text) == []
