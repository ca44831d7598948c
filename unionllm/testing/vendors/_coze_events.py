"""What Coze says: chat objects, messages of all types, and the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._exchange import Problem, encode_json
from .._script import Answer, Tokens


@dataclass(kw_only=True)
class Chat:
    """One run of a bot, kept by the server until it is polled."""

    id: str
    conversation_id: str
    bot_id: str
    created: int
    answer: Answer
    tokens: Tokens
    status: str = "in_progress"
    failure: Problem | None = None
    #: How often somebody has asked.
    polled: int = 0
    #: Ids of the calls that the caller has to answer.
    open_calls: list[str] = field(default_factory=list)

    @property
    def polls(self) -> int:
        """How often it says that it is still running."""
        return int(self.answer.extra.get("polls", 0)) - self.polled

    def go_on(self, answer: Answer, tokens: Tokens, failure: Problem | None) -> None:
        """Run once more, now that the caller has handed in what its tools said."""
        self.answer, self.tokens, self.failure = answer, tokens, failure
        self.status, self.polled = "in_progress", 0

    def settle(self) -> None:
        """End the run: failed, waiting for results of tools, or completed."""
        if self.failure is not None:
            self.status = "failed"
        elif self.answer.tool_calls:
            self.status = "requires_action"
            self.open_calls = [call.id for call in self.answer.tool_calls]
        else:
            self.status = "completed"

    def show(self, status: str = "") -> dict[str, Any]:
        """The chat object: usage and end only on one that has ended."""
        status = status or self.status
        failed = self.failure is not None and status == "failed"
        error = {"code": self.failure.code, "msg": self.failure.message} if failed and self.failure else _NO_ERROR
        chat: dict[str, Any] = {
            "id": self.id,
            "conversation_id": self.conversation_id,
            "bot_id": self.bot_id,
            "created_at": self.created,
            "status": status,
            "last_error": error,
        }
        if status == "requires_action":
            chat["required_action"] = {
                "type": "submit_tool_outputs",
                "submit_tool_outputs": {"tool_calls": self._calls()},
            }
        if status != "completed":
            return chat
        usage = {
            "token_count": self.tokens.total,
            "output_count": self.tokens.completion,
            "input_count": self.tokens.prompt,
        }
        return {**chat, "completed_at": self.created + 1, "usage": usage}

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self.answer.tool_calls
        ]

    def message(self, name: str, kind: str, content: str, **more: Any) -> dict[str, Any]:
        """One message of this chat; ``name`` makes its id."""
        head = {"id": f"{self.id}-{name}", "conversation_id": self.conversation_id, "bot_id": self.bot_id}
        told = {"chat_id": self.id, "role": "assistant", "type": kind, "content": content, "content_type": "text"}
        return {**head, **told, **more}


_NO_ERROR = {"code": 0, "msg": ""}


def recall(chat: Chat) -> Iterator[dict[str, Any]]:
    """What was retrieved, in the shape that was scripted: ``verbose`` (the cloud's), ``knowledge``, or ``text``."""
    passages = chat.answer.context
    if not passages:
        return
    shape = chat.answer.extra.get("recall", "verbose")
    if shape == "text":
        slices = "".join(f"---\nrecall slice {n}:{passage.content}\n" for n, passage in enumerate(passages, 1))
        yield chat.message("recall", "knowledge", slices)
        return
    chunks = [
        {
            "slice": passage.content,
            "score": passage.score,
            "meta": {
                "dataset": {"id": "d1", "name": "KB"},
                "document": {"id": passage.id, "name": passage.title},
                "link": {"title": passage.title, "url": passage.url},
            },
        }
        for passage in passages
    ]
    content = {"msg_type": "knowledge_recall", "data": _text({"chunks": chunks})}
    yield chat.message("recall", shape, _text(content))


def steps(chat: Chat) -> Iterator[dict[str, Any]]:
    """Tools that ran on the server, as they were scripted."""
    for number, step in enumerate(chat.answer.extra.get("steps", ())):
        call = {"name": step["name"], "arguments": step.get("arguments", {}), "plugin_id": 1, "api_id": 2}
        yield chat.message(f"call{number}", "function_call", _text(call))
        yield chat.message(f"result{number}", "tool_response", str(step.get("result", "")))


def finish(chat: Chat) -> dict[str, Any]:
    """The verbose message that says that the answer is over."""
    data = {"finish_reason": 0, "FinData": ""}
    return chat.message("finish", "verbose", _text({"msg_type": "generate_answer_finish", "data": _text(data)}))


def suggestions(chat: Chat) -> Iterator[dict[str, Any]]:
    """Questions that the user may ask next."""
    for number, text in enumerate(chat.answer.extra.get("suggestions", ())):
        yield chat.message(f"next{number}", "follow_up", text)


def whole_answer(chat: Chat) -> dict[str, Any]:
    """The answer in one message."""
    thought = {"reasoning_content": chat.answer.whole_reasoning} if chat.answer.reasoning else {}
    return chat.message("answer", "answer", chat.answer.whole_text, **thought)


def listing(chat: Chat) -> list[dict[str, Any]]:
    """All messages of a chat that has ended, in no order to rely on."""
    return [*recall(chat), *steps(chat), finish(chat), whole_answer(chat), *suggestions(chat)]


def beginning(chat: Chat) -> Iterator[bytes]:
    """The events before there is an answer."""
    nothing = {"token_count": 0, "output_count": 0, "input_count": 0}
    yield event("conversation.chat.created", {**chat.show("created"), "usage": nothing})
    yield event("conversation.chat.in_progress", chat.show("in_progress"))
    for message in (*recall(chat), *steps(chat)):
        yield event("conversation.message.completed", message)


def deltas(chat: Chat) -> Iterator[bytes]:
    """The answer piece by piece, thoughts first, and then once more in one piece."""
    yield from said(chat)
    yield event("conversation.message.completed", whole_answer(chat))
    yield event("conversation.message.completed", finish(chat))
    for message in suggestions(chat):
        yield event("conversation.message.completed", message)


def said(chat: Chat) -> Iterator[bytes]:
    """The pieces alone."""
    for piece in chat.answer.reasoning:
        message = chat.message("answer", "answer", "", reasoning_content=piece)
        yield event("conversation.message.delta", message)
    for piece in chat.answer.text:
        yield event("conversation.message.delta", chat.message("answer", "answer", piece))


def stream(chat: Chat, *, is_flow: bool) -> Iterator[bytes]:
    """A stream from its first event to ``done``; a chatflow ends without telling that the chat is completed."""
    yield from beginning(chat)
    place = chat.answer.fault.place if chat.answer.fault else ""
    if chat.failure is not None:
        yield from list(deltas(chat))[: len(chat.answer.text) // 2]
        bare = {"code": chat.failure.code, "msg": chat.failure.message}
        yield event("conversation.chat.failed", bare if place == "failed_bare" else chat.show("failed"))
    elif chat.answer.tool_calls:
        yield from said(chat)
        yield event("conversation.chat.requires_action", chat.show("requires_action"))
    else:
        yield from deltas(chat)
        if not is_flow:
            yield event("conversation.chat.completed", chat.show("completed"))
    yield b'event:done\ndata:{"debug_url":"https://example.com"}\n\n' if is_flow else b'event:done\ndata:"[DONE]"\n\n'


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """One event, without a space behind the colons."""
    return f"event:{name}\ndata:".encode() + encode_json(data) + b"\n\n"


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)
