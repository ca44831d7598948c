"""Xiaomi MiMo, played after what LiteLLM's and Dify's clients send (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .._checks import Check, Either, Integer, ListOf, OneOf, Shape, function_tool
from .._exchange import Problem
from .._openai import Model
from ._plain import IMAGES, THINKING, Plain, problem


class Played(Plain):
    """Thoughts come back on turns with tool calls; 421 is moderation."""

    name = "mimo"
    test_credentials = {"api_key": "sk-mimo0123456789abcdefghijklmnopqrstuvwxyz"}
    problems: ClassVar[Mapping[str, Problem]] = {
        **Plain.problems,
        "403": problem(403, "permission_denied", "No access to this model"),
        "421": problem(421, "content_filter", "The content was blocked by the filter"),
    }
    kinds: ClassVar[Mapping[str, str]] = {**Plain.kinds, "permission": "403", "policy": "421"}
    examples = dict.fromkeys(("chat", "tools", "image", "thinking"), "mimo-v2.6-flash")
    models = (
        Model(pattern=r"mimo-v2\.6-(pro|flash)", thinks="switch", parts=IMAGES),
        Model(pattern=r"mimo-v2\.5(-pro)?", thinks="switch"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        **Plain.fields,
        "max_completion_tokens": Integer(1),
        "thinking": THINKING,
        "tools": ListOf(Either(function_tool(), Shape({"type": OneOf("web_search")}))),
    }

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """While it thinks, the thoughts of a turn with tool calls have to come back."""
        called = [message for message in body["messages"] if message.get("tool_calls")]
        if self.is_thinking(body, model) and any(not isinstance(one.get("reasoning_content"), str) for one in called):
            self.refuse("400", "reasoning_content is required on assistant messages with tool calls")
