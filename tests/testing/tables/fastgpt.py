"""doc.fastgpt.io: openapi chat, intro, publish."""

from __future__ import annotations

from typing import Any

from rows import GONE, Call, Refused, Shape, body, refused

from .common import ASK, SAID, seen

USUAL: dict[str, Any] = {"model": "fastgpt", "messages": ASK}
_FILE = {"type": "file_url", "name": "a.pdf", "url": "https://example.com/a.pdf"}
_V2 = "/api/v2"
_GUIDE = "/core/ai/agent/v2/createQuestionGuide"

ACCEPTED = [
    body(stream=True, detail=True, chatId="c1", variables={"uid": "1"}, customUid="u", temperature=9),
    body(messages=[{"role": "system", "content": "s"}, *ASK], detail=None, chatId=None),
    body(messages=[{"role": "user", "content": [{"type": "text", "text": "q"}, _FILE]}]),
    body(messages=seen("https://example.com/a.png")),
    Call(base=_V2, body={"appId": "0" * 24, "retainDatasetCite": True}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer fastgpt-x"}), status=500, says='"code":514'),
    Refused(call=Call(headers={"Authorization": GONE}), status=500, says="凭证错误"),
    Refused(
        call=Call(headers={"Authorization": "Bearer fastgpt-x"}, body={"stream": True}),
        status=200,
        says='event: error\ndata: {"code":514,"statusText":"unAuthApiKey"',
    ),
    Refused(call=Call(base="/v1"), status=404, says="<!DOCTYPE html>"),
    refused(500, "messages is empty", messages=[]),
    refused(500, "messages is not array", messages="hi"),
    refused(500, "messages is not array", messages=GONE),
    refused(500, "chatId: Invalid input", chatId="c" * 1025),
    refused(500, "variables", variables="a"),
    refused(500, "detail", detail="true"),
    refused(500, "appId", appId="1"),
    Refused(call=Call(base="/api", path=_GUIDE, body={"chatId": "c1"}), status=500, says="appId: Invalid input"),
    Refused(call=Call(base="/api", path=_GUIDE, body={"appId": "0" * 24}), status=500, says="chatId: Invalid input"),
    refused(500, "the role user", messages=[*ASK, {"role": "assistant", "content": "a"}]),
    refused(500, "role: Invalid input", messages=[{"role": "developer", "content": "a"}]),
    refused(500, "image_url", messages=seen("ms://1")),
    refused(500, "content: Invalid input", messages=seen("https://example.com/a.pdf", "file_url")),
]

_ONES = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1}
_MODEL = {
    "nodeId": "n2",
    "moduleName": "AI",
    "moduleType": "chatNode",
    "model": "m",
    "inputTokens": 9,
    "outputTokens": 3,
    "finishReason": "stop",
}
_QUOTE = {
    "id": "q1",
    "q": "一段",
    "a": "",
    "datasetId": "ds",
    "collectionId": "col",
    "sourceName": "a.md",
    "sourceId": "s1",
    "chunkIndex": 0,
    "score": [{"type": "embedding", "value": 0.9, "index": 0}],
}
_SEARCH = {
    "nodeId": "n1",
    "moduleName": "KB",
    "moduleType": "datasetSearchNode",
    "embeddingTokens": 6,
    "quoteList": [_QUOTE],
}
_SOURCE = {"content": "一段", "id": "q1", "title": "a.md", "score": 0.9}


def _chunk(delta: dict[str, Any], finish: str | None = None, chat: str = "") -> dict[str, Any]:
    choices = [{"delta": delta, "index": 0, "finish_reason": finish}]
    return {"id": chat, "object": "", "created": 0, "model": "", "choices": choices}


_STOP = {"role": "assistant", "content": None}


def _choices(**message: Any) -> list[dict[str, Any]]:
    return [{"message": {"role": "assistant", **message}, "finish_reason": "stop", "index": 0}]


_NODES = (
    'data: [{"nodeId":"n2","moduleName":"AI","moduleType":"chatNode","model":"m",'
    '"inputTokens":9,"outputTokens":3,"finishReason":"stop"}]'
)

SHAPES = [
    Shape(
        call=body(detail=False),
        reply={**SAID, "reasoning": "想"},
        whole={
            "id": "",
            "model": "",
            "usage": _ONES,
            "choices": _choices(content="hello", reasoning_content="想"),
        },
    ),
    Shape(
        call=body(detail=True, chatId="c1"),
        reply={**SAID, "context": [_SOURCE]},
        whole={
            "responseData": [_SEARCH, {**_MODEL, "quoteList": [_QUOTE]}],
            "newVariables": {},
            "error": None,
            "id": "c1",
            "model": "",
            "usage": _ONES,
            "choices": _choices(content="hello"),
        },
    ),
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[_chunk({"content": "he"}), _chunk({"content": "llo"}), _chunk(_STOP, "stop"), "data: [DONE]"],
    ),
    Shape(
        call=body(stream=True, detail=True),
        reply={**SAID, "reasoning": ["想"], "fast_answer": "fast "},
        stream=[
            "event: flowNodeStatus",
            {"status": "running", "name": "AI"},
            "event: fastAnswer",
            _chunk({"role": "assistant", "content": "fast "}),
            "event: answer",
            _chunk({"reasoning_content": "想"}),
            "event: answer",
            _chunk({"content": "he"}),
            "event: answer",
            _chunk({"content": "llo"}),
            "event: answer",
            _chunk(_STOP, "stop"),
            "event: answer",
            "data: [DONE]",
            "event: flowResponses",
            _NODES,
        ],
    ),
    Shape(
        call=Call(base=_V2, body={"stream": True, "detail": True, "chatId": "c1"}),
        reply=SAID,
        stream=[
            "event: flowNodeStatus",
            {"status": "running", "name": "AI"},
            "event: answer",
            _chunk({"content": "he"}, chat="c1"),
            "event: answer",
            _chunk({"content": "llo"}, chat="c1"),
            "event: answer",
            _chunk(_STOP, "stop", "c1"),
            "event: flowNodeResponse",
            _MODEL,
            "event: workflowDuration",
            {"durationSeconds": 0.5},
            "event: answer",
            "data: [DONE]",
        ],
    ),
]
