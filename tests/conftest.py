"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from planted import pytest_configure, pytest_runtest_makereport, pytest_warning_recorded
from server import ScriptedServer

__all__ = ["pytest_configure", "pytest_runtest_makereport", "pytest_warning_recorded", "server"]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server on a free port."""
    with ScriptedServer() as running:
        yield running
