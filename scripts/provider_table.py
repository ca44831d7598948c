"""Writes the table of providers into both READMEs, from the registry.

python scripts/provider_table.py            write it
python scripts/provider_table.py --check    exit 1 if a README is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

START, END = "<!-- providers:start -->\n", "<!-- providers:end -->"
COMMAND = "python scripts/provider_table.py"
#: README → the heads of the columns, words of cells, the ending of the docs pages.
LANGUAGES = {
    "README.md": (
        ("provider", "vendor", "variable", "default base URL", "regions"),
        ("none needed", "in this process", "yours, as `base_url=`", "…, {} in all"),
        ".md",
    ),
    "README.zh-CN.md": (
        ("provider", "厂商", "环境变量", "默认 base URL", "region"),
        ("无需密钥", "本进程内", "自己的地址，传 `base_url=`", "… 共 {} 个"),
        ".zh-CN.md",
    ),
}


def build_table(readme: str) -> str:
    """The table in the language of that README. Plugins that happen to be installed are left out."""
    from unionllm._registry import PROVIDERS, describe

    heads, words, ending = LANGUAGES[readme]
    rows = [_row(row, words, ending) for row in describe() if row["name"] in PROVIDERS]
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(row: dict[str, Any], words: tuple[str, ...], ending: str) -> tuple[str, ...]:
    no_key, in_process, own, in_all = words
    known = zip(row["credentials"], row["env"], strict=True)
    variables = [names[0] for name, names in known if names and name in row["required"]]
    is_remote = not row["base_url"].startswith("http://127.0.0.1")
    return (
        f"[`{row['name']}`](docs/providers/{row['name']}{ending})",
        row["title"],
        _code(variables) or no_key,
        (_code([row["base_url"]]) if row["base_url"] else own) if is_remote else in_process,
        _regions(list(row["regions"]), in_all),
    )


def _regions(names: list[str], in_all: str) -> str:
    """The first few of them; the page of the vendor has them all, and the aliases, which would make a wall here."""
    if len(names) < 2:
        return "–"
    return _code(names[:4]) + (f" {in_all.format(len(names))}" if len(names) > 4 else "")


def _code(words: Any) -> str:
    return ", ".join(f"`{word}`" for word in words)


def with_table(readme: str, text: str) -> str:
    """The text of a README with a fresh table between its markers."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        sys.exit(f"{readme} lacks the lines {START.strip()} and {END}; put them where the table belongs.")
    return f"{before}{START}{build_table(readme)}{END}{after}"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    code = 0
    for readme in LANGUAGES:
        path = ROOT / readme
        text = path.read_text(encoding="utf-8")
        fresh = with_table(readme, text)
        if fresh == text:
            continue
        if arguments:
            print(f"The table of providers in {readme} is out of date. Run: {COMMAND}", file=sys.stderr)
            code = 1
        else:
            path.write_text(fresh, encoding="utf-8")
            print(f"{readme} written")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
