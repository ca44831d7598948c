"""What clients of MiMo send."""

from __future__ import annotations

from rows import Call, Refused, Shape, body, refused

from .common import ASK, CALLED, RESULT, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "mimo-v2.6-flash", "messages": ASK}
_THOUGHTLESS = [*ASK, CALLED, RESULT]

ACCEPTED = [
    body(temperature=1, top_p=0.9, max_tokens=10, tools=[TOOL, {"type": "web_search"}], messages=ROUND),
    body(max_completion_tokens=10, thinking={"type": "disabled"}, messages=_THOUGHTLESS),
    body(messages=seen()),
    body(model="mimo-v2.5-pro"),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    refused(404, "model_not_found", model="mimo-v2-flash"),
    refused(400, "top_p", top_p=1.1),
    refused(400, "thinking", thinking={"type": "auto"}),
    refused(400, "reasoning_content is required", messages=_THOUGHTLESS),
    refused(400, "image_url", model="mimo-v2.5", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("mimo", "mimo-v2.6-flash"),
    ),
]
