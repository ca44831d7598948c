"""What every test may ask for."""

from __future__ import annotations

import gc
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted import pytest_configure, pytest_runtest_makereport, pytest_warning_recorded
from server import ScriptedServer

__all__ = ["pytest_configure", "pytest_runtest_makereport", "pytest_warning_recorded", "server"]

# A shell that starts this in the background has Ctrl-C ignored, here and by whatever tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Where one test, or what it needs, takes longest. Begun first, they are not what the other processes wait for at the
#: end; nor is a part of them handed to another process, which would start the same proxies again.
_NAMES = ("scale_out", "ray_engine", "test_contributing.py", "test_integrations.py")
_LONGEST = tuple(str(Path(__file__).with_name(name)) for name in _NAMES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest ones first, all else in its order."""
    items.sort(key=lambda item: not str(item.path).startswith(_LONGEST))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server on a free port."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def no_garbage() -> None:
    """Nothing of earlier tests is left to collect: LiteLLM lets go of its clients without closing them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
