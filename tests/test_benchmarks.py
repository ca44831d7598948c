"""The benchmark of the bridge runs and prints what its page quotes. Its figures are not judged: machines differ."""

from __future__ import annotations

import json
import subprocess

from vendors_on_loopback import ROOT, environment, process_environment, python


def test_the_bridges_overhead_is_measured_both_ways() -> None:
    few = ("--rounds", "5", "--calls", "2", "--chunks", "10")
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
    assert len(table.splitlines()) == 2 + len(results) == 8
    assert all(len(row["ratios"]) == 5 and row["bare_us"] > 0 and row["ratio"] > 0 for row in results)


def test_a_peer_that_nobody_knows_is_refused_before_anything_is_installed() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "peers"), "openia"], capture_output=True, encoding="utf-8", check=False
    )

    assert done.returncode == 1
    assert "No peer is called openia. There are: httpx" in done.stderr
