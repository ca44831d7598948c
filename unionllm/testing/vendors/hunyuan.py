"""Tencent TokenHub and Hunyuan, played after what LiteLLM's and Dify's clients send (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .._checks import Check, Flag, Integer, OneOf, Shape
from .._openai import Chat, Model
from .._script import Answer
from ._plain import IMAGES, Plain


def _thinking(*kinds: str) -> dict[str, Check | None]:
    return {"thinking": Shape({"type": OneOf(*kinds), "budget_tokens?": Integer(1)}, is_open=False)}


class Played(Plain):
    """TokenHub's switch with a budget, thoughts on every turn for hy3-preview, and Hunyuan's search."""

    name = "hunyuan"
    more_bases = ("/coding/v3", "/plan/v3")
    test_credentials = {"api_key": "sk-0123456789abcdefghijABCDEFGHIJ0123456789abcdef"}
    examples = {"chat": "hy3", "tools": "hy3", "image": "hunyuan-vision", "thinking": "hy3"}
    models = (
        Model(pattern=r"hunyuan-vision", parts=IMAGES, fields={"thinking": None}),
        Model(pattern=r"hunyuan-t1-latest", thinks="always", fields={"thinking": None}),
        Model(pattern=r"hunyuan-turbos-latest", fields={"thinking": None}),
        Model(pattern=r"minimax-m3", thinks="switch", parts=IMAGES, fields=_thinking("adaptive", "disabled")),
        Model(pattern=r"hy3(-preview)?|deepseek-v4.*|glm-5\.\d|kimi-k.*", thinks="switch"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        **Plain.fields,
        **{name: check for name, check in _thinking("enabled", "disabled", "adaptive").items() if check},
        "enable_enhancement": Flag(),
        "search_info": Flag(),
        "citation": Flag(),
    }

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """hy3-preview wants the thoughts of every turn back."""
        answers = [message for message in body["messages"] if message["role"] == "assistant"]
        if body["model"] == "hy3-preview" and any(not isinstance(one.get("reasoning_content"), str) for one in answers):
            self.refuse("400", "reasoning_content is required on assistant messages")

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """With the pages that a search found."""
        pages = [
            {"index": number, "title": page.title, "url": page.url} for number, page in enumerate(answer.context, 1)
        ]
        found = {"search_info": {"search_results": pages}} if pages else {}
        return {**super().whole_body(chat, answer), **found}
