"""Alibaba's DashScope SDK, asking an application of Bailian."""

from __future__ import annotations

from typing import Any

import dashscope
from drive_dashscope import RefusedError


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call; an application's id stands for its model."""
    dashscope.base_http_api_url = target["base_url"]
    stream = {"stream": True, "incremental_output": True} if request.get("stream") else {}
    reply = dashscope.Application.call(
        app_id=target["model"],
        messages=request["messages"],
        api_key=target["credentials"]["api_key"],
        request_timeout=10,
        **stream,
    )
    return read(reply if stream else [reply])


def read(replies: Any) -> dict[str, Any]:
    """Replies put together; a stream that was asked for increments gives pieces."""
    found: dict[str, Any] = {"text": "", "finish_reason": None}
    for reply in replies:
        if reply.status_code != 200:
            raise RefusedError(reply)
        models = reply.usage.models if reply.usage else None
        if models:
            found["prompt_tokens"] = sum(model.input_tokens for model in models)
            found["completion_tokens"] = sum(model.output_tokens for model in models)
        found["text"] += reply.output.text or ""
        if reply.output.finish_reason not in (None, "null", ""):
            found["finish_reason"] = reply.output.finish_reason
    return found
