"""cloud.baidu.com/doc/qianfan-api: 3m7of64lb (chat), Om9b4yj3w (errors); the bce-auth-v1 page; V1's pages."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, post, refused, send

from unionllm.testing import VendorServer

from .common import ASK, COUNTS, NAMED, OPEN, ROUND, SAID, STRAY, THOUGHT, TOOL, seen

USUAL: dict[str, Any] = {"model": "ernie-4.5-turbo-128k", "messages": ASK}
_V1 = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat"
_SYSTEM = {"role": "system", "content": "s"}
_STAMP = datetime.fromtimestamp(NOW, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """V2 with the key; with ``base=""`` the token of an access key; V1 with the token of its client."""
    if call.base == _V1:
        token = _open_session(server, {}).json()["access_token"]
        query = {"access_token": token, **call.query}
        called = Call(base=_V1, path=call.path, body=call.body, query=query, content=call.content)
        return send(server, "wenxin", called, {"messages": ASK}, "/completions_pro", {})
    if call.path == "/v1/BCE-BEARER/token":
        return buy_token(server, call.query)
    if call.path == "/oauth/2.0/token":
        return _open_session(server, call.query)
    return post(server, "wenxin", call, USUAL, "/chat/completions")


def buy_token(server: VendorServer, changes: Any) -> httpx.Response:
    """Ask for a token with a signed request, as the vendor's page computes it."""
    given = server.credentials("wenxin")
    stamp, secret = changes.get("stamp", _STAMP), changes.get("secret", given["secret_key"])
    prefix = f"bce-auth-v1/{changes.get('key', given['access_key'])}/{stamp}/300"
    url = urlsplit(server.url("wenxin", "") + "/v1/BCE-BEARER/token")
    host, date = url.netloc.replace(":", "%3A"), stamp.replace(":", "%3A")
    names = changes.get("names", "host;x-bce-date")
    signed = {"host": f"host:{host}", "x-bce-date": f"x-bce-date:{date}"}
    headers = "\n".join(signed[name] for name in names.split(";"))
    text = f"GET\n{url.path}\nexpireInSeconds=43200\n{headers}"
    signing = hmac.new(secret.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    signature = hmac.new(signing.encode(), text.encode(), hashlib.sha256).hexdigest()
    return httpx.get(
        url.geturl(),
        params={"expireInSeconds": "43200"},
        headers={"Authorization": f"{prefix}/{names}/{signature}", "x-bce-date": stamp},
    )


def _open_session(server: VendorServer, changes: Any) -> httpx.Response:
    given = server.credentials("wenxin")
    usual = {
        "grant_type": "client_credentials",
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
    }
    return httpx.post(server.url("wenxin", "/oauth/2.0/token"), params={**usual, **changes})


def _token(**changes: str) -> Call:
    return Call(path="/v1/BCE-BEARER/token", query=changes)


def _v1(**changes: Any) -> Call:
    return Call(base=_V1, body=changes)


ACCEPTED = [
    body(temperature=1, top_p=0, max_completion_tokens=2, stop=["a"], penalty_score=1.5, user="u", seed=1),
    body(model="ernie-5.1", messages=[_SYSTEM, *ROUND], tools=[TOOL], tool_choice=NAMED, max_tokens=1),
    body(tool_choice="required", tools=[TOOL], web_search={"enable": True, "search_mode": "auto"}),
    body(model="ernie-5.1", temperature=1.9, presence_penalty=1, enable_thinking=True, thinking_budget=100),
    body(model="ernie-4.5-turbo-vl", messages=seen()),
    body(model="ERNIE-5.5-Flash-Preview", top_p=0.5),
    Call(headers={"appid": "app-1"}),
    _token(),
    _v1(temperature=0.5, system="s", max_output_tokens=64, stop=["END"], penalty_score=1.1, response_format="text"),
    _v1(
        functions=[{"name": "f", "description": "d", "parameters": {"type": "object"}}],
        messages=[
            *ASK,
            {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "{}"},
        ],
    ),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer bce-v3/x/y"}), status=401, says="invalid_iam_token"),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says="invalid_iam_token"),
    Refused(call=Call(headers={"appid": "1"}), status=401, says="invalid_appid"),
    refused(401, "No permission to use the model", model="ernie-9"),
    refused(400, "temperature must be in (0, 1]", temperature=0),
    refused(400, "temperature is not supported", model="ERNIE-5.5-Flash-Preview", temperature=0.5),
    refused(400, "max_tokens", max_tokens=1),
    refused(400, "stop", stop="a"),
    refused(400, "stop", stop=["a" * 21]),
    refused(400, "invalid_messages", messages=[*ASK, *ASK]),
    refused(400, "the first one", messages=[*ASK, _SYSTEM]),
    refused(400, "last message", messages=[*ASK, {"role": "assistant", "content": "a"}]),
    refused(400, "must be user", messages=ROUND),
    refused(400, "take turns", messages=[{"role": "assistant", "content": "a"}, *ASK]),
    refused(400, "model is required", model=GONE),
    Refused(call=_token(stamp="2023-13-45T99:13:20Z"), status=401, says="the time of the signature is none"),
    refused(400, "must not be empty", messages=[{"role": "user", "content": " "}]),
    refused(400, "'image_url' is not supported", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
    Refused(call=_token(secret="other"), status=401, says="does not match"),
    Refused(call=_token(key="other"), status=401, says="does not exist"),
    Refused(call=_token(stamp="2026-01-01T00:00:00Z"), status=401, says="expired"),
    Refused(call=_token(names="x-bce-date"), status=401, says="host must be signed"),
    Refused(call=Call(path="/oauth/2.0/token", query={"client_id": "x"}), status=401, says="unknown client id"),
    Refused(call=Call(path="/oauth/2.0/token", query={"client_secret": "x"}), status=401, says="authentication failed"),
    Refused(call=Call(base=_V1, query={"access_token": "24.x"}), status=200, says='"error_code":110'),
    Refused(call=Call(base=_V1, path="/gpt-4"), status=200, says='"error_code":336005'),
    Refused(call=Call(base=_V1, content=b"{"), status=200, says='"error_code":336002'),
    Refused(call=_v1(max_tokens=64), status=200, says="unknown parameter max_tokens"),
    Refused(call=_v1(temperature=0), status=200, says='"error_code":336003'),
    Refused(call=_v1(messages=[_SYSTEM, *ASK]), status=200, says="odd number"),
    Refused(call=_v1(messages=[{"role": "user", "content": ""}]), status=200, says="not empty"),
    Refused(call=_v1(tool_choice="auto"), status=200, says="tool_choice"),
]

_HEAD = {"id": "as-1", "created": NOW, "model": "ernie-4.5-turbo-128k"}
_DETAILS = {"prompt_tokens_details": {"search_tokens": 0, "cached_tokens": 0}}
_PAGE = {"content": "晴", "title": "t", "url": "https://example.com"}


def _event(delta: object, flag: int = 0, **more: object) -> dict[str, object]:
    choices = [{"index": 0, "delta": delta, "flag": flag, **more}]
    return {**_HEAD, "object": "chat.completion.chunk", "choices": choices}


def _old(number: int, text: str, **more: object) -> dict[str, object]:
    head = {"id": "as-2", "object": "chat.completion", "created": NOW, "sentence_id": number}
    tail = {"is_truncated": False, "result": text, "need_clear_history": False}
    return {**head, "is_end": bool(more), **tail, **more, "usage": COUNTS}


SHAPES = [
    Shape(
        call=body(),
        reply={**SAID, "context": [_PAGE]},
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "normal",
                    "flag": 0,
                    "message": {"role": "assistant", "content": "hello"},
                }
            ],
            "usage": {**COUNTS, **_DETAILS},
            "search_results": [{"index": 1, "url": "https://example.com", "title": "t"}],
        },
    ),
    Shape(
        call=body(stream=True),
        reply=THOUGHT,
        stream=[
            _event({"role": "assistant", "reasoning_content": "2+"}),
            _event({"reasoning_content": "2"}),
            _event({"content": "4"}),
            _event({}, finish_reason="normal"),
            "data: [DONE]",
        ],
    ),
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply={**SAID, "finish_reason": "content_filter"},
        stream=[
            _event({"role": "assistant", "content": "he"}),
            _event({"content": "llo"}),
            _event({}, 1, finish_reason="content_filter"),
            {**_event({}), "choices": [], "usage": {**COUNTS, **_DETAILS}},
            "data: [DONE]",
        ],
    ),
    Shape(
        call=_v1(stream=True),
        reply=SAID,
        stream=[_old(0, "he"), _old(1, "llo", finish_reason="normal")],
    ),
    Shape(
        call=_v1(),
        reply={"tool_calls": [{"name": "f", "arguments": "{}"}], "usage": {"prompt": 9, "completion": 3}},
        whole={
            "id": "as-2",
            "object": "chat.completion",
            "created": NOW,
            "is_truncated": False,
            "result": "",
            "need_clear_history": False,
            "finish_reason": "function_call",
            "function_call": {"name": "f", "arguments": "{}", "thoughts": ""},
            "usage": COUNTS,
        },
    ),
]
