"""platform.lingyiwanwu.com/docs, copies of 2024 and 2025."""

from __future__ import annotations

from rows import NOW, Call, Refused, Shape, body, refused

from .common import ASK, DETAILED, OPEN, PIXEL, ROUND, SAID, STRAY, TOOL, seen

USUAL = {"model": "yi-lightning", "messages": ASK}
_TWO = [{"role": "user", "content": [*seen()[0]["content"], {"type": "image_url", "image_url": {"url": PIXEL}}]}]
_SYSTEM = {"role": "system", "content": "s"}

ACCEPTED = [
    body(temperature=2, top_p=1, max_tokens=10, stop="a"),
    body(messages=[_SYSTEM, *ASK], stream_options={"include_usage": True}),
    body(model="yi-large-fc", tools=[TOOL], tool_choice="auto", messages=ROUND),
    body(model="yi-vision-v2", messages=seen()),
    body(seed=1, response_format={"type": "json_object"}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="invalid_api_key"),
    Refused(call=Call(base="/v2"), status=404, says="no such path"),
    refused(404, "model_not_found", model="yi-1"),
    refused(400, "temperature", temperature=2.1),
    refused(400, "top_p", top_p=0),
    refused(400, "tools is not supported", tools=[TOOL]),
    refused(400, "must be a string", messages=seen()),
    refused(400, "only one image", model="yi-vision-v2", messages=_TWO),
    refused(400, "system role", model="yi-vl-plus", messages=[_SYSTEM, *seen()]),
    refused(400, "answers no tool call", model="yi-large-fc", messages=STRAY),
    refused(400, "has no tool message", model="yi-large-fc", messages=OPEN),
]

_HEAD = {"id": "lingyi-1", "created": NOW, "model": "yi-lightning"}


def _event(delta: object, finish: str | None = None, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


SHAPES = [
    Shape(
        call=body(),
        reply=SAID,
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}},
            ],
            "usage": DETAILED,
        },
    ),
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event({"content": "he"}),
            _event({"content": "llo"}),
            _event({}, "stop", usage=DETAILED),
            "data: [DONE]",
        ],
    ),
]
