"""longcat.chat/platform/docs."""

from __future__ import annotations

from rows import Call, Refused, Shape, body, refused

from .common import ASK, OPEN, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "LongCat-2.0", "messages": ASK}

ACCEPTED = [
    body(temperature=1, top_p=0.9, max_tokens=10, tools=[TOOL], tool_choice="auto", messages=ROUND),
    body(thinking={"type": "disabled"}),
    body(response_format={"type": "json_object"}),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    Refused(call=Call(base="/v1"), status=404, says="no such path"),
    refused(404, "model_not_found", model="longcat-2.0"),
    refused(400, "temperature", temperature=3),
    refused(400, "thinking", thinking={"enabled": True}),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
]

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("longcat", "LongCat-2.0"),
    ),
]
