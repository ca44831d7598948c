"""help.aliyun.com/zh/model-studio: qwen-api-via-openai, qwen-api-via-dashscope, deep-thinking, stream, error-code."""

from __future__ import annotations

from typing import Any

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, post, refused

from unionllm.testing import VendorServer

from .common import ASK, CALLS, DETAILED, NAMED, OPEN, PIXEL, ROUND, SAID, STRAY, TOOL, seen

USUAL: dict[str, Any] = {"model": "qwen-plus", "messages": ASK}
_NATIVE = "/api/v1/services/aigc/text-generation"
_MEDIA = "/api/v1/services/aigc/multimodal-generation"
_SSE = {"X-DashScope-SSE": "enable"}
_JSON = {"type": "json_object"}
PREFIX = "data: "


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """In the native protocol the members that are changed are parameters."""
    if call.base not in (_NATIVE, _MEDIA):
        return post(server, "qwen", call, USUAL, "/chat/completions")
    outer = {name: value for name, value in call.body.items() if name in ("model", "input")}
    given = {name: value for name, value in call.body.items() if name not in outer}
    usual = {"model": "qwen-plus" if call.base == _NATIVE else "qwen3-vl-plus", "input": {"messages": ASK}}
    changed = Call(base=call.base, headers=call.headers, body=outer, method=call.method)
    return post(server, "qwen", changed, {**usual, "parameters": given}, "/generation")


def native(base: str = _NATIVE, headers: dict[str, Any] | None = None, **changes: Any) -> Call:
    """A call in the native protocol."""
    return Call(base=base, headers=headers or {}, body=changes)


def _input(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": one} for one in content]}


ACCEPTED = [
    body(temperature=1.99, top_p=1, top_k=5, max_tokens=9, seed=0, stop=["a"], presence_penalty=2),
    body(tools=[TOOL], tool_choice=NAMED, messages=ROUND, parallel_tool_calls=True),
    body(enable_search=True, search_options={"forced_search": True}, repetition_penalty=1.1),
    body(stream=True, stream_options={"include_usage": True}, enable_thinking=True, thinking_budget=9),
    body(model="qwen3-8b", enable_thinking=False),
    body(model="qwen3-8b", stream=True),
    body(model="qwen3-omni-flash", stream=True, modalities=["text"]),
    body(model="qwen3-vl-plus", messages=seen()),
    body(response_format=_JSON, messages=[{"role": "user", "content": "as JSON"}]),
    native(temperature=0.7, max_tokens=64, result_format="message", seed=2**40, tools=[TOOL]),
    native(headers=_SSE, result_format="message", incremental_output=True, enable_thinking=True),
    native(_MEDIA, input=_input([{"image": PIXEL, "min_pixels": 4}, {"text": "看"}])),
    native(_MEDIA, model="qwen3.5-plus"),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="invalid_api_key"),
    Refused(call=native(headers={"Authorization": GONE}), status=401, says='{"code":"InvalidApiKey"'),
    Refused(call=Call(base="/v1"), status=404, says="no such path"),
    refused(404, "model_not_found", model="qwen-turbo"),
    refused(400, "temperature must be in [0, 2)", temperature=2),
    refused(400, "top_p", top_p=0),
    refused(400, "frequency_penalty is not supported", frequency_penalty=0),
    refused(400, "tool_choice", tools=[TOOL], tool_choice="required"),
    refused(400, "n must be 1 when", n=2, tools=[TOOL]),
    refused(400, "n must be 1 in", n=2, stream=True, enable_thinking=True),
    refused(400, "named search", tools=[{"type": "function", "function": {"name": "search"}}]),
    refused(400, "both words and token ids", stop=["a", 1]),
    Refused(call=native(result_format="text", tools=[TOOL]), status=400, says="result_format"),
    Refused(
        call=native(input={"messages": [*ASK, {"role": "assistant", "content": "", "tool_calls": ["x"]}]}),
        status=400,
        says="tool_calls",
    ),
    refused(400, "only allowed when", stream_options={"include_usage": True}),
    refused(400, "must be set to false for non-streaming", model="qwen3-8b"),
    refused(400, "only support stream mode", model="qwen3-omni-flash"),
    refused(400, "must contain the word 'json'", response_format=_JSON),
    refused(
        400,
        "enable_thinking is true",
        stream=True,
        enable_thinking=True,
        response_format=_JSON,
        messages=[{"role": "user", "content": "json"}],
    ),
    refused(400, "enable_thinking is not supported", model="qwen3-coder-plus", enable_thinking=True),
    refused(400, "'image_url' is not supported", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
    Refused(call=native(_MEDIA, model="qwen-plus"), status=400, says="url error, please check url"),
    Refused(call=native(model="qwen3-vl-plus"), status=400, says="url error, please check url"),
    Refused(call=native(input=_input([{"text": "a"}])), status=400, says="input content must be a string"),
    Refused(call=native(_MEDIA, input=_input([{"type": "text", "text": "a"}])), status=400, says="a part is one of"),
    Refused(call=native(_MEDIA, input=_input([{"audio": "data:;base64,AA"}])), status=400, says="audio"),
    Refused(call=native(temperature=2), status=400, says='{"code":"InvalidParameter"'),
    Refused(
        call=native(headers=_SSE, enable_thinking=True, incremental_output=False),
        status=400,
        says="incremental_output must be true",
    ),
    Refused(call=native(input={"messages": STRAY}), status=400, says="answers no tool call"),
]

_HEAD = {"id": "chatcmpl-1", "created": NOW, "model": "qwen-plus", "system_fingerprint": None}
_COUNTS = {"input_tokens": 9, "output_tokens": 3}
_CACHED = {"prompt_tokens_details": {"cached_tokens": 0}}
_USAGE = {**_COUNTS, "total_tokens": 12, **_CACHED}
_PAGE = {"content": "晴", "title": "t", "url": "https://example.com"}
_FOUND = {"search_results": [{"index": 1, "title": "t", "url": "https://example.com", "site_name": "", "icon": ""}]}


def _event(delta: object, finish: str | None = None) -> dict[str, object]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"usage": None, **_HEAD, "object": "chat.completion.chunk", "choices": choices}


