"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

from vendors_on_loopback import ROOT

from unionllm import _registry
from unionllm._protocols.agents import Agent

#: Written and tested together with the bridge.
ELSEWHERE = "docs/litellm"


def stem(page: Path) -> str:
    return page.relative_to(ROOT).as_posix().removesuffix(".md").removesuffix(".zh-CN")


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]


#: Pages of agent platforms; their code is run against the vendor server.
AGENT_PAGES = frozenset(
    {
        "docs/agents",
        *(
            f"docs/providers/{name}"
            for name in _registry.PROVIDERS
            if isinstance(getattr(_registry.find(name), "adapter", None), Agent)
        ),
    }
)
#: Their code runs in the environment of the frameworks: see tests/integrations/check_docs.py.
OF_FRAMEWORKS = frozenset({"docs/integrations", "docs/migrating"})
OURS = [page for page in pages() if stem(page) != ELSEWHERE]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def headings(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ .+$", text, re.MULTILINE)
