"""Baichuan, played after platform.baichuan-ai.com/docs/api (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Anything, Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import typed
from .._openai import Chat, Model, OpenAILike
from .._script import Answer, Tokens

_SEARCH = Shape(
    {
        "type": OneOf("web_search"),
        "web_search": Shape({"enable": Flag(), "search_mode?": OneOf("performance_first", "quality_first")}),
    }
)
_RETRIEVAL = Shape({"type": OneOf("retrieval"), "retrieval": Shape({"kb_ids": ListOf(Text(low=1), low=1)})})
_NO_JSON: dict[str, Check | None] = {"response_format": None}


class Played(OpenAILike):
    """Mixed-case model names, sampling values below OpenAI's bounds, no ``stream_options``, no finish reason ahead."""

    name = "baichuan"
    base = "/v1"
    test_credentials = {"api_key": "sk-0123456789abcdef0123456789abcdef"}
    problems = {
        "invalid_request_error": typed(400, "invalid_request_error", "请求参数错误"),
        "model": typed(400, "invalid_request_error", "model not found"),
        "length": typed(400, "invalid_request_error", "input length exceeds the maximum context length of the model"),
        "sensitive": typed(400, "content_filter", "输入内容包含敏感信息 (sensitive)"),
        "invalid_api_key": typed(401, "invalid_api_key", "Incorrect API key provided"),
        "api_key_empty": typed(401, "api_key_empty", "API key is empty"),
        "invalid_authentication": typed(401, "invalid_authentication", "Invalid authentication"),
        "insufficient_quota": typed(429, "insufficient_quota", "Insufficient account balance"),
        "rate_limit_exceeded": typed(429, "rate_limit_exceeded", "Rate limit reached for requests"),
        "internal_error": typed(500, "internal_error", "Internal server error"),
    }
    kinds = {
        "auth": "invalid_api_key",
        "no_balance": "insufficient_quota",
        "rate_limit": "rate_limit_exceeded",
        "not_found": "model",
        "bad_request": "invalid_request_error",
        "context": "length",
        "policy": "sensitive",
        "server": "internal_error",
    }
    examples = {"chat": "Baichuan4-Turbo", "tools": "Baichuan4-Turbo", "thinking": "Baichuan-M3"}
    models = (
        Model(pattern=r"Baichuan-M[23](-Plus)?", thinks="always", fields={**_NO_JSON, "metadata": Shape({})}),
        Model(pattern=r"Baichuan4(-Turbo|-Air)?|Baichuan3-Turbo(-128k)?"),
        Model(pattern=r"Baichuan2-Turbo", fields=_NO_JSON),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "temperature": Number(0, 1),
        "top_p": Number(0, 1, below=True),
        "top_k": Integer(0, 20),
        "max_tokens": Integer(1),
        "tools": ListOf(Either(function_tool(), _SEARCH, _RETRIEVAL)),
        "tool_choice": OneOf("auto"),
        "response_format": Shape({"type": OneOf("text", "json_object")}),
        "with_search_enhance": Flag(),
        "knowledge_base": Shape({"ids": ListOf(Text())}),
        "metadata": Anything(),
    }
    embeds: ClassVar[Mapping[str, int]] = {"Baichuan-Text-Embedding": 16}
    refuses_unknown = True
    list_roles = frozenset()
    usage_at = "finish"
    repeats_role = True

    def check_auth(self, request: Any) -> None:
        """A missing key has a type of its own."""
        if not request.headers.get("authorization"):
            self.refuse("api_key_empty")
        if not request.bearer:
            self.refuse("invalid_authentication")
        self.require_bearer(request)

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """The old models know no system role, and the first turn is the user's."""
        roles = [message["role"] for message in body["messages"]]
        if body["model"].startswith("Baichuan2") and "system" in roles:
            self.refuse("invalid_request_error", "role system is not supported by this model")
        turns = [role for role in roles if role != "system"]
        if turns[:1] != ["user"]:
            self.refuse("invalid_request_error", "the first message after the system message must be the user's")

    def headers(self, chat: Chat) -> dict[str, str]:
        """The id to quote to the vendor."""
        return {"X-BC-Request-Id": f"bc-{chat.number}"}

    def head(self, chat: Chat) -> dict[str, Any]:
        """Ids begin with chatcmpl-M."""
        return {**super().head(chat), "id": f"chatcmpl-M{chat.number}"}

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """Passages of a knowledge base stand beside the choices; nothing found is an empty list."""
        cites = [
            {"title": passage.title, "content": passage.content, "file_id": passage.id} for passage in answer.context
        ]
        return {**super().whole_body(chat, answer), "knowledge_base": {"cites": cites}}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """No empty delta ahead."""
        return (delta for delta in super().deltas(chat, answer) if delta != {"content": ""})

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """What was retrieved stands on the last event."""
        for event in super().events(chat, answer):
            if answer.context and isinstance(event, dict) and "usage" in event:
                cites = self.whole_body(chat, answer)["knowledge_base"]
                yield {**event, "knowledge_base": cites}
            else:
                yield event

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """``finish_reason`` is there only once it is known."""
        event = super().event(chat, delta, finish, index)
        if finish is None:
            del event["choices"][0]["finish_reason"]
        return event

    def last_event(self, chat: Chat, answer: Answer, tokens: Tokens, index: int) -> dict[str, Any]:
        """The role stands here too, with an empty text."""
        event = super().last_event(chat, answer, tokens, index)
        event["choices"][0]["delta"] = {"role": "assistant", "content": ""}
        return event

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """With the number of searches, which are paid by the piece."""
        return {
            **tokens.counts,
            "search_count": 0,
        }
