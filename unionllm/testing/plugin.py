"""The pytest fixture ``vendor_server``; pytest finds it by itself wherever unionllm is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._server import VendorServer


@pytest.fixture
def vendor_server() -> Iterator[VendorServer]:
    """Every vendor's API on a free port of 127.0.0.1, fresh for each test. Needs the extra ``testing``."""
    # Imported by the tests that use it: the plugin is loaded in every run of pytest.
    from unionllm.testing import VendorServer

    with VendorServer() as server:
        yield server
