"""The Ray engine: a Ray of several processes on this machine, one of whose workers is killed.

Slower than the other tests, and Ray takes 600 MB the first time: ``-m "not ray_engine"`` leaves it out.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from vendors_on_loopback import ROOT

#: Seconds: installing Ray into an empty environment takes most of it.
_LONGEST = 900

pytestmark = pytest.mark.ray_engine


@pytest.mark.skipif(sys.platform != "linux", reason="the check finds Ray's workers in /proc")
def test_a_job_on_ray_comes_to_the_same_though_a_worker_is_killed() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "ray_test")],
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["is_the_same_output"]
    assert (told["ending"], told["failed"], told["answered"]) == ("done", 7, told["lines"] - 7)
    assert told["killed_workers"] == 1
    assert told["answered_when_it_was_killed"] > 0
    assert told["sent_again_after_their_answer_was_journalled"] == 0
    # What the dead worker had asked and not written down is asked again: never more than it may have under way.
    assert told["sent_by_one_process"] <= told["sent"] <= told["sent_by_one_process"] + 8
    assert (told["sent_by_the_same_job_again"], told["is_tidied_up"]) == (0, True)
