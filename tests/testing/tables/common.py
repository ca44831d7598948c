"""Pieces that most tables share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rows import NOW

ASK = [{"role": "user", "content": "你好"}]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
CALLED: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": [_CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "晴"}
#: A call of a tool and its result; with the thoughts that some vendors insist on.
ROUND = [*ASK, {**CALLED, "reasoning_content": "先想"}, RESULT]
#: A result that answers another call than the one that was made.
STRAY = [*ASK, {**CALLED, "reasoning_content": "先想"}, {**RESULT, "tool_call_id": "call_2"}]
#: A call whose result is not there.
OPEN = [*ASK, {**CALLED, "reasoning_content": "先想"}, *ASK]
#: Arguments that are no JSON.
BROKEN = [
    *ASK,
    {
        **CALLED,
        "reasoning_content": "先想",
        "tool_calls": [{**_CALL, "function": {"name": "get_weather", "arguments": "{"}}],
    },
    RESULT,
]
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def seen(url: str = PIXEL, kind: str = "image_url") -> list[dict[str, Any]]:
    """A message with a picture, or with another kind of medium."""
    return [{"role": "user", "content": [{"type": "text", "text": "看"}, {"type": kind, kind: {"url": url}}]}]


#: Scripted answers: two pieces of text; thoughts first; a call in pieces.
SAID = {"text": ["he", "llo"], "usage": {"prompt": 9, "completion": 3}}
THOUGHT = {
    "text": ["4"],
    "reasoning": ["2+", "2"],
    "usage": {"prompt": 9, "completion": 5, "reasoning": 3, "cached": 4},
}
CALLS = {
    "tool_calls": [{"id": "call_1", "name": "f", "arguments": ['{"a"', ":1}"]}],
    "usage": {"prompt": 9, "completion": 3},
}
#: A key that is none.
WRONG_KEY = {"Authorization": "Bearer wrong"}
COUNTS = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
#: The same as OpenAI details them.
DETAILED = {
    **COUNTS,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def plain_events(vendor: str, model: str, *, usage: bool = True, created: int = NOW) -> list[Mapping[str, Any] | str]:
    """The stream of ``SAID`` as OpenAI writes it: a role, two pieces, the end, and the usage if it was asked for."""
    head = {"id": f"{vendor}-1", "created": created, "model": model, "object": "chat.completion.chunk"}
    pieces: list[tuple[Any, Any]] = [({"role": "assistant", "content": ""}, None), ({"content": "he"}, None)]
    pieces += [({"content": "llo"}, None), ({}, "stop")]
    events: list[Mapping[str, Any] | str] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in pieces
    ]
    return [*events, *([{**head, "choices": [], "usage": DETAILED}] if usage else []), "data: [DONE]"]
