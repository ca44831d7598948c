"""Baidu Qianfan (ERNIE), played after cloud.baidu.com/doc/qianfan-api: 3m7of64lb, Om9b4yj3w (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar

from .._checks import Anything, Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import Incoming, Problem, Refusal, Reply, Streamed, as_json, encode_json
from .._openai import Chat, Model, OpenAILike
from .._openai_checks import TOOL_CHOICE
from .._script import Answer, Desk
from . import _wenxin_auth as auth
from . import _wenxin_v1 as v1
from ._qianfan_codes import STATUSES

_SEES = frozenset({"image_url", "video_url"})
_NEWER: dict[str, Check | None] = {
    "temperature": Number(0, 2, below=True),
    "max_tokens": Integer(1),
    "max_completion_tokens": Integer(1),
}
_PENALTIES: dict[str, Check | None] = {"presence_penalty": Number(-2, 2), "frequency_penalty": Number(-2, 2)}
_THINKS: dict[str, Check | None] = {"enable_thinking": Flag(), "thinking_budget": Integer(1)}


def _table() -> dict[str, Problem]:
    texts = {
        "invalid_iam_token": "The IAM token is invalid",
        "account_overdue": "The account is in arrears, please top up its balance",
        "tokens_too_long": "The tokens of the prompt are more than the model takes",
        "internal_error": "Internal error",
    }
    kinds = {"image_url_unsafe": "unsafe_request", "invalid_iam_token": "invalid_request_error"}
    table = {
        code: Problem(
            status=status, code=code, message=texts.get(code, code), type=kinds.get(code, "invalid_request_error")
        )
        for code, status in STATUSES.items()
    }
    closed = "No permission to use the model"
    table["no permission"] = Problem(status=401, code="invalid_model", message=closed, type="invalid_request_error")
    return table | v1.CODES


class Played(OpenAILike):
    """``normal`` for stop, usage on request only, bearer keys or tokens that an access key buys; V1 beside it."""

    name = "wenxin"
    base = "/v2"
    test_credentials = {
        "api_key": "bce-v3/ALTAK-0123456789abcdefghijk/0123456789abcdef0123456789abcdef01234567",
        "access_key": "ALTAKmadeUpForTestsOnly1",
        "secret_key": "0123456789abcdef0123456789abcdef",
        "client_id": "madeUpClientIdOf24Letter",
        "client_secret": "madeUpClientSecretOf32Characters",
    }
    problems = _table()
    kinds = {
        "auth": "invalid_iam_token",
        "permission": "no permission",
        "no_balance": "account_overdue",
        "rate_limit": "rpm_rate_limit_exceeded",
        "not_found": "not_found",
        "bad_request": "invalid_argument",
        "context": "tokens_too_long",
        "policy": "system_unsafe",
        "server": "internal_error",
    }
    examples = {
        "chat": "ernie-4.5-turbo-128k",
        "tools": "ernie-5.1",
        "image": "ernie-4.5-turbo-vl",
        "thinking": "ernie-x1.1-preview",
    }
    models = (
        Model(pattern=r"ERNIE-5\.5-Flash-Preview", fields={"temperature": None}),
        Model(pattern=r"ernie-5\.0-thinking-(preview|latest)", thinks="always", parts=_SEES, fields=_NEWER | _THINKS),
        Model(pattern=r"ernie-5\.[01]", thinks="on_request", parts=_SEES, fields=_NEWER | _PENALTIES | _THINKS),
        Model(pattern=r"ernie-x1.*", thinks="always", fields=_NEWER),
        Model(pattern=r"ernie-4\.5-turbo-vl.*", parts=_SEES),
        Model(pattern=r"ernie-(4\.5|4\.0|3\.5|speed|lite|char|func|tiny)[a-z0-9.-]*"),
        Model(pattern=r"deepseek-[a-z0-9.-]+", thinks="on_request", fields=_NEWER | _PENALTIES | _THINKS),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "temperature": Number(0, 1, above=True),
        "top_p": Number(0, 1),
        "max_tokens": Integer(2),
        "max_completion_tokens": Integer(2),
        "stop": ListOf(Text(high=20), high=4),
        "penalty_score": Number(1, 2),
        "repetition_penalty": Number(0, above=True),
        "seed": Integer(0),
        "response_format": Either(
            Shape({"type": OneOf("text", "json_object")}),
            Shape({"type": OneOf("json_schema"), "json_schema": Shape({"schema": Shape({})})}),
        ),
        "tools": ListOf(function_tool()),
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": Flag(),
        "stream_options": Shape({"include_usage?": Flag(), "chunk_include_usage?": Flag()}),
        "user": Text(),
        "web_search": Shape({"enable?": Flag(), "enable_citation?": Flag(), "search_mode?": OneOf("auto", "required")}),
        "metadata": Anything(),
        "safety": Anything(),
    }
    ignored = frozenset({"extra_parameters"})
    list_roles = frozenset({"user"})
    finish_words = {"stop": "normal"}

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Tokens given out → the time they end; those of V1 are strangers to V2.
        self._tokens: dict[str, float] = {}
        self._sessions: dict[str, float] = {}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """A token, V1, or the protocol of today."""
        if request.path == auth.BEARER_PATH:
            return self._sell_token(request, desk)
        if request.path == auth.OAUTH_PATH:
            return self._open_session(request, desk)
        if not request.path.startswith(v1.PREFIX):
            return super().answer(request, desk)
        try:
            return self._answer_v1(request, desk)
        except Refusal as refusal:
            raise Refusal(refusal.problem, refusal.place, v1.encode_problem) from None

    def check_auth(self, request: Incoming) -> None:
        """A key for good, or a token that has not ended."""
        token = request.bearer
        if not token or (token != self.credentials["api_key"] and self._tokens.get(token, 0.0) <= request.now):
            self.refuse("auth")
        if request.headers.get("appid", "app-").startswith("app-") is False:
            self.refuse("invalid_appid")

    def find_model(self, name: Any) -> Model:
        """A model that is not there is one without permission."""
        if not isinstance(name, str) or not name:
            self.refuse("invalid_model", "model is required")
        try:
            return super().find_model(name)
        except Refusal:
            self.refuse("no permission")

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """System first; ERNIE's older models want turns in order and something said last."""
        roles = [message["role"] for message in body["messages"]]
        if "system" in roles[1:]:
            self.refuse("invalid_messages", "the system message must be the first one")
        if not body["model"].startswith(("ernie-4", "ernie-3", "ernie-x1")):
            return
        turns = [role for role in roles if role in ("user", "assistant")]
        if turns[:1] != ["user"] or any(left == right == "user" for left, right in pairwise(turns)):
            self.refuse("invalid_messages", "roles user and assistant must take turns")
        last = ("user",) if body["model"].startswith(("ernie-4.5", "ernie-x1")) else ("user", "tool")
        if roles[-1] not in last:
            self.refuse("invalid_messages", f"the role of the last message must be {' or '.join(last)}")
        if not str(body["messages"][-1].get("content") or "").strip():
            self.refuse("invalid_messages", "the content of the last message must not be empty")

    def is_thinking(self, body: Mapping[str, Any], model: Model) -> bool:
        """``enable_thinking`` is the switch."""
        return model.thinks == "always" or (model.thinks == "on_request" and body.get("enable_thinking") is True)

    def head(self, chat: Chat) -> dict[str, Any]:
        """Ids begin with as-."""
        return {**super().head(chat), "id": f"as-{chat.number}"}

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """With a safety flag, and pages of a search beside the choices."""
        body = super().whole_body(chat, answer)
        for choice in body["choices"]:
            choice["flag"] = int(answer.ending == "content_filter")
        return {**body, "search_results": _pages(answer)} if answer.context else body

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """With the flag; ``finish_reason`` is there only once it is known."""
        event = super().event(chat, delta, finish, index)
        choice = event["choices"][0]
        choice["flag"] = int(finish == "content_filter")
        if finish is None:
            del choice["finish_reason"]
        return event

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """Pages of a search come on the first event; the running usage on each, if it was asked for."""
        runs = (chat.body.get("stream_options") or {}).get("chunk_include_usage")
        more: dict[str, Any] = {"usage": self.usage(answer.counted(chat.asked))} if runs else {}
        for number, event in enumerate(super().events(chat, answer)):
            found = {"search_results": _pages(answer)} if answer.context and number == 0 else {}
            yield {**event, **more, **found} if isinstance(event, dict) else event

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """No empty delta ahead."""
        return (delta for delta in super().deltas(chat, answer) if delta != {"content": ""})

    def usage(self, tokens: Any) -> dict[str, Any]:
        """With the tokens of what was searched."""
        counts = tokens.counts
        return {**counts, "prompt_tokens_details": {"search_tokens": 0, "cached_tokens": tokens.cached}}

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """A code in words, and the id to quote."""
        error = {"code": str(problem.code), "message": problem.message, "type": problem.type}
        return {"error": error, "id": "as-0"}

    def encode_in_stream(self, problem: Problem) -> bytes:
        """A bare line: no ``data:`` before it."""
        return encode_json(self.error_body(problem)) + b"\n\n"

    # Tokens, and the first protocol.

    def _sell_token(self, request: Incoming, desk: Desk) -> Reply:
        fault = auth.signature_fault(request, self.credentials["access_key"], self.credentials["secret_key"])
        if fault:
            self.refuse("auth", fault)
        seconds = request.query.get("expireInSeconds", "")
        if request.method != "GET" or re.fullmatch(r"[0-9]{1,8}", seconds) is None:
            self.refuse("invalid_argument", "expireInSeconds must be a number of seconds")
        reply = auth.bearer_reply(desk.make_number(), request.now, int(seconds))
        self._tokens[reply["token"]] = request.now + int(seconds)
        return as_json(reply)

    def _open_session(self, request: Incoming, desk: Desk) -> Reply:
        fault = auth.oauth_fault(request.query, self.credentials["client_id"], self.credentials["client_secret"])
        if fault:
            problem = Problem(status=401, code=fault["error"], message=fault["error_description"])
            raise Refusal(problem, encode=lambda _: as_json(fault, status=401))
        reply = auth.oauth_reply(desk.make_number())
        self._sessions[str(reply["access_token"])] = request.now + int(reply["expires_in"])
        return as_json(reply)

    def _answer_v1(self, request: Incoming, desk: Desk) -> Reply:
        self._check_v1_auth(request)
        suffix = request.path[len(v1.PREFIX) :]
        if request.method != "POST" or suffix not in v1.SUFFIXES:
            self.refuse("336005")
        if not isinstance(request.json, dict):
            self.refuse("336002")
        if fault := v1.body_fault(request.json):
            self.refuse("336003", fault)
        asked = v1.understand(request.json, suffix)
        answer = self.take(desk, asked)
        bodies = list(v1.replies(answer, asked, desk.make_number(), int(request.now)))
        if asked.stream:
            events = [b"data: " + encode_json(body) + b"\n\n" for body in bodies]
            return Streamed(events=events, encode_error=v1.encode_error)
        return as_json(bodies[0])

    def _check_v1_auth(self, request: Incoming) -> None:
        token = request.query.get("access_token", "")
        if token and self._sessions.get(token, 0.0) <= request.now:
            self.refuse("111" if token in self._sessions else "110")
        if not token and auth.signature_fault(request, self.credentials["access_key"], self.credentials["secret_key"]):
            self.refuse("14")


def _pages(answer: Answer) -> list[dict[str, Any]]:
    return [{"index": index, "url": page.url, "title": page.title} for index, page in enumerate(answer.context, 1)]
