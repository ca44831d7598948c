"""What lobe-chat's client sends to InternLM."""

from __future__ import annotations

from rows import Call, Refused, Shape, body, refused

from .common import ASK, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "intern-s1", "messages": ASK}

ACCEPTED = [
    body(temperature=1, top_p=0.9, max_tokens=10, tools=[TOOL], messages=ROUND),
    body(thinking_mode=False),
    body(model="internvl3.5-241b-a28b", messages=seen()),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says='"msgCode":"A0202"'),
    Refused(call=Call(base="/v1"), status=404, says="no such path"),
    refused(404, "model_not_found", model="intern-s0"),
    refused(400, "thinking_mode must be a boolean", thinking_mode="on"),
    refused(400, "thinking_mode is not supported", model="internvl3.5-241b-a28b", thinking_mode=True),
    refused(400, "image_url", model="internlm3-latest", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("internlm", "intern-s1"),
    ),
]
