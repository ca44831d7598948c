"""Baidu's qianfan SDK: V2 with a bearer key or with an access key that buys one, V1 with an app's key and secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai_shape
import qianfan


class ReplyError(Exception):
    """An error that the SDK gives out as a reply."""


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call; by the protocol and the credentials that are meant."""
    config = qianfan.get_config()
    for name in ("AK", "SK", "ACCESS_KEY", "SECRET_KEY", "ACCESS_TOKEN", "BEARER_TOKEN"):
        setattr(config, name, None)
    config.LLM_API_RETRY_COUNT = 0
    config.DISABLE_CACHE = True
    given = target["credentials"]
    protocol = options["protocol"]
    more = {name: value for name, value in request.items() if name not in ("messages", "tools")}
    if protocol == "v1":
        config.BASE_URL = target["base_url"]
        config.AK, config.SK = given["client_id"], given["client_secret"]
        if request.get("tools"):
            more["functions"] = [tool["function"] for tool in request["tools"]]
        client = qianfan.ChatCompletion(version="1")
        reply = client.do(list(v1_messages(request["messages"])), model=target["model"], retry_count=1, **more)
        return read_v1(reply if request.get("stream") else [reply])
    config.CONSOLE_API_BASE_URL = target["base_url"]
    config.CHAT_V2_API_ROUTE = "/v2/chat/completions"
    if protocol == "iam":
        config.IAM_BASE_URL = target["base_url"]
        config.ACCESS_KEY, config.SECRET_KEY = given["access_key"], given["secret_key"]
    else:
        config.BEARER_TOKEN = given["api_key"]
    client = qianfan.ChatCompletion(version="2")
    if request.get("tools"):
        more["tools"] = request["tools"]
    reply = client.do(request["messages"], model=target["model"], retry_count=1, **more)
    return (
        openai_shape.stream(map(Seen, bodies(reply))) if request.get("stream") else openai_shape.whole(Seen(reply.body))
    )


def bodies(reply: Any) -> Any:
    """The bodies of a stream's events."""
    for event in reply:
        if "error" in event.body:
            raise ReplyError(json.dumps(event.body, ensure_ascii=False))
        yield event.body


def v1_messages(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Calls and their results as V1 had them: by the function's name."""
    names: dict[str, str] = {}
    for message in messages:
        if message.get("tool_calls"):
            [call] = message["tool_calls"]
            names[call["id"]] = call["function"]["name"]
            yield {"role": "assistant", "content": message["content"], "function_call": call["function"]}
        elif message["role"] == "tool":
            yield {"role": "function", "name": names[message["tool_call_id"]], "content": message["content"]}
        else:
            yield message


def read_v1(replies: Any) -> dict[str, Any]:
    """Results joined; V1 has one call and no id for it."""
    found: dict[str, Any] = {"text": "", "tool_calls": []}
    for reply in replies:
        body = reply.body
        if "error_code" in body:
            raise ReplyError(json.dumps(body, ensure_ascii=False))
        found["text"] += body.get("result") or ""
        found["finish_reason"] = body.get("finish_reason")
        if call := body.get("function_call"):
            found["tool_calls"] = [{"name": call["name"], "arguments": call["arguments"]}]
        found |= openai_shape.tokens(body.get("usage"))
    return found


class Seen:
    """A body whose members are read as attributes; one that is missing is None."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def __getattr__(self, name: str) -> Any:
        value = self._body.get(name)
        if isinstance(value, dict):
            return Seen(value)
        return [Seen(one) if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value
