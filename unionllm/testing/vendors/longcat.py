"""LongCat, played after longcat.chat/platform/docs (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._checks import Check
from .._exchange import Problem
from .._openai import Model
from ._plain import THINKING, Plain, problem


class Played(Plain):
    """One model, and a quota a day: gone, it is 402 or 403."""

    name = "longcat"
    base = "/openai/v1"
    test_credentials = {"api_key": "ak_0123456789abcdefghijklmnopqrst"}
    problems: ClassVar[Mapping[str, Problem]] = {
        **Plain.problems,
        "402": problem(402, "insufficient_quota", "The quota is used up"),
        "403": problem(403, "insufficient_quota", "The quota of today is used up"),
    }
    examples = dict.fromkeys(("chat", "tools", "thinking"), "LongCat-2.0")
    models = (Model(pattern=r"LongCat-2\.0", thinks="switch"),)
    fields: ClassVar[Mapping[str, Check]] = {**Plain.fields, "thinking": THINKING}
