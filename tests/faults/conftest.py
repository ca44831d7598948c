"""Failed checks show their values."""

import sys
from pathlib import Path

import pytest

# The checks of the conformance suite hold here, too.
sys.path.append(str(Path(__file__).parents[1] / "conformance"))
pytest.register_assert_rewrite("checks", "play", "fault_cells")
