"""Descriptions of the API of 2023 and 2024; the vendor's own pages are gone."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
from rows import GONE, NOW, Call, Refused, Shape, body, refused, send

from unionllm.testing import VendorServer

from .common import ASK, COUNTS, SAID, seen

USUAL: dict[str, Any] = {"model": "SkyChat-MegaVerse", "messages": ASK}
_WORK = {"base": "/sky-work/api/v1", "path": "/chat"}


def ask(server: VendorServer, call: Call) -> httpx.Response:
    """Sign as the vendor's example does."""
    given = server.credentials("tiangong")
    sign = hashlib.md5(f"{given['app_key']}{given['app_secret']}{NOW}".encode()).hexdigest()
    headers = {"app_key": given["app_key"], "timestamp": str(NOW), "sign": sign}
    usual = {"messages": ASK, "intent": "chat"} if call.base == _WORK["base"] else USUAL
    return send(server, "tiangong", call, usual, "/generate", headers)


ACCEPTED = [
    body(temperature=9, max_tokens=1),
    body(param={"generate_length": 2048, "temperature": 1, "top_p": 0.1, "top_k": 3}),
    body(messages=[{"role": "system", "content": "s"}, *ASK, {"role": "bot", "content": "b"}, *ASK]),
    Call(headers={"stream": "true"}),
    Call(base="/saas/api/v3"),
    Call(**_WORK),
]

REFUSED = [
    Refused(call=Call(headers={"sign": "0" * 32}), status=401, says="鉴权失败"),
    Refused(call=Call(headers={"app_key": "x"}), status=401, says="sign check failed"),
    Refused(call=Call(headers={"timestamp": str(NOW * 1000)}), status=401, says="in seconds"),
    Refused(call=Call(headers={"timestamp": str(NOW - 3600)}), status=401, says="current time"),
    Refused(call=Call(headers={"stream": "yes"}), status=400, says="stream must be true or false"),
    Refused(call=Call(path="/v9"), status=404, says="not found"),
    refused(400, "generate_length", param={"generate_length": 2049}),
    refused(400, "top_p", param={"top_p": 0.05}),
    refused(400, "model", model="SkyChat-3.0"),
    refused(400, "model is required", model=GONE),
    refused(400, "role must be one of system, user, bot", messages=[*ASK, {"role": "assistant", "content": "a"}]),
    refused(400, "must be a string", messages=seen()),
    Refused(call=Call(**_WORK, body={"intent": "search"}), status=400, says="intent"),
]

_OK = {"code": 200, "code_msg": "success", "trace_id": "t-1"}
PREFIX = ""


def _card(kind: int, text: str, target: str) -> str:
    message = f'"arguments":[{{"messages":[{{"text":"{text}"}}]}}]'
    return f'data: {{"type":{kind},"target":"{target}","card_type":"markdown",{message}}}'


SHAPES = [
    Shape(
        call=body(),
        reply={**SAID, "finish_reason": "length"},
        whole={**_OK, "resp_data": {"reply": "hello", "status": 3, "finish_reason": 2, "usage": COUNTS}},
    ),
    Shape(
        call=Call(headers={"stream": "true"}),
        reply=SAID,
        stream=[
            {**_OK, "resp_data": {"reply": "he", "status": 1}},
            {**_OK, "resp_data": {"reply": "llo", "status": 3, "finish_reason": 1, "usage": COUNTS}},
        ],
    ),
    Shape(
        call=Call(**_WORK),
        reply=SAID,
        stream=[
            "data: ",
            _card(1, "he", "update"),
            _card(1, "llo", "update"),
            _card(2, "hello", "finish"),
            "data: [DONE]",
        ],
    ),
]
