"""cloud.tencent.com/document/product/1759/129202: dialogue by HTTP SSE, version 2."""

from __future__ import annotations

from typing import Any

import httpx
from rows import GONE, Call, Refused, Shape, body, refused, send

from unionllm.testing import VendorServer

_CONVERSATION = "362b3aac-b7eb-4d2a-a154-204f288a4727"
_REQUEST = "4feb312a-14e9-4161-bfe2-767c43ae0524"
_TEXT = {"Type": "text", "Text": "你好"}
USUAL: dict[str, Any] = {
    "RequestId": _REQUEST,
    "ConversationId": _CONVERSATION,
    "Contents": [_TEXT],
    "VisitorId": "u1",
    "Incremental": True,
    "Stream": "enable",
}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """The key stands in the body, unless the call has another one."""
    usual = {**USUAL, "AppKey": server.credentials("adp")["api_key"]}
    return send(server, "adp", call, usual, "/chat", {})


ACCEPTED = [
    body(RequestId=GONE, VisitorId=GONE, UserId="u1", SystemRole="简短", SearchNetwork="disable"),
    body(Contents=[_TEXT, {"Type": "image", "Image": {"Url": "https://example.com/a.png"}}]),
    body(Incremental=GONE, StreamingThrottle=5, Stream="", WorkflowStatus="enable"),
    body(Contents=[_TEXT, {"Type": "custom_variables", "CustomVariables": {"a": "b"}}], EnableMultiIntent=True),
]

REFUSED = [
    refused(200, '"Code": 4505004', AppKey="wrong"),
    refused(200, '"Code": 4505004', AppKey=GONE),
    Refused(call=Call(path="/chats"), status=404, says="not found"),
    Refused(call=Call(headers={"Content-Type": "text/plain"}), status=200, says='"Code": 400'),
    refused(200, "ConversationId is required", ConversationId=GONE),
    refused(200, "ConversationId must match", ConversationId="too-short"),
    refused(200, "RequestId must match", RequestId="r1"),
    refused(200, "VisitorId is required", VisitorId=GONE),
    refused(200, "Contents", Contents=[]),
    refused(200, "picture is unknown", Contents=[{"Type": "picture"}]),
    refused(200, "Contents: image", Contents=[{"Type": "image", "Image": {"Url": "data:image/png;base64,A"}}]),
    refused(200, "Stream must be one of", Stream=True),
    refused(200, "Incremental must be a boolean", Incremental="yes"),
]


def _event(name: str, **more: Any) -> list[Any]:
    return [f"event: {name}", {"Type": name, **more}]


def _response(status: str, **more: Any) -> dict[str, Any]:
    return {
        "Role": "assistant",
        "RecordId": "record-1",
        "RelatedRecordId": "question-1",
        "ConversationId": _CONVERSATION,
        "Status": status,
        "StatusDesc": "",
        **more,
        "ExtraInfo": {"RequestId": _REQUEST, "Elapsed": "100", "IsFromSelf": False, "ReplyMethod": 1},
    }


_ACK = {
    "Role": "user",
    "RecordId": "question-1",
    "Status": "success",
    "ConversationId": _CONVERSATION,
    "ExtraInfo": {"RequestId": _REQUEST, "IsFromSelf": True},
}
_MESSAGE = {"Type": "reply", "MessageId": "reply-1", "Name": "reply", "Title": ""}
_PLACE = {"MessageId": "reply-1", "ContentIndex": 0}
_COUNTS = {"InputTokens": 9, "OutputTokens": 3, "TotalTokens": 12, "TotalCost": "2574"}


def _stream(*second: Any) -> list[Any]:
    text = {"Type": "text", "Text": "hello"}
    return [
        *_event("request_ack", RequestAck=_ACK),
        *_event("response.created", Response=_response("processing")),
        *_event("message.added", Message={**_MESSAGE, "Status": "processing"}),
        *_event("content.added", **_PLACE, Content={"Type": "text", "Text": "he"}),
        *second,
        *_event("message.done", MessageId="reply-1", Message={**_MESSAGE, "Status": "success", "Contents": [text]}),
        *_event("response.completed", Response=_response("success", StatInfo=_COUNTS)),
        "event: done",
        "data: [DONE]",
    ]


_REPLY = {"text": ["he", "llo"], "usage": {"prompt": 9, "completion": 3}}

SHAPES = [
    Shape(call=body(), reply=_REPLY, stream=_stream(*_event("text.delta", **_PLACE, Text="llo"))),
    Shape(call=body(Incremental=False), reply=_REPLY, stream=_stream(*_event("text.replace", **_PLACE, Text="hello"))),
]
