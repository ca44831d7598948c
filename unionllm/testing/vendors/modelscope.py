"""ModelScope's inference API, played after what LiteLLM's and Dify's clients send (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .._checks import Check, Flag, Integer
from .._exchange import Problem
from .._openai import Model
from ._plain import IMAGES, Plain, problem


class Played(Plain):
    """Free, so that nobody runs out of money; Qwen3 thinks in streams alone."""

    name = "modelscope"
    test_credentials = {"api_key": "ms-01234567-89ab-cdef-0123-456789abcdef"}
    problems: ClassVar[Mapping[str, Problem]] = {
        **{label: one for label, one in Plain.problems.items() if label != "402"},
        "retired": problem(429, "1008", "insufficient balance (1008)"),
    }
    kinds: ClassVar[Mapping[str, str]] = {name: code for name, code in Plain.kinds.items() if name != "no_balance"}
    switch = "enable_thinking"
    examples = {
        "chat": "deepseek-ai/DeepSeek-V3.2",
        "tools": "deepseek-ai/DeepSeek-V3.2",
        "image": "Qwen/Qwen2.5-VL-72B-Instruct",
        "thinking": "Qwen/Qwen3-32B",
    }
    models = (
        Model(pattern=r"Qwen/Qwen2\.5-VL-[\w.-]+", parts=IMAGES),
        Model(pattern=r"(Qwen|deepseek-ai|ZhipuAI)/[\w.-]+", thinks="switch"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        **Plain.fields,
        "enable_thinking": Flag(),
        "thinking_budget": Integer(1),
        "top_k": Integer(),
    }

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """Whole answers of Qwen3 come without thoughts only."""
        is_whole = body.get("stream") is not True
        if is_whole and body["model"].startswith("Qwen/Qwen3") and self.is_thinking(body, model):
            self.refuse("400", "parameter.enable_thinking must be set to false for non-streaming calls")
