"""Baidu's first protocol, which only private deployments still speak: the model in the path, errors in 200."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._checks import Anything, Check, Flag, Integer, ListOf, Number, OneOf, Shape, Text
from .._exchange import Problem, Whole, as_json, encode_json
from .._script import Answer, Asked

PREFIX = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/"
SUFFIXES = frozenset(
    (
        "completions",
        "completions_pro",
        "completions_adv_pro",
        "eb-instant",
        "ernie-lite-8k",
        "ernie_speed",
        "ernie-speed-128k",
        "ernie_bot_8k",
        "ernie-func-8k",
        "ernie-char-8k",
        "ernie-tiny-8k",
        "ai_apaas",
    )
)
_FUNCTION = Shape({"name": Text(pattern=r"[a-zA-Z0-9_-]{1,64}"), "description?": Text(), "parameters": Shape({})})

FIELDS: Mapping[str, Check] = {
    "messages": Anything(),
    "stream": Flag(),
    "temperature": Number(0, 1, above=True),
    "top_p": Number(0, 1),
    "penalty_score": Number(1, 2),
    "max_output_tokens": Integer(2),
    "min_output_tokens": Integer(2),
    "stop": ListOf(Text(high=20), high=4),
    "system": Text(),
    "functions": ListOf(_FUNCTION),
    "tool_choice": Shape({"type": OneOf("function"), "function": Shape({"name": Text(low=1)})}),
    "response_format": OneOf("text", "json_object"),
    "user_id": Text(),
    "disable_search": Flag(),
    "enable_citation": Flag(),
    "enable_trace": Flag(),
}
#: What the SDK adds, and what is ignored besides.
IGNORED = frozenset({"extra_parameters", "model"})

_TEXTS = {
    1: "Unknown error",
    2: "Service temporarily unavailable",
    3: "Unsupported openapi method",
    4: "Open api request limit reached",
    6: "No permission to access data",
    13: "Get service token failed",
    14: "IAM Certification failed",
    15: "app not exists or create failed",
    17: "Open api daily request limit reached",
    18: "Open api qps request limit reached",
    19: "Open api total request limit reached",
    100: "Invalid parameter",
    110: "Access token invalid or no longer valid",
    111: "Access token expired",
    336000: "Internal error",
    336001: "Invalid Argument",
    336002: "Invalid JSON",
    336003: "Invalid request",
    336004: "no permission for this model",
    336005: "api name not exist",
    336007: "the length of messages is too long",
    336100: "try again",
    336101: "Invalid argument",
    336103: "the prompt is too long",
    336104: "Invalid argument",
    336105: "Invalid argument",
    336501: "Rate limit reached for RPM",
    336502: "Rate limit reached for TPM",
}
#: In the same table as V2's, by their numbers; the HTTP status is 200 whatever they say.
CODES = {str(code): Problem(status=200, code=code, message=text) for code, text in _TEXTS.items()}


#: Errors that are scripted by V2's words → the numbers that say the same here.
_NUMBERS = {
    "invalid_iam_token": 110,
    "invalid_model": 336004,
    "account_overdue": 17,
    "rpm_rate_limit_exceeded": 336501,
    "tpm_rate_limit_exceeded": 336502,
    "not_found": 336005,
    "invalid_argument": 336001,
    "tokens_too_long": 336007,
}


def messages_fault(messages: Any) -> str:
    """What is wrong with the list: an odd number of turns, the user's first and last, none of them empty."""
    if not isinstance(messages, list) or not messages:
        return "the messages must be a list that is not empty"
    if len(messages) % 2 == 0:
        return "the length of messages must be an odd number"
    for number, message in enumerate(messages):
        roles = ("assistant",) if number % 2 else ("user", "function") if number else ("user",)
        if not isinstance(message, dict) or message.get("role") not in roles:
            return f"the role of message with index {number} must be {' or '.join(roles)}"
        if fault := _content_fault(message, number):
            return fault
    return ""


def _content_fault(message: Mapping[str, Any], number: int) -> str:
    content, call = message.get("content"), message.get("function_call")
    if not isinstance(content, str) or (not content.strip() and not call):
        return f"the content of message with index {number} must be a string that is not empty"
    if message["role"] == "function" and not message.get("name"):
        return f"the message with index {number} needs the name of its function"
    return ""


def body_fault(body: Mapping[str, Any]) -> str:
    """What is wrong with a field, or with the messages."""
    for name, value in body.items():
        if name in IGNORED or value is None:
            continue
        if name not in FIELDS:
            return f"unknown parameter {name}"
        if fault := FIELDS[name].fault(value):
            return f"{name} {fault}"
    return messages_fault(body.get("messages"))


def understand(body: Mapping[str, Any], suffix: str) -> Asked:
    """What the default answer depends on."""
    choice = body.get("tool_choice")
    return Asked(
        model=suffix,
        turns=[(message["role"], message["content"]) for message in body["messages"]],
        tools=[{"type": "function", "function": function} for function in body.get("functions") or ()],
        forced_tool=choice["function"]["name"] if isinstance(choice, dict) else "",
        stream=body.get("stream") is True,
    )


def replies(answer: Answer, asked: Asked, number: int, created: int) -> Iterator[dict[str, Any]]:
    """One body, or one for each piece; a call is one, without an id."""
    pieces = (list(answer.text) or [""]) if asked.stream else [answer.whole_text]
    counted = answer.counted(asked)
    usage = counted.counts
    for place, piece in enumerate(pieces):
        is_end = place == len(pieces) - 1
        reply: dict[str, Any] = {"id": f"as-{number}", "object": "chat.completion", "created": created}
        if asked.stream:
            reply |= {"sentence_id": place, "is_end": is_end}
        cut = is_end and answer.ending == "length"
        reply |= {"is_truncated": cut, "result": piece, "need_clear_history": answer.ending == "content_filter"}
        if is_end:
            reply["finish_reason"] = {"stop": "normal", "tool_calls": "function_call"}.get(answer.ending, answer.ending)
        if is_end and answer.tool_calls:
            call = answer.tool_calls[0]  # V1 calls one function at a time
            reply["function_call"] = {"name": call.name, "arguments": call.arguments, "thoughts": ""}
        yield {**reply, "usage": usage}


def encode_problem(problem: Problem) -> Whole:
    """The status is 200 whatever is wrong."""
    return as_json(error_body(problem))


def encode_error(problem: Problem) -> bytes:
    """A bare line between the events."""
    return encode_json(error_body(problem)) + b"\n\n"


def error_body(problem: Problem) -> dict[str, Any]:
    """The first protocol's error; what has no number here is told as an internal one."""
    code = problem.code if isinstance(problem.code, int) else _NUMBERS.get(problem.code, 336000)
    return {"error_code": code, "error_msg": problem.message, "id": "as-0"}
