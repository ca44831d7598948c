"""MiniMax, played after platform.minimax.io/docs: text-chat-openai, chatcompletion_v2, errors (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, function_tool
from .._exchange import Incoming, Problem, Refusal, Reply, Whole, as_json
from .._openai import Chat, Model, OpenAILike
from .._openai_checks import STREAM_OPTIONS
from .._script import Answer, Desk, Tokens

_NATIVE, _COMPATIBLE = "/text/chatcompletion_v2", "/chat/completions"
_SEARCH = Shape({"type": OneOf("web_search")}, is_open=False)


def _codes() -> dict[str, Problem]:
    rows = {
        1000: (500, "unknown error, please try again later"),
        1001: (504, "request timeout"),
        1002: (429, "rate limit exceeded(RPM)"),
        1004: (401, "login fail: Please carry the API secret key in the 'Authorization' field of the request header"),
        1008: (402, "insufficient balance"),
        1013: (500, "unknown error"),
        1024: (500, "internal error"),
        1026: (400, "input new_sensitive"),
        1027: (400, "output new_sensitive"),
        1028: (429, "the quota of the plan is used up"),
        1030: (429, "the quota of the plan is used up"),
        1033: (500, "system error, downstream service error"),
        1039: (429, "rate limit exceeded(TPM)"),
        1041: (429, "conn limit"),
        1042: (400, "too many invisible characters"),
        1043: (400, "asr check failed"),
        1044: (400, "clone prompt check failed"),
        2013: (400, "invalid params"),
        2037: (400, "voice duration too short"),
        2038: (400, "voice clone is forbidden for this account"),
        2042: (400, "no right to use this voice id"),
        2045: (429, "rate growth limit"),
        2048: (400, "prompt audio is too long"),
        2049: (401, "invalid api key"),
        2056: (429, "usage limit exceeded"),
        2061: (403, "your current token plan not support model"),
    }
    problems = {
        str(code): Problem(status=status, code=code, message=message) for code, (status, message) in rows.items()
    }
    problems["length"] = Problem(status=400, code=2013, message="invalid params, context window exceeds limit")
    problems["model"] = Problem(status=400, code=2013, message="invalid params, unknown model")
    return problems


_NAME = "MiniMax AI"
#: Zeros that mean "not known yet".
_NOTHING = {"total_tokens": 0, "total_characters": 0}
_TYPES = {401: "authorized_error", 403: "permission_error", 429: "rate_limit_error"}


class Played(OpenAILike):
    """Errors in 200 on the native path, thoughts in the text unless split off, the answer once more at the end."""

    name = "minimax"
    base = "/v1"
    test_credentials = {"api_key": "sk-0123456789abcdef0123456789abcdef"}
    problems = _codes()
    kinds = {
        "auth": "2049",
        "permission": "2061",
        "no_balance": "1008",
        "rate_limit": "1002",
        "not_found": "model",
        "bad_request": "2013",
        "context": "length",
        "policy": "1026",
        "server": "1000",
    }
    examples = {"chat": "MiniMax-M3", "tools": "MiniMax-M3", "image": "MiniMax-M3", "thinking": "MiniMax-M3"}
    models = (
        Model(
            pattern=r"MiniMax-M3",
            thinks="switch",
            parts=frozenset({"image_url", "video_url"}),
            fields={
                "thinking": Shape({"type": OneOf("adaptive", "disabled")}),
                "temperature": Number(0, 2, above=True),
            },
        ),
        Model(pattern=r"MiniMax-M2(\.[157](-highspeed|-lightning)?)?|MiniMax-M1", thinks="always"),
        Model(pattern=r"MiniMax-Text-01", parts=frozenset({"image_url"})),
        Model(pattern=r"M2-her|abab6\.5s-chat|abab7-chat-preview"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "max_tokens": Integer(1),
        "max_completion_tokens": Integer(1),
        "temperature": Number(0, 1, above=True),
        "top_p": Number(0, 1, above=True),
        "stream_options": STREAM_OPTIONS,
        "tools": ListOf(Either(function_tool(), _SEARCH)),
        "tool_choice": OneOf("auto", "none"),
        "mask_sensitive_info": Flag(),
        "reasoning_split": Flag(),
        "service_tier": OneOf("standard", "priority"),
    }
    ignored = frozenset(
        {
            "n",
            "seed",
            "logit_bias",
            "presence_penalty",
            "frequency_penalty",
            "response_format",
            "reasoning_effort",
            "parallel_tool_calls",
            "user",
            "stop",
        }
    )
    roles = frozenset(
        {"system", "user", "assistant", "tool", "user_system", "group", "sample_message_user", "sample_message_ai"}
    )
    list_roles = frozenset({"user", "tool"})
    ends_with_done = False

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """On the native path whatever goes wrong comes with status 200."""
        try:
            return super().answer(request, desk)
        except Refusal as refusal:
            if not request.path.endswith(_NATIVE):
                raise
            raise Refusal(refusal.problem, "in_200") from None

    def check_auth(self, request: Incoming) -> None:
        """No key has another code than a wrong one."""
        if not request.bearer:
            self.refuse("1004")
        self.require_bearer(request)

    def check_route(self, request: Incoming) -> None:
        """Two paths, one body."""
        if request.path not in (self.base + _NATIVE, self.base + _COMPATIBLE):
            self.refuse("2013", f"no such path: {request.path}", status=404)
        if request.method != "POST":
            self.refuse("2013", f"method {request.method} is not allowed", status=405)

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """One system message, something besides it, and functions without ``strict``."""
        roles = [message["role"] for message in body["messages"]]
        if roles.count("system") > 1:
            self.refuse("2013", "invalid params, only one system message is allowed")
        if set(roles) == {"system"}:
            self.refuse("2013", "invalid params, messages need more than a system message")
        if any("strict" in (tool.get("function") or {}) for tool in body.get("tools") or ()):
            self.refuse("2013", "invalid params, function.strict is unknown")

    def head(self, chat: Chat) -> dict[str, Any]:
        """Ids are hexadecimal."""
        return {**super().head(chat), "id": f"06b0{chat.number:04x}"}

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """With the verdicts of the moderation, and the status that every body has."""
        return {**super().whole_body(chat, answer), **_verdict(answer), **_status(0, "")}

    def message(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """Thoughts stand beside the text if ``reasoning_split`` is on, and before it, in tags, if it is not."""
        message = {"name": _NAME, "audio_content": "", **super().message(chat, answer)}
        if not answer.reasoning:
            return message
        if chat.body.get("reasoning_split"):
            return {**message, "reasoning_details": [_thought(answer.whole_reasoning)]}
        del message["reasoning_content"]
        return {**message, "content": _tagged(answer.whole_reasoning) + answer.whole_text}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """Each with the model's name; thoughts where ``reasoning_split`` puts them."""
        splits = chat.body.get("reasoning_split")
        if answer.reasoning and not splits:
            yield {"name": _NAME, "content": _tagged(answer.whole_reasoning)}
        for delta in list(super().deltas(chat, answer))[1:]:
            thought = delta.get("reasoning_content")
            if thought is None:
                yield {"name": _NAME, **delta}
            elif splits:
                yield {"name": _NAME, "audio_content": "", **delta, "reasoning_details": [_thought(thought)]}

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """Usage is zero until it is known; ``finish_reason`` is there only once it is."""
        event: dict[str, Any] = {**super().event(chat, delta, finish, index), "usage": _NOTHING, **_verdict(None)}
        if finish is None:
            del event["choices"][0]["finish_reason"]
        return event

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """At the end the whole answer once more, which alone tells the usage."""
        usage = [event for event in super().events(chat, answer) if isinstance(event, dict)]
        asked_for = usage.pop() if chat.wants_usage else None
        yield from usage
        yield self.whole_body(chat, answer)
        if asked_for:
            yield asked_for

    def last_event(self, chat: Chat, answer: Answer, tokens: Tokens, index: int) -> dict[str, Any]:
        """The delta beside the finish reason is null."""
        event = super().last_event(chat, answer, tokens, index)
        event["choices"][0]["delta"] = None
        return event

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """With a count of characters that is always zero."""
        return {"total_characters": 0, **super().usage(tokens)}

    def encode_in_200(self, problem: Problem) -> Whole:
        """``base_resp`` tells it, and there are no choices."""
        return as_json({"id": "06b0", "choices": None, **_status(problem.code, problem.message)})

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same as an event."""
        return self.encode_event(_status(problem.code, problem.message))

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """The vendor's own code stands at the end of the text."""
        kind = _TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
        message = f"{problem.message} ({problem.code})"
        return {"type": "error", "error": {"type": kind, "message": message, "http_code": str(problem.status)}}


def _status(code: int | str, message: str) -> dict[str, Any]:
    return {"base_resp": {"status_code": code, "status_msg": message}}


def _verdict(answer: Answer | None) -> dict[str, Any]:
    is_blocked = answer is not None and answer.ending == "content_filter"
    kinds = {"input_sensitive_type": 0, "output_sensitive_type": 1 if is_blocked else 0}
    return {"input_sensitive": False, "output_sensitive": is_blocked, **kinds}


def _thought(text: str) -> dict[str, Any]:
    kind = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1"}
    return {**kind, "index": 0, "text": text}


def _tagged(reasoning: str) -> str:
    return f"<think>\n{reasoning}\n</think>\n\n"
