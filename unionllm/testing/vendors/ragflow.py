"""RAGFlow, played after ragflow.io/docs/http_api_reference: OpenAI-compatible API, error codes (read 2026-08-22)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Check, Flag, ListOf, Shape, Text, mapping
from .._exchange import Incoming, Problem, Refusal, Whole, as_json
from .._openai import Chat, Model, OpenAILike
from .._script import Answer, Desk

#: The assistant and the agent that this server has.
CHAT_ID = "c0ffee00c0ffee00c0ffee00c0ffee00"
AGENT_ID = "a9e00000a9e00000a9e00000a9e00000"
_PATH = re.compile(r"/api/v1/(openai|chats_openai|agents_openai)/([^/]+)/chat/completions")


def _table() -> dict[str, Problem]:
    in_200 = {
        100: "Exception error",
        101: "Invalid request argument",
        102: "Invalid or missing data",
        103: "Operation error",
        105: "Connection error",
        108: "Permission error",
        109: "Authentication error: API key is invalid!",
    }
    by_status = {
        400: "Bad request",
        401: "Unauthorized",
        403: "Forbidden",
        # Said by what people put in front of their server.
        429: "Too Many Requests",
        500: "Internal server error",
    }
    rows = {code: Problem(status=200, code=code, message=text) for code, text in in_200.items()}
    rows |= {code: Problem(status=code, code=code, message=text) for code, text in by_status.items()}
    return {str(code): problem for code, problem in rows.items()}


class Played(OpenAILike):
    """The assistant in the path, errors in HTTP 200, references that have to be asked for."""

    name = "ragflow"
    base = ""
    test_credentials = {"api_key": "ragflow-MadeUpForTests0123456789"}
    problems = _table()
    kinds = {
        "auth": "109",
        "permission": "108",
        "rate_limit": "429",
        "bad_request": "102",
        "server": "500",
    }
    examples: ClassVar[Mapping[str, str]] = {"chat": CHAT_ID}
    #: The name of a model is not looked at, but has to be there.
    models = (Model(pattern=r"(?s).+"),)
    fields: ClassVar[Mapping[str, Check]] = {
        "session_id": Text(low=1),
        "extra_body": Shape(
            {
                "reference?": Flag(),
                "reference_metadata?": Shape({"include?": Flag(), "fields?": ListOf(Text())}),
                "metadata_condition?": Shape({}),
            }
        ),
    }
    usage_at = "finish"

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Whether this is a server from before the path was shortened.
        self.is_old = False

    def check_route(self, request: Incoming) -> None:
        """The path names who is asked."""
        found = _PATH.fullmatch(request.path)
        if found is None or request.method != "POST" or found[1] == ("openai" if self.is_old else ""):
            # Servers differ in their paths, so that this is no error of a call's.
            raise Refusal(Problem(status=404, code=404, message=f"Not Found: {request.path}"))
        kind, number = ("agent", AGENT_ID) if found[1] == "agents_openai" else ("chat", CHAT_ID)
        if found[2] != number:
            self.refuse("102", f"You don't own the {kind} {found[2]}")

    def read(self, request: Incoming, desk: Desk) -> Chat:
        """Whether it is streamed has to be said, and sessions are for agents."""
        chat = super().read(request, desk)
        if chat.body.get("stream") is None:
            self.refuse("102", "stream: what it means to leave it out differs from path to path; say it")
        if "session_id" in chat.body and "agents_openai" not in request.path:
            self.refuse("102", "session_id is for agents")
        return chat

    def message(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """References are a list beside the text."""
        message = super().message(chat, answer)
        return {**message, "reference": _chunks(answer)} if _wants_reference(chat) else message

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """Agents tell their session."""
        return {**super().whole_body(chat, answer), **_session(chat)}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """References come by their ids behind the text, and the text once more with them."""
        yield from super().deltas(chat, answer)
        if _wants_reference(chat):
            chunks = {chunk["id"]: chunk for chunk in _chunks(answer)}
            yield {"content": "", "reference": {"chunks": chunks}, "final_content": answer.whole_text}

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """Agents tell their session here too."""
        return {**super().event(chat, delta, finish, index), **_session(chat)}

    def encode_problem(self, problem: Problem) -> Whole:
        """Code and message, and no data."""
        return as_json(self.error_body(problem), status=problem.status, headers=problem.headers)

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """Flat."""
        return {"code": problem.code, "data": False, "message": problem.message}


def _wants_reference(chat: Chat) -> bool:
    return mapping(chat.body.get("extra_body")).get("reference") is True


def _session(chat: Chat) -> dict[str, Any]:
    return {"session_id": chat.body["session_id"]} if chat.body.get("session_id") else {}


def _chunks(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": passage.id,
            "content": passage.content,
            "document_id": f"doc-{place}",
            "document_name": passage.title,
            "dataset_id": "kb1",
            "similarity": passage.score,
            "vector_similarity": passage.score,
            "term_similarity": passage.score,
            "url": passage.url or None,
            "positions": [[1, 2, 3, 4, 5]],
        }
        for place, passage in enumerate(answer.context)
    ]
