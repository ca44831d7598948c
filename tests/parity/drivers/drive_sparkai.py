"""iFlytek's spark-ai-python."""

from __future__ import annotations

from typing import Any

from sparkai.core.messages import ChatMessage
from sparkai.llm.llm import ChatSparkLLM


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call over a WebSocket that the SDK signs."""
    given = target["credentials"]
    is_stream = bool(request.get("stream"))
    model = ChatSparkLLM(
        spark_app_id=given["app_id"],
        spark_api_key=given["api_key"],
        spark_api_secret=given["api_secret"],
        spark_api_url=target["base_url"],
        spark_llm_domain=target["model"],
        streaming=is_stream,
        request_timeout=5,
    )
    messages = [ChatMessage(role=message["role"], content=message["content"]) for message in request["messages"]]
    more = {}
    if request.get("tools"):
        more["function_definition"] = [tool["function"] for tool in request["tools"]]
    if is_stream:
        found: dict[str, Any] = {"text": "", "tool_calls": []}
        for chunk in model.stream(messages, **more):
            found["text"] += chunk.content or ""
            read_more(chunk, chunk.additional_kwargs, found)
        return found
    generation = model.generate([messages], **more)
    message = generation.generations[0][0].message
    found = {"text": message.content or "", "tool_calls": []}
    read_more(message, generation.llm_output or {}, found)
    return found


def read_more(message: Any, extra: dict[str, Any], found: dict[str, Any]) -> None:
    """A call of a function, and the usage."""
    if call := getattr(message, "function_call", None):
        found["tool_calls"] = [{"name": call["name"], "arguments": call["arguments"]}]
    if usage := extra.get("token_usage"):
        found["prompt_tokens"], found["completion_tokens"] = usage["prompt_tokens"], usage["completion_tokens"]
