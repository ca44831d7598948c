"""StepFun, played after platform.stepfun.com/docs: chat completion create, error codes (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Check, Either, Integer, ListOf, Number, OneOf, Shape, Text, function_tool, mapping
from .._exchange import typed
from .._openai import Chat, Model, OpenAILike
from .._openai_checks import STOP, STREAM_OPTIONS
from .._script import Answer, Tokens

_MEDIA = frozenset({"image_url", "video_url"})
_TOOLS = [
    Shape({"type": OneOf("web_search"), "function": Shape({"description": Text()})}),
    Shape({"type": OneOf("retrieval"), "function": Shape({"options": Shape({"vector_store_id": Text(low=1)})})}),
]
_JSON = Shape({"type": OneOf("text", "json_object")})
_SCHEMA = Shape({"type": OneOf("json_schema"), "json_schema": Shape({"name": Text(low=1), "schema?": Shape({})})})
#: Only families that think know these two.
_THINKING: dict[str, Check | None] = {
    "reasoning_effort": OneOf("low", "medium", "high"),
    "reasoning_format": OneOf("general", "deepseek-style"),
}
_NO_THINKING: dict[str, Check | None] = {"reasoning_effort": None, "reasoning_format": None}


class Played(OpenAILike):
    """Thoughts stand in ``reasoning`` unless asked for elsewhere, 451 is moderation, usage on every event."""

    name = "stepfun"
    base = "/v1"
    more_bases = ("/step_plan/v1",)
    test_credentials = {"api_key": "3Stepfun0Made1Up2Key4For5Tests6Only7"}
    problems = {
        "400": typed(400, "request_params_invalid", "request params invalid"),
        "image": typed(400, "request_params_invalid", "failed to download the image"),
        "model": typed(400, "model_not_found", "model does not exist or you do not have access to it"),
        "context": typed(400, "request_params_invalid", "the prompt is longer than the context of the model"),
        "401": typed(401, "invalid_api_key", "Incorrect API key provided"),
        "402": typed(402, "insufficient_balance", "account balance is insufficient"),
        "404": typed(404, "not_found", "the requested path does not exist"),
        "429": typed(429, "rate_limited", "request rate limit exceeded"),
        "451": typed(451, "censorship_blocked", "the content is blocked by the moderation"),
        "500": typed(500, "internal_error", "internal server error"),
        "503": typed(503, "engine_overloaded", "the engine is overloaded, please try again later"),
    }
    kinds = {
        "auth": "401",
        "no_balance": "402",
        "rate_limit": "429",
        "overloaded": "503",
        "not_found": "model",
        "bad_request": "400",
        "context": "context",
        "policy": "451",
        "server": "500",
    }
    examples = {
        "chat": "step-3.7-flash",
        "tools": "step-3.7-flash",
        "image": "step-3.7-flash",
        "thinking": "step-3.7-flash",
    }
    models = (
        Model(
            pattern=r"step-3\.7-flash",
            thinks="always",
            parts=_MEDIA,
            fields={**_THINKING, "response_format": Either(_JSON, _SCHEMA)},
        ),
        Model(pattern=r"step-5-preview", thinks="always", parts=_MEDIA, fields=_THINKING),
        Model(pattern=r"step-3\.5-flash(-2603)?", thinks="always", fields=_THINKING),
        Model(pattern=r"step-1o-turbo-vision", parts=_MEDIA, fields=_NO_THINKING),
        Model(pattern=r"step-router-v1", fields=_NO_THINKING),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "max_tokens": Integer(1),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "n": Integer(1, 16),
        "stop": STOP,
        "frequency_penalty": Number(0, 1),
        "response_format": _JSON,
        "tools": ListOf(Either(function_tool(), *_TOOLS)),
        "tool_choice": OneOf("auto"),
        "stream_options": STREAM_OPTIONS,
        "user": Text(high=32),
    }
    list_roles = frozenset({"user", "system", "assistant"})
    usage_at = "every"
    repeats_role = True
    error_members = ("message", "type")

    def check_content(self, message: Mapping[str, Any], place: str, model: Model) -> None:
        """Images come by address or as data; videos by address."""
        super().check_content(message, place, model)
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            given = part.get(part["type"])
            url = str(mapping(given).get("url"))
            by_value = ("data:image/",) if part["type"] == "image_url" else ()
            if part["type"] != "text" and not url.startswith(("http://", "https://", *by_value)):
                self.refuse("image", f"{place}: {part['type']} must be {{'url': …}} that the server can download")

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """Thoughts stand where ``reasoning_format`` asks for them."""
        body = super().whole_body(chat, answer)
        for choice in body["choices"]:
            choice["message"] = _placed(chat, choice["message"])
        return body

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """Every delta has its content, empty or not."""
        pieces = list(super().deltas(chat, answer))
        for delta in pieces[1:]:
            yield _placed(chat, {"content": "", **delta})

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """A stream that goes on has an empty finish reason, not a null."""
        return super().event(chat, delta, finish or "", index)

    def last_event(self, chat: Chat, answer: Answer, tokens: Tokens, index: int) -> dict[str, Any]:
        """With a role and an empty text."""
        event = super().last_event(chat, answer, tokens, index)
        event["choices"][0]["delta"] = {"role": "assistant", "content": ""}
        return event

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """Cached tokens at the top, when there are any."""
        counts = tokens.counts
        return {**counts, "cached_tokens": tokens.cached} if tokens.cached else counts


def _placed(chat: Chat, message: dict[str, Any]) -> dict[str, Any]:
    """The same message with its thoughts under the name that was asked for."""
    if "reasoning_content" not in message or chat.body.get("reasoning_format") == "deepseek-style":
        return message
    named = {name: value for name, value in message.items() if name != "reasoning_content"}
    return {**named, "reasoning": message["reasoning_content"]}
