"""What the site has besides docs/: the READMEs as its first page, the changelog, the reference, and llms.txt.

A hook of mkdocs; mkdocs.yml names it. Links that lead out of docs/ are turned to where their files stand on the site,
so that a page is written once, for the repository's web page and for the site. A link to nowhere ends the build.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
#: What mkdocs reads: docs/ and all the rest, with links as the site needs them.
STAGED = ROOT / "build" / "site-pages"
ENDINGS = {"en": ".md", "zh-CN": ".zh-CN.md"}

SUMMARY = {
    "en": "One Python call for Chinese model vendors and agent platforms, and through LiteLLM for everyone else.",
    "zh-CN": "一个 Python 函数，直连国内各家大模型与智能体平台；其余厂商经 LiteLLM 调用。",
}

#: Files outside of docs/ → pages of the site.
MOVED = {
    "README.md": "index.md",
    "README.zh-CN.md": "index.zh-CN.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CONTRIBUTING.zh-CN.md": "contributing.zh-CN.md",
}
#: Of everything else that a page may link to, the site has a copy, as plain text.
COPIES = "files"


class Group(NamedTuple):
    """A page of the reference."""

    title: str
    chinese: str
    names: tuple[str, ...]


def _under(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"unionllm.{module}.{name}" for name in names.split())


#: Every public name but those of 0.x, at the place where it is written; tests/test_docs_site.py compares.
REFERENCE = {
    "calls": Group(
        "Calls",
        "调用",
        (
            *_under("chat", "unionchat aunionchat UnionLLM providers"),
            *_under("embeddings", "unionembed aunionembed"),
            *_under("_stream", "Stream AsyncStream"),
        ),
    ),
    "answers": Group(
        "Answers",
        "返回值",
        (
            "unionllm._object.OpenAIObject",
            *_under(
                "schema",
                "ModelResponse Choices Message ToolCall Function Usage Context Step ModelResponseChunk StreamingChoices"
                " Delta EmbeddingResponse Embedding",
            ),
        ),
    ),
    "errors": Group(
        "Exceptions",
        "异常",
        _under(
            "exceptions",
            "UnionLLMError ProviderError APIError APIConnectionError APITimeoutError StreamInterruptedError"
            " APIResponseError APIStatusError BadRequestError ContextWindowExceededError ContentPolicyViolationError"
            " AuthenticationError InsufficientBalanceError PermissionDeniedError NotFoundError RateLimitError"
            " InternalServerError ServiceUnavailableError BudgetExceededError OpenAIError",
        ),
    ),
    "more": Group(
        "Bulk work, cost, hooks",
        "批量、费用与回调",
        (
            *_under("_batch.api", "batch abatch BatchRun AsyncBatchRun"),
            *_under("_batch.results", "BatchResult"),
            *_under("_batch.journal", "JournalError"),
            *_under("cost", "Cost sum_costs"),
            "unionllm.hooks",
            "unionllm.otel",
        ),
    ),
    "adapters": Group("Adapters", "适配器", ("unionllm.adapters",)),
    "testing": Group("Testing", "测试", ("unionllm.testing._server.VendorServer", "unionllm.testing.conformance")),
    "litellm": Group("Inside LiteLLM", "嵌入 LiteLLM", ("unionllm.litellm_plugin",)),
}
_NOTE = {
    "en": "Written from the docstrings of the package.\n",
    "zh-CN": "本页由代码中的 docstring 生成，因此正文为英文；用法请先看左侧各篇指南。\n",
}
#: Of answers the fields are wanted, also those of a private base, and those whose name says it all;
#: the methods that all have stand at the first one, once.
_FIELDS = """    options:
      filters: ["!^_", "!^(build|get|json|to_dict)$"]
      inherited_members: true
      show_bases: false
      show_if_no_docstring: true
      show_labels: false
