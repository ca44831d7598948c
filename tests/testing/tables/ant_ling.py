"""What Dify's client sends to Ant Ling."""

from __future__ import annotations

from rows import Call, Refused, Shape, body, refused

from .common import ASK, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "Ling-3.0-flash", "messages": ASK}
_RING = "Ring-2.6-1T"

ACCEPTED = [
    body(temperature=1, top_p=0.9, max_tokens=10, tools=[TOOL], messages=ROUND),
    body(model=_RING, reasoning={"effort": "xhigh"}),
    body(enable_search=True, search_options={"forced_search": True}),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    refused(404, "model_not_found", model="ling-3.0-flash"),
    refused(400, "reasoning.effort", model=_RING, reasoning={"effort": "low"}),
    refused(400, "reasoning is not supported", reasoning={"effort": "high"}),
    refused(400, "enable_search must be a boolean", enable_search="yes"),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("ant_ling", "Ling-3.0-flash"),
    ),
]
