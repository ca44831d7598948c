"""What Dify says: blocking answers, and the events of each kind of app."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._exchange import Problem
from .._script import Answer, Tokens


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an app."""

    mode: str
    number: int
    conversation_id: str
    created: int
    answer: Answer
    tokens: Tokens

    @property
    def task_id(self) -> str:
        """What stops it."""
        return f"task-{self.number}"

    @property
    def message_id(self) -> str:
        """What feedback and suggestions are about."""
        return f"message-{self.number}"

    @property
    def said(self) -> tuple[str, ...]:
        """The pieces of the answer; apps without flows tell thoughts in tags, before the text."""
        thought = self.answer.whole_reasoning
        return (f"<think>\n{thought}\n</think>\n", *self.answer.text) if thought else self.answer.text

    def ids(self) -> dict[str, Any]:
        """The members that all events of a chat have."""
        if self.mode == "workflow":
            return {"task_id": self.task_id}
        conversation = {"conversation_id": self.conversation_id} if self.conversation_id else {}
        return {"task_id": self.task_id, "message_id": self.message_id, **conversation, "created_at": self.created}

    def metadata(self) -> dict[str, Any]:
        """Usage with its price, and what was retrieved; a New Agent never tells the latter."""
        tokens = self.tokens
        found: dict[str, Any] = {
            "usage": {
                "prompt_tokens": tokens.prompt,
                "prompt_unit_price": "0.001",
                "prompt_price_unit": "0.001",
                "prompt_price": "0.0000100",
                "completion_tokens": tokens.completion,
                "completion_unit_price": "0.002",
                "completion_price_unit": "0.001",
                "completion_price": "0.0000200",
                "total_tokens": tokens.total,
                "total_price": "0.0000300",
                "currency": "USD",
                "latency": 0.5,
            }
        }
        if self.answer.context and self.mode != "agent":
            found["retriever_resources"] = [
                {
                    "position": place,
                    "dataset_id": "ds1",
                    "dataset_name": "KB",
                    "document_id": f"doc-{place}",
                    "document_name": passage.title,
                    "segment_id": passage.id,
                    "score": passage.score,
                    "content": passage.content,
                }
                for place, passage in enumerate(self.answer.context, 1)
            ]
        return found

    def outputs(self) -> dict[str, Any]:
        """What a workflow ends with: as it was scripted, else its text."""
        return dict(self.answer.extra.get("outputs") or {"text": self.answer.whole_text})


def blocking(run: Run) -> dict[str, Any]:
    """The answer to a call that is not streamed."""
    if run.mode == "workflow":
        return {"task_id": run.task_id, "workflow_run_id": f"run-{run.number}", "data": workflow_data(run)}
    return {
        "event": "message",
        **run.ids(),
        "id": run.message_id,
        "mode": run.mode,
        "answer": run.answer.whole_text if run.mode == "advanced-chat" else "".join(run.said),
        "metadata": run.metadata(),
    }


def workflow_data(run: Run, failure: Problem | None = None) -> dict[str, Any]:
    """A workflow's run, when it is over."""
    return {
        "id": f"run-{run.number}",
        "workflow_id": "workflow-1",
        "status": "failed" if failure else "succeeded",
        "outputs": None if failure else run.outputs(),
        "error": failure.message if failure else None,
        "elapsed_time": 1.0,
        "total_tokens": run.tokens.total,
        "total_steps": 2,
        "created_at": run.created,
        "finished_at": run.created + 1,
    }


def stream(run: Run, failure: Problem | None = None) -> Iterator[bytes]:
    """A stream as this kind of app sends it. With a failure, a flow ends in it after half of its pieces."""
    flow = {"workflow": _workflow, "advanced-chat": _chatflow}.get(run.mode)
    events = list(flow(run, failure) if flow else _chat(run))
    yield event(events[0])
    # A keep-alive without data.
    yield b"event: ping\n\n"
    for one in events[1:]:
        yield event(one)


