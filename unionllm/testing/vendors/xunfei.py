"""iFlytek Spark over WebSocket, played after xfyun.cn/doc/spark: Web, X1ws, URL authentication (read 2026-11-23)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from .._checks import Anything, Check, Flag, Integer, ListOf, Number, OneOf, Shape, Text, mapping
from .._exchange import Incoming, Problem, Streamed, Whole, as_json, encode_json
from .._script import Answer, Asked, Desk
from .._vendor import Vendor
from ._spark_codes import CODES, KINDS

#: Seconds that a signature's date may be off.
_SKEW = 300
_PARTS = re.compile(r'api_key="([^"]*)", algorithm="([^"]*)",\s+headers="([^"]*)", signature="([^"]*)"')
_SEARCH = Shape({"type": OneOf("web_search"), "web_search": Shape({"enable": Flag()})})


@dataclass(frozen=True, kw_only=True)
class _Version:
    """One path of the API, and what the models behind it take."""

    domains: frozenset[str]
    limit: int = 8192
    reads_system: bool = True
    thinks: bool = False
    more: Mapping[str, Check] = field(default_factory=dict)


_X: dict[str, Check] = {
    "temperature": Number(0, 2, above=True),
    "top_p": Number(0, 1, above=True),
    "presence_penalty": Number(-2, 10),
    "frequency_penalty": Number(-2, 10),
    "thinking": Shape({"type": OneOf("enabled", "disabled", "auto")}),
}
_VERSIONS: Mapping[str, _Version] = {
    "/v4.0/chat": _Version(domains=frozenset({"4.0Ultra"}), limit=32_768),
    "/v3.5/chat": _Version(domains=frozenset({"generalv3.5"})),
    "/chat/max-32k": _Version(domains=frozenset({"max-32k"}), limit=32_768),
    "/v3.1/chat": _Version(domains=frozenset({"generalv3"}), reads_system=False),
    "/chat/pro-128k": _Version(domains=frozenset({"pro-128k"}), limit=4096, reads_system=False),
    "/v1.1/chat": _Version(domains=frozenset({"lite", "general"}), limit=4096, reads_system=False),
    "/v1/x1": _Version(domains=frozenset({"spark-x", "x1"}), limit=32_768, thinks=True, more=_X),
}
_FIELDS: Mapping[str, Check] = {
    "domain": Text(low=1),
    "temperature": Number(0, 1, above=True),
    "top_k": Integer(1, 6),
    "chat_id": Text(),
    "auditing": Text(),
    "tools": ListOf(_SEARCH),
    "show_ref_label": Flag(),
    "question_type": Anything(),
}
_FUNCTIONS = ListOf(
    Shape({"name": Text(pattern=r"[a-zA-Z0-9_-]{1,64}"), "description?": Text(), "parameters": Shape({})})
)


class Played(Vendor):
    """A URL signed by HMAC-SHA256 for each call, one frame in, frames with status 0, 1 and 2 out."""

    name = "xunfei"
    base = ""
    test_credentials = {
        "app_id": "0a1b2c3d",
        "api_key": "0123456789abcdef0123456789abcdef",
        "api_secret": "TWFkZVVwRm9yVGVzdHNPbmx5MTIzNDU2",
    }
    problems = CODES
    kinds = {**KINDS, "auth": "10313"}
    examples = {"chat": "4.0Ultra", "tools": "4.0Ultra", "thinking": "spark-x"}
    gives_call_ids = False

    def is_socket(self, path: str) -> bool:
        """Every path does."""
        return True

    def open_socket(self, request: Incoming) -> None:
        """The gateway checks path, date and signature before there is a connection."""
        if request.path not in _VERSIONS:
            self.refuse("path")
        if request.method != "GET":
            self.refuse("path", f"method {request.method} is not allowed", status=405)
        query = request.query
        if not query.get("authorization"):
            self.refuse("unauthorized")
        self._check_date(query.get("date", ""), request.now)
        try:
            parts = _PARTS.fullmatch(base64.b64decode(query["authorization"], validate=True).decode())
        except (ValueError, binascii.Error):
            parts = None
        if parts is None or parts[1] != self.credentials["api_key"]:
            self.refuse("unverified")
        if parts[2] != "hmac-sha256" or parts[3] != "host date request-line":
            self.refuse("unverified")
        host = request.headers.get("host", "")
        signed = f"host: {host}\ndate: {query['date']}\nGET {request.signed_path} HTTP/1.1"
        digest = hmac.new(self.credentials["api_secret"].encode(), signed.encode(), hashlib.sha256).digest()
        if query.get("host") != host or not hmac.compare_digest(base64.b64encode(digest), parts[4].encode()):
            self.refuse("unequal")

    def _check_date(self, text: str, now: float) -> None:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            self.refuse("date")
        if not text.endswith(" GMT") or abs(date.timestamp() - now) > _SKEW:
            self.refuse("date")

    def is_of_handshake(self, problem: Problem) -> bool:
        """What the gateway says has no code."""
        return problem.code == ""

    def answer(self, request: Incoming, desk: Desk) -> Streamed:
        """One frame asks, many answer."""
        frame = request.json
        if not isinstance(frame, dict):
            self.refuse("10003")
        version = _VERSIONS[request.path]
        asked = self._read(frame, version)
        answer = self.take(desk, asked)
        return Streamed(events=list(_frames(answer, asked, desk.make_number())), content_type="application/json")

    def _read(self, frame: Mapping[str, Any], version: _Version) -> Asked:
        shape = Shape(
            {"header": Shape({"app_id": Text(low=1), "uid?": Text(high=32)}), "parameter": Shape({"chat": Shape({})})}
        )
        if fault := shape.fault(frame):
            self.refuse("10004", f"the frame {fault}")
        if frame["header"]["app_id"] != self.credentials["app_id"]:
            self.refuse("10313")
        chat = frame["parameter"]["chat"]
        rules = {**_FIELDS, "max_tokens": Integer(1, version.limit), **version.more}
        for name, value in chat.items():
            if name not in rules:
                self.refuse("10004", f"parameter.chat.{name} is unknown")
            if fault := rules[name].fault(value):
                self.refuse("10005", f"parameter.chat.{name} {fault}")
        if str(chat.get("domain")) not in version.domains:
            self.refuse("10005", f"domain {chat.get('domain')!r} does not belong to this path")
        payload = mapping(frame.get("payload"))
        messages = self._check_messages(mapping(payload.get("message")).get("text"), version)
        functions = mapping(payload.get("functions")).get("text") or []
        if fault := _FUNCTIONS.fault(functions):
            self.refuse("10004", f"payload.functions.text {fault}")
        return Asked(
            model=chat["domain"],
            turns=[(message["role"], message["content"]) for message in messages],
            tools=[{"type": "function", "function": function} for function in functions],
            thinks=version.thinks and mapping(chat.get("thinking")).get("type") != "disabled",
            stream=True,
        )

    def _check_messages(self, messages: Any, version: _Version) -> list[dict[str, Any]]:
        if not isinstance(messages, list) or not messages:
            self.refuse("10004", "payload.message.text must be an array that is not empty")
        for number, message in enumerate(messages):
            if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
                self.refuse("10004", f"payload.message.text[{number}]: unknown role")
            if not isinstance(message.get("content"), str):
                self.refuse("10004", f"payload.message.text[{number}]: content must be a string")
            if message["role"] == "system" and (number or not version.reads_system):
                self.refuse("10004", "role system must come first, and only where the model reads it")
        if messages[-1]["role"] != "user":
            self.refuse("10004", "the last message must be the user's")
        return messages

    def encode_problem(self, problem: Problem) -> Whole:
        """The gateway refuses the handshake with a text; the model answers with a frame that has a code."""
        if problem.code == "":
            return as_json({"message": problem.message}, status=problem.status, headers=problem.headers)
        return Whole(body=_error(problem), status=problem.status)

    def encode_in_200(self, problem: Problem) -> Whole:
        """The same frame: there is no other place."""
        return Whole(body=_error(problem))

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same frame."""
        return _error(problem)


