"""Calls every provider code that goes through LiteLLM, each at a local server that speaks the vendor's own format.

python scripts/litellm_codes.py            print code × (whole, streamed, async, key by keyword, key by variable,
                                           own base_url): "pass" or the reason; exit 1 if one is not as expected
python scripts/litellm_codes.py --write    write the table of what works into docs/litellm.md and its twin
python scripts/litellm_codes.py --check    exit 1 if a page is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from foreign_vendors import table  # noqa: E402  # it is found only now

START, END = "<!-- codes:start -->\n", "<!-- codes:end -->"
PAGES = {"docs/litellm.md": "en", "docs/litellm.zh-CN.md": "zh"}
COMMAND = "python scripts/litellm_codes.py --write"


def with_table(page: str, text: str) -> str:
    """The text of a page with a fresh table between its markers."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        sys.exit(f"{page} lacks the lines {START.strip()} and {END}; put them where the table belongs.")
    return f"{before}{START}{table.user_table(PAGES[page])}{END}{after}"


def write(*, only_check: bool) -> int:
    """Bring the pages up to date, or say which of them are not."""
    code = 0
    for page in PAGES:
        path = ROOT / page
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        fresh = with_table(page, text)
        if fresh == text:
            continue
        if only_check:
            print(f"The table of codes in {page} is out of date. Run: {COMMAND}", file=sys.stderr)
            code = 1
        else:
            path.write_text(fresh, encoding="utf-8")
            print(f"{page} written")
    return code


def run() -> int:
    """Measure, and print."""
    found = table.measure()
    print(table.plain_table(found), end="")
    wrong = list(table.unexpected(found))
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return int(bool(wrong))


def main(arguments: list[str]) -> int:
    if arguments in (["--write"], ["--check"]):
        return write(only_check=arguments == ["--check"])
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
