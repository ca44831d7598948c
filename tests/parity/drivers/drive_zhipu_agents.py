"""Zhipu's own SDK, asking an agent."""

from __future__ import annotations

from typing import Any

import openai_shape
from zhipuai import ZhipuAI


class AgentError(Exception):
    """An error beside the choices of an agent, which this SDK gives out as an answer."""


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call of an agent, whose contents are objects."""
    client = ZhipuAI(api_key=target["credentials"]["api_key"], base_url=target["base_url"], max_retries=0, timeout=10)
    messages = [
        {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}
        for message in request["messages"]
    ]
    is_stream = bool(request.get("stream"))
    try:
        reply = client.agents.invoke(agent_id=target["model"], messages=messages, stream=is_stream)
        return read_stream(reply) if is_stream else read_whole(reply)
    finally:
        client.close()


def read_whole(reply: Any) -> dict[str, Any]:
    """The outcome of a call that is not streamed."""
    check(reply)
    [choice] = reply.choices
    found = {"text": text_of(choice.message.content), "finish_reason": choice.finish_reason}
    return found | openai_shape.tokens(reply.usage)


def read_stream(chunks: Any) -> dict[str, Any]:
    """The outcome of a stream."""
    found: dict[str, Any] = {"text": ""}
    for chunk in chunks:
        check(chunk)
        for choice in chunk.choices or ():
            found["text"] += text_of(choice.delta.content)
            found["finish_reason"] = choice.finish_reason
        found |= openai_shape.tokens(chunk.usage)
    return found


def check(reply: Any) -> None:
    """Raises AgentError for an error that came as an answer."""
    if reply.error is not None:
        raise AgentError(f"{reply.error.code}: {reply.error.message}")


def text_of(content: Any) -> str:
    """The text of a content."""
    return str(content["text"]) if isinstance(content, dict) else str(content or "")
