"""Watches the whole run for keys: no test may print one, log one at any level, or warn of one. Loaded by conftest.py.

Every key of the tests is marked: it holds ``planted-``, or it is one that the vendor server makes up. Whatever a test
writes is looked through where pytest captures it, where a test takes it back (``capsys``, ``capfd``), and where a
program that the tests start hands it over. The test that showed a key fails, so this works in every worker of xdist.
"""

from __future__ import annotations

import functools
import logging
import re
import subprocess
from collections.abc import Generator
from typing import Any

import pytest

from unionllm._log import logger

#: Of vendors' made-up credentials, those that are no number or word of everyday use.
_LEAST = 16
#: A level below all others, which tells this file's wish to hear everything from a test's.
_ALL = logging.DEBUG - 1


@functools.cache
def marked() -> re.Pattern[str]:
    """What a key of the tests looks like."""
    found = {
        "planted-[A-Za-z0-9_-]{4,}",
        "24\\.made-up-[0-9]",
        "ALTAK-made-up",
        "czs_made-up",
        "(?i:madeUp(Client|For))",
    }
    try:
        from unionllm.testing.vendors import VENDORS, load
    except ImportError:  # the extra `testing` is not installed: no test plays a vendor
        return re.compile("|".join(sorted(found)))
    values = [value for name in VENDORS for value in load(name)().credentials.values()]
    return re.compile("|".join(sorted({*found, *(re.escape(value) for value in values if len(value) >= _LEAST)})))


class Watch:
    """What has been seen of keys since it was last asked; as a filter, it hears all of the library's log."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def look(self, where: str, text: str | bytes | None) -> None:
        """Look through what was written there."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if text and (found := marked().search(text)):
            around = text[max(0, found.start() - 60) : found.end() + 20]
            self._seen.append(f"{where}: …{around}…")

    def filter(self, record: logging.LogRecord) -> bool:
        """Look through a line of the library's log; whether it would be written had nobody listened."""
        self.look(f"log of {record.name}", record.getMessage())
        return logger.level != _ALL or record.levelno >= logging.getLogger().level

    def take(self) -> list[str]:
        """What was seen, once."""
        seen, self._seen = self._seen, []
        return seen


WATCH = Watch()


def _watched(function: Any, where: str, texts: Any) -> Any:
    """The function, which is as it was but that what it gives is looked through."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = function(*args, **kwargs)
        for text in texts(given):
            WATCH.look(where, text)
        return given

    return call


def pytest_configure() -> None:
    """Listen, from the first import of a test file on."""
    logger.addFilter(WATCH)
    logger.setLevel(_ALL)
    capture: Any = pytest.CaptureFixture
    capture.readouterr = _watched(capture.readouterr, "output", lambda pair: pair)
    process: Any = subprocess.Popen
    process.communicate = _watched(process.communicate, "output of a program", lambda pair: pair)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what has shown a key."""
    report = yield
    for name, text in report.sections:
        WATCH.look(name, text)
    if (seen := WATCH.take()) and not item.get_closest_marker("shows_keys"):
        report.outcome = "failed"
        report.longrepr = "\n".join(["a key was shown:", *dict.fromkeys(seen)])
    return report


def pytest_warning_recorded(warning_message: Any, when: str) -> None:
    """A warning that some filter lets pass."""
    WATCH.look(f"warning in {when}", str(warning_message.message))
