"""What clients of ModelScope's inference API send."""

from __future__ import annotations

from rows import Call, Refused, Shape, body, refused

from .common import ASK, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "deepseek-ai/DeepSeek-V3.2", "messages": ASK}
_QWEN = "Qwen/Qwen3-32B"

ACCEPTED = [
    body(temperature=2, top_p=1, max_tokens=10, top_k=5, tools=[TOOL], messages=ROUND),
    body(model=_QWEN, enable_thinking=False),
    body(model=_QWEN, stream=True, enable_thinking=True, thinking_budget=1024),
    body(model="Qwen/Qwen2.5-VL-72B-Instruct", messages=seen()),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    refused(404, "model_not_found", model="Qwen3-32B"),
    refused(400, "enable_thinking must be set to false", model=_QWEN),
    refused(400, "enable_thinking must be a boolean", enable_thinking=1),
    refused(400, "must be a string", messages=[{"role": "system", "content": [{"type": "text", "text": "s"}]}, *ASK]),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("modelscope", "deepseek-ai/DeepSeek-V3.2"),
    ),
]