def _native(message: dict[str, object], finish: str, usage: object = _USAGE, **more: object) -> dict[str, object]:
    choices = [{"finish_reason": finish, "message": {"role": "assistant", **message}}]
    return {"output": {"choices": choices, **more}, "usage": usage, "request_id": "r-1"}


def _lines(number: int, text: str, finish: str = "null") -> list[str]:
    message = f'{{"role":"assistant","content":{text}}}'
    data = f'{{"output":{{"choices":[{{"finish_reason":"{finish}","message":{message}}}]}},'
    usage = '"usage":{"input_tokens":9,"output_tokens":3,"total_tokens":12,'
    tail = '"prompt_tokens_details":{"cached_tokens":0}},"request_id":"r-1"}'
    return [f"id:{number}", "event:result", ":HTTP_STATUS/200", f"data:{data}{usage}{tail}"]


_ONE = {"index": 0, "type": "function"}

SHAPES = [
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply={**SAID, "reasoning": ["2"]},
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event({"content": None, "reasoning_content": "2"}),
            _event({"content": "he"}),
            _event({"content": "llo"}),
            _event({}, "stop"),
            {**_event({}), "choices": [], "usage": DETAILED},
            "data: [DONE]",
        ],
    ),
    Shape(
        call=body(stream=True, tools=[TOOL]),
        reply=CALLS,
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event(
                {
                    "content": None,
                    "tool_calls": [{**_ONE, "id": "call_1", "function": {"name": "f", "arguments": ""}}],
                }
            ),
            _event({"content": None, "tool_calls": [{**_ONE, "id": "", "function": {"arguments": '{"a"'}}]}),
            _event({"content": None, "tool_calls": [{**_ONE, "id": "", "function": {"arguments": ":1}"}}]}),
            _event({}, "tool_calls"),
            "data: [DONE]",
        ],
    ),
    Shape(
        call=native(),
        reply={**SAID, "context": [_PAGE]},
        whole=_native({"content": "hello"}, "stop", search_info=_FOUND),
    ),
    Shape(
        call=native(_MEDIA),
        reply=SAID,
        whole=_native({"content": [{"text": "hello"}]}, "stop", {**_COUNTS, **_CACHED}),
    ),
    Shape(
        call=native(headers=_SSE, incremental_output=True),
        reply=SAID,
        stream=[*_lines(1, '"he"'), *_lines(2, '"llo"'), *_lines(3, '""', "stop")],
    ),
    Shape(
        call=native(headers=_SSE),
        reply=SAID,
        stream=[*_lines(1, '"he"'), *_lines(2, '"hello"'), *_lines(3, '"hello"', "stop")],
    ),
    Shape(
        call=native(headers=_SSE, model="qwen3-max"),
        reply=SAID,
        stream=[*_lines(1, '"he"'), *_lines(2, '"llo"'), *_lines(3, '""', "stop")],
    ),
    Shape(
        call=native(result_format="text"),
        reply=SAID,
        whole={"output": {"text": "hello", "finish_reason": "stop"}, "usage": _USAGE, "request_id": "r-1"},
    ),
]
