"""What some vendors want of the list of messages as a whole; for ``OpenAICompatible.arrange``."""

from __future__ import annotations

from ..schema import Adaptation
from .base import JSONObject
from .openai_messages import text_of
from .parameters import adaptation


def merge_system(messages: list[JSONObject]) -> list[Adaptation]:
    """One system message, at the head: the texts of all of them, in order, with a blank line between."""
    found = [message for message in messages if message.get("role") == "system"]
    if not found or (len(found) == 1 and messages[0] is found[0]):
        return []
    first = {**found[0], "content": _joined(found)}
    messages[:] = [first, *(message for message in messages if message.get("role") != "system")]
    return [adaptation("messages", "replaced", None, None, "the vendor takes one system message, at the head")]


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
        else:
            merged.append(message)
    if len(merged) == len(messages):
        return []
    messages[:] = merged
    return [adaptation("messages", "replaced", None, None, "the vendor refuses two turns of one role in a row")]


def _joined(messages: list[JSONObject]) -> str:
    return "\n\n".join(text for text in (text_of(message.get("content")) for message in messages) if text)


def _before(first: object, second: object) -> object:
    """Two contents as one: texts with a blank line between, lists of parts as they follow."""
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}" if first and second else first or second
    return [*_parts(first), *_parts(second)]


def _parts(content: object) -> list[object]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []
