"""Calls of FastGPT's apps, and what such an app says."""

from __future__ import annotations

import copy
import json
from typing import Any

from server import ScriptedServer

from unionllm import ModelResponse, unionchat
from unionllm.testing import VendorServer

ASK = [{"role": "user", "content": "你好"}]
TURNS = [{"role": "system", "content": "简短"}, *ASK, {"role": "assistant", "content": "好"}, *ASK]
APP = "0" * 24


def call(server: VendorServer | ScriptedServer, **more: Any) -> dict[str, Any]:
    """A call that is tried once."""
    if isinstance(server, VendorServer):
        target = {**server.arguments("fastgpt"), "base_url": server.url("fastgpt", more.pop("at", "/api/v1"))}
    else:
        target = {"provider": "fastgpt", "api_key": "fastgpt-k", "base_url": server.url}
    return {**target, "messages": copy.deepcopy(ASK), "max_retries": 0, "timeout": 10, **more}


def ask(server: VendorServer | ScriptedServer, *, stream: bool = False, **more: Any) -> ModelResponse:
    """The answer, read to its end."""
    got: Any = unionchat(**call(server, **more), stream=stream)
    if stream:
        for _ in got:
            pass
        got = got.response
    assert isinstance(got, ModelResponse)
    return got


def body_of(server: VendorServer | ScriptedServer) -> dict[str, Any]:
    """What arrived last."""
    sent: dict[str, Any] = json.loads(server.requests[-1].body)
    return sent


def event(name: str, data: Any) -> bytes:
    """One event with its name."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n".encode()


def piece(finish: str | None = None, **delta: Any) -> bytes:
    """A piece of the answer as the first version says it."""
    choices = [{"delta": delta, "index": 0, "finish_reason": finish}]
    return event("answer", {"id": "", "object": "", "created": 0, "model": "", "choices": choices})


def whole(content: Any, nodes: Any = (), **more: Any) -> dict[str, Any]:
    """A whole answer."""
    ones = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1}
    choices = [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop", "index": 0}]
    return {
        "responseData": list(nodes),
        "error": None,
        "id": "",
        "model": "",
        "usage": ones,
        "choices": choices,
        **more,
    }


TEXT = piece(content="好")
STOP = piece("stop", role="assistant", content=None)
DONE = event("answer", "[DONE]")
MODEL = {"id": "r2", "moduleType": "chatNode", "inputTokens": 11, "outputTokens": 7, "totalPoints": 0.5}
