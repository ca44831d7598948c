"""github.com/baidubce/app-builder: conversation, runs, file upload; codes of cloud.baidu.com/doc/qianfan-api."""

from __future__ import annotations

from typing import Any

import httpx
from rows import GONE, Call, Refused, Shape, body, changed, post, refused

from unionllm.testing import VendorServer

APP = "01234567-89ab-cdef-0123-456789abcdef"
RUNS = "/app/conversation/runs"
USUAL: dict[str, Any] = {"app_id": APP, "query": "你好", "stream": False}
_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """A run in a new conversation, unless the row names another path or conversation."""
    if call.path is not None:
        return post(server, "appbuilder", call, USUAL, RUNS)
    made = post(server, "appbuilder", Call(), {"app_id": APP}, "/app/conversation").json()
    usual = changed(USUAL, {"conversation_id": made["conversation_id"]})
    return post(server, "appbuilder", call, usual, RUNS)


ACCEPTED = [
    body(stream=True, end_user_id="u1", file_ids=[], tools=[_TOOL], tool_choice={"type": "auto"}),
    body(parameters={"a": 1}, custom_metadata={"override_role_instruction": "x"}, tool_outputs=None, stream=GONE),
    body(action={"action_type": "resume", "parameters": {"interrupt_event": {"id": "1", "type": "chat"}}}),
    Call(path="/app/conversation", body={"query": GONE, "stream": GONE}),
]

REFUSED = [
    Refused(call=Call(path=RUNS, headers={"Authorization": "Bearer x"}), status=401, says="invalid_iam_token"),
    Refused(call=Call(path=RUNS, headers={"Content-Type": "text/plain"}), status=400, says="Content-Type"),
    Refused(call=Call(path="/app/runs"), status=404, says="no such path"),
    Refused(call=Call(path=RUNS, base=""), status=404, says="no such path"),
    Refused(call=Call(path=RUNS, method="GET"), status=405, says="method_not_supported"),
    Refused(call=Call(path="/app/conversation", body={"app_id": GONE}), status=400, says="app_id"),
    Refused(call=Call(path="/app/conversation/file/upload"), status=404, says="no such conversation"),
    refused(400, "conversation_id must", conversation_id=GONE),
    refused(404, "no such conversation", conversation_id="c1"),
    refused(404, "no such conversation", app_id="another"),
    refused(400, "cannot both be empty", query=""),
    refused(400, "cannot both be empty", query=GONE, tool_outputs=[]),
    refused(400, "stream must", stream="true"),
    refused(400, "file_ids must", file_ids="file-1"),
    refused(404, "no file 'file-9'", file_ids=["file-9"]),
    refused(400, "tools", tools=[{"type": "function"}]),
    refused(400, "tool_outputs must", tool_outputs=[{"tool_call_id": "1"}][0]),
    refused(400, "tool_outputs lacks output", tool_outputs=[{"tool_call_id": "1"}]),
    refused(400, "waits for", tool_outputs=[{"tool_call_id": "1", "output": "x"}]),
    refused(400, "tool_choice must be an object", tool_choice="auto"),
    refused(400, "parameters must be an object", parameters=[]),
]

_REPLY = {"text": ["He", "llo"], "usage": {"prompt": 10, "completion": 5}}
_IDS = {"request_id": "r-2", "date": "2026-11-23T00:00:00Z", "conversation_id": "conversation-1"}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "name": "ERNIE", "type": "chat"}
_SO_FAR = {**_USAGE, "completion_tokens": 0, "total_tokens": 10}
_CHUNK = {"content": "a title", "id": "seg1", "title": "a.md", "url": "https://e.com/a"}
_SOURCES = [
    {
        "id": "1",
        "from": "knowledge_base",
        "url": "https://e.com/a",
        "content": "a title",
        "segment_id": "seg1",
        "document_id": "document-1",
        "document_name": "a.md",
        "dataset_id": "dataset-1",
        "knowledgebase_id": "kb-1",
    }
]


def _message(answer: str, *content: dict[str, Any], done: bool = False) -> dict[str, Any]:
    return {**_IDS, "answer": answer, "message_id": "message-2", "is_completion": done, "content": list(content)}


def _item(kind: str, name: str, status: str, outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "event_code": 0,
        "event_message": "",
        "event_type": name,
        "event_id": "1",
        "event_status": status,
        "content_type": kind,
        "outputs": outputs,
        "usage": _USAGE,
        "tool_calls": None,
        **more,
    }


_CALLS = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]

SHAPES = [
    Shape(
        call=body(),
        reply=_REPLY,
        whole=_message("Hello", _item("text", "ChatAgent", "done", {"text": "Hello"}), done=True),
    ),
    Shape(
        call=body(stream=True),
        reply={**_REPLY, "context": [_CHUNK]},
        stream=[
            _message("He", _item("rag", "RAGAgent", "running", {"text": "He", "references": []}, usage=_SO_FAR)),
            _message("llo", _item("rag", "RAGAgent", "running", {"text": "llo", "references": []}, usage=_SO_FAR)),
            _message("", _item("rag", "RAGAgent", "done", {"text": "", "references": _SOURCES}), done=True),
        ],
    ),
    Shape(
        call=body(tools=[_TOOL]),
        reply={"tool_calls": [{"name": "f", "arguments": {"a": 1}}], "usage": {"prompt": 10, "completion": 5}},
        whole=_message(
            "", _item("function_call", "function_call", "interrupt", {"text": ""}, tool_calls=_CALLS), done=True
        ),
    ),
]
