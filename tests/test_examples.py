"""The example programs run, and do what they show."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pages import AGENT_PAGES
from vendors_on_loopback import ROOT, environment, process_environment, python

from unionllm import UnionLLM
from unionllm.testing import VendorServer

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
    assert [example.name for example in EXAMPLES] == ["local_demo.py", "support_bot.py"]


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


#: Agent platforms, and those that speak OpenAI's dialect.
PLATFORMS = sorted(
    {"ragflow", *(page.removeprefix("docs/providers/") for page in AGENT_PAGES if "/providers/" in page)}
)
#: Those whose API tells no passages, and what it tells instead.
_SOURCES = {"adp": (2, "退货.md"), "zhipu_app": (0, "")}
_QUESTIONS = ("怎么退货？", "要多久？", "谢谢")


def test_the_bot_shows_its_sources_offline() -> None:
    said = run(ROOT / "examples" / "support_bot.py", "dify", "--offline", *_QUESTIONS)

    assert said.strip().split("\n") == [
        "问：怎么退货？",
        "答：七天内可以退货。",
        "  [1] 退货.md，相关度 0.96：自签收起七天内可以退货。",
        "",
        "问：要多久？",
        "答：退款三天到账。",
        "  [1] 退款.md，相关度 0.88：退款在三个工作日内到账。",
        "",
        "问：谢谢",
        "答：不客气，再见。",
    ]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_bot_keeps_its_conversation_on_every_platform(
    platform: str, vendor_server: VendorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    bot: dict[str, Any] = runpy.run_path(str(ROOT / "examples" / "support_bot.py"))
    for answer in bot["_SAID"]:
        vendor_server.reply(vendor=platform, **answer)
    model = vendor_server.vendor(platform).examples["chat"]
    with UnionLLM(
        **{"model": model, **vendor_server.arguments(platform)}, user="support-bot", **bot["OPTIONS"].get(platform, {})
    ) as client:
        bot["converse"](client, _QUESTIONS)

    printed = capsys.readouterr().out
    assert [line[2:] for line in printed.split("\n") if line.startswith("答：")] == [
        answer["text"] for answer in bot["_SAID"]
    ]
    sources, said = _SOURCES.get(platform, (2, "自签收起七天内可以退货。"))
    assert printed.count("  [1] ") == sources
    assert said in printed
    assert vendor_server.refused == []
    last = vendor_server.requests[-1]
    told = f"{last.query} {last.body.decode()}"
    # Either the platform is told which conversation it is, or what was said in it.
    assert "conversation" in told.lower() or "session" in told.lower() or "七天内可以退货。" in told
