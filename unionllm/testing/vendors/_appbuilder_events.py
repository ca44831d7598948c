"""What AppBuilder says: pieces of an answer with their content, and the same in one piece."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._exchange import Problem, encode_json
from .._script import Answer, Tokens


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an app."""

    number: int
    conversation_id: str
    answer: Answer
    tokens: Tokens

    def message(self, answer: str, content: list[dict[str, Any]], *, is_completion: bool) -> dict[str, Any]:
        """One piece, or all of it."""
        return {
            "request_id": f"r-{self.number}",
            "date": "2026-11-23T00:00:00Z",
            "answer": answer,
            "conversation_id": self.conversation_id,
            "message_id": f"message-{self.number}",
            "is_completion": is_completion,
            "content": content,
        }


def _item(number: int, kind: str, name: str, status: str, outputs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "event_code": 0,
        "event_message": "",
        "event_type": name,
        "event_id": str(number),
        "event_status": status,
        "content_type": kind,
        "outputs": dict(outputs),
        "usage": None,
        "tool_calls": None,
        **more,
    }


def _usage(tokens: Tokens, name: str, kind: str) -> dict[str, Any]:
    return {**tokens.counts, "name": name, "type": kind}


def _steps(run: Run) -> Iterator[dict[str, Any]]:
    """Components that the app runs itself."""
    for number, step in enumerate(run.answer.extra.get("steps", ()), 101):
        name = str(step.get("name", "component"))
        yield _item(number, "status", name, "preparing", {})
        yield _item(number, "function_call", name, "done", {"text": str(step.get("result", ""))})


def _references(run: Run) -> list[dict[str, Any]]:
    """Sources. Their content is most often a title; a script says what it is."""
    return [
        {
            "id": str(place),
            "from": "knowledge_base",
            "url": passage.url,
            "content": passage.content,
            "segment_id": passage.id,
            "document_id": f"document-{place}",
            "document_name": passage.title,
            "dataset_id": "dataset-1",
            "knowledgebase_id": "kb-1",
        }
        for place, passage in enumerate(run.answer.context, 1)
    ]


def _calls(run: Run) -> dict[str, Any]:
    """The caller's tools, for which the run waits."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.loads(call.arguments)}}
        for call in run.answer.tool_calls
    ]
    usage = _usage(run.tokens, "ERNIE", "chat")
    return _item(1, "function_call", "function_call", "interrupt", {"text": ""}, tool_calls=calls, usage=usage)


def stream(run: Run) -> Iterator[dict[str, Any]]:
    """Pieces; the last one completes the answer. Counts grow, and the last ones count."""
    for step in _steps(run):
        yield run.message("", [step], is_completion=False)
    if run.answer.tool_calls:
        for piece in run.answer.text:
            text = _item(2, "text", "function_call", "running", {"text": piece})
            yield run.message(piece, [text], is_completion=False)
        yield run.message("", [_calls(run)], is_completion=True)
        return
    kind = "rag" if run.answer.context else "text"
    name = "RAGAgent" if run.answer.context else "ChatAgent"
    for piece in run.answer.text:
        so_far = {"prompt_tokens": run.tokens.prompt, "completion_tokens": 0, "total_tokens": run.tokens.prompt}
        usage = {**so_far, "name": "ERNIE", "type": "chat"}
        outputs = {"text": piece, "references": []} if kind == "rag" else {"text": piece}
        yield run.message(piece, [_item(1, kind, name, "running", outputs, usage=usage)], is_completion=False)
    usage = _usage(run.tokens, "ERNIE", "chat")
    last: dict[str, Any] = {"text": "", "references": _references(run)} if kind == "rag" else {"text": ""}
    yield run.message("", [_item(1, kind, name, "done", last, usage=usage)], is_completion=True)


def whole(run: Run) -> dict[str, Any]:
    """The answer to a run that is not streamed: the last state of everything."""
    usage = _usage(run.tokens, "ERNIE", "chat")
    text = run.answer.whole_text
    if run.answer.tool_calls:
        last = _calls(run)
    elif run.answer.context:
        outputs = {"text": text, "references": _references(run)}
        last = _item(1, "rag", "RAGAgent", "done", outputs, usage=usage)
    else:
        last = _item(1, "text", "ChatAgent", "done", {"text": text}, usage=usage)
    done = [step for step in _steps(run) if step["event_status"] == "done"]
    return run.message(text, [*done, last], is_completion=True)


def failure(problem: Problem) -> dict[str, Any]:
    """A piece whose content has failed."""
    failed = _item(1, "text", "ChatAgent", "error", {"text": ""})
    failed |= {"event_code": problem.code, "event_message": problem.message}
    run = Run(number=0, conversation_id="", answer=Answer(), tokens=Tokens(prompt=0, completion=0))
    return run.message("", [failed], is_completion=True)


def event(data: Mapping[str, Any]) -> bytes:
    """One event, without a name; none of them is an end."""
    return b"data: " + encode_json(data) + b"\n\n"