"""


def reference(group: Group, language: str) -> str:
    """The text of a page of the reference."""
    title = group.title if language == "en" else group.chinese
    blocks = [f"::: {name}\n{_FIELDS if '.schema.' in name else ''}" for name in group.names]
    return "\n".join((f"# {title}\n", _NOTE[language], *blocks))


_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")
_BLOCK = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
#: The line below a title that names the languages. The theme has it in its head.
_LANGUAGES = re.compile(r"^(?:(?:English|\[English\]\(.*?\)) \| .*|\[(?:English|中文)\]\([\w.-]+\))\n\n?", re.MULTILINE)
#: A line break between two Chinese characters, which browsers would show as a space.
_CHINESE_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n *(?=[\u3000-\u9fff\uff00-\uffef])")
#: The first page stands in no group, so that its list of pages would be itself alone.
_NO_SIDEBAR = "---\nhide: [navigation]\n---\n\n"


def on_config(config: Any) -> Any:
    """Called by mkdocs: collect the pages, and let it read them."""
    pages = staged()
    pages |= for_models(pages, config, "en") | for_models(pages, config, "zh-CN")
    for path, content in pages.items():
        target = STAGED / path
        if not target.exists() or target.read_bytes() != content:  # `serve` watches them
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for stale in {path for path in STAGED.rglob("*") if path.is_file()} - {STAGED / path for path in pages}:
        stale.unlink()
    config["docs_dir"] = str(STAGED)
    config["watch"] += [str(ROOT / name) for name in ("docs", *MOVED) if (ROOT / name).exists()]
    return config


def staged() -> dict[str, bytes]:
    """Every file that the site is made of, by its path there."""
    pages: dict[str, bytes] = {}
    linked: set[str] = set()
    for source in [*(ROOT / "docs").rglob("*"), *(ROOT / name for name in MOVED)]:
        if not source.is_file():
            continue
        path = source.relative_to(ROOT).as_posix()
        if source.suffix == ".md":
            text = turned(source.read_text(encoding="utf-8"), path, linked)
            pages[place(path)] = (_NO_SIDEBAR + text if path.startswith("README") else text).encode()
        else:
            pages[place(path)] = source.read_bytes()
    pages |= {place(path): (ROOT / path).read_bytes() for path in linked}
    for name, group in REFERENCE.items():
        for language, ending in ENDINGS.items():
            pages[f"reference/{name}{ending}"] = reference(group, language).encode()
    return pages


class Listed(NamedTuple):
    """A page of the navigation."""

    group: str
    path: str


def listed(nav: list[Any], group: str = "") -> Iterator[Listed]:
    """The pages of ``nav`` in mkdocs.yml, in their order; ``group`` is the uppermost."""
    for entry in nav:
        if isinstance(entry, str):
            yield Listed(group, entry)
            continue
        [(title, below)] = entry.items()
        yield from listed(below if isinstance(below, list) else [below], group or title)


def for_models(pages: dict[str, bytes], config: Any, language: str) -> dict[str, bytes]:
    """llms.txt, a list of the pages for programs that read them, and llms-full.txt, the text of all: llmstxt.org."""
    ending = ENDINGS[language]
    base = config["site_url"] and config["site_url"].rstrip("/") + ("/" if language == "en" else f"/{language}/")
    [words] = [one.nav_translations for one in config["plugins"]["i18n"].config.languages if one.locale == language]
    lines = [f"# {config['site_name']}", f"\n> {SUMMARY[language]}"]
    texts = []
    group = ""
    for page in listed(config["nav"]):
        own = page.path.removesuffix(".md") + ending
        text = pages.get(own, pages.get(page.path, b"")).decode().removeprefix(_NO_SIDEBAR)
        if not text or page.path.startswith("reference/"):  # its text is made later, from the code
            continue
        if page.group != group:
            group = page.group
            lines.append(f"\n## {(words or {}).get(group, group)}\n")
        title, _, rest = text.partition("\n")
        # What stands between the title and the first heading, if it is a sentence.
        first = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", rest.strip().partition("\n\n")[0]).replace("\n", " ")
        about = f": {first}" if first[:1].isalpha() and len(first) < 300 else ""
        address = page.path.removesuffix("index.md").replace(".md", "/")
        lines.append(f"- [{title.lstrip('# ')}]({base}{address or './'}){about}")
        texts.append(text)
    ending = ending.removesuffix(".md")
    return {
        f"llms{ending}.txt": ("\n".join(lines) + "\n").encode(),
        f"llms-full{ending}.txt": "\n\n".join(texts).encode(),
    }


def place(path: str) -> str:
    """Where a file of the repository stands on the site."""
    if path in MOVED:
        return MOVED[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # A copy to look at, which browsers show rather than save.
    return f"{COPIES}/{path.replace('.', '_')}.txt"


def turned(text: str, source: str, linked: set[str]) -> str:
    """The text of a page as the site needs it; the files outside of the site's pages that it
    links to go into ``linked``."""

    def turn(match: re.Match[str]) -> str:
        before, link, after = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
        if ":" in link or not (ROOT / target).is_file():
            return match[0]
        if target not in MOVED and not target.startswith("docs/"):
            linked.add(target)
        return before + posixpath.relpath(place(target), posixpath.dirname(place(source)) or ".") + after

    pieces = _BLOCK.split(_LANGUAGES.sub("", text, count=1))
    return "".join(
        piece if piece.startswith("```") else _CHINESE_BREAK.sub("", _LINK.sub(turn, piece)) for piece in pieces
    )
