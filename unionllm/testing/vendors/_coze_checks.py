"""What Coze's chat endpoints take, as data and as rules over the list of messages."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

from .._checks import Anything, Check, Flag, ListOf, OneOf, Shape, Text

_ROLES = ("user", "assistant")
_TYPES = ("question", "answer", "function_call", "tool_output", "tool_response")
_MEDIA = ("image", "file", "audio")


class _TextMap:
    """An object of texts: so many pairs, names that match, values of so many characters."""

    def __init__(self, pattern: str = ".*", pairs: int = 1000, name: int = 1000, value: float = float("inf")) -> None:
        self._pairs = pairs
        self._name, self._value = Text(high=name, pattern=pattern), Text(high=value)

    def fault(self, value: Any) -> str:
        if not isinstance(value, Mapping):
            return "must be an object"
        if len(value) > self._pairs:
            return f"must have at most {self._pairs} pairs"
        faults = (self._name.fault(name) or self._value.fault(text) for name, text in value.items())
        return next((f": each name and value {fault}" for fault in faults if fault), "")


CHAT: Mapping[str, Check] = {
    "bot_id": Text(pattern=r"\d+"),
    "user_id": Text(low=1),
    "additional_messages": ListOf(Shape({"role": OneOf(*_ROLES)}), high=100),
    "stream": Flag(),
    "auto_save_history": Flag(),
    "custom_variables": _TextMap(pattern="[A-Za-z_]+"),
    "parameters": Shape({}),
    "meta_data": _TextMap(pairs=16, name=64, value=512),
    "extra_params": Shape({"latitude?": Text(), "longitude?": Text()}, is_open=False),
    "shortcut_command": Shape({}),
    "enable_card": Flag(),
    "publish_status": OneOf("published_online", "unpublished_draft"),
    "bot_version": Text(),
    "connector_id": Anything(),
}
WORKFLOW: Mapping[str, Check] = {
    "workflow_id": Text(low=1),
    "bot_id": Text(pattern=r"\d+"),
    "app_id": Text(low=1),
    "additional_messages": ListOf(Shape({"role": OneOf(*_ROLES)}), high=50),
    "parameters": Shape({}),
    "ext": Anything(),
    "conversation_id": Text(),
    "suggest_reply_info": Anything(),
}


def fields_fault(body: Mapping[str, Any], rules: Mapping[str, Check], required: Sequence[str]) -> str:
    """What is wrong with a member; nulls count as not given, and unknown members are let through."""
    for name in required:
        if body.get(name) in (None, ""):
            return f"The parameter {name} is required"
    for name, check in rules.items():
        if body.get(name) is not None and (fault := check.fault(body[name])):
            return f"The parameter {name} is invalid: {fault}"
    return ""


def chat_fault(body: Mapping[str, Any], files: Container[str]) -> str:
    """What is wrong with a chat that is to be created."""
    if fault := fields_fault(body, CHAT, ("bot_id", "user_id")):
        return fault
    saves = body.get("auto_save_history") is not False
    if not body.get("stream") and not saves:
        return "auto_save_history must be true when stream is false"
    messages = body.get("additional_messages") or []
    return messages_fault(messages, files, allows_tools=not saves)


def messages_fault(
    messages: Sequence[Mapping[str, Any]], files: Container[str], *, allows_tools: bool, text_only: bool = False
) -> str:
    """What is wrong with the list, or with one of its messages."""
    for number, message in enumerate(messages):
        place = f"additional_messages[{number}]"
        kind = message.get("type") or ("question" if message["role"] == "user" else "answer")
        if kind not in _TYPES or (kind.startswith("tool") and not allows_tools):
            return f"{place}: type {kind!r} is not allowed"
        if (kind == "question") != (message["role"] == "user") and not kind.startswith(("tool", "function")):
            return f"{place}: type {kind!r} does not belong to role {message['role']!r}"
        form = message.get("content_type", "text")
        if not isinstance(message.get("content"), str) or form not in ("text", "object_string"):
            return f"{place}: content must be a string whose content_type is text or object_string"
        if form == "object_string" and (kind != "question" or text_only):
            return f"{place}: only questions may be object_string"
        if form == "object_string" and (fault := _objects_fault(message["content"], files, messages, number)):
            return f"{place}: {fault}"
    if messages and messages[-1]["role"] != "user":
        return "the last of additional_messages must have the role user"
    return ""


def _objects_fault(content: str, files: Container[str], messages: Sequence[Mapping[str, Any]], number: int) -> str:
    try:
        items = json.loads(content)
    except (ValueError, RecursionError):
        return "content is no JSON"
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return "content must be a JSON array of objects"
    texts = [item for item in items if item.get("type") == "text"]
    media = [item for item in items if item.get("type") in _MEDIA]
    if len(texts) + len(media) != len(items):
        return "an item's type must be text, image, file or audio"
    if len(texts) > 1 or (texts and not media):
        return "one text at most, and none without an image or a file: a text alone has content_type text"
    for item in media:
        if fault := _medium_fault(item, files):
            return fault
    has_neighbour = any(
        messages[place].get("content_type", "text") == "text"
        for place in (number - 1, number + 1)
        if 0 <= place < len(messages)
    )
    return "" if texts or has_neighbour else "an image without text needs a message with text beside it"


def _medium_fault(item: Mapping[str, Any], files: Container[str]) -> str:
    url, stored = item.get("file_url"), item.get("file_id")
    if stored and (not isinstance(stored, str) or stored not in files):
        return f"file_id {stored} does not exist"
    if not stored and not str(url or "").startswith(("http://", "https://")):
        return "file_url must be an address that the server can reach; upload other files first"
    return ""
