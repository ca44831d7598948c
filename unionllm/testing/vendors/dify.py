"""Dify, played after docs.dify.ai: the service API's openapi file, guides on streaming and errors (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._checks import Check, Flag, ListOf, OneOf, Shape, Text
from .._exchange import Incoming, Problem, Refusal, Reply, Streamed, Upload, Whole, as_json
from .._script import Asked, Desk
from .._vendor import Vendor
from . import _dify_events as events

#: Kinds of apps, by the mode that ``/info`` tells.
MODES = ("chat", "agent-chat", "agent", "advanced-chat", "completion", "workflow")
_TYPES = OneOf("image", "document", "audio", "video", "custom")
_FILES = ListOf(Shape({"type": _TYPES, "transfer_method": OneOf("remote_url", "local_file")}))
_NAMED = Shape({})
_SHARED: Mapping[str, Check] = {
    "inputs": _NAMED,
    "response_mode": OneOf("streaming", "blocking"),
    "user": Text(low=1),
    "files": _FILES,
    "query": Text(),
}
_CHAT: Mapping[str, Check] = {
    **_SHARED,
    "query": Text(low=1),
    "conversation_id": Text(),
    "auto_generate_name": Flag(),
    "workflow_id": Text(),
}


def _problem(status: int, code: str, message: str) -> Problem:
    return Problem(status=status, code=code, message=message)


def _table() -> dict[str, Problem]:
    overdue = (
        "Your quota for Dify Hosted OpenAI has been exhausted. Please go to Settings to complete your own credentials."
    )
    rows = (
        _problem(401, "unauthorized", "Access token is invalid"),
        _problem(403, "forbidden", "The app's API service has been disabled."),
        _problem(403, "workflow_version_execution_not_allowed", "Pinned versions are for paid plans."),
        _problem(404, "not_found", "Conversation Not Exists."),
        _problem(429, "too_many_requests", "Too many requests. Please try again later."),
        _problem(429, "rate_limit_error", "Rate limit of your plan is reached, please upgrade it."),
        _problem(400, "provider_quota_exceeded", overdue),
        _problem(400, "provider_not_initialize", "No valid model provider credentials found."),
        _problem(400, "model_currently_not_support", "The model is not supported now."),
        _problem(400, "app_unavailable", "App unavailable, please check your app configurations."),
        _problem(400, "agent_not_published", "The agent has not been published."),
        _problem(400, "not_chat_app", "Please check if your app mode matches the right API route."),
        _problem(400, "not_workflow_app", "Please check if your app mode matches the right API route."),
        _problem(400, "bad_request", "The request is bad."),
        _problem(400, "invalid_param", "Arg user must be provided."),
        _problem(400, "conversation_completed", "The conversation has ended. Please start a new conversation."),
        _problem(400, "completion_request_error", "Completion request failed."),
        _problem(413, "file_too_large", ""),
        _problem(415, "unsupported_file_type", "File type not allowed."),
        _problem(400, "no_file_uploaded", "Please upload your file."),
        _problem(400, "too_many_files", "Only one file is allowed."),
        _problem(500, "internal_server_error", "Internal server error."),
    )
    return {str(problem.code): problem for problem in rows}


@dataclass(frozen=True, kw_only=True)
class _App:
    """An app, which is all that a key stands for."""

    mode: str


class Played(Vendor):
    """One key, one app; conversations that belong to their user; errors inside of streams of status 200."""

    name = "dify"
    base = "/v1"
    #: The chatbot's key; ``app_key`` tells those of the other apps.
    test_credentials = {"api_key": "app-MadeUpForTests0123456789"}
    problems = _table()
    kinds = {
        "auth": "unauthorized",
        "permission": "forbidden",
        "no_balance": "provider_quota_exceeded",
        "rate_limit": "too_many_requests",
        "not_found": "not_found",
        "bad_request": "bad_request",
        "server": "internal_server_error",
    }
    #: ``failed_flow``: a chatflow or workflow ends as failed.
    places = ("status", "in_200", "in_stream", "failed_flow")
    examples: ClassVar[Mapping[str, str]] = {"chat": "dify", "image": "dify"}

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Conversations and files → the user they belong to.
        self._conversations: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._messages: dict[str, tuple[str, ...]] = {}

    def app_key(self, mode: str) -> str:
        """The key of the app of that mode (one of ``MODES``). Raises ValueError for a mode that is none."""
        if mode not in MODES:
            raise ValueError(f"no app of mode {mode!r}. There are: {', '.join(MODES)}")
        key = self.credentials["api_key"]
        return key if mode == "chat" else f"{key}-{mode}"

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Find the app by its key, then whichever endpoint it is."""
        app = next((_App(mode=mode) for mode in MODES if request.bearer == self.app_key(mode)), None)
        if app is None:
            self.refuse("auth")
        if not request.path.startswith(self.base + "/"):
            self.refuse("not_found", "The requested URL was not found on the server.")
        path = request.path.removeprefix(self.base)
        if request.method == "GET":
            return self._look(path, request, app)
        if request.method != "POST":
            self.refuse("not_found", "no such method here", status=405)
        if path == "/files/upload":
            return self._upload(request, desk)
        if re.fullmatch(r"/(chat-messages|workflows/tasks)/[\w-]+/stop", path):
            self._user(self.require_json(request))
            return as_json({"result": "success"})
        return self._run(path, app, request, desk)

    # Running an app.

    def _run(self, path: str, app: _App, request: Incoming, desk: Desk) -> Reply:
        body = self._read(path, app, request)
        conversation = self._conversation(body, app)
        stream = body.get("response_mode") == "streaming"
        if app.mode == "agent-chat" and not stream:
            self.refuse("invalid_param", "Agent Chat App does not support blocking mode")
        if app.mode == "agent" and not stream:
            self.refuse("bad_request", "Agent App does not support blocking mode")
        query = body.get("query") or next(iter(map(str, (body.get("inputs") or {}).values())), "")
        asked = Asked(model=app.mode, turns=[("user", query)], stream=stream)
        answer = self.take(desk, asked)
        number = desk.make_number()
        if app.mode not in ("workflow", "completion"):
            conversation = conversation or f"conversation-{number}"
            self._conversations.setdefault(conversation, body["user"])
        run = events.Run(
            mode=app.mode,
            number=number,
            conversation_id=conversation,
            created=int(request.now),
            answer=answer,
            tokens=answer.counted(asked),
        )
        self._messages[run.message_id] = tuple(answer.extra.get("suggestions", ()))
        return self._reply(run, stream)

    def _reply(self, run: events.Run, stream: bool) -> Reply:
        fault = run.answer.fault
        fails = fault is not None and fault.place == "failed_flow"
        failure = self.problem_of(fault) if fails and fault is not None else None
        is_flow = run.mode == "workflow" or (run.mode == "advanced-chat" and stream)
        if failure is not None and not is_flow:
            raise Refusal(failure)
        if stream:
            return Streamed(events=list(events.stream(run, failure)))
        said = events.blocking(run)
        return as_json({**said, "data": events.workflow_data(run, failure)} if failure is not None else said)

    def _read(self, path: str, app: _App, request: Incoming) -> dict[str, Any]:
        is_flow = re.fullmatch(r"/workflows/([\w-]+/)?run", path) is not None
        if path not in ("/chat-messages", "/completion-messages") and not is_flow:
            self.refuse("not_found", "The requested URL was not found on the server.")
        if is_flow != (app.mode == "workflow"):
            self.refuse("not_workflow_app" if is_flow else "not_chat_app")
        if (path == "/completion-messages") != (app.mode == "completion"):
            self.refuse("app_unavailable" if path == "/completion-messages" else "not_chat_app")
        body = self._body(request)
        rules = _CHAT if path == "/chat-messages" else _SHARED
        for name in ("inputs", "user", *(["query"] if path == "/chat-messages" else [])):
            if body.get(name) is None:
                self.refuse("invalid_param", f"{name} is required")
        for name, check in rules.items():
            if body.get(name) is not None and (fault := check.fault(body[name])):
                self.refuse("invalid_param", f"{name} {fault}")
        for file in body.get("files") or ():
            self._check_file(file, body["user"])
        return body

    def _body(self, request: Incoming) -> dict[str, Any]:
        if request.media_type != "application/json" or not isinstance(request.json, dict):
            self.refuse("bad_request", "The body must be a JSON object, and its Content-Type application/json")
        body: dict[str, Any] = request.json
        return body

    def _check_file(self, file: Mapping[str, Any], user: str) -> None:
        if file["transfer_method"] == "remote_url":
            if not str(file.get("url") or "").startswith(("http://", "https://")):
                self.refuse("invalid_param", "Invalid file url")
        elif self._files.get(str(file.get("upload_file_id"))) != user:
            self.refuse("invalid_param", "Invalid upload file: it does not exist for this user")

    def _conversation(self, body: Mapping[str, Any], app: _App) -> str:
        given = str(body.get("conversation_id") or "")
        if given and self._conversations.get(given) != body["user"]:
            self.refuse("not_found")
        return given

    def _user(self, given: Mapping[str, Any]) -> str:
        user = given.get("user")
        if not isinstance(user, str) or not user:
            self.refuse("invalid_param")
        return user

    # Besides.

    def _look(self, path: str, request: Incoming, app: _App) -> Whole:
        if path == "/info":
            return as_json({"name": "Test", "description": "", "tags": [], "mode": app.mode, "author_name": "test"})
        if path == "/parameters":
            return as_json(
                {"opening_statement": "", "user_input_form": [], "file_upload": {"image": {"enabled": True}}}
            )
        found = re.fullmatch(r"/messages/([\w-]+)/suggested", path)
        if found is None or found[1] not in self._messages:
            self.refuse("not_found", "Message Not Exists.")
        self._user(request.query)
        suggested = self._messages[found[1]]
        if not suggested:
            self.refuse("bad_request", "Suggested Questions Is Disabled.")
        return as_json({"result": "success", "data": list(suggested)})

    def _upload(self, request: Incoming, desk: Desk) -> Whole:
        file, user = request.form.get("file"), request.form.get("user")
        if not isinstance(file, Upload):
            self.refuse("no_file_uploaded")
        if not isinstance(user, str) or not user:
            self.refuse("invalid_param")
        stored = f"file-{desk.make_number()}"
        self._files[stored] = user
        extension = file.name.rpartition(".")[2]
        told = {"name": file.name, "size": len(file.data), "extension": extension, "mime_type": file.media_type}
        return as_json({"id": stored, **told, "created_by": user, "created_at": int(request.now)}, status=201)

    def encode_problem(self, problem: Problem) -> Whole:
        """Flat: code, message, and the status once more."""
        body = {"code": problem.code, "message": problem.message, "status": problem.status}
        return as_json(body, status=problem.status, headers=problem.headers)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """An event whose kind is error."""
        return events.event(events.error(problem))
