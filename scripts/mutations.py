"""Shows that the tests notice when the library breaks a promise: breaks one at a time in a copy, and runs the tests.

python scripts/mutations.py            all of them, as a Markdown table; exit 1 if one is not noticed
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What the tests need of a checkout.
_PARTS = ("unionllm", "tests", "docs", "scripts", "examples", "pyproject.toml", "README.md")
#: Tests that are named; of the others only how many.
_NAMED = 3


@dataclass(frozen=True)
class Mutation:
    """One change of the code, and the tests to run on it."""

    what: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


_AGAIN = """\
        return Opened(response, reader, self._again(request, response, reader, deadline))

    def _again(self, request: Any, response: Any, reader: Any, deadline: Any) -> Any:
        try:
            yield from self._chunks(response, reader, deadline)
        except APIError:
            again = StreamReader(reader._parser, 200, {}, reader.url)
            yield from self._chunks(self._send(request, deadline), again, deadline)
"""

MUTATIONS = (
    Mutation(
        "a stream without its end signal counts as whole",
        "unionllm/_protocols/openai_parsing.py",
        "if not self.has_finished and not self.is_done:",
        "if False:",
        ("tests/test_stream_faults.py",),
    ),
    Mutation(
        "a stream that breaks off is asked for again after its first chunk",
        "unionllm/_transport.py",
        "        return Opened(response, reader, self._chunks(response, reader, deadline))\n",
        _AGAIN,
        ("tests/test_calls.py", "tests/test_stream_faults.py"),
    ),
    Mutation(
        "the log shows the headers of a request",
        "unionllm/_transport.py",
        'logger.debug("-> %s %s %s", step.method, place_of(step.url), Shown(step.content, step.secrets))',
        'logger.debug("-> %s %s %s", step.method, place_of(step.url), dict(step.headers))',
        ("tests/test_secrets.py", "tests/test_embeddings.py"),
    ),
    Mutation(
        "a secret is masked only as it is",
        "unionllm/_log.py",
        'text = _written(secret).sub("***", text)',
        'text = text.replace(secret, "***")',
        ("tests/test_masking.py",),
    ),
    Mutation(
        "a cancellation counts where the HTTP library does not expect it",
        "unionllm/_cancelling.py",
        "if awaited is None:",
        "if False:",
        ("tests/test_cancelling.py", "-k", "proxy"),
    ),
    Mutation(
        "an empty balance is tried again",
        "unionllm/exceptions.py",
        "    default_status = 402\n",
        "    default_status = 402\n    default_retryable = True\n",
        ("tests/test_call_flow.py", "tests/test_retry.py"),
    ),
)


def main(mutations: Sequence[Mutation] = MUTATIONS, heading: str = "promise broken") -> int:
    """Run every mutation in a copy of the checkout."""
    print(f"| {heading} | noticed by |\n|---|---|")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        for name in _PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        for mutation in mutations:
            caught = run(mutation, copy)
            missed += not caught
            more = [f"and {len(caught) - _NAMED} more"] if len(caught) > _NAMED else []
            print(f"| {mutation.what} | {'<br>'.join([*caught[:_NAMED], *more]) or '**nothing**'} |", flush=True)
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
    return re.findall(r"^FAILED (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
