"""What a local server answers in the formats that LiteLLM speaks, and a clean place to call it from."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from server import Reply, ScriptedServer

from unionllm import ModelResponse, _litellm, unionchat

T = TypeVar("T")

MESSAGES = [{"role": "user", "content": "你好"}]
KEY = "sk-secret-of-the-call"
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
HEADERS = {"x-request-id": "req-1"}


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the keys and hosts that a test sets; OpenAI's key is there, to show that it does not travel."""
    for name in os.environ:
        if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL", "_TOKEN")) or "PROXY" in name.upper():
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-key-of-openai")


@pytest.fixture(autouse=True, scope="module")
def one_loop() -> Iterator[None]:
    """An event loop for all tests of a module. LiteLLM keeps connections for ever: they must be closed in their loop.

    It also asks for the thread's event loop in sync calls, and Python would make one that nobody closes.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    litellm = _litellm._load()
    loop.run_until_complete(litellm.close_litellm_async_clients())
    loop.run_until_complete(litellm.module_level_aclient.close())
    clients = [getattr(client, "client", client) for client in litellm.in_memory_llm_clients_cache.cache_dict.values()]
    for client in clients:
        if not inspect.iscoroutinefunction(getattr(client, "close", None)) and hasattr(client, "close"):
            client.close()
    litellm.in_memory_llm_clients_cache.flush_cache()
    loop.run_until_complete(_stop_tasks())
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()


async def _stop_tasks() -> None:
    """LiteLLM's logging waits for work as long as there is a loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` in that loop."""
    return asyncio.get_event_loop().run_until_complete(work)


def whole(message: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A whole answer in OpenAI's format."""
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "你好!", **(message or {})},
    }
    made = {"id": "id-1", "object": "chat.completion", "created": 5, "model": "vendor-model", "service_tier": "default"}
    return {**made, "choices": [choice], "usage": USAGE, **fields}


def piece(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a stream in OpenAI's format."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    made = {"id": "id-1", "object": "chat.completion.chunk", "created": 5, "model": "vendor-model"}
    return {**made, "choices": [choice], **fields}


USAGE_PIECE = {**piece({}), "choices": [], "usage": USAGE}
PIECES = [
    piece({"role": "assistant", "content": ""}),
    piece({"content": "你"}),
    piece({"content": "好"}),
    piece({}, "stop"),
    USAGE_PIECE,
    "[DONE]",
]


def _event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()


def _line(**fields: Any) -> bytes:
    return (json.dumps({"model": "llama3", "created_at": "2026-01-01T00:00:00Z", **fields}) + "\n").encode()


_START = {"id": "m-1", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "stop_reason": None}
ANTHROPIC_EVENTS = [
    _event("message_start", message={**_START, "usage": {"input_tokens": 3, "output_tokens": 1}}),
    _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "你"}),
    _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "好"}),
    _event("content_block_stop", index=0),
    _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4}),
    _event("message_stop"),
]
ANTHROPIC_ERROR = _event("error", error={"type": "overloaded_error", "message": "Overloaded"})
_COUNTS = {"done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}
OLLAMA_LINES = [
    _line(response="你", done=False),
    _line(response="好", done=False),
    _line(response="", done=True, **_COUNTS),
]
OLLAMA_CHAT_LINES = [
    _line(message={"role": "assistant", "content": "你"}, done=False),
    _line(message={"role": "assistant", "content": "好"}, done=False),
    _line(message={"role": "assistant", "content": ""}, done=True, **_COUNTS),
]

#: Route → model, path of the base URL, events of a stream, how many of them come before its ending.
STREAMS: dict[str, tuple[str, str, list[Any], int]] = {
    "anthropic": ("claude-x", "", ANTHROPIC_EVENTS, 4),
    "deepinfra": ("org/m", "/v1", PIECES, 3),
    "groq": ("m", "/v1", PIECES, 3),
    "mistral": ("m", "/v1", PIECES, 3),
    "ollama": ("llama3", "", OLLAMA_LINES, 2),
    "ollama_chat": ("llama3", "", OLLAMA_CHAT_LINES, 2),
    "openai": ("gpt-x", "/v1", PIECES, 3),
    "openrouter": ("org/m", "/v1", PIECES, 3),
}


def stream_reply(events: list[Any], **fields: Any) -> Reply:
    """A streamed reply of these events, whatever their format."""
    return Reply(sse=events, headers=HEADERS, **fields)


def call_of(server: ScriptedServer, route: str, **more: Any) -> dict[str, Any]:
    """The arguments of a call over that route."""
    model, path, _, _ = STREAMS[route]
    base = {"provider": route, "model": model, "base_url": server.url + path, "api_key": KEY, "messages": MESSAGES}
    return {**base, "max_retries": 0, **more}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.default(json=whole(), headers=HEADERS)
        yield running


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A proxy in front of the world, at which nothing may arrive."""
    with ScriptedServer() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        proxy.default(status=502)
        yield proxy
        assert proxy.requests == []


def ask(server: ScriptedServer, **arguments: Any) -> ModelResponse:
    defaults: dict[str, Any] = {"messages": MESSAGES, "api_key": KEY, "base_url": f"{server.url}/v1", "max_retries": 0}
    return unionchat(**{**defaults, **arguments})
