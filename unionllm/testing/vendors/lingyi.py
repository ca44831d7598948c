"""01.AI (Yi), played after platform.lingyiwanwu.com/docs, copies of 2024 and 2025 (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .._checks import Check, Integer, ListOf, Number, function_tool
from .._exchange import Problem
from .._openai import Model, OpenAILike
from .._openai_checks import STOP, STREAM_OPTIONS, TOOL_CHOICE

_VISION = frozenset({"image_url"})
_NO_TOOLS: dict[str, Check | None] = {"tools": None, "tool_choice": None}


def _problem(status: int, code: str, message: str) -> Problem:
    return Problem(status=status, code=code, type="invalid_request_error" if status < 429 else code, message=message)


class Played(OpenAILike):
    """Plain chat completions, one image a call, 529 for a busy system."""

    name = "lingyi"
    base = "/v1"
    test_credentials = {"api_key": "0123456789abcdef0123456789abcdef"}
    problems = {
        "400": _problem(400, "invalid_request", "Invalid request parameters"),
        "length": _problem(400, "context_length_exceeded", "This model's maximum context length is 16384 tokens"),
        "401": _problem(401, "invalid_api_key", "Incorrect API key provided"),
        "404": _problem(404, "model_not_found", "The model does not exist"),
        "429": _problem(429, "rate_limit_exceeded", "Rate limit reached, please try again later"),
        "quota": _problem(429, "insufficient_quota", "Your quota is used up, please check your balance"),
        "500": _problem(500, "internal_error", "Internal server error"),
        "529": _problem(529, "system_busy", "System busy, please try again later"),
    }
    kinds = {
        "auth": "401",
        "no_balance": "quota",
        "rate_limit": "429",
        "overloaded": "529",
        "not_found": "404",
        "bad_request": "400",
        "context": "length",
        "server": "500",
    }
    examples = {"chat": "yi-lightning", "tools": "yi-large-fc", "image": "yi-vision-v2"}
    models = (
        Model(pattern=r"yi-vision(-v2)?|yi-vl-plus", parts=_VISION, fields=_NO_TOOLS),
        Model(pattern=r"yi-large-fc"),
        Model(
            pattern=r"yi-lightning|yi-large(-turbo|-rag)?|yi-medium(-200k)?|yi-spark|yi-34b-chat-(0205|200k)",
            fields=_NO_TOOLS,
        ),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "temperature": Number(0, 2),
        "top_p": Number(0, 1, above=True),
        "max_tokens": Integer(1),
        "stop": STOP,
        "stream_options": STREAM_OPTIONS,
        "tools": ListOf(function_tool()),
        "tool_choice": TOOL_CHOICE,
    }
    list_roles = frozenset({"user"})
    usage_at = "finish"

    def check_content(self, message: Mapping[str, Any], place: str, model: Model) -> None:
        """Text models take strings and nothing else."""
        if isinstance(message.get("content"), list) and not model.parts:
            self.refuse("400", f"{place}: content of this model must be a string")
        super().check_content(message, place, model)

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """One image in all; yi-vl-plus knows no system message."""
        contents = [message.get("content") for message in body["messages"]]
        images = [
            part
            for content in contents
            for part in (content if isinstance(content, list) else ())
            if part["type"] == "image_url"
        ]
        if len(images) > 1:
            self.refuse("400", "only one image is supported")
        if body["model"] == "yi-vl-plus" and any(message["role"] == "system" for message in body["messages"]):
            self.refuse("400", "yi-vl-plus does not support the system role")
