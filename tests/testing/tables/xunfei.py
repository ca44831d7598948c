"""xfyun.cn/doc/spark: Web, X1ws, URL authentication."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from rows import GONE, NOW, Call, Refused, Shape, changed

from unionllm.testing import VendorServer

PREFIX = ""
_PATH = "/v4.0/chat"
_ASK = [{"role": "user", "content": "你好"}]
_SYSTEM = {"role": "system", "content": "s"}


def signed(server: VendorServer, path: str = _PATH, **changes: str) -> tuple[str, dict[str, str]]:
    """The address and the query that the vendor's page computes; of the changes, some go into the computation."""
    given = server.credentials("xunfei")
    url = server.url("xunfei") + path
    parts = urlsplit(url)
    date = changes.get("date", formatdate(NOW, usegmt=True))
    text = f"host: {parts.netloc}\ndate: {date}\nGET {parts.path} HTTP/1.1"
    secret = changes.get("secret", given["api_secret"])
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    signature = changes.get("signature", base64.b64encode(digest).decode())
    key = changes.get("key", given["api_key"])
    told = f'api_key="{key}", algorithm="hmac-sha256", headers="host date request-line", signature="{signature}"'
    query = {"authorization": base64.b64encode(told.encode()).decode(), "date": date, "host": parts.netloc}
    outside = {name: value for name, value in changes.items() if name in query}
    return url, {**query, **outside}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """Sign the URL, send one frame, read frames to status 2; a handshake that goes wrong is asked for plainly."""
    url, query = signed(server, call.path or _PATH, **call.query)
    if call.query or call.method != "POST":
        return httpx.get(url.replace("ws://", "http://"), params=query)
    return asyncio.run(_talk(url, query, _frame(server.credentials("xunfei")["app_id"], call.body)))


async def _talk(url: str, query: dict[str, str], frame: dict[str, Any]) -> httpx.Response:
    got = []
    async with aiohttp.ClientSession() as session, session.ws_connect(url, params=query) as socket:
        await socket.send_str(json.dumps(frame))
        while not got or json.loads(got[-1])["header"]["status"] != 2:
            got.append(await socket.receive_str(timeout=5))
    return httpx.Response(200, text="\n".join(got))


def _frame(app_id: str, changes: Any) -> dict[str, Any]:
    """The vendor's example; of the changes, ``messages`` and ``functions`` go into the payload."""
    payload: dict[str, Any] = {"message": {"text": changes.get("messages", _ASK)}}
    if "functions" in changes:
        payload["functions"] = {"text": changes["functions"]}
    chat = {name: value for name, value in changes.items() if name not in ("messages", "functions", "header")}
    header = {"app_id": app_id, "uid": "u1", **changes.get("header", {})}
    return {
        "header": header,
        "parameter": {"chat": changed({"domain": "4.0Ultra", "temperature": 0.5}, chat)},
        "payload": payload,
    }


def _said(code: str, **changes: Any) -> Refused:
    return Refused(call=Call(body=changes), status=200, says=f'"code":{code}')


_FUNCTION = {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}}

ACCEPTED = [
    Call(body={"max_tokens": 32768, "top_k": 6, "temperature": 1, "chat_id": "c"}),
    Call(body={"messages": [_SYSTEM, *_ASK], "functions": [_FUNCTION]}),
    Call(path="/v1/x1", body={"domain": "spark-x", "temperature": 2, "top_p": 0.9, "presence_penalty": 10}),
    Call(path="/v1.1/chat", body={"domain": "lite"}),
    Call(body={"header": {"uid": "u" * 32}}),
]

REFUSED = [
    Refused(call=Call(query={"authorization": ""}), status=401, says="Unauthorized"),
    Refused(call=Call(query={"authorization": "bm8="}), status=401, says="cannot be verified"),
    Refused(call=Call(query={"key": "0" * 32}), status=401, says="cannot be verified"),
    Refused(call=Call(query={"secret": "other"}), status=401, says="does not match"),
    Refused(call=Call(query={"host": "example.com"}), status=401, says="does not match"),
    Refused(call=Call(query={"date": formatdate(NOW - 301, usegmt=True)}), status=403, says="x-date header"),
    Refused(call=Call(query={"date": formatdate(NOW)}), status=403, says="x-date header"),
    Refused(call=Call(query={"date": "yesterday"}), status=403, says="x-date header"),
    Refused(call=Call(path="/v9/chat", method="GET"), status=404, says="no Route"),
    _said("10313", header={"app_id": "ffffffff"}),
    _said("10004", header={"uid": "u" * 33}),
    _said("10005", temperature=0),
    _said("10005", top_k=7),
    _said("10004", top_p=0.5),
    _said("10005", domain="lite"),
    _said("10005", domain=GONE),
    _said("10004", messages=[*_ASK, {"role": "tool", "content": "晴"}]),
    _said("10004", messages=[{"role": "user", "content": [{"type": "text", "text": "a"}]}]),
    _said("10004", messages=[*_ASK, _SYSTEM]),
    _said("10004", messages=[*_ASK, {"role": "assistant", "content": "a"}]),
    _said("10004", functions=[{"type": "function", "function": _FUNCTION}]),
    Refused(
        call=Call(path="/v1.1/chat", body={"domain": "lite", "messages": [_SYSTEM, *_ASK]}),
        status=200,
        says='"code":10004',
    ),
]

_USAGE = {"text": {"question_tokens": 2, "prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}


def _frames(*pieces: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for seq, piece in enumerate(pieces):
        status = 2 if seq == len(pieces) - 1 else min(seq, 1)
        text = [{**piece, "role": "assistant", "index": 0}]
        payload: dict[str, Any] = {"choices": {"status": status, "seq": seq, "text": text}}
        if status == 2:
            payload["usage"] = _USAGE
        header = {"code": 0, "message": "Success", "sid": "cha000000001@dx1", "status": status}
        found.append({"header": header, "payload": payload})
    return found


_COUNTED = {"usage": {"prompt": 9, "completion": 3}}

SHAPES = [
    Shape(
        call=Call(),
        reply={"text": ["h", "el", "lo"], **_COUNTED},
        stream=_frames({"content": "h"}, {"content": "el"}, {"content": "lo"}),
    ),
    Shape(call=Call(), reply={"text": ["hi"], **_COUNTED}, stream=_frames({"content": "hi"})),
    Shape(
        call=Call(path="/v1/x1", body={"domain": "spark-x"}),
        reply={"text": ["4"], "reasoning": ["2+2"], **_COUNTED},
        stream=_frames({"content": "", "reasoning_content": "2+2"}, {"content": "4"}),
    ),
    Shape(
        call=Call(body={"functions": [_FUNCTION]}),
        reply={"tool_calls": [{"name": "f", "arguments": {"a": 1}}], **_COUNTED},
        stream=_frames(
            {"content": "", "content_type": "text", "function_call": {"name": "f", "arguments": '{"a": 1}'}}
        ),
    ),
]
