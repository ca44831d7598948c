"""docs.bigmodel.cn/cn/api and the vendor's SDKs: agents, their results, apps."""

from __future__ import annotations

from typing import Any

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, post, refused

from tables.common import WRONG_KEY
from unionllm.testing import VendorServer
from unionllm.testing.vendors.zhipu_app import AGENT_ID, APP_ID, SLOW_AGENT_ID

_TEXT = {"type": "text", "text": "你好"}
USUAL: dict[str, Any] = {"agent_id": AGENT_ID, "messages": [{"role": "user", "content": [_TEXT]}]}
_APP = "/llm-application/open/v3/application/invoke"


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """An agent is asked, unless the call has a path of its own."""
    return post(server, "zhipu_app", call, USUAL, "/v1/agents")


def app(*items: Any, **changes: Any) -> Call:
    """A call of the app with these items."""
    given = {"app_id": APP_ID, "agent_id": GONE, "messages": [{"role": "user", "content": list(items)}], **changes}
    return Call(path=_APP, body=given)


_Q = {"type": "input", "key": "q", "value": "你好"}

ACCEPTED = [
    body(stream=False, custom_variables={"source_lang": "zh"}, user_id="u1"),
    body(messages=[*USUAL["messages"], {"role": "assistant", "content": [_TEXT]}, *USUAL["messages"]]),
    body(agent_id=SLOW_AGENT_ID),
    body(stream=True, conversation_id="c1"),
    app(_Q, {**_Q, "key": "city"}, send_log_event=True),
    app(_Q, stream=True, conversation_id="c1"),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says='"code":"1000"'),
    Refused(call=Call(path="/v2/agents"), status=404, says='"code":"1222"'),
    refused(400, "agent_id must be one of", agent_id="nobody"),
    refused(400, "agent_id is required", agent_id=GONE),
    refused(400, "messages", messages=[]),
    refused(400, "must be an array", messages=[{"role": "user", "content": "你好"}]),
    refused(400, "must be one of", messages=[{"role": "system", "content": [_TEXT]}]),
    refused(400, "the last message must be the user's", messages=[{"role": "assistant", "content": [_TEXT]}]),
    Refused(call=app(_Q, app_id="1"), status=400, says='"code":"1211"'),
    Refused(call=app({**_Q, "key": "nobody"}), status=400, says="key must be one of"),
    Refused(call=app({"type": "input", "value": "a"}), status=400, says="lacks key"),
    Refused(call=app(), status=400, says="messages"),
    Refused(call=Call(path="/v1/agents/async-result", body={"async_id": "job-0"}), status=400, says="does not exist"),
]

_REPLY = {"text": ["he", "llo"], "usage": {"prompt": 9, "completion": 3}}
_HEAD = {"id": "run-1", "request_id": "request-1", "conversation_id": "conversation-1"}
_COUNTS = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
_NODES = [
    {"model": "glm-4.6", "nodeName": "node-0", "inputTokenCount": 1, "outputTokenCount": 0, "totalTokenCount": 1},
    {"model": "glm-4.6", "nodeName": "node-1", "inputTokenCount": 8, "outputTokenCount": 3, "totalTokenCount": 11},
]


def _said(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _msg(text: str) -> dict[str, str]:
    return {"type": "text", "msg": text}


def _event(content: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": finish}
    return {**_HEAD, **more, "choices": [choice]}


_AGENT_HEAD = {**_HEAD, "agent_id": AGENT_ID, "status": "success", "usage": _COUNTS}
_WHOLE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _said("hello")}}
_WHOLE_APP = {"index": 0, "finish_reason": "stop", "messages": {"role": "assistant", "content": _msg("hello")}}

SHAPES = [
    Shape(call=body(), reply=_REPLY, whole={**_AGENT_HEAD, "choices": [_WHOLE]}),
    Shape(
        call=body(),
        reply={**_REPLY, "shape": "messages"},
        whole={**_AGENT_HEAD, "messages": [{"role": "assistant", "content": _said("hello")}]},
    ),
    Shape(
        call=body(agent_id=SLOW_AGENT_ID),
        reply=_REPLY,
        whole={**_HEAD, "agent_id": SLOW_AGENT_ID, "async_id": "job-1", "status": "pending"},
    ),
    Shape(
        call=body(stream=True),
        reply=_REPLY,
        stream=[
            _event(_said("he"), agent_id=AGENT_ID),
            _event(_said("llo"), agent_id=AGENT_ID),
            _event(_said(""), "stop", agent_id=AGENT_ID, usage=_COUNTS),
            "data: [DONE]",
        ],
    ),
    Shape(call=app(_Q), reply=_REPLY, whole={**_HEAD, "created": NOW, "choices": [_WHOLE_APP], "usage": _NODES}),
    Shape(
        call=app(_Q, stream=True),
        reply=_REPLY,
        stream=[_event(_msg("he")), _event(_msg("llo")), _event(_msg(""), "stop", usage=_NODES)],
    ),
]
