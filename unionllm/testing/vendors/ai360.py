"""360 Zhinao, played after what Dify's client sends (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._checks import Check, Flag
from .._openai import Model
from ._plain import Plain


class Played(Plain):
    """Models of its own, which read text, and hosted ones named ``vendor/model``."""

    name = "ai360"
    test_credentials = {"api_key": "fk0123456789.abcdefghijklmnopqrstuvwxyz"}
    examples = {"chat": "360gpt2-pro", "tools": "360gpt2-pro"}
    models = (
        Model(pattern=r"360gpt2-pro|360gpt-turbo(-responsibility-8k)?"),
        Model(pattern=r"(deepseek|qwen|zhipu)/[\w.-]+"),
    )
    fields: ClassVar[Mapping[str, Check]] = {**Plain.fields, "content_filter": Flag(), "enable_web_search": Flag()}
