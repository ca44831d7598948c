"""DeepSeek, played after api-docs.deepseek.com: chat completion, error codes, thinking mode (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from .._checks import Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import Problem, Whole
from .._openai import Chat, Model, OpenAILike
from .._openai_checks import STREAM_OPTIONS, TOOL_CHOICE
from .._script import Answer, Tokens

_ECHO = "The `reasoning_content` in the thinking mode must be passed back to the API."
_MEDIA = frozenset({"image_url", "file"})


def _problem(
    status: int, message: str, kind: str = "invalid_request_error", code: str = "invalid_request_error"
) -> Problem:
    return Problem(status=status, code=code, type=kind, message=message)


class Played(OpenAILike):
    """Thinking unless told not to, keep-alive comments, blank lines ahead of whole answers, strings but for users."""

    name = "deepseek"
    base = ""
    more_bases = ("/v1", "/beta")
    test_credentials = {"api_key": "sk-0123456789abcdef0123456789abcdef"}
    problems = {
        "400": _problem(400, "Invalid request format"),
        "context": _problem(400, "This model's maximum context length is 1048576 tokens. Please reduce the length."),
        "policy": _problem(400, "Content Exists Risk"),
        "401": _problem(401, "Authentication Fails, Your api key is invalid", "authentication_error"),
        "402": _problem(402, "Insufficient Balance", "unknown_error"),
        "404": _problem(404, "Model Not Exist"),
        "422": _problem(422, "Failed to deserialize the JSON body into the target type"),
        "429": _problem(429, "Rate limit reached", "rate_limit_error", "rate_limit_exceeded"),
        "500": _problem(500, "Internal Server Error", "server_error", "internal_error"),
        "503": _problem(503, "Service is too busy", "server_error", "service_unavailable"),
    }
    kinds = {
        "auth": "401",
        "no_balance": "402",
        "rate_limit": "429",
        "overloaded": "503",
        "not_found": "404",
        "bad_request": "400",
        "server": "500",
    }
    examples = {
        "chat": "deepseek-v4-flash",
        "tools": "deepseek-v4-flash",
        "image": "deepseek-flash",
        "thinking": "deepseek-v4-flash",
    }
    models = (
        Model(pattern=r"deepseek-(flash|v4-flash-vision-exp)", thinks="switch", parts=_MEDIA),
        Model(pattern=r"deepseek-v4-(flash|pro)", thinks="switch"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "max_tokens": Integer(1, 393_216),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1, above=True),
        "stop": Either(Text(), ListOf(Text(), high=16)),
        "response_format": Shape({"type": OneOf("text", "json_object")}),
        "tools": ListOf(function_tool(more={"strict?": Flag()}), high=128),
        "tool_choice": TOOL_CHOICE,
        "logprobs": Flag(),
        "top_logprobs": Integer(0, 20),
        "stream_options": STREAM_OPTIONS,
        "user_id": Text(1, 512, pattern=r"[A-Za-z0-9_-]+"),
        "thinking": Shape({"type": OneOf("enabled", "disabled")}),
        "reasoning_effort": OneOf("minimal", "low", "medium", "high", "xhigh", "max", "ultra"),
    }
    ignored = frozenset({"frequency_penalty", "presence_penalty"})
    roles = frozenset({"system", "user", "assistant", "tool", "latest_reminder"})
    list_roles = frozenset({"user"})
    usage_at = "finish"

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """What thinking changes, JSON mode's word, and prefills only on /beta."""
        messages, thinks = body["messages"], self.is_thinking(body, model)
        choice = body.get("tool_choice")
        if thinks and (choice == "required" or isinstance(choice, dict)):
            self.refuse("400", "deepseek-reasoner does not support this tool_choice")
        called = [message for message in messages if message["role"] == "assistant" and message.get("tool_calls")]
        if thinks and any(not isinstance(message.get("reasoning_content"), str) for message in called):
            self.refuse("400", _ECHO)
        wants_json = (body.get("response_format") or {}).get("type") == "json_object"
        if wants_json and "json" not in str(messages).lower():
            self.refuse(
                "400",
                "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
            )
        if any(message.get("prefix") for message in messages[:-1]):
            self.refuse("400", "prefix is only supported on the last message")

    def headers(self, chat: Chat) -> dict[str, str]:
        """The id to quote to the vendor."""
        return {"x-ds-trace-id": f"trace-{chat.number}"}

    def head(self, chat: Chat) -> dict[str, Any]:
        """With a fingerprint."""
        return {**super().head(chat), "system_fingerprint": "fp_test"}

    def whole(self, chat: Chat, answer: Answer) -> Whole:
        """Blank lines come first: the vendor sends them while it waits for a place in the queue."""
        reply = super().whole(chat, answer)
        return replace(reply, body=b"\n\n" + reply.body)

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """Keep-alive comments stand before the first event; usage once more at the end, if it was asked for."""
        yield b": keep-alive\n\n"
        yield from super().events(chat, answer)
        if chat.wants_usage:
            usage = self.usage(answer.counted(chat.asked))
            yield {**self.event(chat, {}), "choices": [], "usage": usage}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """Content and reasoning are null in turn."""
        for delta in super().deltas(chat, answer):
            if "reasoning_content" in delta:
                yield {"content": None, **delta}
            elif delta.get("content"):
                yield {**delta, "reasoning_content": None}
            elif "content" in delta:
                yield {"content": None, "reasoning_content": ""} if answer.reasoning else delta
            else:
                yield delta

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """With the vendor's own counts of its cache."""
        missed = tokens.prompt - tokens.cached
        return {
            **super().usage(tokens),
            "prompt_cache_hit_tokens": tokens.cached,
            "prompt_cache_miss_tokens": missed,
        }
