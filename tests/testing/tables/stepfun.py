"""platform.stepfun.com/docs: chat completion create, error codes."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, BROKEN, CALLS, COUNTS, OPEN, PIXEL, ROUND, SAID, STRAY, THOUGHT, TOOL, seen

USUAL = {"model": "step-3.7-flash", "messages": ASK}
_SEARCH = {"type": "web_search", "function": {"description": "search the web"}}
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}

ACCEPTED = [
    body(temperature=2, top_p=1, frequency_penalty=1, n=1, max_tokens=10, stop=["a"], user="u" * 32),
    body(reasoning_effort="high", reasoning_format="deepseek-style", stream_options={"include_usage": True}),
    body(tools=[TOOL, _SEARCH], tool_choice="auto"),
    body(messages=ROUND, tools=[TOOL]),
    body(messages=seen()),
    body(messages=seen("https://example.com/a.mp4", "video_url")),
    body(response_format=_SCHEMA),
    Call(base="/step_plan/v1"),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="invalid_api_key"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="Incorrect API key provided"),
    Refused(call=Call(headers={"Content-Type": "text/plain"}), status=400, says="Content-Type"),
    Refused(call=Call(base="/v9"), status=404, says="no such path"),
    refused(400, "does not exist", model="step-1-8k"),
    refused(400, "temperature", temperature=2.1),
    refused(400, "frequency_penalty", frequency_penalty=-0.5),
    refused(400, "user must have", user="u" * 33),
    refused(400, "tool_choice", tool_choice="required", tools=[TOOL]),
    refused(400, "reasoning_effort", reasoning_effort="none"),
    refused(400, "reasoning_effort is not supported", model="step-1o-turbo-vision", reasoning_effort="low"),
    refused(400, "response_format", model="step-5-preview", response_format=_SCHEMA),
    refused(400, "image_url", messages=seen("ms://1")),
    refused(400, "video_url", messages=seen(PIXEL, "video_url")),
    refused(400, "'image_url' is not supported", model="step-3.5-flash", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
    refused(400, "no JSON", messages=BROKEN),
    refused(400, "messages", messages=[]),
]

_HEAD = {"id": "stepfun-1", "created": NOW, "model": "step-3.7-flash"}
_CHUNK = {**_HEAD, "object": "chat.completion.chunk"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "cached_tokens": 4}


def _event(delta: object, finish: str = "", usage: object = COUNTS) -> dict[str, object]:
    return {**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage}


_MESSAGE = {"role": "assistant", "content": "4"}

SHAPES = [
    Shape(
        call=body(),
        reply=THOUGHT,
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {**_MESSAGE, "reasoning": "2+2"}}],
            "usage": _USAGE,
        },
    ),
    Shape(
        call=body(reasoning_format="deepseek-style"),
        reply=THOUGHT,
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {**_MESSAGE, "reasoning_content": "2+2"}}],
            "usage": _USAGE,
        },
    ),
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[
            _event({"role": "assistant", "content": "he"}),
            _event({"role": "assistant", "content": "llo"}),
            _event({"role": "assistant", "content": ""}, "stop"),
            "data: [DONE]",
        ],
    ),
    Shape(
        call=body(stream=True),
        reply=THOUGHT,
        stream=[
            _event({"role": "assistant", "content": "", "reasoning": "2+"}, usage=_USAGE),
            _event({"role": "assistant", "content": "", "reasoning": "2"}, usage=_USAGE),
            _event({"role": "assistant", "content": "4"}, usage=_USAGE),
            _event({"role": "assistant", "content": ""}, "stop", _USAGE),
            "data: [DONE]",
        ],
    ),
    Shape(
        call=body(stream=True, tools=[TOOL]),
        reply=CALLS,
        stream=[
            _event(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ],
                }
            ),
            _event(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}],
                }
            ),
            _event(
                {"role": "assistant", "content": "", "tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}
            ),
            _event({"role": "assistant", "content": ""}, "tool_calls"),
            "data: [DONE]",
        ],
    ),
]
