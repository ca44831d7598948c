"""api-docs.deepseek.com: chat completion, error codes, thinking mode."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, CALLED, DETAILED, NAMED, OPEN, RESULT, ROUND, SAID, STRAY, TOOL, seen

USUAL = {"model": "deepseek-v4-flash", "messages": ASK}
_OFF = {"type": "disabled"}
_JSON = {"type": "json_object"}

ACCEPTED = [
    body(temperature=2, top_p=1, max_tokens=393_216, stop=["a"] * 16, frequency_penalty=1, user_id="u-1"),
    body(thinking=_OFF, tools=[TOOL], tool_choice=NAMED, messages=[*ASK, CALLED, RESULT]),
    body(messages=ROUND, tools=[TOOL], tool_choice="auto"),
    body(response_format=_JSON, messages=[{"role": "user", "content": "in JSON"}]),
    body(model="deepseek-flash", messages=seen(), reasoning_effort="max"),
    Call(base="/beta"),
    Call(base="/v1", body={"stream_options": {"include_usage": True}}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="Authentication Fails"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="authentication_error"),
    refused(404, "does not exist", model="deepseek-chat-1"),
    refused(400, "temperature", temperature=2.1),
    refused(400, "top_p", top_p=0),
    refused(400, "user_id", user_id="a b"),
    refused(400, "does not support this tool_choice", tools=[TOOL], tool_choice="required"),
    refused(400, "does not support this tool_choice", tools=[TOOL], tool_choice=NAMED),
    refused(400, "must be passed back", messages=[*ASK, CALLED, RESULT]),
    refused(400, "must contain the word 'json'", response_format=_JSON),
    refused(400, "response_format", response_format={"type": "json_schema"}),
    refused(400, "'image_url' is not supported", messages=seen()),
    refused(400, "must be a string", messages=[{"role": "system", "content": [{"type": "text", "text": "s"}]}]),
    refused(400, "prefix", messages=[{"role": "assistant", "content": "a", "prefix": True}, *ASK]),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
]

_HEAD = {"id": "deepseek-1", "created": NOW, "model": "deepseek-v4-flash", "system_fingerprint": "fp_test"}
_USAGE = {**DETAILED, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 9}


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
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
            "usage": _USAGE,
        },
    ),
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply={**SAID, "reasoning": ["2"]},
        stream=[
            ": keep-alive",
            _event({"role": "assistant", "content": None, "reasoning_content": ""}),
            _event({"content": None, "reasoning_content": "2"}),
            _event({"content": "he", "reasoning_content": None}),
            _event({"content": "llo", "reasoning_content": None}),
            _event({}, "stop", usage=_USAGE),
            {**_event({}), "choices": [], "usage": _USAGE},
            "data: [DONE]",
        ],
    ),
]
