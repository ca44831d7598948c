"""The caller's ``messages``: checked and copied once, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .exceptions import BadRequestError

_EXAMPLE = 'messages=[{"role": "user", "content": "你好"}]'


def read_messages(given: Any) -> tuple[dict[str, Any], ...]:
    """Messages as plain dicts of our own.

    Args:
        given: a sequence of dicts, or of message objects as an answer holds them (ours, OpenAI's, LiteLLM's).

    Raises:
        BadRequestError: names the message and what is wrong with it.
    """
    if given is None:
        raise BadRequestError(f"no messages given. Pass {_EXAMPLE}.")
    is_list = type(given) is list  # nearly all are, and to ask about protocols takes long
    if not is_list and (isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence)):
        raise BadRequestError(f"messages must be a list of messages, not {type(given).__name__}. Pass {_EXAMPLE}.")
    if not given:
        raise BadRequestError(f"messages is empty. Pass at least one, such as {_EXAMPLE}.")
    return tuple([_read(message, f"messages[{position}]") for position, message in enumerate(given)])


def _read(message: Any, where: str) -> dict[str, Any]:
    if type(message) is not dict:
        if hasattr(message, "model_dump"):
            message = message.model_dump(exclude_none=True)
        if not isinstance(message, Mapping):
            raise BadRequestError(f"{where} is a {type(message).__name__}, not a dict with a role and a content.")
    copied = {str(name): value for name, value in message.items()}
    role = copied.get("role")
    if not isinstance(role, str) or not role:
        raise BadRequestError(f"{where} has no role. Give it one of system, user, assistant, tool.")
    content = copied.get("content")
    if not isinstance(content, str):
        _check_content(copied, content, role, where)
    if role == "tool" and not copied.get("tool_call_id"):
        raise BadRequestError(f"{where} answers a tool call but has no tool_call_id. Copy it from the call's id.")
    calls = copied.get("tool_calls")
    if calls is not None and not isinstance(calls, (list, tuple)):
        raise BadRequestError(f"{where}.tool_calls is a {type(calls).__name__}, not a list of tool calls.")
    if calls is not None:
        copied["tool_calls"] = [_read_call(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls)]
    return copied


def _check_content(message: dict[str, Any], content: Any, role: str, where: str) -> None:
    if content is None:
        # An assistant turn may hold tool calls alone; some vendors take a system turn that only adds tools.
        if role not in ("assistant", "system") or not (
            message.get("tool_calls") or "tools" in message or role == "assistant"
        ):
            raise BadRequestError(f"{where} has no content. Give it a text or a list of parts.")
        return
    if not isinstance(content, (list, tuple)):
        raise BadRequestError(f"{where}.content is a {type(content).__name__}, neither a text nor a list of parts.")
    if not content:
        raise BadRequestError(f"{where}.content is an empty list. Give it a text or at least one part.")
    for index, part in enumerate(content):
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise BadRequestError(f'{where}.content[{index}] is no part. Write it as {{"type": "text", "text": …}}.')
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise BadRequestError(f"{where}.content[{index}].text is no text, but a {type(part.get('text')).__name__}.")
    message["content"] = [dict(part) for part in content]


def _read_call(call: Any, where: str) -> dict[str, Any]:
    if hasattr(call, "model_dump"):
        call = call.model_dump(exclude_none=True)
    if not isinstance(call, Mapping):
        raise BadRequestError(f"{where} is a {type(call).__name__}, not a dict with an id and a function.")
    if not isinstance(call.get("function", {}), Mapping):
        raise BadRequestError(f"{where}.function is a {type(call['function']).__name__}, not a dict.")
    return {str(name): value for name, value in call.items()}