def _error(problem: Problem) -> bytes:
    return encode_json({"header": {"code": problem.code, "message": problem.message, "sid": "cha0", "status": 2}})


def _pieces(answer: Answer) -> Iterator[dict[str, Any]]:
    for piece in answer.reasoning:
        yield {"content": "", "reasoning_content": piece, "role": "assistant", "index": 0}
    for piece in answer.text:
        yield {"content": piece, "role": "assistant", "index": 0}
    for call in answer.tool_calls[:1]:  # the frame has room for one
        function = {"name": call.name, "arguments": call.arguments}
        yield {"content": "", "role": "assistant", "content_type": "text", "function_call": function, "index": 0}


def _frames(answer: Answer, asked: Asked, number: int) -> Iterator[bytes]:
    pieces = list(_pieces(answer)) or [{"content": "", "role": "assistant", "index": 0}]
    for seq, piece in enumerate(pieces):
        is_last = seq == len(pieces) - 1
        status = 2 if is_last else min(seq, 1)
        payload: dict[str, Any] = {"choices": {"status": status, "seq": seq, "text": [piece]}}
        if seq == 0 and answer.context:
            payload["plugins"] = {"text": [{"name": "ifly_search", "content": _found(answer)}]}
        if is_last:
            tokens = answer.counted(asked)
            counts = {"prompt_tokens": tokens.prompt, "completion_tokens": tokens.completion}
            text = {"question_tokens": len(asked.last_text), **counts, "total_tokens": tokens.total}
            payload["usage"] = {"text": text}
        header = {"code": 0, "message": "Success", "sid": f"cha{number:09x}@dx1", "status": status}
        yield encode_json({"header": header, "payload": payload})


def _found(answer: Answer) -> str:
    pages = [{"index": index, "url": page.url, "title": page.title} for index, page in enumerate(answer.context, 1)]
    return encode_json(pages).decode()
