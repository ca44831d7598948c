"""FastGPT, played after doc.fastgpt.io: openapi chat, intro, publish (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .._checks import Anything, Check, Flag, ListOf, Shape, Text, mapping, text_of
from .._exchange import Incoming, Problem, Refusal, Reply, Streamed, Whole, as_json
from .._script import Asked, Desk
from .._vendor import Vendor
from . import _fastgpt_events as events

_PAGE = b"<!DOCTYPE html><html><head><title>FastGPT</title></head><body><div id='__next'></div></body></html>"
_APP_ID = Text(pattern="[0-9a-f]{24}")
_GUIDE = "/api/core/ai/agent/v2/createQuestionGuide"
_FIELDS: Mapping[str, Check] = {
    "messages": ListOf(Shape({})),
    "stream": Flag(),
    "detail": Flag(),
    "chatId": Text(high=1024),
    "variables": Shape({}),
    "responseChatItemId": Text(),
    "appId": _APP_ID,
    "customUid": Text(),
    "retainDatasetCite": Flag(),
    "metadata": Anything(),
}
_PARTS: Mapping[str, Check] = {
    "text": Shape({"text": Text()}),
    "image_url": Shape({"image_url": Shape({"url": Text(pattern=r"(https?://|data:image/)[\s\S]+")})}),
    "file_url": Shape({"name": Text(low=1), "url": Text(pattern=r"https?://.+")}),
}


def _problem(code: int, kind: str, message: str) -> Problem:
    return Problem(status=500, code=code, type=kind, message=message)


class Played(Vendor):
    """HTTP 500 for whatever goes wrong, an event in a 200 where it was streamed; nodes behind ``[DONE]``."""

    name = "fastgpt"
    base = "/api/v1"
    chat_path = "/chat/completions"
    test_credentials = {"api_key": "fastgpt-MadeUpForTests0123456789abcdefghijklmnop"}
    problems: ClassVar[Mapping[str, Problem]] = {
        "unAuthApiKey": _problem(514, "unAuthApiKey", "Api key is invalid"),
        "unAuthorization": _problem(403, "unAuthorization", "凭证错误"),
        "unAuthModel": _problem(511, "unAuthModel", "You have no access to this model"),
        "unAuthFile": _problem(513, "unAuthFile", "You have no access to this file"),
        "unAuthApp": _problem(501003, "unAuthApp", "You have no access to this app"),
        "insufficientQuota": _problem(510, "insufficientQuota", "AI积分不足"),
        "tooManyRequest": _problem(429, "tooManyRequest", "Too many requests"),
        "chatIsGenerating": _problem(409, "chatIsGenerating", "The chat is being answered"),
        "account key": _problem(500, "error", "Key is error. You need to use the app key rather than the account key."),
        "error": _problem(500, "error", "The workflow failed"),
        "messages": _problem(500, "error", "messages is not array"),
        "no messages": _problem(500, "error", "messages is empty"),
        "app": _problem(500, "error", "app is empty"),
        "old": _problem(500, "error", "您的工作流版本过低，请重新发布一次"),
        "upstream": _problem(500, "error", "401 Incorrect API key provided: the model vendor refuses the key"),
    }
    kinds = {
        "auth": "unAuthApiKey",
        "permission": "unAuthModel",
        "no_balance": "insufficientQuota",
        "rate_limit": "tooManyRequest",
        "not_found": "app",
        "bad_request": "messages",
        "server": "error",
    }
    #: ``failed_node``: the reply is a 200, has no text, and an ``error`` besides.
    places = ("status", "in_200", "in_stream", "failed_node")
    examples: ClassVar[Mapping[str, str]] = {"chat": "fastgpt", "image": "fastgpt", "thinking": "fastgpt"}

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Chat → what its user may ask next.
        self._suggested: dict[str, Sequence[str]] = {}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Whatever is wrong with a call that wants a stream is said as an event."""
        streams = isinstance(request.json, dict) and request.json.get("stream") is True
        try:
            return self._answer(request, desk)
        except Refusal as refusal:
            if refusal.encode is None and streams and refusal.place == "status":
                raise Refusal(refusal.problem, refusal.place, _as_event) from None
            raise

    def _answer(self, request: Incoming, desk: Desk) -> Reply:
        if request.path == _GUIDE:
            return self._guide(request)
        is_v2 = request.path == "/api/v2" + self.chat_path
        if not is_v2 and request.path != self.base + self.chat_path:
            problem = Problem(status=404, message=f"no such path: {request.path}")
            raise Refusal(problem, encode=lambda _: Whole(body=_PAGE, status=404, content_type="text/html"))
        self._check_key(request)
        if request.method != "POST":
            self.refuse("error", f"method {request.method} is not allowed")
        body = self._read(request)
        messages = body["messages"]
        turns = [(str(message["role"]), text_of(message.get("content"))) for message in messages]
        asked = Asked(model=str(body.get("model", "")), turns=turns, stream=body.get("stream") is True)
        answer = self.take(desk, asked)
        fails = answer.fault is not None and answer.fault.place == "failed_node"
        chat = body.get("chatId") or f"chat-{desk.make_number()}"
        self._suggested[chat] = tuple(answer.extra.get("suggestions", ()))
        run = events.Run(
            answer=answer,
            tokens=answer.counted(asked),
            detail=body.get("detail") is True,
            is_v2=is_v2,
            id=chat if is_v2 or body.get("chatId") else "",
            created=int(request.now),
            failure=self.problem_of(answer.fault) if fails and answer.fault is not None else None,
        )
        if asked.stream:
            return Streamed(events=list(events.stream(run)))
        return as_json(events.whole(run))

    def _guide(self, request: Incoming) -> Reply:
        """Questions that the user of a chat may ask next."""
        self._check_key(request)
        told = request.json if isinstance(request.json, dict) else {}
        if fault := _APP_ID.fault(told.get("appId")):
            self.refuse("error", f"appId: Invalid input: {fault}")
        if told.get("chatId") not in self._suggested:
            self.refuse("error", "chatId: Invalid input: no such chat")
        asked = list(self._suggested[told["chatId"]])
        return as_json({"code": 200, "statusText": "", "message": "", "data": asked})

    def _check_key(self, request: Incoming) -> None:
        """The app's key; with an app's id behind it, as OpenAI's clients give it, as well."""
        if not request.bearer:
            self.refuse("unAuthorization")
        key = re.sub(r"-[0-9a-f]{24}$", "", request.bearer)
        if self.credentials["api_key"] not in (key, request.bearer):
            self.refuse("auth")

    def _read(self, request: Incoming) -> dict[str, Any]:
        body = request.json
        if request.media_type != "application/json" or not isinstance(body, dict):
            self.refuse("error", "the body must be a JSON object, and its Content-Type application/json")
        if not isinstance(body.get("messages"), list):
            self.refuse("messages")
        if not body["messages"]:
            self.refuse("no messages")
        for name, check in _FIELDS.items():
            if body.get(name) is not None and (fault := check.fault(body[name])):
                self.refuse("error", f"{name}: Invalid input: {fault}")
        for number, message in enumerate(body["messages"]):
            self._check_message(message, f"messages[{number}]")
        if body["messages"][-1]["role"] != "user":
            self.refuse("error", "the last message must have the role user")
        return body

    def _check_message(self, message: Mapping[str, Any], place: str) -> None:
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            self.refuse("error", f"{place}.role: Invalid input")
        content = message.get("content")
        if content is None or isinstance(content, str):
            return
        for part in content if isinstance(content, list) else [None]:
            kind = str(mapping(part).get("type"))
            if kind not in _PARTS:
                self.refuse("error", f"{place}.content: Invalid input: {kind}")
            if fault := _PARTS[kind].fault(part):
                self.refuse("error", f"{place}.content: Invalid input: {fault}")

    def encode_problem(self, problem: Problem) -> Whole:
        """The status says nothing: the code does."""
        return as_json(events.error_body(problem), status=problem.status, headers=problem.headers)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """An event named error."""
        return events.encode_error(problem)


def _as_event(problem: Problem) -> Whole:
    return Whole(body=events.encode_error(problem), content_type="text/event-stream", headers=problem.headers)
