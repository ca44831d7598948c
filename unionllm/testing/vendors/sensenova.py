"""SenseNova, played after what others' clients send to both of its endpoints (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Check, Flag, Integer, Number, Shape
from .._openai import Chat, Model
from .._script import Answer
from ._plain import THINKING, Plain

_OLDER = r"Sense(Nova-V|Chat).*"


class Played(Plain):
    """Plain OpenAI today; models of the older endpoint name the length, the switch and the thoughts otherwise."""

    name = "sensenova"
    more_bases = ("/compatible-mode/v2", "/compatible-mode/v1")
    test_credentials = {"api_key": "sk-sensenova0123456789abcdefghijklmn"}
    examples = dict.fromkeys(("chat", "tools", "thinking"), "deepseek-v4-flash")
    models = (
        Model(
            pattern=_OLDER,
            thinks="switch",
            fields={
                "max_tokens": None,
                "max_new_tokens": Integer(1),
                "thinking": Shape({"enabled": Flag()}, is_open=False),
                "temperature": Number(0, 2, above=True),
                "top_p": Number(0, 1, above=True, below=True),
            },
        ),
        Model(pattern=r"sensenova-6\.8-flash-lite|deepseek-v4-flash|glm-5\.2", thinks="switch"),
    )
    fields: ClassVar[Mapping[str, Check]] = {**Plain.fields, "thinking": THINKING}

    def is_thinking(self, body: Mapping[str, Any], model: Model) -> bool:
        """The older switch is a boolean."""
        told = body.get("thinking") or {}
        return told.get("enabled", True) if model.pattern == _OLDER else super().is_thinking(body, model)

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """Older models take one system message."""
        systems = [message for message in body["messages"] if message["role"] == "system"]
        if model.pattern == _OLDER and len(systems) > 1:
            self.refuse("400", "only one system message is supported")

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """Older models think under another name."""
        for delta in super().deltas(chat, answer):
            if chat.model.pattern == _OLDER and "reasoning_content" in delta:
                yield {"reasoning": delta["reasoning_content"]}
            else:
                yield delta
