"""Moonshot AI (Kimi), played after platform.kimi.ai/docs: chat, errors, thinking (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import NAMED_TOOL, Check, Either, Fixed, Flag, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import typed
from .._openai import Chat, Model, OpenAILike
from .._openai_checks import STREAM_OPTIONS
from .._script import Answer, Tokens

_ECHO = "thinking is enabled but reasoning_content is missing in assistant tool call message"
_MEDIA = frozenset({"image_url", "video_url"})
_TYPES = (
    "image/(jpeg|png|gif|webp|bmp|heic|heif)",
    "video/(mp4|mpeg|mov|avi|x-flv|mpg|webm|wmv|3gpp|quicktime)",
)
_BUILTIN = Shape({"type": OneOf("builtin_function"), "function": Shape({"name": Text(pattern=r"\$[a-z_]+")})})
_JSON = Shape({"type": OneOf("text", "json_object")})
_SCHEMA = Either(
    _JSON, Shape({"type": OneOf("json_schema"), "json_schema": Shape({"name": Text(), "schema": Shape({})})})
)
_SWITCH = Shape({"type": OneOf("enabled", "disabled")})
_KEEP = Shape({"type": OneOf("enabled", "disabled"), "keep?": OneOf("all")})
_ALWAYS = Shape({"type": OneOf("enabled"), "keep?": OneOf("all")})
#: Sampling values that the newer models insist on; k2.5 adds its temperature below.
_FIXED: dict[str, Check | None] = {
    "top_p": Fixed(0.95),
    "n": Fixed(1),
    "presence_penalty": Fixed(0),
    "frequency_penalty": Fixed(0),
    "response_format": _SCHEMA,
}


class Played(OpenAILike):
    """Fixed sampling values from k2.5 on, media as data or ms:// only, usage inside the last choice."""

    name = "moonshot"
    base = "/v1"
    more_bases = ("/coding/v1",)
    test_credentials = {"api_key": "sk-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL"}
    problems = {
        "content_filter": typed(400, "content_filter", "The request was rejected because it was considered high risk"),
        "invalid_request_error": typed(400, "invalid_request_error", "Invalid request"),
        "context": typed(
            400, "invalid_request_error", "Invalid request: Your request exceeded model token limit: 262144"
        ),
        "invalid_authentication_error": typed(401, "invalid_authentication_error", "Invalid Authentication"),
        "incorrect_api_key_error": typed(401, "incorrect_api_key_error", "Incorrect API key provided"),
        "permission_denied_error": typed(403, "permission_denied_error", "Permission denied"),
        "resource_not_found_error": typed(404, "resource_not_found_error", "Not found the model or Permission denied"),
        "exceeded_current_quota_error": typed(
            429, "exceeded_current_quota_error", "Your account is suspended, please check your plan and billing details"
        ),
        "rate_limit_reached_error": typed(
            429,
            "rate_limit_reached_error",
            "Your account reached max organization concurrency: 1, please try again after 1 seconds",
        ),
        "engine_overloaded_error": typed(429, "engine_overloaded_error", "The engine is currently overloaded"),
        "server_error": typed(500, "server_error", "Internal server error"),
        "unexpected_output": typed(500, "unexpected_output", "Invalid state transition"),
    }
    kinds = {
        "auth": "invalid_authentication_error",
        "permission": "permission_denied_error",
        "no_balance": "exceeded_current_quota_error",
        "rate_limit": "rate_limit_reached_error",
        "overloaded": "engine_overloaded_error",
        "not_found": "resource_not_found_error",
        "bad_request": "invalid_request_error",
        "policy": "content_filter",
        "server": "server_error",
    }
    examples = {"chat": "kimi-k2.6", "tools": "kimi-k2.6", "image": "kimi-k2.6", "thinking": "kimi-k2.6"}
    models = (
        Model(
            pattern=r"(kimi-)?k3(-256k)?",
            thinks="always",
            parts=_MEDIA,
            fields={
                **_FIXED,
                "temperature": Fixed(1),
                "thinking": None,
                "reasoning_effort": OneOf("low", "high", "max"),
                "tool_choice": Either(OneOf("auto", "none", "required")),
                "max_completion_tokens": Integer(1, 1_048_576),
            },
        ),
        Model(
            pattern=r"kimi-k2\.7-code(-highspeed)?|kimi-for-coding",
            thinks="always",
            parts=_MEDIA,
            fields={**_FIXED, "temperature": Fixed(1), "thinking": _ALWAYS},
        ),
        Model(pattern=r"kimi-k2\.6", thinks="switch", parts=_MEDIA, fields={**_FIXED, "thinking": _KEEP}),
        Model(pattern=r"kimi-k2\.5", thinks="switch", parts=_MEDIA, fields={**_FIXED, "thinking": _SWITCH}),
        Model(pattern=r"kimi-k2-thinking(-turbo)?", thinks="always"),
        Model(pattern=r"kimi-k2-(0711|0905|turbo)-preview"),
        Model(pattern=r"moonshot-v1-(8k|32k|128k)-vision-preview", parts=frozenset({"image_url"})),
        Model(pattern=r"moonshot-v1-(8k|32k|128k|auto)"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "max_tokens": Integer(1),
        "max_completion_tokens": Integer(1),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "n": Integer(1, 5),
        "presence_penalty": Number(-2, 2),
        "frequency_penalty": Number(-2, 2),
        "stop": Either(Text(), ListOf(Text(), high=5)),
        "response_format": _JSON,
        "tools": ListOf(Either(function_tool(more={"strict?": Flag()}), _BUILTIN), high=128),
        "tool_choice": Either(OneOf("auto", "none"), NAMED_TOOL),
        "logprobs": Flag(),
        "top_logprobs": Integer(0, 20),
        "stream_options": STREAM_OPTIONS,
        "prompt_cache_key": Text(),
        "safety_identifier": Text(),
        "prediction": Shape({"type": OneOf("content")}),
    }
    list_roles = frozenset({"user"})
    usage_at = "choice"
    numbers_calls = True
    error_members = ("message", "type")

    def check_content(self, message: Mapping[str, Any], place: str, model: Model) -> None:
        """Nothing empty; lists only where a model can see; media by value or by the vendor's own file id."""
        content = message.get("content")
        if content is None and message["role"] == "system" and message.get("tools"):
            return  # K3 adds tools in mid-conversation by such a message
        if content in ("", []) and not message.get("tool_calls"):
            self.refuse("bad_request", f"Invalid request: {place} message must not be empty")
        if isinstance(content, list) and not model.parts:
            self.refuse("bad_request", f"{place}: content of this model must be a string")
        super().check_content(message, place, model)
        for part in content if isinstance(content, list) else ():
            self._check_media(part, place)

    def _check_media(self, part: Mapping[str, Any], place: str) -> None:
        if part["type"] == "text":
            return
        given = part.get(part["type"])
        url = given.get("url") if isinstance(given, dict) else given
        is_known = isinstance(url, str) and (
            url.startswith("ms://") or any(re.match(f"data:{kind};base64,.", url) for kind in _TYPES)
        )
        if not is_known:
            self.refuse("bad_request", f"Invalid request: {place}: unsupported image url: {str(url)[:40]}")

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """Temperatures that depend on thinking, long stop words, and reasoning that has to come back."""
        thinks = self.is_thinking(body, model)
        temperature = body.get("temperature")
        if model.thinks == "switch" and temperature not in (None, 1 if thinks else 0.6):
            allowed = 1 if thinks else 0.6
            self.refuse("bad_request", f"invalid temperature: only {allowed} is allowed for this model")
        stop = body.get("stop") or ()
        if any(len(word.encode()) > 32 for word in ([stop] if isinstance(stop, str) else stop)):
            self.refuse("bad_request", "stop: each word has at most 32 bytes")
        if thinks and isinstance(body.get("tool_choice"), dict):
            self.refuse("bad_request", "tool_choice 'specified' is incompatible with thinking enabled")
        if (body.get("n") or 1) > 1 and (temperature or 0) < 0.1:
            self.refuse("bad_request", "only one answer can be given at a temperature near 0")
        for number, message in enumerate(body["messages"]):
            called = message["role"] == "assistant" and message.get("tool_calls")
            if thinks and called and not isinstance(message.get("reasoning_content"), str):
                self.refuse("bad_request", f"{_ECHO} at index {number}")
            if message.get("partial") and number != len(body["messages"]) - 1:
                self.refuse("bad_request", "partial is for the last message")

    def headers(self, chat: Chat) -> dict[str, str]:
        """The id to quote to the vendor."""
        return {"x-trace-id": f"trace-{chat.number}"}

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """Cached tokens stand at the top as well."""
        return {**super().usage(tokens), "cached_tokens": tokens.cached}

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """Usage comes once more in an event of its own, if it was asked for."""
        yield from super().events(chat, answer)
        if chat.wants_usage:
            yield {**self.event(chat, {}), "choices": [], "usage": self.usage(answer.counted(chat.asked))}
