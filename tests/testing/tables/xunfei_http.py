"""xfyun.cn/doc/spark: HTTP调用文档, X1http."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, COUNTS, OPEN, SAID, STRAY, THOUGHT, TOOL, seen

USUAL = {"model": "4.0Ultra", "messages": ASK}
PREFIX = "data:"
_SYSTEM = {"role": "system", "content": "s"}
_SEARCH = {"type": "web_search", "web_search": {"enable": False}}

ACCEPTED = [
    body(temperature=2, top_p=1, top_k=6, max_tokens=32768, user="u", stream_options={"include_usage": True}),
    body(tools=[TOOL, _SEARCH], tool_choice="required", tool_calls_switch=True),
    body(messages=[_SYSTEM, *ASK], response_format={"type": "json_object"}),
    Call(base="/v2", body={"model": "spark-x", "thinking": {"type": "auto"}}),
    Call(base="/x2", body={"model": "spark-x", "tools": [TOOL], "tool_calls_switch": True}),
    Call(base="/v2", body={"model": "x1", "n": 2}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer a:b"}), status=401, says="invalid user"),
    Refused(call=Call(headers={"Authorization": "Bearer ab"}), status=401, says="HMAC"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="Unauthorized"),
    Refused(call=Call(base="/v2"), status=403, says="11200"),
    refused(403, "11200", model="spark-x"),
    Refused(call=Call(base="/x2", body={"model": "spark-x", "temperature": 0}), status=400, says="temperature"),
    refused(400, "temperature", temperature=2.1),
    refused(400, "top_k", top_k=7),
    refused(400, "max_tokens", model="lite", max_tokens=8192),
    refused(404, "does not exist", model="generalv2"),
    refused(400, "10004", messages=[*ASK, _SYSTEM]),
    refused(400, "10004", model="lite", messages=[_SYSTEM, *ASK]),
    refused(400, "must be a string", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
]

_SID = "cha000000001@dx1"
_OK = {"code": 0, "message": "Success", "sid": _SID}
_FUNCTION = {"type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
_CALLS = {"tool_calls": [{"name": "f", "arguments": '{"a":1}'}], "usage": {"prompt": 9, "completion": 3}}


def _whole(**message: object) -> dict[str, object]:
    choice = {"message": {"role": "assistant", **message}, "index": 0}
    return {**_OK, "choices": [choice], "usage": COUNTS}


def _event(text: str, **more: object) -> dict[str, object]:
    delta = {"role": "assistant", "content": text, **more}
    return {**_OK, "id": _SID, "created": NOW, "choices": [{"delta": delta, "index": 0}]}


SHAPES = [
    Shape(call=body(), reply=SAID, whole=_whole(content="hello")),
    Shape(call=body(tools=[TOOL]), reply=_CALLS, whole=_whole(content="", tool_calls=_FUNCTION)),
    Shape(
        call=body(tools=[TOOL], tool_calls_switch=True),
        reply=_CALLS,
        whole=_whole(content="", tool_calls=[_FUNCTION]),
    ),
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[_event("he"), _event("llo"), {**_event(""), "usage": COUNTS}, "data:[DONE]"],
    ),
    Shape(
        call=Call(base="/x2", body={"model": "spark-x", "stream": True}),
        reply=THOUGHT,
        stream=[
            _event("", reasoning_content="2+"),
            _event("", reasoning_content="2"),
            _event("4"),
            {**_event(""), "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}},
            "data:[DONE]",
        ],
    ),
]
