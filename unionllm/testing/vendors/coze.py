"""Coze, played after docs.coze.com: chat v3, message list, workflow chat, upload files, oauth jwt (read 2026-11-23).

To play an OAuth app too, the server has to be told of it:
``VendorServer(credentials={"coze": {"client_id": …, "public_key_id": …, "public_key": …}})``, the key in PEM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from .._checks import ListOf, Shape, Text
from .._exchange import Incoming, Problem, Reply, Streamed, Upload, Whole, as_json
from .._script import Answer, Asked, Desk, Fault
from .._vendor import Vendor
from . import _coze_auth as auth
from . import _coze_checks as checks
from . import _coze_events as events

_OUTPUTS = ListOf(Shape({"tool_call_id": Text(low=1), "output": Text()}), low=1)
_IDS = 7_600_000_000_000_000_000


def _table() -> dict[str, Problem]:
    rows = {
        404: (404, "404 page not found"),
        4000: (400, "The request parameters are invalid"),
        4011: (402, "Your account balance is insufficient"),
        4013: (429, "The rate of requests is over the limit"),
        4014: (400, "The content contains sensitive words"),
        4015: (403, "The bot has not been published to the Agent As API channel"),
        4016: (409, "The conversation has a chat that is still running"),
        4028: (402, "The free quota has been used up"),
        4100: (401, "authentication is invalid"),
        4101: (403, "The token you entered has no access to this resource"),
        4102: (400, "The content is risky"),
        4104: (400, "The chat cannot be cancelled now"),
        4200: (404, "Requested resource bot does not exist. Please check the bot_id"),
        5000: (500, "internal server error"),
        6003: (403, "The feature is for paid plans"),
        700012006: (401, "access token invalid"),
        103000000: (400, "invalid request parameter"),
        103000001: (403, "agent not match"),
        103000002: (404, "conversation not found"),
        103100001: (500, "agent run error"),
        103100002: (404, "agent not exists"),
        777777775: (500, "workflow failed"),
    }
    return {str(code): Problem(status=status, code=code, message=text) for code, (status, text) in rows.items()}


class Played(Vendor):
    """Create, poll and list as one flow, or events; failures in five disguises; recall, steps and follow-ups."""

    name = "coze"
    base = ""
    test_credentials = {"api_key": "pat_MadeUpForTests0123456789abcdefghijklmnopqrstuvwxyz0123456789"}
    problems = _table()
    kinds = {
        "auth": "4100",
        "permission": "4101",
        "no_balance": "4028",
        "rate_limit": "4013",
        "not_found": "4200",
        "bad_request": "4000",
        "policy": "4014",
        "server": "5000",
    }
    places = ("status", "in_200", "in_stream", "failed_event", "failed_bare", "failed_poll")
    #: A bot's id stands for its model.
    examples: ClassVar[Mapping[str, str]] = {
        "chat": "7400000000000000001",
        "image": "7400000000000000001",
        "thinking": "7400000000000000002",
    }

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        self._chats: dict[str, events.Chat] = {}
        self._conversations: dict[str, str] = {}
        self._files: dict[str, Upload] = {}
        #: Tokens that were sold, and when they end.
        self._tokens: dict[str, float] = {}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Check the token, then whichever endpoint it is."""
        if (request.method, request.path) == ("POST", auth.SALES_PATH):
            return self._sell(request, desk)
        if self._tokens.get(request.bearer, 0.0) <= request.now:
            self.require_bearer(request)
        routes: dict[tuple[str, str], Callable[[Incoming, Desk], Reply]] = {
            ("POST", "/v3/chat"): self._create,
            ("GET", "/v3/chat/retrieve"): self._retrieve,
            ("POST", "/v3/chat/retrieve"): self._retrieve,
            ("GET", "/v3/chat/message/list"): self._list,
            ("POST", "/v3/chat/cancel"): self._cancel,
            ("POST", "/v3/chat/submit_tool_outputs"): self._submit,
            ("POST", "/v1/workflows/chat"): self._run_flow,
            ("POST", "/v1/files/upload"): self._upload,
            ("POST", "/v1/conversation/create"): self._converse,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            self.refuse("404", f"no such path: {request.method} {request.path}")
        return route(request, desk)

    def _sell(self, request: Incoming, desk: Desk) -> Reply:
        """A token for a signed JWT."""
        if fault := auth.jwt_fault(request, self.credentials):
            self.refuse("auth", fault)
        body = self.require_json(request)
        if fault := auth.order_fault(body):
            self.refuse("bad_request", fault)
        ends = int(request.now) + int(body.get("duration_seconds") or 900)
        token = f"czs_made-up-{desk.make_number():08d}"
        self._tokens[token] = ends
        return as_json({"access_token": token, "expires_in": ends, "token_type": "Bearer"}, headers=_LOG)

    # Chats.

    def _create(self, request: Incoming, desk: Desk) -> Reply:
        body = self.require_json(request)
        if fault := checks.chat_fault(body, self._files):
            self.refuse("bad_request", fault)
        if not body["bot_id"].startswith("74"):
            self.refuse("not_found")
        conversation = request.query.get("conversation_id", "")
        running = self._conversations.get(conversation, "")
        if running and self._chats[running].status == "in_progress":
            self.refuse("4016")
        return self._run(body, conversation, request, desk, is_flow=False)

    def _run_flow(self, request: Incoming, desk: Desk) -> Reply:
        body = self.require_json(request)
        fault = checks.fields_fault(body, checks.WORKFLOW, ("workflow_id",))
        if not fault and bool(body.get("bot_id")) == bool(body.get("app_id")):
            fault = "either bot_id or app_id is required"
        messages = body.get("additional_messages") or []
        fault = fault or checks.messages_fault(messages, self._files, allows_tools=False, text_only=True)
        if fault:
            self.refuse("bad_request", fault)
        body = {**body, "stream": True, "bot_id": body.get("bot_id") or body["app_id"]}
        return self._run(body, str(body.get("conversation_id") or ""), request, desk, is_flow=True)

    def _run(
        self, body: Mapping[str, Any], conversation: str, request: Incoming, desk: Desk, *, is_flow: bool
    ) -> Reply:
        stream = body.get("stream") is True
        asked = _understand(body, stream)
        answer = self.take(desk, asked)
        number = desk.make_number()
        if conversation not in self._conversations:
            # An id that is not known is no error: a new conversation begins.
            conversation = str(_IDS - 100_000 + number)
        chat = events.Chat(
            id=str(_IDS + number),
            conversation_id=conversation,
            bot_id=str(body["bot_id"]),
            created=int(request.now),
            answer=answer,
            tokens=answer.counted(asked),
            failure=self._failure(answer),
        )
        self._chats[chat.id] = chat
        self._conversations[conversation] = chat.id
        if not stream:
            return self._say({"data": chat.show("in_progress")})
        chat.settle()
        return Streamed(events=list(events.stream(chat, is_flow=is_flow)), headers=_LOG)

    def _failure(self, answer: Answer) -> Problem | None:
        fault: Fault | None = answer.fault
        is_ours = fault is not None and fault.place in ("failed_event", "failed_bare", "failed_poll")
        return self.problem_of(fault) if fault is not None and is_ours else None

    def _chat(self, query: Mapping[str, Any]) -> events.Chat:
        chat = self._chats.get(str(query.get("chat_id")))
        if chat is None or chat.conversation_id != query.get("conversation_id"):
            self.refuse("bad_request", "conversation_id and chat_id must name a chat")
        return chat

    def _retrieve(self, request: Incoming, desk: Desk) -> Reply:
        chat = self._chat(request.query)
        if chat.status == "in_progress" and chat.polls > 0:
            chat.polled += 1
        elif chat.status == "in_progress":
            chat.settle()
        return self._say({"data": chat.show()})

    def _list(self, request: Incoming, desk: Desk) -> Reply:
        chat = self._chat(request.query)
        # What a failed chat said cannot be listed: the reply has no data at all.
        return self._say({"data": events.listing(chat)} if chat.status == "completed" else {})

    def _cancel(self, request: Incoming, desk: Desk) -> Reply:
        chat = self._chat(self.require_json(request))
        if chat.status != "in_progress":
            self.refuse("4104")
        chat.status = "canceled"
        return self._say({"data": chat.show()})

    def _submit(self, request: Incoming, desk: Desk) -> Reply:
        chat = self._chat(request.query)
        body = self.require_json(request)
        if fault := _OUTPUTS.fault(body.get("tool_outputs")):
            self.refuse("bad_request", f"tool_outputs {fault}")
        given = [output["tool_call_id"] for output in body["tool_outputs"]]
        if chat.status != "requires_action" or sorted(given) != sorted(chat.open_calls):
            self.refuse("bad_request", "tool_outputs must answer each tool call of the chat")
        asked = Asked(model=chat.bot_id, stream=body.get("stream") is True)
        chat.go_on(answer := self.take(desk, asked), answer.counted(asked), self._failure(answer))
        if not asked.stream:
            return self._say({"data": chat.show()})
        chat.settle()
        return Streamed(events=list(events.stream(chat, is_flow=False)), headers=_LOG)

    # Files and conversations.

    def _upload(self, request: Incoming, desk: Desk) -> Reply:
        file = request.form.get("file")
        if not isinstance(file, Upload) or not file.data:
            self.refuse("bad_request", "the form needs a field named file")
        stored = str(_IDS - 200_000 + desk.make_number())
        self._files[stored] = file
        told = {"id": stored, "bytes": len(file.data), "created_at": int(request.now), "file_name": file.name}
        return self._say({"data": told})

    def _converse(self, request: Incoming, desk: Desk) -> Reply:
        conversation = str(_IDS - 300_000 + desk.make_number())
        self._conversations[conversation] = ""
        return self._say({"data": {"id": conversation, "created_at": int(request.now), "meta_data": {}}})

    # Words.

    def _say(self, body: Mapping[str, Any]) -> Whole:
        return as_json({"code": 0, "msg": "", **body, "detail": {"logid": _LOG["x-tt-logid"]}}, headers=_LOG)

    def encode_problem(self, problem: Problem) -> Whole:
        """A code, a text, and the id to quote, in the body and in a header."""
        headers = {**_LOG, **problem.headers}
        body = {"code": problem.code, "msg": problem.message, "detail": {"logid": _LOG["x-tt-logid"]}}
        return as_json(body, status=problem.status, headers=headers)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """An event named error."""
        return events.event("error", {"code": problem.code, "msg": problem.message})


_LOG = {"x-tt-logid": "20261123000000TESTLOGID"}


def _understand(body: Mapping[str, Any], stream: bool) -> Asked:
    turns = [(message["role"], message["content"]) for message in body.get("additional_messages") or ()]
    bot = str(body["bot_id"])
    return replace(Asked(model=bot, turns=turns, stream=stream), thinks=bot == Played.examples["thinking"])
