"""The caller's messages → what a vendor takes. Works on copies; the caller's list is never changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from ..exceptions import BadRequestError
from ..schema import Adaptation
from .base import JSONObject
from .parameters import adaptation

#: Fields of an answer that mean nothing in a request; dropped from messages that were answers once.
_ANSWER_ONLY = ("annotations", "audio", "refusal", "logprobs", "function_call", "provider_specific_fields")

PartRule = Callable[[JSONObject, str], JSONObject]


class MessageFacts(NamedTuple):
    """What a vendor wants of messages.

    Args:
        replay: what becomes of ``reasoning_content`` on earlier assistant turns: "keep" it, or "strip" it.
        replay_filler: sent in its place on turns with tool calls that lack it, while thinking; None: nothing.
        empty_content: sent in place of empty content; None: left as it is.
        flatten: whether content lists that hold only text are joined into one string.
        strict_tools: whether the ``strict`` flag of a function may stay.
    """

    replay: Literal["keep", "strip"] = "keep"
    replay_filler: str | None = None
    empty_content: str | None = None
    flatten: bool = True
    strict_tools: bool = True


def adapt_messages(
    messages: Iterable[JSONObject], facts: MessageFacts, *, thinks: bool, adapt_part: PartRule
) -> tuple[list[JSONObject], list[Adaptation]]:
    """Messages as the vendor takes them, and what was changed in meaning.

    Args:
        thinks: whether this call thinks, which decides about ``replay_filler``.
        adapt_part: called with every content part that is not text, and where it stands; returns the part to send.
    """
    adapted: list[JSONObject] = []
    changes: list[Adaptation] = []
    for position, given in enumerate(messages):
        message = dict(given)
        if message.get("role") == "developer":
            message["role"] = "system"
            where = f"messages[{position}].role"
            changes.append(adaptation(where, "replaced", "developer", "system", "the vendor's word for it"))
        message["content"] = _content(message.get("content"), facts, adapt_part, f"messages[{position}]")
        if message.get("role") == "assistant":
            _adapt_answer(message, facts, thinks)
        if facts.empty_content is not None and not message["content"] and not message.get("tool_calls"):
            message["content"] = facts.empty_content
        if message["content"] is None and not message.get("tool_calls") and "content" not in given:
            del message["content"]
        adapted.append(message)
    return adapted, changes


def _content(content: Any, facts: MessageFacts, adapt_part: PartRule, where: str) -> Any:
    if facts.flatten:
        content = join_text_parts(content)
    if not isinstance(content, list):
        return content
    return [
        part if part.get("type") == "text" else adapt_part(part, f"{where}.content[{index}]")
        for index, part in enumerate(content)
    ]


def join_text_parts(content: Any) -> Any:
    """A list that holds only text parts as one string; anything else as it is."""
    # A part that says more than its text (a cache mark) is left as it is.
    if isinstance(content, list) and all(part.keys() == {"type", "text"} for part in content if isinstance(part, dict)):
        return "\n".join(str(part.get("text", "")) for part in content)
    return content


def text_of(content: Any) -> str:
    """The text of a content: a string, or what its text parts say."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _adapt_answer(message: JSONObject, facts: MessageFacts, thinks: bool) -> None:
    for name in _ANSWER_ONLY:
        if not message.get(name):
            message.pop(name, None)
    calls = message.get("tool_calls")
    if not calls:
        message.pop("tool_calls", None)
    else:
        message["tool_calls"] = [as_call(call) for call in calls]
    if facts.replay == "strip":
        message.pop("reasoning_content", None)
    elif calls and thinks and facts.replay_filler is not None and message.get("reasoning_content") is None:
        message["reasoning_content"] = facts.replay_filler
    elif message.get("reasoning_content") is None:
        message.pop("reasoning_content", None)


def as_call(call: JSONObject) -> JSONObject:
    """A call of a tool as a request has it: without an index, its arguments as JSON text."""
    function = dict(call.get("function") or {})
    if not isinstance(function.get("arguments"), str):
        function["arguments"] = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    sent = {name: value for name, value in call.items() if name != "index" and value is not None}
    return {**sent, "function": function}


def refuse_part(part: JSONObject, where: str) -> JSONObject:
    """For vendors and models that take text alone."""
    raise BadRequestError(
        f"{where} is of type {part.get('type')!r}, but this model takes text only. "
        "Choose a vision model, or turn the part into text."
    )


def take_part(part: JSONObject, _where: str) -> JSONObject:
    """For vendors that take OpenAI's parts as they are."""
    return part


def drop_strict(params: JSONObject) -> list[Adaptation]:
    """Take the ``strict`` flag, which some vendors refuse, out of the functions in ``params["tools"]``."""
    tools = params.get("tools")
    if not isinstance(tools, list):
        return []
    params["tools"] = sent = [_without_strict(tool) if isinstance(tool, dict) else tool for tool in tools]
    return [
        adaptation(f"tools[{n}].function.strict", "dropped", tool["function"]["strict"], None, "the vendor refuses it")
        for n, tool in enumerate(tools)
        if sent[n] is not tool
    ]


def _without_strict(tool: JSONObject) -> JSONObject:
    function = tool.get("function")
    if not isinstance(function, dict) or "strict" not in function:
        return tool
    return {**tool, "function": {name: value for name, value in function.items() if name != "strict"}}
