"""The documentation holds together: tables, twins, headings, links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pages import OURS, blocks, headings, name_of, pages
from vendors_on_loopback import ROOT, environment, process_environment, python

from unionllm import _registry


def test_the_table_of_providers_is_up_to_date() -> None:
    done = subprocess.run(
        python(str(ROOT / "scripts" / "provider_table.py"), "--check"),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_outdated_table_is_reported_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "provider_table.py"
    script.write_text((ROOT / "scripts" / "provider_table.py").read_text(encoding="utf-8"), encoding="utf-8")
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        (tmp_path / readme).write_text(text.replace("| [`deepseek`]", "| [`deepsick`]"), encoding="utf-8")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            python(str(script), *arguments),
            env=process_environment(environment()),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    refused = run("--check")
    assert refused.returncode == 1
    assert "Run: python scripts/provider_table.py" in refused.stderr
    assert run().returncode == 0
    assert run("--check").returncode == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in pages() if ".zh-CN" not in page.name], ids=name_of)
def test_twins_have_the_same_headings_and_code(page: Path) -> None:
    twin = page.with_name(page.name.replace(".md", ".zh-CN.md"))
    levels = [heading.split()[0] for heading in headings(page)]
    assert [heading.split()[0] for heading in headings(twin)] == levels
    for language in ("python", "bash", "text", "toml"):
        assert len(blocks(page, language)) == len(blocks(twin, language))


@pytest.mark.parametrize("ending", [".md", ".zh-CN.md"])
@pytest.mark.parametrize("name", list(_registry.PROVIDERS))
def test_every_provider_has_a_page_that_names_what_it_takes(name: str, ending: str) -> None:
    page = ROOT / "docs" / "providers" / f"{name}{ending}"
    text = page.read_text(encoding="utf-8")
    found = _registry.find(name)
    assert found is not None
    spec = found.adapter.spec
    variables = [variable for holder in (*spec.credentials, *spec.regions) for variable in holder.env]
    regions = [region.base_url for region in spec.regions if "127.0.0.1" not in region.base_url]
    wanted = [*variables, *spec.base_url_env, *regions, *_registry.PROVIDERS[name].aliases, spec.docs, spec.docs_read]
    assert [word for word in wanted if word not in text] == []


@pytest.mark.parametrize("ending", [".md", ".zh-CN.md"])
def test_pages_of_providers_share_their_headings(ending: str) -> None:
    first, *others = [ROOT / "docs" / "providers" / f"{name}{ending}" for name in _registry.PROVIDERS]
    for page in others:
        assert headings(page)[1:] == headings(first)[1:], name_of(page)


def anchors(page: Path) -> set[str]:
    titles = [heading.lstrip("# ").lower() for heading in headings(page)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*OURS, ROOT / "CHANGELOG.md"], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve()
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [*pages(), ROOT / "CHANGELOG.md"], ids=name_of)
def test_no_page_names_a_path_of_someones_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w./])/(?:home|root|tmp|work|Users|opt)/\S*", page.read_text(encoding="utf-8")) == []
