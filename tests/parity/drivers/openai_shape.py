"""Reads replies of the SDKs that give out OpenAI's objects: what a program that loops over them would put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def whole(reply: Any) -> dict[str, Any]:
    """The outcome of a call that is not streamed."""
    choice = reply.choices[0]
    calls = getattr(choice.message, "tool_calls", None) or ()
    return {
        "text": choice.message.content or "",
        "reasoning": getattr(choice.message, "reasoning_content", None) or "",
        "tool_calls": [
            {"name": call.function.name, "arguments": call.function.arguments, "id": call.id or ""} for call in calls
        ],
        "finish_reason": choice.finish_reason,
        **tokens(getattr(reply, "usage", None)),
    }


def stream(chunks: Iterable[Any]) -> dict[str, Any]:
    """The outcome of a stream: texts joined, calls put together by index, the last usage seen."""
    text, reasoning, finish, usage = "", "", None, None
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        usage = getattr(chunk, "usage", None) or usage
        for choice in chunk.choices or ():
            usage = getattr(choice, "usage", None) or usage
            finish = choice.finish_reason or finish
            if choice.delta is None:
                continue
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            for piece in getattr(choice.delta, "tool_calls", None) or ():
                call = calls.setdefault(piece.index or 0, {"name": "", "arguments": "", "id": ""})
                call["id"] = call["id"] or piece.id or ""
                call["name"] += getattr(piece.function, "name", None) or ""
                call["arguments"] += getattr(piece.function, "arguments", None) or ""
    found = {"text": text, "reasoning": reasoning, "tool_calls": list(calls.values()), "finish_reason": finish}
    return {**found, **tokens(usage)}


def tokens(usage: Any) -> dict[str, Any]:
    """The two counts, from an object or a dict; none where there is no usage."""
    if usage is None:
        return {}
    read = usage.get if isinstance(usage, dict) else lambda name: getattr(usage, name, None)
    # Either pair of names, never both: DashScope's newer client calls them input and output in both protocols.
    prompt, completion = read("prompt_tokens"), read("completion_tokens")
    return {
        "prompt_tokens": read("input_tokens") if prompt is None else prompt,
        "completion_tokens": read("output_tokens") if completion is None else completion,
    }
