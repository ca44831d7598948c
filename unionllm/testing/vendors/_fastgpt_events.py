"""What FastGPT says: whole replies with their nodes, and streams with more behind ``[DONE]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._exchange import Problem, encode_json
from .._script import Answer, Tokens


@dataclass(frozen=True, kw_only=True)
class Run:
    """One answered call."""

    answer: Answer
    tokens: Tokens
    #: Whether nodes, events and retrieved passages are told.
    detail: bool
    is_v2: bool
    #: The chat's id, where the server tells it.
    id: str
    created: int
    failure: Problem | None = None

    @property
    def text(self) -> str:
        """What is said, the fast part of it first; nothing where a node has failed."""
        return "" if self.failure else str(self.answer.extra.get("fast_answer", "")) + self.answer.whole_text

    @property
    def ending(self) -> str:
        """Tools run on the server, so that there is none for the caller to run."""
        return "stop" if self.answer.ending == "tool_calls" else self.answer.ending

    def nodes(self) -> list[dict[str, Any]]:
        """What ran: the search, the model, and a plugin's end."""
        answer, found = self.answer, []
        quotes = [
            {
                "id": passage.id,
                "q": passage.content,
                "a": "",
                "datasetId": "ds",
                "collectionId": "col",
                "sourceName": passage.title,
                "sourceId": "s1",
                "chunkIndex": place,
                "score": self._score(passage.score),
            }
            for place, passage in enumerate(answer.context)
        ]
        if quotes:
            node = {"nodeId": "n1", "moduleName": "KB", "moduleType": "datasetSearchNode"}
            found.append({**node, "embeddingTokens": 6, "quoteList": quotes})
        tokens = {"inputTokens": self.tokens.prompt, "outputTokens": self.tokens.completion}
        model = {"nodeId": "n2", "moduleName": "AI", "moduleType": "chatNode", "model": "m", **tokens}
        # The model's node lists the same quotes once more: what it has seen of them.
        found.append({**model, "finishReason": self.ending, **({"quoteList": quotes} if quotes else {})})
        if "outputs" in answer.extra:
            output = {"nodeId": "n3", "moduleName": "output", "moduleType": "pluginOutput"}
            found.append({**output, "pluginOutput": answer.extra["outputs"]})
        return found

    def _score(self, score: float | None) -> Any:
        if self.answer.extra.get("scores") == "number":
            return score
        return [] if score is None else [{"type": "embedding", "value": score, "index": 0}]

    def items(self) -> list[dict[str, Any]]:
        """The content as a list: thoughts, tools that ran, texts, what waits for the user."""
        found: list[dict[str, Any]] = []
        if self.answer.reasoning:
            found.append({"type": "reasoning", "reasoning": {"content": self.answer.whole_reasoning}})
        if steps := tools(self.answer):
            found.append({"type": "tool", "tools": [dict(step) for step in steps]})
        if self.text:
            found.append({"type": "text", "text": {"content": self.text}})
        if "interactive" in self.answer.extra:
            found.append({"type": "interactive", "interactive": self.answer.extra["interactive"]})
        return [{name: item[name] for name in item if name != "type"} for item in found] if self.is_v2 else found


def tools(answer: Answer) -> list[dict[str, Any]]:
    """Tools that ran on the server, as they were scripted."""
    return [
        {
            "id": f"tool-{number}",
            "toolName": step["name"],
            "toolAvatar": "",
            "functionName": step["name"],
            "params": encode_json(step.get("arguments", {})).decode(),
            "response": str(step.get("result", "")),
        }
        for number, step in enumerate(answer.extra.get("steps", ()))
    ]


def whole(run: Run) -> dict[str, Any]:
    """The reply to a call that is not streamed. Its usage is the same whatever it cost."""
    message: dict[str, Any] = {"role": "assistant", "content": run.text}
    items = run.items()
    # One text stands by itself; whatever is more, or something else, is a list.
    if run.detail and [name for item in items for name in item if name != "type"] not in ([], ["text"]):
        message["content"] = items
    elif run.answer.reasoning:
        message["reasoning_content"] = run.answer.whole_reasoning
    body = {
        "id": run.id,
        "model": "",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1},
        "choices": [{"message": message, "finish_reason": run.ending, "index": 0}],
    }
    if not run.detail:
        return body
    error = {"message": run.failure.message} if run.failure else None
    return {"responseData": run.nodes(), "newVariables": {}, "error": error, **body}


def stream(run: Run) -> Iterator[bytes]:
    """A stream, to what comes behind its ``[DONE]``."""
    if run.detail:
        yield event("flowNodeStatus", {"status": "running", "name": "AI"})
        yield from _tool_events(run)
    # A node that fails says so only to those who asked for details.
    if run.failure and run.detail:
        yield encode_error(run.failure)
        return
    if fast := run.answer.extra.get("fast_answer"):
        yield _chunk(run, {"role": "assistant", "content": fast}, name="fastAnswer")
    for piece in run.answer.reasoning:
        yield _chunk(run, {"reasoning_content": piece})
    for piece in () if run.failure else run.answer.text:
        yield _chunk(run, {"content": piece})
    if run.detail and "interactive" in run.answer.extra:
        yield event("interactive", {"interactive": run.answer.extra["interactive"]})
    yield _chunk(run, {"role": "assistant", "content": None}, run.ending)
    yield from _end(run)


def _tool_events(run: Run) -> Iterator[bytes]:
    for step in tools(run.answer):
        yield event("toolCall", {"tool": {**step, "params": "", "response": ""}})
        yield event("toolParams", {"tool": {"id": step["id"], "params": step["params"]}})
        yield event("toolResponse", {"tool": {"id": step["id"], "response": step["response"]}})


def _end(run: Run) -> Iterator[bytes]:
    """V1 tells its nodes when all seems over; V2 node by node before."""
    done = b"event: answer\ndata: [DONE]\n\n" if run.detail else b"data: [DONE]\n\n"
    if not run.detail:
        yield done
    elif run.is_v2:
        for node in run.nodes():
            yield event("flowNodeResponse", node)
        yield event("workflowDuration", {"durationSeconds": 0.5})
        yield done
    else:
        yield done
        yield event("flowResponses", run.nodes())


def _chunk(run: Run, delta: Mapping[str, Any], finish: str | None = None, name: str = "answer") -> bytes:
    """Neither an id, nor a time, nor a model."""
    choices = [{"delta": delta, "index": 0, "finish_reason": finish}]
    data = {"id": run.id if run.is_v2 else "", "object": "", "created": 0, "model": "", "choices": choices}
    return event(name, data) if run.detail else b"data: " + encode_json(data) + b"\n\n"


def event(name: str, data: Any) -> bytes:
    """One event with its name."""
    return f"event: {name}\ndata: ".encode() + encode_json(data) + b"\n\n"


def error_body(problem: Problem) -> dict[str, Any]:
    """A code, the name of the case, and a text."""
    return {"code": problem.code, "statusText": problem.type, "message": problem.message, "data": None}


def encode_error(problem: Problem) -> bytes:
    """The same as an event."""
    return event("error", error_body(problem))
