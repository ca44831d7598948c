"""help.aliyun.com/zh/model-studio: call an application; dashscope's Application."""

from __future__ import annotations

from typing import Any

import httpx
from rows import Call, Refused, Shape, body, post, refused

from unionllm.testing import VendorServer

PATH = "/apps/a1b2c3d4e5f60718293a4b5c6d7e8f90/completion"
USUAL: dict[str, Any] = {"model": "", "input": {"prompt": "hi"}, "parameters": {}}
PREFIX = "data:"
_ASK = [{"role": "user", "content": "你好"}]
_STREAM = {"X-DashScope-SSE": "enable"}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """An application is asked."""
    return post(server, "bailian_app", call, USUAL, PATH)


def _input(**given: Any) -> Call:
    return body(input={"prompt": "hi", **given})


def _wrong(says: str, **given: Any) -> Refused:
    return refused(400, says, input={"prompt": "hi", **given})


ACCEPTED = [
    _input(session_id="s1", doc_reference_type="simple", biz_params={"k": "v"}, image_list=["https://e.com/a.png"]),
    _input(memory_id="m1", doc_tag_codes=["a"], file_list=["https://e.com/a.pdf"]),
    body(input={"messages": [{"role": "system", "content": "s"}, *_ASK, {"role": "assistant", "content": "a"}, *_ASK]}),
    body(
        parameters={"has_thoughts": True, "rag_options": {"pipeline_ids": ["p"]}, "flow_stream_mode": "full_thoughts"}
    ),
    body(parameters={"temperature": 2, "top_p": 0.5, "top_k": 1, "seed": 7}),
    Call(headers={**_STREAM, "X-DashScope-WorkSpace": "w1"}, body={"parameters": {"incremental_output": True}}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer sk-x"}), status=401, says="InvalidApiKey"),
    Refused(call=Call(headers={"Content-Type": "text/plain"}), status=400, says="InvalidParameter"),
    Refused(call=Call(path="/apps/completion"), status=404, says="InvalidURL"),
    Refused(call=Call(base="/compatible-mode/v1"), status=404, says="InvalidURL"),
    refused(400, "prompt or messages", input={"session_id": "s1"}),
    refused(400, "input.messages", input={"messages": []}),
    refused(400, "input.messages", input={"messages": [{"role": "tool", "content": "x"}]}),
    refused(400, "input.messages", input={"messages": [{"role": "user", "content": [{"text": "x"}]}]}),
    refused(400, "must end with the user's", input={"messages": [{"role": "assistant", "content": "x"}]}),
    _wrong("input.image_list", image_list=["data:image/png;base64,A"]),
    _wrong("input.file_list", file_list="https://e.com/a.pdf"),
    _wrong("input.doc_reference_type", doc_reference_type="full"),
    _wrong("input.biz_params", biz_params="{}"),
    refused(400, "parameters.has_thoughts", parameters={"has_thoughts": "true"}),
    refused(400, "parameters.rag_options", parameters={"rag_options": []}),
    refused(400, "model must be a string", model=None),
]

_REPLY = {"text": ["He", "llo"], "usage": {"prompt": 10, "completion": 5}}
_USAGE = {"models": [{"model_id": "qwen-plus", "input_tokens": 10, "output_tokens": 5}]}
_CHUNK = {"content": "chunk one", "id": "d1", "title": "a.md", "url": "https://e.com/a"}
_SOURCES = [
    {
        "index_id": "1",
        "title": "a.md",
        "doc_id": "d1",
        "doc_name": "a.md",
        "doc_url": "https://e.com/a",
        "text": "chunk one",
        "images": [],
        "page_number": [1],
    }
]
_STEP = {"name": "search", "arguments": {"q": "x"}, "result": "晴", "thought": "look"}
_THOUGHTS = [
    {
        "thought": "look",
        "action_type": "api",
        "action_name": "search",
        "action": "search",
        "action_input": {"q": "x"},
        "observation": "晴",
        "response": "",
    }
]


def _events(*outputs: dict[str, Any]) -> list[Any]:
    lines: list[Any] = []
    for number, output in enumerate(outputs, 1):
        usage = _USAGE if number == len(outputs) else {}
        data = {"output": {**output, "session_id": "session-1"}, "usage": usage, "request_id": "r-2"}
        lines += [f"id:{number}", "event:result", ":HTTP_STATUS/200", data]
    return lines


SHAPES = [
    Shape(
        call=body(input={"prompt": "hi", "doc_reference_type": "simple"}, parameters={"has_thoughts": True}),
        reply={**_REPLY, "context": [_CHUNK], "steps": [_STEP]},
        whole={
            "output": {
                "finish_reason": "stop",
                "text": "Hello",
                "session_id": "session-1",
                "thoughts": _THOUGHTS,
                "doc_references": _SOURCES,
            },
            "usage": _USAGE,
            "request_id": "r-2",
        },
    ),
    Shape(
        call=Call(headers=_STREAM, body={"parameters": {"incremental_output": True}}),
        reply=_REPLY,
        stream=_events(
            {"finish_reason": "null", "text": "He"},
            {"finish_reason": "null", "text": "llo"},
            {"finish_reason": "stop", "text": ""},
        ),
    ),
    # Unasked, each event repeats the whole text so far.
    Shape(
        call=Call(headers=_STREAM),
        reply=_REPLY,
        stream=_events(
            {"finish_reason": "null", "text": "He"},
            {"finish_reason": "null", "text": "Hello"},
            {"finish_reason": "stop", "text": "Hello"},
        ),
    ),
    Shape(
        call=Call(headers=_STREAM, body={"input": {"prompt": "hi", "doc_reference_type": "indexed"}}),
        reply={"text": [], "usage": {"prompt": 10, "completion": 5}, "context": [_CHUNK]},
        stream=_events({"finish_reason": "stop", "text": "<ref>[1]</ref>", "doc_references": _SOURCES}),
    ),
]
