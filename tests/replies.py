"""Replies in OpenAI's dialect, and the arguments of a call to a scripted server."""

from __future__ import annotations

from typing import Any

from server import ScriptedServer

KEY = "sk-planted-0123456789abcdef"
MESSAGES = [{"role": "user", "content": "你好"}]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def arguments(server: ScriptedServer, **changes: Any) -> dict[str, Any]:
    """The arguments of a call to the server."""
    given = {
        "provider": "deepseek",
        "model": "deepseek-v4-flash",
        "messages": [dict(message) for message in MESSAGES],
        "api_key": KEY,
        "base_url": server.url,
        "max_retries": 0,
        "timeout": 5,
    }
    return {**given, **changes}


def answer(text: str = "你好！", **fields: Any) -> dict[str, Any]:
    """A whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "r-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}
    return {**body, **fields}


def piece(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "r-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return {**head, **fields}


def stream(*texts: str) -> list[Any]:
    """The events of a whole stream: a role, the texts, an end, the usage, the end signal."""
    return [
        piece({"role": "assistant", "content": ""}),
        *(piece({"content": text}) for text in texts),
        piece({}, "stop"),
        piece({}, choices=[], usage=USAGE),
        "[DONE]",
    ]
