"""Zhipu's agents and apps, played after docs.bigmodel.cn/cn/api and the vendor's SDKs (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._checks import Check, Flag, ListOf, OneOf, Shape, Text
from .._exchange import Incoming, Problem, Refusal, Reply, Streamed, Whole, as_json, encode_json
from .._script import Answer, Asked, Desk, Tokens
from .._vendor import Vendor
from .zhipuai import Played as Models

#: The agents that this server has, the second of which takes its time; an app, and the variables that it knows.
AGENT_ID, SLOW_AGENT_ID = "general_translation", "vidu_template_agent"
APP_ID = "1900000000000000001"
VARIABLES = ("q", "city")
_FIELDS: Mapping[str, Check] = {
    "stream": Flag(),
    "conversation_id": Text(low=1),
    "request_id": Text(),
    "user_id": Text(),
}
_AGENT: Mapping[str, Check] = {
    **_FIELDS,
    "user_id": Text(),
    "agent_id": OneOf(AGENT_ID, SLOW_AGENT_ID),
    "messages": ListOf(
        Shape(
            {
                "role": OneOf("user", "assistant"),
                "content": ListOf(Shape({"type": OneOf("text"), "text": Text()}), low=1),
            }
        ),
        low=1,
    ),
    "custom_variables": Shape({}),
}
_INPUT = Shape({"type": OneOf("input"), "key": OneOf(*VARIABLES), "value": Text()})
_APP: Mapping[str, Check] = {
    **_FIELDS,
    "app_id": OneOf(APP_ID),
    "messages": ListOf(Shape({"role": OneOf("user"), "content": ListOf(_INPUT, low=1)}), low=1, high=1),
    "send_log_event": Flag(),
}


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One question that was accepted."""

    body: Mapping[str, Any]
    number: int
    created: int
    answer: Answer
    tokens: Tokens

    @property
    def head(self) -> dict[str, Any]:
        """The members that every reply begins with."""
        conversation = self.body.get("conversation_id") or f"conversation-{self.number}"
        return {"id": f"run-{self.number}", "request_id": f"request-{self.number}", "conversation_id": conversation}

    @property
    def word(self) -> str:
        """The end, in the vendor's word."""
        return "sensitive" if self.answer.ending == "content_filter" else self.answer.ending


