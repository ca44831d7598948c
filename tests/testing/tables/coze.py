"""docs.coze.com: chat v3, message list, workflow chat, upload files."""

from __future__ import annotations

import json
from typing import Any

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, post, refused

from unionllm.testing import VendorServer

BOT = "7400000000000000001"
_ASK = [{"role": "user", "type": "question", "content": "你好", "content_type": "text"}]
USUAL: dict[str, Any] = {"bot_id": BOT, "user_id": "u1", "additional_messages": _ASK}
PREFIX = "data:"
_FLOW = {"path": "/v1/workflows/chat", "body": {"workflow_id": "w1", "user_id": GONE, "stream": GONE}}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """A chat is created unless another path is named."""
    return post(server, "coze", call, USUAL, "/v3/chat")


def _objects(*items: dict[str, Any], before: Any = ()) -> list[dict[str, Any]]:
    return [*before, {"role": "user", "content_type": "object_string", "content": json.dumps(items)}]


_TEXT = {"type": "text", "text": "看"}
_IMAGE = {"type": "image", "file_url": "https://example.com/a.png"}
_SAID = {"role": "assistant", "type": "answer", "content": "a", "content_type": "text"}

ACCEPTED = [
    body(stream=False, auto_save_history=True, custom_variables={"user_name": "x"}, meta_data={"k": "v"}),
    body(stream=True, auto_save_history=False, parameters={"n": 1}, publish_status="unpublished_draft"),
    body(additional_messages=[*_ASK, _SAID, *_ASK]),
    body(additional_messages=_objects(_TEXT, _IMAGE)),
    body(additional_messages=_objects(_IMAGE, before=_ASK)),
    Call(query={"conversation_id": "7500000000000000001"}),
    Call(**_FLOW),
    Call(path="/v1/conversation/create"),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer pat_x"}), status=401, says='"code":4100'),
    Refused(call=Call(headers={"Content-Type": "text/plain"}), status=400, says='"code":4000'),
    Refused(call=Call(path="/open_api/v2/chat"), status=404, says="no such path"),
    refused(400, "bot_id is required", bot_id=GONE),
    refused(400, "bot_id is invalid", bot_id="bot-1"),
    refused(404, '"code":4200', bot_id="9900000000000000001"),
    refused(400, "user_id is required", user_id=""),
    refused(400, "auto_save_history must be true", auto_save_history=False),
    refused(400, "additional_messages", additional_messages=[{"role": "system", "content": "s"}]),
    refused(400, "must have the role user", additional_messages=[*_ASK, _SAID]),
    refused(400, "does not belong to role", additional_messages=[{**_ASK[0], "type": "answer"}]),
    refused(400, "is not allowed", additional_messages=[{**_ASK[0], "type": "tool_response"}]),
    refused(400, "content must be a string", additional_messages=[{**_ASK[0], "content": [_TEXT]}]),
    refused(400, "without an image", additional_messages=_objects(_TEXT)),
    refused(400, "needs a message with text beside it", additional_messages=_objects(_IMAGE)),
    refused(400, "does not exist", additional_messages=_objects(_TEXT, {"type": "image", "file_id": "1"})),
    refused(
        400, "upload", additional_messages=_objects(_TEXT, {"type": "image", "file_url": "data:image/png;base64,A"})
    ),
    refused(400, "custom_variables", custom_variables={"1": "x"}),
    refused(400, "meta_data", meta_data={"k": "v" * 513}),
    refused(400, "parameters", parameters='{"a":1}'),
    Refused(call=Call(path="/v3/chat/retrieve", query={"chat_id": "1"}), status=400, says="must name a chat"),
    Refused(call=Call(path="/v1/workflows/chat"), status=400, says="workflow_id is required"),
    Refused(
        call=Call(path="/v1/workflows/chat", body={"workflow_id": "w", "app_id": "a"}),
        status=400,
        says="either bot_id or app_id",
    ),
]

_CHAT, _CONVERSATION = "7600000000000000001", "7599999999999900001"
_HEAD = {"id": _CHAT, "conversation_id": _CONVERSATION, "bot_id": BOT, "created_at": NOW}
_FINE = {"last_error": {"code": 0, "msg": ""}}
_COUNTED = {"token_count": 12, "output_count": 3, "input_count": 9}
_NOTHING = {"token_count": 0, "output_count": 0, "input_count": 0}
_REPLY = {"text": ["he", "llo"], "usage": {"prompt": 9, "completion": 3}}


def _message(name: str, kind: str, content: str, **more: Any) -> dict[str, Any]:
    ids = {"id": f"{_CHAT}-{name}", "conversation_id": _CONVERSATION, "bot_id": BOT, "chat_id": _CHAT}
    return {**ids, "role": "assistant", "type": kind, "content": content, "content_type": "text", **more}


_CHUNK = {
    "slice": "一段",
    "score": 0.91,
    "meta": {
        "dataset": {"id": "d1", "name": "KB"},
        "document": {"id": "f1", "name": "a.md"},
        "link": {"title": "a.md", "url": ""},
    },
}
_RECALL = json.dumps(
    {"msg_type": "knowledge_recall", "data": json.dumps({"chunks": [_CHUNK]}, ensure_ascii=False)}, ensure_ascii=False
)
_FINISH = json.dumps({"msg_type": "generate_answer_finish", "data": json.dumps({"finish_reason": 0, "FinData": ""})})

SHAPES = [
    Shape(
        call=body(),
        reply=_REPLY,
        whole={
            "code": 0,
            "msg": "",
            "data": {**_HEAD, "status": "in_progress", **_FINE},
            "detail": {"logid": "20261123000000TESTLOGID"},
        },
    ),
    Shape(
        call=body(stream=True),
        reply={
            **_REPLY,
            "reasoning": ["想"],
            "context": [{"content": "一段", "score": 0.91, "id": "f1", "title": "a.md"}],
            "suggestions": ["然后呢？"],
        },
        stream=[
            "event:conversation.chat.created",
            {**_HEAD, "status": "created", **_FINE, "usage": _NOTHING},
            "event:conversation.chat.in_progress",
            {**_HEAD, "status": "in_progress", **_FINE},
            "event:conversation.message.completed",
            _message("recall", "verbose", _RECALL),
            "event:conversation.message.delta",
            _message("answer", "answer", "", reasoning_content="想"),
            "event:conversation.message.delta",
            _message("answer", "answer", "he"),
            "event:conversation.message.delta",
            _message("answer", "answer", "llo"),
            "event:conversation.message.completed",
            _message("answer", "answer", "hello", reasoning_content="想"),
            "event:conversation.message.completed",
            _message("finish", "verbose", _FINISH),
            "event:conversation.message.completed",
            _message("next0", "follow_up", "然后呢？"),
            "event:conversation.chat.completed",
            {**_HEAD, "status": "completed", **_FINE, "completed_at": NOW + 1, "usage": _COUNTED},
            "event:done",
            'data:"[DONE]"',
        ],
    ),
]
