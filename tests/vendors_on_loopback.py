"""What documentation, command line and examples are run against: every vendor's address on a scripted server.

Real provider names are used, so the addresses and keys go in by the environment variables that the library honours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from replies import USAGE, answer, piece
from server import Recorded, Reply

from unionllm import _registry

ROOT = Path(__file__).resolve().parent.parent
KEY = "sk-planted-0123456789abcdef"
TEXT = "一二三"
THOUGHT = "先想一想。"
BOOK = '{"title": "西游记", "year": 1592}'
_SUMS = {"1 + 1?": "2", "2 + 2?": "4", "3 + 3?": "6"}
_DETAILS = {"prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1}}


def environment(url: str = "", *, keys: bool = True) -> dict[str, str | None]:
    """Variables that send every native provider (and LiteLLM's ``openai``) to ``url``; None: must not be set."""
    variables: dict[str, str | None] = {"UNIONLLM_LOG": None, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    # typer colours what it says wherever one of them is set.
    variables.update(dict.fromkeys(("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS")))
    for name in _registry.PROVIDERS:
        found = _registry.find(name)
        assert found is not None
        spec = found.adapter.spec
        for credential in spec.credentials:
            variables.update(dict.fromkeys(credential.env))
            if keys and credential.env:
                variables[credential.env[0]] = KEY
        variables.update(dict.fromkeys(variable for region in spec.regions for variable in region.env))
        variables.update(dict.fromkeys(spec.base_url_env))
        if url and spec.base_url_env:
            variables[spec.base_url_env[0]] = f"{url}/{name}"
    variables.update({"OPENAI_API_BASE": None, "OPENAI_BASE_URL": f"{url}/openai", "OPENAI_API_KEY": KEY})
    variables.update({"MY_SERVER": f"{url}/own", "MY_KEY": KEY, "ACME_API_KEY": KEY, "ACME_BASE_URL": f"{url}/acme"})
    return variables


def process_environment(variables: dict[str, str | None]) -> dict[str, str]:
    """The environment of a subprocess with these variables set, or unset."""
    merged = {**os.environ, **variables}
    return {name: value for name, value in merged.items() if value is not None}


def vendor(request: Recorded) -> Reply:
    """Answers any call in OpenAI's dialect: sums, a tool call if tools are offered, JSON if it is asked for."""
    if request.method == "GET":
        return Reply(status=404, json={})
    asked: dict[str, Any] = request.json
    if "input" in asked:
        rows = [{"index": number, "embedding": [0.5]} for number in range(len(asked["input"]))]
        return Reply(json={"object": "list", "model": asked["model"], "data": rows, "usage": USAGE})
    message = _message(asked)
    usage = {**USAGE, **_DETAILS}
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    if not asked.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return Reply(json=answer(model=asked["model"], choices=[choice], usage=usage))
    thought = message.get("reasoning_content")
    events = [piece({"role": "assistant", "content": ""}, model=asked["model"])]
    events += [piece({"reasoning_content": thought}, model=asked["model"])] if thought else []
    events += [piece({"content": character}, model=asked["model"]) for character in message["content"]]
    events += [piece({}, reason, model=asked["model"], usage=usage)]
    return Reply(sse=[*events, "[DONE]"])


def _message(asked: dict[str, Any]) -> dict[str, Any]:
    last = asked["messages"][-1]
    message: dict[str, Any] = {"role": "assistant", "content": _SUMS.get(last["content"], TEXT)}
    if (asked.get("thinking") or {}).get("type") == "enabled" or asked.get("reasoning_effort"):
        message["reasoning_content"] = THOUGHT
    if asked.get("response_format"):
        message["content"] = BOOK
    if last["role"] == "tool":
        message["content"] = last["content"]
    elif functions := [tool["function"] for tool in asked.get("tools") or () if tool["type"] == "function"]:
        function = {"name": functions[0]["name"], "arguments": '{"city": "北京"}'}
        message.update(content="", tool_calls=[{"id": "call-1", "type": "function", "function": function}])
    return message


def python(*arguments: str) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, *arguments]
