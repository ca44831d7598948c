"""SiliconFlow, played after docs.siliconflow.cn and what Dify's client sends (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from .._checks import Check, Flag, Integer, Number
from .._exchange import Problem
from .._openai import Model
from ._plain import IMAGES, Plain


def _problem(status: int, code: int, message: str) -> Problem:
    return Problem(status=status, code=code, message=message)


class Played(Plain):
    """Models of many houses, errors without a wrapper, usage on every event, no two turns of one role."""

    name = "siliconflow"
    test_credentials = {"api_key": "sk-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl"}
    problems: ClassVar[Mapping[str, Problem]] = {
        "400": _problem(400, 20015, "The parameter is invalid. Please check again."),
        "401": _problem(401, 20001, "Api key is invalid"),
        "403": _problem(403, 30001, "Sorry, your account balance is insufficient"),
        "404": _problem(400, 20012, "Model does not exist. Please check it carefully."),
        "429": _problem(429, 50602, "Request was rejected due to rate limiting. Details: TPM limit reached."),
        "500": _problem(500, 50500, "Internal server error"),
        "503": _problem(503, 50505, "Model service overloaded. Please try again later."),
        "504": _problem(504, 50504, "The system is too busy. Please try again later."),
    }
    kinds: ClassVar[Mapping[str, str]] = {
        **{name: code for name, code in Plain.kinds.items() if name != "context"},
        "no_balance": "403",
    }
    switch = "enable_thinking"
    examples = {
        "chat": "deepseek-ai/DeepSeek-V3.2",
        "tools": "Pro/deepseek-ai/DeepSeek-V3.2",
        "image": "Qwen/Qwen2.5-VL-72B-Instruct",
        "thinking": "Qwen/Qwen3-32B",
    }
    models = (
        Model(pattern=r"(Pro/)?Qwen/Qwen[\w.]*-VL-[\w.-]+", parts=IMAGES),
        Model(pattern=r"(Pro/)?(deepseek-ai|Qwen|zai-org|moonshotai)/[\w.-]+", thinks="switch"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        **{name: check for name, check in Plain.fields.items() if name != "stream_options"},
        "enable_thinking": Flag(),
        "thinking_budget": Integer(128, 32_768),
        "min_p": Number(0, 1),
        "top_k": Integer(),
    }
    ignored = frozenset({"n", "stream_options"})
    usage_at = "every"

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """Two turns of one role in a row are refused; results of tools may follow each other."""
        for number, (first, second) in enumerate(pairwise(body["messages"]), 1):
            if first["role"] == second["role"] != "tool":
                self.refuse(
                    "400", f"messages[{number}]: The parameter is invalid: two messages of role {first['role']}"
                )

    def headers(self, chat: Any) -> dict[str, str]:
        """The id to quote to the vendor."""
        return {"x-siliconcloud-trace-id": f"ti-{chat.number}"}

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """A number and a text."""
        return {"code": problem.code, "message": problem.message, "data": None}
