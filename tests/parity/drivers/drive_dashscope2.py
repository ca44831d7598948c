"""The DashScope SDK's newer client, which speaks the compatible protocol when it is told to."""

from __future__ import annotations

from typing import Any

import dashscope
import openai_shape


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call."""
    key = target["credentials"]["api_key"]
    client = dashscope.Client(
        api_key=key, base_url=target["base_url"], protocol=options["protocol"], max_retries=0, timeout=10
    )
    with client:
        reply = client.chat.completions.create(model=target["model"], **request)
        return openai_shape.stream(reply) if request.get("stream") else openai_shape.whole(reply)
