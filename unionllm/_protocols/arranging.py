"""What some vendors want of the list of messages as a whole; for ``OpenAICompatible.arrange``."""

from __future__ import annotations

from ..schema import Adaptation
from .base import JSONObject
from .openai_messages import as_call, text_of
from .parameters import adaptation
from .structured_output import instruct

_LEGACY = "the vendor knows calls of tools only"


def merge_system(messages: list[JSONObject]) -> list[Adaptation]:
    """One system message, at the head: the texts of all of them, in order, with a blank line between."""
    found = [message for message in messages if message.get("role") == "system"]
    if not found or (len(found) == 1 and messages[0] is found[0]):
        return []
    first = {**found[0], "content": _joined(found)}
    messages[:] = [first, *(message for message in messages if message.get("role") != "system")]
    return [adaptation("messages", "replaced", None, None, "the vendor takes one system message, at the head")]


def say_json(messages: list[JSONObject], wanted: object) -> list[Adaptation]:
    """The word that JSON mode is refused without, put into the system message. Changes ``messages`` in place.

    Args:
        wanted: ``response_format``, as the vendor will see it.
    """
    if not isinstance(wanted, dict) or wanted.get("type") != "json_object":
        return []
    if any("json" in text_of(message.get("content")).lower() for message in messages):
        return []
    messages[:] = instruct(messages, told := "Answer with one JSON object.")
    reason = "JSON mode is refused unless the messages hold the word json"
    return [adaptation("messages", "added", None, told, reason)]


def fold_system(messages: list[JSONObject]) -> list[Adaptation]:
    """No system message: its text goes to the front of the first user message."""
    found = [message for message in messages if message.get("role") == "system"]
    if not found:
        return []
    rest = [message for message in messages if message.get("role") != "system"]
    text = _joined(found)
    place = next((number for number, message in enumerate(rest) if message.get("role") == "user"), None)
    if place is None:
        rest.insert(0, {"role": "user", "content": text})
    else:
        rest[place] = {**rest[place], "content": _before(text, rest[place].get("content"))}
    messages[:] = rest
    return [adaptation("messages", "replaced", None, None, "this model reads no system message")]


def merge_neighbours(messages: list[JSONObject]) -> list[Adaptation]:
    """Turns of user and assistant in a row become one each; calls of tools and their results stay as they are."""
    merged: list[JSONObject] = []
    for message in messages:
        last = merged[-1] if merged else {}
        is_plain = not message.get("tool_calls") and not last.get("tool_calls")
        if is_plain and message.get("role") == last.get("role") and message.get("role") in ("user", "assistant"):
            merged[-1] = {**last, "content": _before(last.get("content"), message.get("content"))}
            thoughts = [turn["reasoning_content"] for turn in (last, message) if turn.get("reasoning_content")]
            if thoughts:
                merged[-1]["reasoning_content"] = "\n\n".join(thoughts)
        else:
            merged.append(message)
    if len(merged) == len(messages):
        return []
    messages[:] = merged
    return [adaptation("messages", "replaced", None, None, "the vendor refuses two turns of one role in a row")]


def modern_calls(messages: list[JSONObject]) -> list[Adaptation]:
    """Calls as OpenAI had them once, ``function_call`` and role "function", as calls of tools and their results."""
    changes = []
    called = ""
    for number, message in enumerate(messages):
        legacy, where = message.get("function_call"), f"messages[{number}]"
        if legacy and message.get("tool_calls"):
            messages[number] = _without("function_call", message)
            changes.append(adaptation(f"{where}.function_call", "dropped", legacy, None, "tool_calls is given too"))
        elif isinstance(legacy, dict):
            called = f"call_of_message_{number}"
            call = as_call({"id": called, "type": "function", "function": legacy})
            messages[number] = {"content": None, **_without("function_call", message), "tool_calls": [call]}
            changes.append(adaptation(f"{where}.function_call", "replaced", "function_call", "tool_calls", _LEGACY))
        elif message.get("role") == "function" and called:
            messages[number] = {**_without("name", message), "role": "tool", "tool_call_id": called}
            changes.append(adaptation(f"{where}.role", "replaced", "function", "tool", _LEGACY))
    return changes


def _without(name: str, message: JSONObject) -> JSONObject:
    return {key: value for key, value in message.items() if key != name}


def _joined(messages: list[JSONObject]) -> object:
    joined: object = ""
    for message in messages:
        content = message.get("content")
        # Texts become one text; images and cache marks would be lost in it.
        joined = _before(joined, content if _has_more_than_text(content) else text_of(content))
    return joined


def _has_more_than_text(content: object) -> bool:
    return isinstance(content, list) and any(not part.keys() <= {"type", "text"} for part in content)


def _before(first: object, second: object) -> object:
    """Two contents as one: texts with a blank line between, lists of parts as they follow."""
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}" if first and second else first or second
    return [*_parts(first), *_parts(second)]


def _parts(content: object) -> list[object]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []
