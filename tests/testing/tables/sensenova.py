"""What clients of SenseNova's two endpoints send."""

from __future__ import annotations

from rows import NOW, Call, Refused, Shape, body, refused

from .common import ASK, ROUND, SAID, STRAY, THOUGHT, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "sensenova-6.8-flash-lite", "messages": ASK}
_OLDER = "SenseNova-V6-5-Pro"
_SYSTEM = {"role": "system", "content": "s"}

ACCEPTED = [
    body(temperature=0, top_p=1, max_tokens=10, tools=[TOOL], messages=ROUND),
    body(messages=[_SYSTEM, _SYSTEM, *ASK]),
    Call(base="/compatible-mode/v2", body={"model": _OLDER, "max_new_tokens": 10, "thinking": {"enabled": False}}),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    refused(404, "model_not_found", model="sensenova-5"),
    refused(400, "max_tokens is not supported", model=_OLDER, max_tokens=10),
    refused(400, "temperature must be in (0, 2]", model=_OLDER, temperature=0),
    refused(400, "top_p must be in (0, 1)", model=_OLDER, top_p=1),
    refused(400, "thinking", model=_OLDER, thinking={"type": "enabled"}),
    refused(400, "only one system message", model=_OLDER, messages=[_SYSTEM, _SYSTEM, *ASK]),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

_HEAD = {"id": "sensenova-1", "created": NOW, "model": _OLDER, "object": "chat.completion.chunk"}


def _event(delta: object, finish: str | None = None) -> dict[str, object]:
    return {**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("sensenova", "sensenova-6.8-flash-lite"),
    ),
    Shape(
        call=Call(base="/compatible-mode/v2", body={"model": _OLDER, "stream": True}),
        reply=THOUGHT,
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event({"reasoning": "2+"}),
            _event({"reasoning": "2"}),
            _event({"content": "4"}),
            _event({}, "stop"),
            "data: [DONE]",
        ],
    ),
]
