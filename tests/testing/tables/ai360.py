"""What Dify's client sends to 360."""

from __future__ import annotations

from rows import Call, Refused, Shape, body, refused

from .common import ASK, OPEN, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "360gpt2-pro", "messages": ASK}

ACCEPTED = [
    body(temperature=1, top_p=0.9, max_tokens=10, tools=[TOOL], messages=ROUND),
    body(user="u-1", content_filter=True, enable_web_search=False),
    body(model="deepseek/deepseek-v3.2"),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    refused(404, "model_not_found", model="360gpt"),
    refused(400, "top_p", top_p=2),
    refused(400, "enable_web_search must be a boolean", enable_web_search="yes"),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
]

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("ai360", "360gpt2-pro"),
    ),
]
