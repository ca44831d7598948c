"""platform.baichuan-ai.com/docs/api."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, COUNTS, ROUND, SAID, STRAY, TOOL, seen

USUAL = {"model": "Baichuan4-Turbo", "messages": ASK}
_SEARCH = {"type": "web_search", "web_search": {"enable": True, "search_mode": "quality_first"}}
_SYSTEM = {"role": "system", "content": "s"}

ACCEPTED = [
    body(temperature=1, top_p=0.99, top_k=20, max_tokens=10, with_search_enhance=False),
    body(tools=[TOOL, _SEARCH], tool_choice="auto"),
    body(tools=[TOOL], messages=ROUND),
    body(response_format={"type": "json_object"}, messages=[_SYSTEM, *ASK]),
    body(model="Baichuan-M3-Plus", metadata={"evidence_scope": "cited"}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="invalid_api_key"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="api_key_empty"),
    Refused(call=Call(headers={"Authorization": "Basic x"}), status=401, says="invalid_authentication"),
    refused(400, "does not exist", model="baichuan4-turbo"),
    refused(400, "temperature must be in [0, 1]", temperature=1.1),
    refused(400, "top_p must be in [0, 1)", top_p=1.0),
    refused(400, "top_k", top_k=21),
    refused(400, "stream_options is not supported", stream_options={"include_usage": True}),
    refused(400, "seed is not supported", seed=1),
    refused(400, "response_format is not supported", model="Baichuan-M3", response_format={"type": "json_object"}),
    refused(400, "role system", model="Baichuan2-Turbo", messages=[_SYSTEM, *ASK]),
    refused(400, "the first message", messages=[{"role": "assistant", "content": "a"}]),
    refused(400, "must be a string", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

_HEAD = {"id": "chatcmpl-M1", "created": NOW, "model": "Baichuan4-Turbo"}
_USAGE = {**COUNTS, "search_count": 0}


def _event(text: str, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [{**choice, **more}]}


SHAPES = [
    Shape(
        call=body(),
        reply={**SAID, "context": [{"content": "一段", "title": "a.md", "id": "f1"}]},
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
            "usage": _USAGE,
            "knowledge_base": {"cites": [{"title": "a.md", "content": "一段", "file_id": "f1"}]},
        },
    ),
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[
            _event("he"),
            _event("llo"),
            {**_event("", finish_reason="stop"), "usage": _USAGE},
            "data: [DONE]",
        ],
    ),
]
