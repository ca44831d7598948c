"""volcengine.com/docs/82379: 1494384 (chat), 1449737 (thinking), 1299023 (errors)."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, CALLS, COUNTS, NAMED, OPEN, ROUND, SAID, STRAY, TOOL, seen

USUAL = {"model": "doubao-seed-2-0-pro-260215", "messages": ASK}
_OLD = "doubao-1-5-pro-32k-250115"
_BOT = {"base": "/api/v3/bots", "body": {"model": "bot-20260101-abc"}}
_BLANK = {"type": "image_url", "image_url": {}}

ACCEPTED = [
    body(temperature=2, top_p=1, max_tokens=10, presence_penalty=-2, repetition_penalty=1.1, user="u", seed=1),
    body(max_completion_tokens=65536, thinking={"type": "disabled"}, reasoning_effort="minimal"),
    body(tools=[TOOL], tool_choice=NAMED, parallel_tool_calls=False, messages=ROUND),
    body(temperature=None, stop=None, tools=None),
    body(messages=seen()),
    body(model="ep-20260101-abcde", thinking={"type": "auto"}, stop=["a"], logprobs=True),
    body(model="doubao-seed-1-6-251015", thinking={"type": "auto"}),
    body(model="doubao-1-5-thinking-pro-250415", thinking={"type": "auto"}),
    body(model=_OLD, stop=["a", "b", "c", "d"], logprobs=True, top_logprobs=20),
    Call(**_BOT),
    Call(base="/api/coding/v3", body={"model": "doubao-seed-2.0-code"}),
    body(model="deepseek-v4-pro-ga-260813", reasoning_effort="max"),
    body(stream_options={"chunk_include_usage": None, "include_usage": True}, stream=True),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="AuthenticationError"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="Unauthorized"),
    Refused(call=Call(base="/api/v3/bots"), status=404, says="NotFound"),
    refused(404, "InvalidEndpointOrModel.NotFound", model="bot-20260101-abc"),
    refused(404, "InvalidEndpointOrModel.NotFound", model="Doubao-1.5-pro"),
    refused(404, "InvalidEndpointOrModel.NotFound", model="doubao-seed-2.0-code"),
    Refused(call=Call(base="/api/coding/v3"), status=404, says="NotFound"),
    refused(
        400, "image_url lacks url", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]
    ),
    Refused(call=Call(content=b'{"model":"ep-1","messages":[],"temperature":NaN}'), status=400, says="JSON"),
    refused(400, "InvalidParameter", temperature=2.1),
    refused(400, "at the same time", max_tokens=1, max_completion_tokens=1),
    refused(400, "thinking", thinking={"type": "adaptive"}),
    refused(400, "does not go with", thinking={"type": "enabled"}, reasoning_effort="minimal"),
    refused(400, "does not go with", thinking={"type": "disabled"}, reasoning_effort="high"),
    refused(400, "stop is not supported", stop=["a"]),
    refused(400, "stop", model=_OLD, stop=["a", "b", "c", "d", "e"]),
    refused(400, "'image_url' is not supported", model=_OLD, messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
]

_HEAD = {"id": "02171", "created": NOW, "model": "doubao-seed-2-0-pro-260215", "service_tier": "default"}
_USAGE = {
    **COUNTS,
    "prompt_tokens_details": {"cached_tokens": 0, "provisioned_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_PAGE = {"content": "晴", "title": "t", "url": "https://example.com"}
_REFERENCE = {"url": "https://example.com", "title": "t", "summary": "晴", "site_name": "", "doc_name": "t"}
_ANSWER = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "hello"}}


def _event(text: str, finish: str | None = None, **more: object) -> dict[str, object]:
    delta = {"role": "assistant", "content": text, **more}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None}


_CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}

SHAPES = [
    Shape(
        call=body(model="ep-1"),
        reply=SAID,
        whole={**_HEAD, "object": "chat.completion", "choices": [_ANSWER], "usage": _USAGE},
    ),
    Shape(
        call=Call(**_BOT),
        reply={**SAID, "context": [_PAGE]},
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [_ANSWER],
            "references": [_REFERENCE],
            "bot_usage": {"model_usage": [{**_USAGE, "name": "doubao-seed-2-0-pro-260215"}], "action_usage": []},
        },
    ),
    Shape(
        call=body(stream=True),
        reply={**SAID, "reasoning": ["2"]},
        stream=[
            _event("", reasoning_content="2"),
            _event("he"),
            _event("llo"),
            _event("", "stop"),
            "data: [DONE]",
        ],
    ),
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}, tools=[TOOL]),
        reply=CALLS,
        stream=[
            _event("", tool_calls=[_CALL]),
            _event("", tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
            _event("", tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
            _event("", "tool_calls"),
            {**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE},
            "data: [DONE]",
        ],
    ),
]
