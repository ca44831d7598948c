"""The example programs run, and do what they show."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from vendors_on_loopback import ROOT, environment, process_environment, python

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: Seconds; the examples load a model, and LiteLLM.
_LONGEST = 180


def run(example: Path, *arguments: str) -> str:
    done = subprocess.run(
        python(str(example), *arguments),
        cwd=ROOT,
        env=process_environment(environment(keys=False)),
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested_here() -> None:
    assert [example.name for example in EXAMPLES] == ["local_demo.py"]


@pytest.fixture(scope="module")
def demo() -> str:
    return run(ROOT / "examples" / "local_demo.py", "Say hello.")


def test_the_demo_answers_natively_and_through_litellm(demo: str) -> None:
    answers = re.findall(r"^A: (.+)$", demo, re.MULTILINE)

    assert demo.index("provider='local'") < demo.index("provider='openai'")
    assert demo.count("Q: Say hello.") == 2
    assert len(answers) == 2
    assert all(answer.strip() for answer in answers)


def test_the_demo_counts_tokens_on_both_ways(demo: str) -> None:
    counts = re.findall(r"Usage\(prompt_tokens=(\d+), completion_tokens=(\d+), total_tokens=(\d+)\)", demo)

    assert len(counts) == 2
    for prompt, completion, total in counts:
        assert int(prompt) > 0
        assert int(completion) > 0
        assert int(prompt) + int(completion) == int(total)