def _chat(run: Run) -> Iterator[Mapping[str, Any]]:
    """Messages; of agents, thoughts besides, and the newer kind says all of it once more at its end."""
    is_agent = run.mode in ("agent", "agent-chat")
    thoughts = [_thought(run, number, step) for number, step in enumerate(run.answer.extra.get("steps", ()))]
    if run.mode == "agent-chat":
        yield from thoughts
    for piece in run.said or ("",):
        yield _piece(run, "agent_message" if is_agent else "message", piece)
    if "replace" in run.answer.extra:
        replaced = {"answer": run.answer.extra["replace"], "reason": "output_moderation"}
        yield {"event": "message_replace", **run.ids(), **replaced}
    if run.mode == "agent":
        yield from thoughts
        yield _piece(run, "message", "".join(run.said))
    yield _end(run)


def _thought(run: Run, number: int, step: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "thought": step.get("thought", ""),
        "observation": str(step.get("result", "")),
        "tool": step.get("name", ""),
    }
    tool_input = json.dumps(step.get("arguments", {}), ensure_ascii=False)
    head = {"event": "agent_thought", **run.ids(), "id": f"thought-{run.number}-{number}", "position": number + 1}
    return {**head, **told, "tool_input": tool_input, "message_files": []}


def _chatflow(run: Run, failure: Problem | None) -> Iterator[Mapping[str, Any]]:
    """Nodes around the messages; ``message_end`` comes before the flow is finished, or an error after."""
    yield from _nodes(run)
    for piece in run.answer.reasoning:
        yield {"event": "reasoning_chunk", **run.ids(), "data": {"reasoning": piece, "node_id": "llm"}}
    pieces = run.answer.text[: len(run.answer.text) // 2] if failure else run.answer.text
    for piece in pieces:
        yield _piece(run, "message", piece)
    finished = {"event": "workflow_finished", **run.ids(), "workflow_run_id": f"run-{run.number}"}
    if failure:
        yield {**finished, "data": workflow_data(run, failure)}
        yield error(failure)
        return
    yield _end(run)
    yield {**finished, "data": workflow_data(run)}


def _workflow(run: Run, failure: Problem | None) -> Iterator[Mapping[str, Any]]:
    yield from _nodes(run)
    head = {"task_id": run.task_id, "workflow_run_id": f"run-{run.number}"}
    for piece in run.answer.reasoning:
        yield {"event": "reasoning_chunk", **head, "data": {"reasoning": piece, "node_id": "llm"}}
    for piece in run.answer.text:
        yield {"event": "text_chunk", **head, "data": {"text": piece, "from_variable_selector": ["llm", "text"]}}
    yield {"event": "workflow_finished", **head, "data": workflow_data(run, failure)}


def _nodes(run: Run) -> Iterator[Mapping[str, Any]]:
    head = {**run.ids(), "workflow_run_id": f"run-{run.number}"}
    started = {"id": f"run-{run.number}", "workflow_id": "workflow-1", "inputs": {}, "created_at": run.created}
    yield {"event": "workflow_started", **head, "data": started}
    node = {"id": f"node-{run.number}", "node_id": "llm", "node_type": "llm", "title": "LLM", "index": 1}
    yield {"event": "node_started", **head, "data": node}
    tokens = {"total_tokens": run.tokens.total, "total_price": "0.0000300", "currency": "USD"}
    done = {**node, "status": "succeeded", "outputs": {"text": run.answer.whole_text}, "error": None}
    yield {"event": "node_finished", **head, "data": {**done, "elapsed_time": 0.5, "execution_metadata": tokens}}


def _piece(run: Run, name: str, text: str) -> dict[str, Any]:
    return {"event": name, **run.ids(), "answer": text}


def _end(run: Run) -> dict[str, Any]:
    return {"event": "message_end", **run.ids(), "id": run.message_id, "metadata": run.metadata()}


def error(problem: Problem) -> dict[str, Any]:
    """An error as an event: no task any more."""
    told = {"status": problem.status, "code": problem.code, "message": problem.message}
    return {"event": "error", "message_id": "message-0", **told}


def event(data: Mapping[str, Any]) -> bytes:
    """One event: its kind is inside, and what is not ASCII is escaped."""
    return f"data: {json.dumps(data)}\n\n".encode()
