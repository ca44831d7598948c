"""Zhipu's own SDK."""

from __future__ import annotations

from typing import Any

import openai_shape
from zhipuai import ZhipuAI


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call, with the key itself or with a token that the SDK signs."""
    client = ZhipuAI(
        api_key=target["credentials"]["api_key"],
        base_url=target["base_url"],
        max_retries=0,
        timeout=10,
        disable_token_cache=not options.get("signs"),
    )
    try:
        reply = client.chat.completions.create(model=target["model"], **request)
        return openai_shape.stream(reply) if request.get("stream") else openai_shape.whole(reply)
    finally:
        client.close()
