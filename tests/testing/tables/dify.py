"""docs.dify.ai: the service API's openapi file, guides on streaming and errors."""

from __future__ import annotations

from typing import Any

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, refused, send

from unionllm.testing import VendorServer
from unionllm.testing.vendors.dify import Played

USUAL: dict[str, Any] = {"query": "你好", "inputs": {}, "user": "u1", "response_mode": "blocking"}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """The chatbot is asked, or the app of the mode that a header of the table names."""
    vendor = server.vendor("dify")
    assert isinstance(vendor, Played)
    key = vendor.app_key(call.headers.get("mode", "chat"))
    return send(server, "dify", call, USUAL, "/chat-messages", {"Authorization": f"Bearer {key}"})


def of(mode: str, path: str = "/chat-messages", **changes: Any) -> Call:
    """A call of another kind of app, streamed."""
    return Call(headers={"mode": mode}, path=path, body={"response_mode": "streaming", **changes})


def _file(**more: Any) -> dict[str, Any]:
    return {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png", **more}


ACCEPTED = [
    body(conversation_id="", files=[], auto_generate_name=False, response_mode=GONE),
    body(files=[_file(upload_file_id=None)], conversation_id=None),
    of("agent-chat"),
    of("agent"),
    of("advanced-chat", workflow_id="w1"),
    of("completion", "/completion-messages", query=""),
    of("workflow", "/workflows/run", query=GONE, inputs={"t": "x"}),
    of("workflow", "/workflows/w1/run"),
    Call(path="/info", method="GET"),
    Call(path="/parameters", method="GET"),
    Call(path="/chat-messages/task-1/stop"),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer app-x"}), status=401, says="unauthorized"),
    Refused(call=Call(headers={"Content-Type": "text/plain"}), status=400, says="bad_request"),
    Refused(call=Call(path="/chat"), status=404, says="not_found"),
    Refused(call=Call(base=""), status=404, says="not_found"),
    refused(400, "query is required", query=GONE),
    refused(400, "query must have", query=""),
    refused(400, "inputs is required", inputs=GONE),
    refused(400, "user is required", user=GONE),
    refused(400, "response_mode", response_mode="stream"),
    refused(404, "Conversation Not Exists.", conversation_id="c1"),
    refused(400, "files", files=[{"type": "picture", "transfer_method": "remote_url"}]),
    refused(400, "Invalid file url", files=[_file(url="data:image/png;base64,A")]),
    refused(400, "Invalid upload file", files=[{**_file(), "transfer_method": "local_file", "upload_file_id": "1"}]),
    Refused(call=of("agent-chat", response_mode="blocking"), status=400, says="does not support blocking mode"),
    Refused(call=of("agent", response_mode="blocking"), status=400, says='"code":"bad_request"'),
    Refused(call=of("workflow"), status=400, says="not_chat_app"),
    Refused(call=of("chat", "/workflows/run"), status=400, says="not_workflow_app"),
    Refused(call=of("chat", "/completion-messages"), status=400, says="app_unavailable"),
    Refused(call=Call(path="/messages/m1/suggested", method="GET"), status=404, says="Message Not Exists."),
    Refused(call=Call(path="/chat-messages/t/stop", body={"user": GONE}), status=400, says="Arg user must be provided"),
]

_REPLY = {"text": ["He", "llo"], "usage": {"prompt": 10, "completion": 5}}
_IDS = {"task_id": "task-1", "message_id": "message-1", "conversation_id": "conversation-1", "created_at": NOW}
_USAGE = {
    "prompt_tokens": 10,
    "prompt_unit_price": "0.001",
    "prompt_price_unit": "0.001",
    "prompt_price": "0.0000100",
    "completion_tokens": 5,
    "completion_unit_price": "0.002",
    "completion_price_unit": "0.001",
    "completion_price": "0.0000200",
    "total_tokens": 15,
    "total_price": "0.0000300",
    "currency": "USD",
    "latency": 0.5,
}
_CHUNK = {"content": "chunk one", "score": 0.98, "id": "seg1", "title": "a.md"}
_SOURCES = [
    {
        "position": 1,
        "dataset_id": "ds1",
        "dataset_name": "KB",
        "document_id": "doc-1",
        "document_name": "a.md",
        "segment_id": "seg1",
        "score": 0.98,
        "content": "chunk one",
    }
]


def _event(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {"event": name, **_IDS, "answer": text, **more}


def _end(**metadata: Any) -> dict[str, Any]:
    return {"event": "message_end", **_IDS, "id": "message-1", "metadata": {"usage": _USAGE, **metadata}}


_FLOW = {"task_id": "task-1", "workflow_run_id": "run-1"}
_OVER = {
    "id": "run-1",
    "workflow_id": "workflow-1",
    "status": "succeeded",
    "outputs": {"text": "Hello"},
    "error": None,
    "elapsed_time": 1.0,
    "total_tokens": 15,
    "total_steps": 2,
    "created_at": NOW,
    "finished_at": NOW + 1,
}

SHAPES = [
    Shape(
        call=body(),
        reply={**_REPLY, "context": [_CHUNK]},
        whole={
            "event": "message",
            **_IDS,
            "id": "message-1",
            "mode": "chat",
            "answer": "Hello",
            "metadata": {"usage": _USAGE, "retriever_resources": _SOURCES},
        },
    ),
    Shape(
        call=body(response_mode="streaming"),
        reply={**_REPLY, "context": [_CHUNK]},
        stream=[
            _event("message", "He"),
            "event: ping",
            _event("message", "llo"),
            _end(retriever_resources=_SOURCES),
        ],
    ),
    Shape(
        call=of("agent"),
        reply={**_REPLY, "context": [_CHUNK]},
        stream=[
            _event("agent_message", "He"),
            "event: ping",
            _event("agent_message", "llo"),
            _event("message", "Hello"),
            _end(),
        ],
    ),
    Shape(
        call=Call(headers={"mode": "workflow"}, path="/workflows/run"),
        reply=_REPLY,
        whole={**_FLOW, "data": _OVER},
    ),
]
