"""Begins an OpenAI-compatible provider: every file that one needs, made from a sibling's with the facts of the new one.

python scripts/new_provider.py acme --title "Acme" --base-url https://api.acme.example/v1 --variable ACME_API_KEY \\
    --model acme-1 --console https://console.acme.example/keys --docs https://docs.acme.example/chat

What it writes passes the tests, and says of the vendor what is true of the sibling. CONTRIBUTING.md says how to go on.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent

#: A vendor that differs little from OpenAI, and every file of it. Folders are copied whole.
SIBLING = "longcat"
SIBLING_DOCS = "https://longcat.chat/platform/docs"
FILES = (
    "unionllm/providers/{}.py",
    "unionllm/testing/vendors/{}.py",
    "tests/conformance/transcripts/{}",
    "tests/testing/tables/{}.py",
    "docs/providers/{}.md",
    "docs/providers/{}.zh-CN.md",
)
#: Lists with a line for each vendor.
LISTS = (
    "unionllm/_registry.py",
    "tests/parity/pairs.py",
    "tests/test_docs.py",
    "mkdocs.yml",
    "docs/testing.md",
    "docs/testing.zh-CN.md",
)


def main(arguments: list[str]) -> int:
    """Write the files, and say which."""
    parser = argparse.ArgumentParser(description="Begins an OpenAI-compatible provider.")
    parser.add_argument("name", help="what users type, such as acme")
    parser.add_argument("--title", required=True, help="the vendor's name, for people")
    parser.add_argument("--base-url", required=True, help="the address before /chat/completions")
    parser.add_argument("--variable", required=True, help="the environment variable of its key")
    parser.add_argument("--model", required=True, help="a model for the examples")
    parser.add_argument("--console", required=True, help="the page where keys are made")
    parser.add_argument("--docs", required=True, help="the page of the API reference")
    today = datetime.now(timezone.utc).date().isoformat()
    parser.add_argument("--read", default=today, help="the day it was read, default today")
    given = parser.parse_args(arguments)
    if not re.fullmatch("[a-z][a-z0-9_]*", given.name):
        parser.error(f"{given.name!r} is no name of a module: small letters, digits and _")
    if (ROOT / FILES[0].format(given.name)).exists():
        parser.error(f"{given.name} is there already: {FILES[0].format(given.name)}")
    facts = replacements(given)
    for pattern in FILES:
        for source in files_of(ROOT / pattern.format(SIBLING)):
            target = Path(str(source).replace(SIBLING, given.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target, replaced(source.read_text(encoding="utf-8"), facts))
    for name in LISTS:
        write(ROOT / name, with_line((ROOT / name).read_text(encoding="utf-8"), given.name, facts))
    print(f"\n{given.name} says what is true of {SIBLING}. Read {given.docs}, and correct the files from the top down.")
    return 0


def files_of(path: Path) -> list[Path]:
    """The file, or the files below the folder."""
    return [path] if path.is_file() else sorted(inner for inner in path.rglob("*") if inner.is_file())


def replacements(given: argparse.Namespace) -> list[tuple[str, str]]:
    """The sibling's words, and what takes their place. Longer ones come first."""
    name, model = given.name, given.model
    return [
        ("2026-11-23", given.read),
        (f'docs="{SIBLING_DOCS}",\n', f'docs="{given.docs}",\n        docs_read="{given.read}",\n'),
        ("https://api.longcat.chat/openai/v1", given.base_url),
        ("https://longcat.chat/platform/api_keys", given.console),
        (SIBLING_DOCS, given.docs),
        ("longcat.chat/platform/docs", given.docs.removeprefix("https://")),
        ("LONGCAT_API_KEY", given.variable),
        ("LONGCAT_API_BASE", f"{name.upper()}_API_BASE"),
        (" Another name: `meituan`.", ""),
        ("别名：`meituan`。", ""),
        (', _names("meituan")', ""),
        ("longcat-(2|flash)", model.lower().replace(".", "[.]")),
        (r"LongCat-2\.0", model.replace(".", r"\.")),
        ("longcat-2.0", f"{model}-of-nobody"),
        ("LongCat-2.0", model),
        # What the table of the played vendor refuses, and where it stands.
        ('base="/v1"', 'base="/of-nobody"'),
        ("/openai/v1", urlsplit(given.base_url).path),
        ("LongCat (美团)", given.title),
        ("美团 LongCat", given.title),
        ("LongCat", given.title),
        (SIBLING, name),
    ]


def replaced(text: str, facts: list[tuple[str, str]]) -> str:
    """The text with the new vendor's facts."""
    for old, new in facts:
        text = text.replace(old, new)
    return text


def with_line(text: str, name: str, facts: list[tuple[str, str]]) -> str:
    """A list with the new vendor's line below the sibling's, or within the line that lists several."""
    lines = []
    for line in text.splitlines(keepends=True):
        if (f", {SIBLING}," in line or f"、{SIBLING}、" in line) and "|" in line:
            comma = ", " if f", {SIBLING}," in line else "、"
            lines.append(line.replace(f"{comma}{SIBLING}", f"{comma}{SIBLING}{comma}{name}"))
            continue
        lines.append(line)
        if SIBLING in line:
            lines.append(replaced(line, facts))
    return "".join(lines)


def write(path: Path, text: str) -> None:
    """Write the file, and say so."""
    path.write_text(text, encoding="utf-8")
    print(path.relative_to(ROOT).as_posix())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
