"""Ant Ling, played after what Dify's client sends (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._checks import Check, Flag, OneOf, Shape
from .._openai import Model
from ._plain import Plain

_EFFORT = Shape({"effort": OneOf("high", "xhigh")}, is_open=False)


class Played(Plain):
    """Ling answers, Ring thinks first; how hard stands in an object."""

    name = "ant_ling"
    test_credentials = {"api_key": "sk-antling0123456789abcdefghijklmnopqrst"}
    examples = {"chat": "Ling-3.0-flash", "tools": "Ling-3.0-flash", "thinking": "Ring-2.6-1T"}
    models = (
        Model(pattern=r"Ling-(3\.0-flash|2\.6-1T|1T)", fields={"reasoning": None}),
        Model(pattern=r"Ring-(2\.6-1T|1T)", thinks="always", fields={"reasoning": _EFFORT}),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        **Plain.fields,
        "enable_search": Flag(),
        "search_options": Shape({"forced_search?": Flag()}),
    }
