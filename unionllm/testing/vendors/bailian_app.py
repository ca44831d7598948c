"""Bailian applications, played after help.aliyun.com/zh/model-studio, call an application (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Check, Flag, Integer, ListOf, Number, OneOf, Shape, Text, mapping
from .._exchange import Incoming, Problem, Reply, Streamed, Whole, as_json
from .._script import Answer, Asked, Desk
from .._vendor import Vendor
from . import _qwen_native as native
from ._qwen_facts import KINDS, PROBLEMS

_URLS = ListOf(Text(pattern="https?://.+"))
_INPUT: Mapping[str, Check] = {
    "prompt": Text(low=1),
    "messages": ListOf(Shape({"role": OneOf("system", "user", "assistant"), "content": Text()}), low=1),
    "session_id": Text(low=1),
    "image_list": _URLS,
    "file_list": _URLS,
    "biz_params": Shape({}),
    "memory_id": Text(low=1),
    "doc_reference_type": OneOf("simple", "indexed"),
    "doc_tag_codes": ListOf(Text()),
}
_PARAMETERS: Mapping[str, Check] = {
    "has_thoughts": Flag(),
    "incremental_output": Flag(),
    "rag_options": Shape({}),
    "temperature": Number(),
    "top_p": Number(),
    "top_k": Integer(),
    "seed": Integer(),
}
_MODEL = "qwen-plus"


class Played(Vendor):
    """Conversations in ``messages`` or in sessions; streams that repeat themselves unless increments are asked for."""

    name = "bailian_app"
    base = "/api/v1"
    test_credentials = {"api_key": "sk-MadeUpForTests0123456789abcdef01"}
    problems: ClassVar[Mapping[str, Problem]] = {
        **PROBLEMS,
        "App.AccessDenied": Problem(status=403, code="App.AccessDenied", message="App access denied."),
    }
    kinds = KINDS
    #: An application's id stands for its model.
    examples: ClassVar[Mapping[str, str]] = {"chat": "a1b2c3d4e5f60718293a4b5c6d7e8f90"}

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Sessions → the turns that they remember.
        self._sessions: dict[str, list[tuple[str, str]]] = {}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """One endpoint. Which ids are applications' the page does not say, so that all are."""
        self.require_bearer(request)
        if request.method != "POST" or not re.fullmatch(rf"{self.base}/apps/[\w-]+/completion", request.path):
            self.refuse("InvalidURL", status=404)
        body = self.require_json(request)
        given, parameters = self._read(body)
        streams = native.wants_stream(request)
        session = given.get("session_id") or f"session-{desk.make_number()}"
        turns = self._turns(given, session)
        answer = self.take(desk, Asked(model=_MODEL, turns=turns, stream=streams))
        self._sessions[session] = [*turns, ("assistant", answer.whole_text)]
        tokens = answer.counted(Asked(turns=turns))
        models = [{"model_id": _MODEL, "input_tokens": tokens.prompt, "output_tokens": tokens.completion}]
        rest = {"usage": {"models": models}, "request_id": f"r-{desk.make_number()}"}
        outputs = list(_outputs(answer, given, parameters))
        if not streams:
            whole = {name: value for output in outputs for name, value in output.items()}
            text = "".join(output.get("text", "") for output in outputs)
            return as_json({"output": {**whole, "text": text, "session_id": session}, **rest})
        if not parameters.get("incremental_output"):
            outputs = list(_grown(outputs))
        events = []
        for number, output in enumerate(outputs, 1):
            is_last = number == len(outputs)
            usage = rest if is_last else {**rest, "usage": {}}
            events.append(native.event(number, {"output": {**output, "session_id": session}, **usage}))
        return Streamed(events=events)

    def _read(self, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        given, parameters = mapping(body.get("input")), body.get("parameters") or {}
        if not isinstance(body.get("model", ""), str):
            self.refuse("bad_request", "model must be a string")
        if not isinstance(parameters, Mapping):
            self.refuse("bad_request", "parameters must be an object")
        if given.get("prompt") is None and given.get("messages") is None:
            self.refuse("bad_request", "Required parameter(prompt or messages) missing or invalid")
        for place, rules, values in (("input", _INPUT, given), ("parameters", _PARAMETERS, parameters)):
            for name, check in rules.items():
                if values.get(name) is not None and (fault := check.fault(values[name])):
                    self.refuse("bad_request", f"{place}.{name} {fault}")
        messages = given.get("messages")
        if given.get("prompt") is None and messages and messages[-1]["role"] != "user":
            self.refuse("bad_request", "input.messages must end with the user's")
        return given, parameters

    def _turns(self, given: Mapping[str, Any], session: str) -> list[tuple[str, str]]:
        said = [(message["role"], message["content"]) for message in given.get("messages") or ()]
        asked = [("user", given["prompt"])] if given.get("prompt") else []
        return [*self._sessions.get(session, []), *said, *asked]

    def encode_problem(self, problem: Problem) -> Whole:
        """As the native protocol has it: flat."""
        return native.encode_problem(problem)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """An event named error, its status on a line of its own."""
        return native.encode_error(problem)


def _outputs(answer: Answer, given: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Events of a stream: thoughts, nodes, text in pieces, and the end with what was retrieved."""
    steps = answer.extra.get("steps", ())
    if steps and parameters.get("has_thoughts"):
        yield {"finish_reason": "null", "text": "", "thoughts": [_thought(step) for step in steps]}
    for number, node in enumerate(answer.extra.get("nodes", ()), 1):
        yield {"finish_reason": "null", "workflow_message": _node(node, number)}
    for piece in answer.text:
        yield {"finish_reason": "null", "text": piece}
    # It is over; why it is, an application does not say.
    last: dict[str, Any] = {"finish_reason": "stop", "text": ""}
    # Sources are told to those who ask for them.
    if answer.context and given.get("doc_reference_type"):
        last["doc_references"] = [
            {
                "index_id": str(number),
                "title": passage.title,
                "doc_id": passage.id,
                "doc_name": passage.title,
                "doc_url": passage.url or None,
                "text": passage.content,
                "images": [],
                "page_number": [1],
            }
            for number, passage in enumerate(answer.context, 1)
        ]
        if given["doc_reference_type"] == "indexed":
            last["text"] = "<ref>[1]</ref>"
    yield last


def _thought(step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "thought": step.get("thought", ""),
        "action_type": "api" if step.get("name") else "response",
        "action_name": step.get("name", ""),
        "action": step.get("name", ""),
        "action_input": step.get("arguments", {}),
        "observation": str(step.get("result", "")),
        "response": "",
    }


def _node(node: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {
        "node_id": node.get("id", f"node-{number}"),
        "node_name": node.get("name", ""),
        "node_type": node.get("type", "LLM"),
        "node_status": node.get("status", "success"),
        "node_is_completed": True,
        "node_msg_seq_id": 0,
        "message": {"role": "assistant", "content": node.get("content", "")},
    }


def _grown(outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same with the whole text so far in each."""
    text = ""
    for output in outputs:
        text += output.get("text", "")
        yield {**output, "text": text}
