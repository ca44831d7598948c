"""Chat completions without surprises: what vendors have in common that copy OpenAI's API as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .._checks import Check, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import Problem
from .._openai import Model, OpenAILike
from .._openai_checks import STOP, STREAM_OPTIONS, TOOL_CHOICE

IMAGES = frozenset({"image_url"})
#: The switch of most vendors: on or off.
THINKING = Shape({"type": OneOf("enabled", "disabled")})


def problem(status: int, code: str, message: str) -> Problem:
    """An error in OpenAI's words."""
    return Problem(status=status, code=code, type=code, message=message)


class Plain(OpenAILike):
    """OpenAI's parameters in their ranges, and OpenAI's errors."""

    base = "/v1"
    problems: ClassVar[Mapping[str, Problem]] = {
        "400": problem(400, "invalid_request_error", "Invalid request parameters"),
        "context": problem(400, "context_length_exceeded", "The messages are longer than the context of the model"),
        "401": problem(401, "invalid_api_key", "Incorrect API key provided"),
        "402": problem(402, "insufficient_balance", "The balance of the account is used up"),
        "404": problem(404, "model_not_found", "The model does not exist"),
        "429": problem(429, "rate_limit_exceeded", "Too many requests"),
        "500": problem(500, "server_error", "Internal server error"),
        "503": problem(503, "overloaded_error", "The service is busy, please try again later"),
    }
    kinds: ClassVar[Mapping[str, str]] = {
        "auth": "401",
        "no_balance": "402",
        "rate_limit": "429",
        "overloaded": "503",
        "not_found": "404",
        "bad_request": "400",
        "context": "context",
        "server": "500",
    }
    fields: ClassVar[Mapping[str, Check]] = {
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "max_tokens": Integer(1),
        "frequency_penalty": Number(-2, 2),
        "presence_penalty": Number(-2, 2),
        "stop": STOP,
        "seed": Integer(),
        "user": Text(),
        "tools": ListOf(function_tool()),
        "tool_choice": TOOL_CHOICE,
        "response_format": Shape({"type": OneOf("text", "json_object", "json_schema")}),
        "stream_options": STREAM_OPTIONS,
    }
    list_roles = frozenset({"user"})

    #: The flag that tells a model not to think; "" where an object does.
    switch: ClassVar[str] = ""

    def is_thinking(self, body: Mapping[str, Any], model: Model) -> bool:
        """By the flag, where there is one."""
        if not self.switch:
            return super().is_thinking(body, model)
        return model.thinks == "switch" and body.get(self.switch) is not False
