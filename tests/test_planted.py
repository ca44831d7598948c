"""The watch over the tests' output notices a key wherever a test shows one: else its silence would mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from planted import Watch, marked

TESTS = Path(__file__).resolve().parent
#: In two parts, so that no test's output has it by accident.
MADE = "'planted-' + 'key-of-nobody'"
SHOWING = {
    "a print": "print({key})",
    "standard error": "print({key}, file=sys.stderr)",
    "a file descriptor": "os.write(1, ({key} + chr(10)).encode())",
    "output that the test takes back": "print({key}); capsys.readouterr()",
    "a line of the library's log at the lowest level": "logging.getLogger('unionllm').debug('sent %s', {key})",
    "a line of any log": "logging.getLogger('other').warning({key})",
    "a program": "subprocess.run([sys.executable, '-c', 'print(' + repr({key}) + ')'], stdout=-1)",
}


def test_a_test_that_shows_a_key_fails_in_every_worker(tmp_path: Path) -> None:
    """Run as CI runs them: in two workers."""
    lines = ["import logging, os, subprocess, sys", "def test_clean():", "    print('planted')"]
    for number, body in enumerate(SHOWING.values()):
        lines += [f"def test_{number}(capsys):" if "capsys" in body else f"def test_{number}():", f"    {body}"]
    (tmp_path / "test_showing.py").write_text("\n".join(lines).replace("{key}", MADE))
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    told = tmp_path / "told.txt"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", "2", str(tmp_path)]
    with told.open("w") as file:  # not through this process, where the watch would see it
        environ = {
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}",
        }
        done = subprocess.run(command, stdout=file, stderr=file, cwd=tmp_path, env=environ, check=False)

    said = told.read_text()
    assert done.returncode == 1
    assert f"{len(SHOWING)} failed, 1 passed" in said
    assert [number for number in range(len(SHOWING)) if f"test_{number} - a key was shown:" not in said] == []


@pytest.mark.parametrize(
    "key",
    [
        "sk-" + "planted-0123456789abcdef",
        "ALTAK" + "madeUpForTestsOnly1",
        "app-" + "MadeUpForTests0123456789",
        "sk-" + "0123456789abcdef" * 2,
        "24.made" + "-up-1",
    ],
)
def test_the_keys_of_the_tests_are_known(key: str) -> None:
    watch = Watch()

    watch.look("here", f"a {key} b".encode())
    watch.look("there", None)

    [seen] = watch.take()
    assert seen.startswith("here: …")
    assert watch.take() == []


def test_words_about_keys_are_no_keys() -> None:
    assert marked().search("a planted key, made up for tests, 0123456789") is None