class Played(Vendor):
    """Two endpoints with one key, contents of several shapes, jobs that take their time, usage node by node."""

    name = "zhipu_app"
    base = "/api"
    test_credentials: ClassVar[Mapping[str, str]] = Models.test_credentials
    problems = Models.problems
    kinds = Models.kinds
    examples: ClassVar[Mapping[str, str]] = {"chat": AGENT_ID}

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Jobs → how often they are still to be looked at in vain, and what they end with.
        self._jobs: dict[str, tuple[int, _Run, Problem | None]] = {}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Whichever endpoint it is."""
        ways = {
            "/v1/agents": self._agent,
            "/v1/agents/async-result": self._result,
            "/llm-application/open/v3/application/invoke": self._app,
        }
        self.require_bearer(request)
        way = ways.get(request.path.removeprefix(self.base)) if request.path.startswith(self.base) else None
        if way is None or request.method != "POST":
            self.refuse("1222", f"no such path: {request.path}")
        return way(request, desk)

    def _read(self, request: Incoming, rules: Mapping[str, Check], *required: str) -> dict[str, Any]:
        body = self.require_json(request)
        for name in required:
            if body.get(name) is None:
                self.refuse("bad_request", f"{name} is required")
        for name, check in rules.items():
            if body.get(name) is not None and (fault := check.fault(body[name])):
                self.refuse("not_found" if name in ("agent_id", "app_id") else "bad_request", f"{name} {fault}")
        return body

    # Agents.

    def _agent(self, request: Incoming, desk: Desk) -> Reply:
        body = self._read(request, _AGENT, "agent_id", "messages")
        if body["messages"][-1]["role"] != "user":
            self.refuse("bad_request", "the last message must be the user's")
        turns = [(one["role"], "".join(part["text"] for part in one["content"])) for one in body["messages"]]
        asked = Asked(model=body["agent_id"], turns=turns, stream=body.get("stream") is True)
        answer = desk.take(asked) if body["agent_id"] == SLOW_AGENT_ID else self.take(desk, asked)
        run = _run(body, desk, request, answer, asked)
        if body["agent_id"] == SLOW_AGENT_ID:
            fault, failure = answer.fault, None
            if fault is not None and fault.error:
                # Only the result tells how a job has ended.
                failure, desk.taken = self.problem_of(fault), None
            self._jobs[f"job-{run.number}"] = (int(answer.extra.get("polls", 1)), run, failure)
            return as_json(self._waiting(run))
        if not asked.stream:
            return as_json(_whole(run))
        return Streamed(events=[*map(_event, _pieces(run)), b"data: [DONE]\n\n"])

    def _waiting(self, run: _Run) -> dict[str, Any]:
        job = {"agent_id": run.body["agent_id"], "async_id": f"job-{run.number}"}
        return {**run.head, **job, "status": "pending"}

    def _result(self, request: Incoming, desk: Desk) -> Reply:
        body = self._read(request, {"agent_id": Text(low=1)}, "agent_id", "async_id")
        if not isinstance(body["async_id"], str) or body["async_id"] not in self._jobs:
            self.refuse("bad_request", "async_id does not exist")
        polls, run, failure = self._jobs[body["async_id"]]
        if polls > 0:
            self._jobs[body["async_id"]] = (polls - 1, run, failure)
            return as_json(self._waiting(run))
        if failure is not None:
            error = {"code": str(failure.code), "message": failure.message}
            return as_json({**self._waiting(run), "status": "failed", "error": error})
        return as_json({**_whole(run), "async_id": body["async_id"]})

    # Apps.

    def _app(self, request: Incoming, desk: Desk) -> Reply:
        body = self._read(request, _APP, "app_id", "messages")
        items = body["messages"][0]["content"]
        asked = Asked(model="app", turns=[("user", items[-1]["value"])], stream=body.get("stream") is True)
        try:
            answer = self.take(desk, asked)
        except Refusal as refusal:
            encode = _encode_app if refusal.place == "in_200" else None
            raise Refusal(refusal.problem, refusal.place, encode) from None
        run = _run(body, desk, request, answer, asked)
        if asked.stream:
            pieces = map(_event, _app_pieces(run))
            return Streamed(events=list(pieces), encode_error=lambda problem: _event(_app_error(problem)))
        message = {"role": "assistant", "content": {"type": "text", "msg": answer.whole_text}}
        choice = {"index": 0, "finish_reason": run.word, "messages": message}
        return as_json({**run.head, "created": run.created, "choices": [choice], "usage": _nodes(run)})

    # Errors.

    def encode_problem(self, problem: Problem) -> Whole:
        """As the models' API."""
        body = {"error": {"code": str(problem.code), "message": problem.message}}
        return as_json(body, status=problem.status, headers=problem.headers)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same body as an event."""
        return _event({"error": {"code": str(problem.code), "message": problem.message}})


def _run(body: Mapping[str, Any], desk: Desk, request: Incoming, answer: Answer, asked: Asked) -> _Run:
    counted = answer.counted(asked)
    return _Run(body=body, number=desk.make_number(), created=int(request.now), answer=answer, tokens=counted)


def _content(run: _Run, text: str) -> Any:
    """A text in the shape that was scripted: an object, unless told otherwise."""
    part = {"type": "text", "text": text}
    shapes = {"string": text, "list": [part]}
    return shapes.get(str(run.answer.extra.get("shape")), part)


def _whole(run: _Run) -> dict[str, Any]:
    message = {"role": "assistant", "content": _content(run, run.answer.whole_text)}
    head = {**run.head, "agent_id": run.body["agent_id"], "status": "success", "usage": run.tokens.counts}
    if run.answer.extra.get("shape") == "messages":
        return {**head, "messages": [message]}
    return {**head, "choices": [{"index": 0, "finish_reason": run.word, "message": message}]}


def _pieces(run: _Run) -> Iterator[dict[str, Any]]:
    head = {**run.head, "agent_id": run.body["agent_id"]}
    for piece in run.answer.text or ("",):
        yield {**head, "choices": [_choice(_content(run, piece))]}
    yield {**head, "choices": [_choice(_content(run, ""), run.word)], "usage": run.tokens.counts}


def _app_pieces(run: _Run) -> Iterator[dict[str, Any]]:
    if run.body.get("send_log_event"):
        for number, step in enumerate(run.answer.extra.get("steps", ())):
            told = {"node_id": f"node-{number}", "node_name": step.get("name", ""), "type": "node_finish", "time": 12}
            delta = {"event": {**told, "content": step.get("result")}}
            yield {**run.head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    for piece in run.answer.text or ("",):
        yield {**run.head, "choices": [_choice({"type": "text", "msg": piece})]}
    yield {**run.head, "choices": [_choice({"type": "text", "msg": ""}, run.word)], "usage": _nodes(run)}


def _choice(content: Any, finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": finish}


def _nodes(run: _Run) -> list[dict[str, Any]]:
    """The usage of two nodes, which only together are all of it."""
    prompt, completion = run.tokens.prompt, run.tokens.completion
    counts = ((1, 0), (prompt - 1, completion))
    return [
        {
            "model": "glm-4.6",
            "nodeName": f"node-{number}",
            "inputTokenCount": first,
            "outputTokenCount": second,
            "totalTokenCount": first + second,
        }
        for number, (first, second) in enumerate(counts)
    ]


def _app_error(problem: Problem) -> dict[str, Any]:
    return {"error_msg": {"code": str(problem.code), "msg": problem.message}}


def _encode_app(problem: Problem) -> Whole:
    return as_json(_app_error(problem), headers=problem.headers)


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + encode_json(data) + b"\n\n"
