"""platform.kimi.ai/docs: chat, errors, thinking."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, CALLED, COUNTS, NAMED, OPEN, RESULT, ROUND, SAID, STRAY, TOOL, seen

USUAL = {"model": "kimi-k2.6", "messages": ASK}
_OLD = "moonshot-v1-8k"
_OFF = {"type": "disabled"}

ACCEPTED = [
    body(temperature=1, top_p=0.95, n=1, presence_penalty=0, max_completion_tokens=10),
    body(temperature=0.6, thinking=_OFF, tools=[TOOL], tool_choice=NAMED),
    body(messages=ROUND, tools=[TOOL, {"type": "builtin_function", "function": {"name": "$web_search"}}]),
    body(messages=seen()),
    body(messages=seen("ms://file-1", "video_url"), stream_options={"include_usage": True}),
    body(model="kimi-k3", tool_choice="required", tools=[TOOL], reasoning_effort="max"),
    body(model=_OLD, temperature=0, stop=["a"] * 5, messages=[*ASK, {**CALLED}, RESULT]),
    body(model=_OLD, temperature=0.3, n=5, messages=[*ASK, {"role": "assistant", "content": "a", "partial": True}]),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="invalid_authentication_error"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="invalid_authentication_error"),
    refused(404, "resource_not_found_error", model="kimi-k1"),
    refused(400, "invalid temperature", temperature=0.6),
    refused(400, "invalid temperature", temperature=1, thinking=_OFF),
    refused(400, "top_p", top_p=0.9),
    refused(400, "presence_penalty", presence_penalty=1),
    refused(400, "tool_choice", tools=[TOOL], tool_choice="required"),
    refused(400, "incompatible with thinking", tools=[TOOL], tool_choice=NAMED),
    refused(400, "thinking", model="kimi-k3", thinking=_OFF),
    refused(400, "stop", model=_OLD, stop=["a" * 33]),
    refused(400, "only one answer", model=_OLD, n=2, temperature=0),
    refused(400, "reasoning_content is missing", messages=[*ASK, CALLED, RESULT]),
    refused(400, "unsupported image url", messages=seen("https://example.com/a.png")),
    refused(400, "must be a string", model=_OLD, messages=seen()),
    refused(400, "must not be empty", messages=[{"role": "user", "content": ""}]),
    refused(400, "partial", messages=[{"role": "assistant", "content": "a", "partial": True}, *ASK]),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
]

_HEAD = {"id": "moonshot-1", "created": NOW, "model": "kimi-k2.6"}
_USAGE = {
    **COUNTS,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "cached_tokens": 0,
}


def _event(delta: object, finish: str | None = None, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}


SHAPES = [
    Shape(
        call=body(),
        reply={**SAID, "reasoning": ["2"]},
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "hello", "reasoning_content": "2"},
                }
            ],
            "usage": _USAGE,
        },
    ),
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event({"content": "he"}),
            _event({"content": "llo"}),
            _event({}, "stop", usage=_USAGE),
            "data: [DONE]",
        ],
    ),
]
