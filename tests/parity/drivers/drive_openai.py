"""The openai SDK, which most vendors' pages use in their examples."""

from __future__ import annotations

from typing import Any

import openai
import openai_shape


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call, as the vendor's page writes it."""
    key = target["credentials"]["api_key"]
    if request.get("tools"):
        request = {**request, "extra_body": options.get("extra_body")}
    if options.get("says_stream"):
        request = {"stream": False, **request}
    with openai.OpenAI(api_key=key, base_url=target["base_url"], max_retries=0, timeout=10) as client:
        reply = client.chat.completions.create(model=target["model"], **request)
        found = openai_shape.stream(reply) if request.get("stream") else openai_shape.whole(reply)
    if options.get("ignores_usage"):
        found |= {"prompt_tokens": None, "completion_tokens": None}
    return found
