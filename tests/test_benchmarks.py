"""The benchmarks run, and write the page that quotes them. Their figures are not judged: machines differ."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from vendors_on_loopback import ROOT, environment, process_environment, python


def test_the_bridges_overhead_is_measured_both_ways() -> None:
    few = ("--rounds", "2", "--calls", "2", "--chunks", "10")
    done = subprocess.run(
        python(str(ROOT / "benchmarks" / "bridge.py"), *few),
        env=process_environment(environment()),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    table, _, told = done.stdout.partition("\n\n")
    results = json.loads(told)["results"]
    assert len(table.splitlines()) == 2 + len(results) == 9
    assert [len(row["ratios"]) for row in results] == [6, 6, 2, 2, 2, 2, 2]  # what has a bound is asked more
    assert all(row["bare_us"] > 0 and row["ratio"] > 0 for row in results)


def test_all_questions_are_asked_and_written_down_in_two_languages(tmp_path: Path) -> None:
    """With sizes that tell nothing, and without the peers' environments."""
    done = subprocess.run(
        python(str(ROOT / "benchmarks" / "run.py"), "--quick", "--ways", "httpx", "ours", "--into", str(tmp_path)),
        env=process_environment(environment()),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for name in ("benchmarks.md", "benchmarks.zh-CN.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count("\n### ") == 11
        # One line of ours for each question; the bridge is told apart.
        ours = [line for line in text.splitlines() if line.startswith("| unionllm | ")]
        assert len([line for line in ours if not line.startswith("| unionllm | unionllm ")]) == 10  # not its versions
        assert "{" not in text


def test_the_page_has_the_shape_that_the_benchmarks_write() -> None:
    """Whoever changes a template runs them again: both pages quote the same figures."""
    english, chinese = (
        (ROOT / "docs" / f"benchmarks{end}").read_text(encoding="utf-8") for end in (".md", ".zh-CN.md")
    )

    figures = [[line for line in page.splitlines() if line.startswith("|")] for page in (english, chinese)]
    assert figures[0] == figures[1]
    assert len(figures[0]) > 60


def test_a_peer_that_nobody_knows_is_refused_before_anything_is_installed() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "peers"), "openia"], capture_output=True, encoding="utf-8", check=False
    )

    assert done.returncode == 1
    assert "No peer is called openia. There are: httpx" in done.stderr
