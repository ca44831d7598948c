"""Baidu AppBuilder, played after github.com/baidubce/app-builder and cloud.baidu.com/doc/qianfan-api (2026-11-23)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .._checks import Check, Flag, ListOf, OneOf, Shape, Text, function_tool
from .._exchange import Incoming, Problem, Reply, Streamed, Upload, Whole, as_json
from .._script import Asked, Desk
from .._vendor import Vendor
from . import _appbuilder_events as events
from ._qianfan_codes import STATUSES

_RUN: Mapping[str, Check] = {
    "app_id": Text(low=1),
    "conversation_id": Text(low=1),
    "query": Text(),
    "stream": Flag(),
    "end_user_id": Text(),
    "file_ids": ListOf(Text(low=1)),
    "tools": ListOf(function_tool()),
    "tool_outputs": ListOf(Shape({"tool_call_id": Text(low=1), "output": Text()})),
    "tool_choice": Shape({"type": OneOf("auto", "function")}),
    "parameters": Shape({}),
    "action": Shape({"action_type": Text(low=1)}),
    "custom_metadata": Shape({}),
}


def _table() -> dict[str, Problem]:
    """Codes of Qianfan; what an app's runs say with them the page does not tell."""
    return {code: Problem(status=status, code=code, message=f"refused: {code}") for code, status in STATUSES.items()}


@dataclass(kw_only=True)
class _Conversation:
    """A conversation of one app: the files left there, and the calls that its last run waits for."""

    app_id: str
    files: set[str] = field(default_factory=set)
    open_calls: list[str] = field(default_factory=list)


class Played(Vendor):
    """Conversations first, then runs in them; files that belong to one; failures inside of a 200."""

    name = "appbuilder"
    base = "/v2"
    test_credentials = {"api_key": "bce-v3/ALTAK-MadeUpForTests0123456/0123456789abcdef0123456789abcdef01234567"}
    problems = _table()
    kinds = {
        "auth": "invalid_iam_token",
        "permission": "access_denied",
        "no_balance": "account_overdue",
        "rate_limit": "rpm_rate_limit_exceeded",
        "not_found": "not_found",
        "bad_request": "invalid_argument",
        "context": "tokens_too_long",
        "policy": "system_unsafe",
        "server": "internal_error",
    }
    #: An app's id stands for its model. Results of tools need a conversation, which ``tools`` would not have.
    examples: ClassVar[Mapping[str, str]] = dict.fromkeys(("chat", "image"), "01234567-89ab-cdef-0123-456789abcdef")

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        self._conversations: dict[str, _Conversation] = {}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Check the token, then whichever endpoint it is. Which ids are apps' the page does not say: all are."""
        self.require_bearer(request)
        routes: dict[str, Callable[[Incoming, Desk], Reply]] = {
            f"{self.base}/app/conversation": self._create,
            f"{self.base}/app/conversation/runs": self._run,
            f"{self.base}/app/conversation/file/upload": self._upload,
        }
        route = routes.get(request.path)
        if route is None:
            self.refuse("not_found", f"no such path: {request.path}")
        if request.method != "POST":
            self.refuse("method_not_supported")
        return route(request, desk)

    def _create(self, request: Incoming, desk: Desk) -> Reply:
        body = self.require_json(request)
        if fault := _RUN["app_id"].fault(body.get("app_id")):
            self.refuse("bad_request", f"app_id {fault}")
        number = desk.make_number()
        self._conversations[f"conversation-{number}"] = _Conversation(app_id=body["app_id"])
        return self._say({"request_id": f"r-{number}", "conversation_id": f"conversation-{number}"})

    def _conversation(self, given: Mapping[str, Any]) -> _Conversation:
        found = self._conversations.get(str(given.get("conversation_id")))
        if found is None or found.app_id != given.get("app_id"):
            self.refuse("not_found", "the app has no such conversation")
        return found

    def _run(self, request: Incoming, desk: Desk) -> Reply:
        body = self.require_json(request)
        for name, check in _RUN.items():
            is_needed = name in ("app_id", "conversation_id")
            if (is_needed or body.get(name) is not None) and (fault := check.fault(body.get(name))):
                self.refuse("bad_request", f"{name} {fault}")
        conversation = self._conversation(body)
        self._check_run(body, conversation)
        streams = bool(body.get("stream"))
        turns = [
            ("user", body.get("query") or ""),
            *(("tool", one["output"]) for one in body.get("tool_outputs") or ()),
        ]
        asked = Asked(model=body["app_id"], turns=turns, tools=body.get("tools") or (), stream=streams)
        answer = self.take(desk, asked)
        conversation.open_calls = [call.id for call in answer.tool_calls]
        run = events.Run(
            number=desk.make_number(),
            conversation_id=body["conversation_id"],
            answer=answer,
            tokens=answer.counted(asked),
        )
        if streams:
            return Streamed(events=[events.event(one) for one in events.stream(run)], headers=_HEADERS)
        return self._say(events.whole(run))

    def _check_run(self, body: Mapping[str, Any], conversation: _Conversation) -> None:
        outputs = body.get("tool_outputs") or []
        if not body.get("query") and not outputs:
            self.refuse("bad_request", "query and tool_outputs cannot both be empty")
        given = sorted(one["tool_call_id"] for one in outputs)
        if outputs and given != sorted(conversation.open_calls):
            self.refuse("bad_request", "tool_outputs must answer the calls that the conversation waits for")
        for file in body.get("file_ids") or ():
            if file not in conversation.files:
                self.refuse("not_found", f"the conversation has no file {file!r}")

    def _upload(self, request: Incoming, desk: Desk) -> Reply:
        form = request.form
        file, url = form.get("file"), form.get("file_url")
        conversation = self._conversation(form)
        if isinstance(file, Upload) == bool(url) or (isinstance(file, Upload) and not file.data):
            self.refuse("bad_request", "either file or file_url is required")
        if url and not str(url).startswith(("http://", "https://")):
            self.refuse("bad_request", "file_url must be a web address")
        number = desk.make_number()
        conversation.files.add(f"file-{number}")
        told = {"request_id": f"r-{number}", "id": f"file-{number}", "conversation_id": form["conversation_id"]}
        return self._say(told)

    def _say(self, body: Mapping[str, Any]) -> Whole:
        return as_json(body, headers=_HEADERS)

    def encode_problem(self, problem: Problem) -> Whole:
        """Flat, with the id to quote in a header too."""
        body = {"request_id": "r-0", "code": problem.code, "message": problem.message}
        return as_json(body, status=problem.status, headers={**_HEADERS, **problem.headers})

    def encode_in_stream(self, problem: Problem) -> bytes:
        """A piece whose content has failed."""
        return events.event(events.failure(problem))


_HEADERS = {"X-Appbuilder-Request-Id": "test-request-id"}
