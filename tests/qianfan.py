"""Calls of Baidu Qianfan's first protocol, its replies, and what an error tells, for the tests of it."""

from __future__ import annotations

import asyncio
import json
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from replies import MESSAGES
from server import ScriptedServer

from unionllm import aunionchat, unionchat

MODEL = "ERNIE-4.0-8K"
PAIR = {"client_id": "madeUpClientIdOf24Letter", "client_secret": "madeUpClientSecretOf32Characters"}
CHAT = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat"


def calling(server: ScriptedServer, **changes: Any) -> dict[str, Any]:
    """A call with a secret that no other test has: tokens are kept from test to test."""
    pair = {"client_id": PAIR["client_id"], "client_secret": uuid.uuid4().hex}
    given = {"provider": "wenxin", "api_version": "v1", "base_url": server.url, "model": MODEL, "messages": MESSAGES}
    return {**given, **pair, "max_retries": 0, "timeout": 5, **changes}


def session(number: int = 1) -> dict[str, Any]:
    """What the token request is answered."""
    return {"access_token": f"24.made-up-{number}", "expires_in": 2_592_000, "session_key": "", "scope": "public"}


def said(text: str = "hello", **more: Any) -> dict[str, Any]:
    """A whole body, or an event."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    body = {"id": "as-3", "object": "chat.completion", "created": 1, "result": text, "is_truncated": False}
    return {**body, "need_clear_history": False, "usage": usage, **more}


def events(*bodies: dict[str, Any]) -> bytes:
    """A stream."""
    return b"".join(b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n" for body in bodies)


def ask_sync(given: dict[str, Any]) -> Any:
    """The whole answer, streamed or not."""
    got = unionchat(**given)
    if given.get("stream"):
        for _ in got:
            pass
        return got.response
    return got


def ask_async(given: dict[str, Any]) -> Any:
    """The same in an event loop."""
    return asyncio.run(_ask(given))


async def _ask(given: dict[str, Any]) -> Any:
    got = await aunionchat(**given)
    if given.get("stream"):
        async for _ in got:
            pass
        return got.response
    return got


Ask = Callable[[dict[str, Any]], Any]
both = pytest.mark.parametrize("ask", [ask_sync, ask_async])


def told(error: BaseException) -> str:
    """Everything that a program might print or store of an error, the library's local variables among it."""
    parts = [str(error), repr(error), repr(vars(error))]
    for frame, line in traceback.walk_tb(error.__traceback__):
        if Path(frame.f_code.co_filename).parent != Path(__file__).parent:  # tests hold their secrets by right
            parts += traceback.StackSummary.extract([(frame, line)], capture_locals=True).format()
    return "\n".join(parts)
