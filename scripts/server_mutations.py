"""Shows that the tests notice when the vendor server stops checking: switches off one check at a time, runs the tests.

python scripts/server_mutations.py            all of them, as a Markdown table; exit 1 if one is not noticed
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAYED = "unionllm/testing/vendors"


@dataclass(frozen=True)
class Mutation:
    """One change of the server, and the tests to run on it."""

    what: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "zhipuai: the token's times are taken for seconds",
        f"{PLAYED}/zhipuai.py",
        "request.now * 1000",
        "request.now",
        ("tests/conformance/test_on_vendor_server.py", "tests/testing", "-k", "token or jwt"),
    ),
    Mutation(
        "zhipuai: temperature has no upper bound",
        f"{PLAYED}/zhipuai.py",
        '"temperature": Number(0, 1)',
        '"temperature": Number(0)',
        ("tests/testing", "-k", "zhipuai"),
    ),
    Mutation(
        "all: results of tools may answer no call",
        "unionllm/testing/_checks.py",
        "if given not in open_ids:",
        "if False:",
        ("tests/testing", "-k", "zhipuai or moonshot or qwen"),
    ),
    Mutation(
        "xunfei: any signature will do",
        f"{PLAYED}/xunfei.py",
        "not hmac.compare_digest(base64.b64encode(digest).decode(), parts[4])",
        "False",
        ("tests/testing", "-k", "xunfei or spark"),
    ),
    Mutation(
        "deepseek: reasoning need not come back with tools",
        f"{PLAYED}/deepseek.py",
        'not isinstance(message.get("reasoning_content"), str)',
        "False",
        ("tests/testing", "-k", "deepseek"),
    ),
)


def main() -> int:
    """Run every mutation in a copy of the checkout."""
    print("| check switched off | noticed by |\n|---|---|")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        for name in ("unionllm", "tests", "docs", "scripts", "examples", "pyproject.toml", "README.md"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        for mutation in MUTATIONS:
            caught = run(mutation, copy)
            missed += not caught
            print(f"| {mutation.what} | {'<br>'.join(caught) or '**nothing**'} |", flush=True)
    return 1 if missed else 0


def run(mutation: Mutation, copy: Path) -> list[str]:
    """The tests that fail with this mutation. Exits if the line to change is not there."""
    path = copy / mutation.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.before) != 1:
        sys.exit(f"{mutation.file} holds {mutation.before!r} {text.count(mutation.before)} times: mend this script.")
    path.write_text(text.replace(mutation.before, mutation.after), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", *mutation.tests],
            cwd=copy,
            env={"PYTHONPATH": str(copy), "PATH": ""},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    finally:
        path.write_text(text, encoding="utf-8")
    return re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
