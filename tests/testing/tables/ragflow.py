"""ragflow.io/docs/http_api_reference: OpenAI-compatible chats and agents, error codes."""

from __future__ import annotations

from typing import Any

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, post, refused

from tables.common import ASK, DETAILED, SAID, WRONG_KEY
from unionllm.testing import VendorServer
from unionllm.testing.vendors.ragflow import AGENT_ID, CHAT_ID

USUAL: dict[str, Any] = {"model": "m", "messages": ASK, "stream": False, "extra_body": {"reference": True}}
PATH = f"/api/v1/openai/{CHAT_ID}/chat/completions"
AGENT = f"/api/v1/agents_openai/{AGENT_ID}/chat/completions"


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """The assistant is asked, unless the call has a path of its own."""
    return post(server, "ragflow", call, USUAL, PATH)


def at(path: str, **changes: Any) -> Call:
    """A call of another path."""
    return Call(path=path, body=changes)


ACCEPTED = [
    body(model="any at all", temperature=2),
    body(extra_body=GONE, stream=True),
    body(extra_body={"reference_metadata": {"include": True, "fields": ["author"]}, "metadata_condition": {"a": []}}),
    at(PATH.replace("/openai/", "/chats_openai/")),
    at(AGENT, session_id="s1"),
    at(AGENT, stream=True),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=200, says='"code":109'),
    Refused(call=Call(path=PATH.replace(CHAT_ID, AGENT_ID)), status=200, says="You don't own the chat"),
    Refused(call=Call(path=AGENT.replace(AGENT_ID, CHAT_ID)), status=200, says="You don't own the agent"),
    Refused(call=Call(path="/v1/chat/completions"), status=404, says='"code":404'),
    refused(200, "model is required", model=GONE),
    refused(200, "messages", messages=[]),
    refused(200, "stream", stream=GONE),
    refused(200, "extra_body", extra_body=[]),
    refused(200, "extra_body.reference must be a boolean", extra_body={"reference": "yes"}),
    refused(200, "session_id is for agents", session_id="s1"),
]

_PASSAGE = {"content": "chunk one", "score": 0.98, "id": "c1", "title": "a.md"}
_CHUNK = {
    "id": "c1",
    "content": "chunk one",
    "document_id": "doc-0",
    "document_name": "a.md",
    "dataset_id": "kb1",
    "similarity": 0.98,
    "vector_similarity": 0.98,
    "term_similarity": 0.98,
    "url": None,
    "positions": [[1, 2, 3, 4, 5]],
}
_HEAD = {"id": "ragflow-1", "created": NOW, "model": "m"}


def _event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


_MESSAGE = {"role": "assistant", "content": "hello", "reference": [_CHUNK]}

SHAPES = [
    Shape(
        call=body(),
        reply={**SAID, "context": [_PASSAGE]},
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": _MESSAGE}],
            "usage": DETAILED,
        },
    ),
    Shape(
        call=body(stream=True),
        reply={**SAID, "context": [_PASSAGE]},
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event({"content": "he"}),
            _event({"content": "llo"}),
            _event({"content": "", "reference": {"chunks": {"c1": _CHUNK}}, "final_content": "hello"}),
            _event({}, "stop", usage=DETAILED),
            "data: [DONE]",
        ],
    ),
    Shape(
        call=at(AGENT, stream=True, extra_body=GONE, session_id="s1"),
        reply={"text": ["he"], "usage": {"prompt": 9, "completion": 3}},
        stream=[
            _event({"role": "assistant", "content": ""}, session_id="s1"),
            _event({"content": "he"}, session_id="s1"),
            _event({}, "stop", session_id="s1", usage=DETAILED),
            "data: [DONE]",
        ],
    ),
]
