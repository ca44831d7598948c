"""Failed checks show their values."""

import pytest

pytest.register_assert_rewrite("checks", "play")
