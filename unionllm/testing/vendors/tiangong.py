"""Tiangong (SkyChat), played after descriptions of 2023 and 2024; the vendor's own pages are gone (read 2026-11-23)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Anything, Check, Integer, Number, OneOf, Shape, Text, mapping
from .._exchange import Incoming, Problem, Reply, Streamed, Whole, as_json, encode_json
from .._script import Answer, Asked, Desk
from .._vendor import Vendor

_GENERATE, _WORK = ("/saas/api/v4/generate", "/saas/api/v3/generate"), "/sky-work/api/v1/chat"
#: Seconds. The vendor's own bound is not known; a signature of another hour is certainly wrong.
_SKEW = 300
_PARAM: Mapping[str, Check] = {
    "generate_length": Integer(0, 2048),
    "temperature": Number(0, 1),
    "top_p": Number(0.1, 1),
    "top_k": Integer(3, 100),
    "repetition_penalty": Number(0.5, 2),
    "length_penalty": Number(0.5, 1.5),
    "min_len": Integer(1, 10),
}
_FINISH = {"stop": 1, "length": 2}


def _problem(status: int, message: str) -> Problem:
    return Problem(status=status, code=status, message=message)


class Played(Vendor):
    """Headers signed by MD5, sampling values inside ``param``, JSON lines on one endpoint and cards on the other."""

    name = "tiangong"
    base = "/saas/api/v4"
    test_credentials = {
        "app_key": "0123456789abcdef0123456789abcdef",
        "app_secret": "0123456789abcdef0123456789abcdef0123456789abcdef",
    }
    problems: ClassVar[Mapping[str, Problem]] = {
        "400": _problem(400, "request parameter error"),
        "401": _problem(401, "sign check failed (鉴权失败)"),
        "403": _problem(403, "app_key has no access (鉴权失败)"),
        "balance": _problem(403, "账户余额不足"),
        "404": _problem(404, "not found"),
        "429": _problem(429, "请求频率超过限制 (qps limit)"),
        "sensitive": _problem(400, "输入包含敏感内容"),
        "500": _problem(500, "internal error"),
        "503": _problem(503, "service unavailable"),
    }
    # 403 means a wrong key like 401, and 404 that the service is gone: neither has a kind of its own.
    kinds = {
        "auth": "401",
        "no_balance": "balance",
        "rate_limit": "429",
        "overloaded": "503",
        "bad_request": "400",
        "policy": "sensitive",
        "server": "500",
    }
    examples = {"chat": "SkyChat-MegaVerse"}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Check the signature, then the body of whichever endpoint it is."""
        self._check_signature(request)
        if request.method != "POST" or request.path not in (*_GENERATE, _WORK):
            self.refuse("404")
        body = self.require_json(request)
        is_work = request.path == _WORK
        self._check_body(body, is_work)
        stream = is_work or self._wants_stream(request)
        turns = [(message["role"], message["content"]) for message in body["messages"]]
        answer = self.take(desk, Asked(model=body.get("model", "sky-work"), turns=turns, stream=stream))
        if is_work:
            return Streamed(events=[*_cards(answer), b"data: [DONE]\n\n"])
        lines = list(_lines(answer, Asked(turns=turns), desk.make_number(), stream))
        if stream:
            return Streamed(events=[encode_json(line) + b"\n" for line in lines], content_type="application/json")
        return as_json(lines[0])

    def _check_signature(self, request: Incoming) -> None:
        headers = request.headers
        stamp = headers.get("timestamp", "")
        if re.fullmatch(r"[0-9]{1,15}", stamp) is None or abs(int(stamp) - request.now) > _SKEW:
            self.refuse("401", "timestamp must be the current time in seconds (鉴权失败)")
        signed = self.credentials["app_key"] + self.credentials["app_secret"] + stamp
        right = hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()
        if headers.get("app_key") != self.credentials["app_key"] or headers.get("sign") != right:
            self.refuse("401")

    def _wants_stream(self, request: Incoming) -> bool:
        told = request.headers.get("stream", "false")
        if told not in ("true", "false"):
            self.refuse("400", "the header stream must be true or false")
        return told == "true"

    def _check_body(self, body: Mapping[str, Any], is_work: bool) -> None:
        if is_work:
            known: dict[str, Check] = {"messages": Anything(), "intent": OneOf("", "chat")}
            known |= {"temperature": Number(0, 1), "top_p": Number(0, 1), "max_tokens": Integer(1)}
        else:
            known = {"messages": Anything(), "model": Text(pattern="SkyChat-MegaVerse"), "param": Shape({})}
            if "model" not in body:
                self.refuse("400", "model is required")
        rules = [(body, known), (mapping(body.get("param")), _PARAM)] if not is_work else [(body, known)]
        for fields, checks in rules:
            for name, value in fields.items():
                # What is not known is without effect, OpenAI's names at the top level among it.
                if name in checks and (fault := checks[name].fault(value)):
                    self.refuse("400", f"{name} {fault}")
        self._check_messages(body.get("messages"), ("system", "user", "bot", *(["assistant"] if is_work else [])))

    def _check_messages(self, messages: Any, roles: tuple[str, ...]) -> None:
        if not isinstance(messages, list) or not messages:
            self.refuse("400", "messages must be an array that is not empty")
        for number, message in enumerate(messages):
            if not isinstance(message, dict) or message.get("role") not in roles:
                self.refuse("400", f"messages[{number}]: role must be one of {', '.join(roles)}")
            if not isinstance(message.get("content"), str):
                self.refuse("400", f"messages[{number}]: content must be a string")
            if message["role"] == "system" and number:
                self.refuse("400", "the system message comes first")

    def encode_problem(self, problem: Problem) -> Whole:
        """A code and its text; the HTTP status is the same."""
        return as_json(_failure(problem), status=problem.status, headers=problem.headers)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same as a line."""
        return encode_json(_failure(problem)) + b"\n"


def _failure(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "code_msg": problem.message, "trace_id": "t-0", "resp_data": None}


def _lines(answer: Answer, asked: Asked, number: int, stream: bool) -> Iterator[dict[str, Any]]:
    """Each with a piece of the reply; the last with its end and the usage."""
    pieces = (list(answer.text) or [""]) if stream else [answer.whole_text]
    head = {"code": 200, "code_msg": "success", "trace_id": f"t-{number}"}
    for piece in pieces[:-1]:
        yield {**head, "resp_data": {"reply": piece, "status": 1}}
    counted = answer.counted(asked)
    usage = counted.counts
    status = 4 if answer.ending == "content_filter" else 3
    end = {"status": status, "finish_reason": _FINISH.get(answer.ending, 1), "usage": usage}
    yield {**head, "resp_data": {"reply": pieces[-1], **end}}


def _cards(answer: Answer) -> Iterator[bytes]:
    """Markdown piece by piece, what was found on the web, and the whole text once more."""
    if answer.context:
        found = [{"title": page.title, "url": page.url, "snippet": page.content} for page in answer.context]
        yield _card(1, "search_result", {"sourceAttributions": found})
    yield b"data: \n\n"
    for piece in answer.text:
        yield _card(1, "markdown", {"text": piece})
    yield _card(2, "markdown", {"text": answer.whole_text}, "finish")


def _card(kind: int, card_type: str, message: Mapping[str, Any], target: str = "update") -> bytes:
    card = {"type": kind, "target": target, "card_type": card_type, "arguments": [{"messages": [message]}]}
    return b"data: " + encode_json(card) + b"\n\n"
