"""The module where 0.x kept ``ResponseModel``."""

from __future__ import annotations

from typing import Any

from .schema import ModelResponse

__all__ = ["ResponseModel"]


class ResponseModel(ModelResponse):
    """An answer, with the accessor of 0.x."""

    def get_completions(self) -> list[Any]:
        """The choices of the answer."""
        return list(self.choices)
