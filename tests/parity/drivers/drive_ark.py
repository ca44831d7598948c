"""Volcengine's Ark runtime."""

from __future__ import annotations

from typing import Any

import openai_shape
from volcenginesdkarkruntime import Ark


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call with a key of the Ark console."""
    key = target["credentials"]["api_key"]
    client = Ark(api_key=key, base_url=target["base_url"], max_retries=0, timeout=10)
    try:
        reply = client.chat.completions.create(model=target["model"], **request)
        return openai_shape.stream(reply) if request.get("stream") else openai_shape.whole(reply)
    finally:
        client.close()
