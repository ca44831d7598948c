"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server on a free port."""
    with ScriptedServer() as running:
        yield running
