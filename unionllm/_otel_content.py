"""What was asked and answered, in the JSON that OpenTelemetry's conventions define for spans.

Follows https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and the schemas that it links to
(``gen-ai-input-messages.json``, ``gen-ai-output-messages.json``; read 2026-11-29).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schema import ModelResponse


def asked(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The conversation as an attribute."""
    told = [{"role": message.get("role"), "parts": list(_parts(message))} for message in messages]
    return {"gen_ai.input.messages": _json(told)}


def answered(response: Any) -> dict[str, str]:
    """The answers as an attribute."""
    whole: ModelResponse = response
    told = [
        {
            "role": choice.message.role or "assistant",
            "parts": list(_parts(choice.message.model_dump())),
            "finish_reason": choice.finish_reason or "",
        }
        for choice in whole.choices
    ]
    return {"gen_ai.output.messages": _json(told)}


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if message.get("reasoning_content"):
        yield {"type": "reasoning", "content": message["reasoning_content"]}
    if message.get("role") == "tool":
        yield {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return
    yield from _contents(message.get("content"))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield {
            "type": "tool_call",
            "id": call.get("id"),
            "name": function.get("name"),
            "arguments": _decoded(function.get("arguments")),
        }


def _contents(content: Any) -> Iterator[dict[str, Any]]:
    """Text as text; of pictures, sounds and films only what they are: they would fill the span."""
    if isinstance(content, str):
        if content:
            yield {"type": "text", "content": content}
        return
    for piece in content or ():
        kind = piece.get("type") if isinstance(piece, Mapping) else None
        if kind == "text":
            yield {"type": "text", "content": piece.get("text")}
        else:
            yield {"type": str(kind or "unknown")}


def _decoded(arguments: Any) -> Any:
    try:
        return json.loads(arguments)
    except (TypeError, ValueError):
        return arguments


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
