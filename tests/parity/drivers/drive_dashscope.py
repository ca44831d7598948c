"""Alibaba's DashScope SDK, which speaks the native protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dashscope


class RefusedError(Exception):
    """A reply whose status is not 200: this SDK gives it out, and raises nothing."""

    def __init__(self, reply: Any) -> None:
        super().__init__(f"{reply.code}: {reply.message}")
        self.status_code = reply.status_code


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call: models that see have a class of their own."""
    dashscope.base_http_api_url = target["base_url"]
    messages = request["messages"]
    shared = {"api_key": target["credentials"]["api_key"], "model": target["model"], "request_timeout": 10}
    more = {name: value for name, value in request.items() if name not in ("messages", "stream")}
    if request.get("stream"):
        more |= {"stream": True, "incremental_output": True}
    if any(isinstance(message["content"], list) for message in messages):
        messages = [{**message, "content": list(parts(message["content"]))} for message in messages]
        reply = dashscope.MultiModalConversation.call(messages=messages, **shared, **more)
    else:
        reply = dashscope.Generation.call(messages=messages, result_format="message", **shared, **more)
    return read(reply if request.get("stream") else [reply])


def parts(content: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Content in this protocol's words."""
    for part in content:
        if part["type"] == "text":
            yield {"text": part["text"]}
        else:
            yield {"image": part["image_url"]["url"]}


def read(replies: Any) -> dict[str, Any]:
    """Replies put together; a stream that was asked for increments gives pieces."""
    found: dict[str, Any] = {"text": "", "reasoning": "", "finish_reason": None}
    calls: dict[int, dict[str, str]] = {}
    for reply in replies:
        if reply.status_code != 200:
            raise RefusedError(reply)
        if reply.usage:
            found["prompt_tokens"], found["completion_tokens"] = (
                reply.usage["input_tokens"],
                reply.usage["output_tokens"],
            )
        choice = reply.output["choices"][0]
        message = choice["message"]
        if choice.get("finish_reason") not in (None, "null", ""):
            found["finish_reason"] = choice["finish_reason"]
        found["text"] += text_of(message.get("content"))
        found["reasoning"] += message.get("reasoning_content") or ""
        for number, piece in enumerate(message.get("tool_calls") or ()):
            call = calls.setdefault(piece.get("index", number), {"name": "", "arguments": "", "id": ""})
            call["id"] = call["id"] or piece.get("id") or ""
            call["name"] += piece["function"].get("name") or ""
            call["arguments"] += piece["function"].get("arguments") or ""
    return {**found, "tool_calls": list(calls.values())}


def text_of(content: Any) -> str:
    """The text of a message: a string, or parts where a model sees."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""
