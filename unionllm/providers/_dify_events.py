"""What Dify says: events of every kind of app, and blocking answers. The kind of an event is a member of its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, decoded, usage_of
from .._protocols.base import JSONObject
from ..exceptions import APIError
from ..schema import Context, Step

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

_IDS = ("conversation_id", "message_id", "task_id", "workflow_run_id")
#: Outputs of a workflow that are its text, in this order, where there are several.
_TEXTS = ("text", "answer", "result", "output")


class DifyParser(AgentParser):
    """A stream of any kind of app, or a blocking answer.

    Which event comes last depends on the kind: a chatflow goes on after ``message_end``, the others do not. So the end
    of the body is the end, if one of the last events has come before it.
    """

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        self._failure: APIError | None = None
        self._moderation = ""
        self._is_agent = False
        self._tokens = [0, 0]
        self._found_by_nodes: list[JSONObject] | None = None
        self._kinds: dict[str, Callable[[JSONObject], Chunks]] = {
            "message": self._message,
            "agent_message": self._agent_message,
            "text_chunk": lambda data: self.say(data["data"].get("text")),
            "reasoning_chunk": lambda data: self.say(reasoning=data["data"].get("reasoning")),
            "message_replace": self._replace,
            "message_file": self._file,
            "agent_thought": self._thought,
            "node_finished": lambda data: self._node(data["data"]),
            "message_end": self._message_end,
            "workflow_finished": self._flow_end,
            "human_input_required": self._wait,
            "workflow_paused": self._paused,
        }

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Pings have no data; what gateways add as an end is none of Dify's."""
        if not event.data.strip() or event.data.strip() == "[DONE]":
            return ()
        data = self.data_of(event)
        kind = data.get("event")
        if kind == "error":
            raise self.error(data, event)
        self._know(data)
        handle = self._kinds.get(str(kind))
        if handle is None:
            if "event" not in data and self._agent.is_error(data):
                raise self.error(data, event)
            return ()
        return handle(data)

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``."""
        self._know(data)
        if isinstance(data.get("data"), dict):
            return self._flow_end(data)
        said = self.say_tagged(data["answer"])
        return [*said, *self._message_end(data)]

    def end(self) -> Chunks:
        """See ``ChunkParser``. A flow that failed says so, and most often gives the error in an event after that."""
        if self._failure is not None:
            raise self._failure
        return super().end()

    def _know(self, data: JSONObject) -> None:
        self.know(**{name: data.get(name) for name in _IDS}, id=data.get("message_id") or data.get("task_id"))
        self.know(id=data.get("id"))

    def _message(self, data: JSONObject) -> Chunks:
        # The newer kind of agent says all of it once more at its end.
        return () if self._is_agent else self.say_tagged(data.get("answer"))

    def _agent_message(self, data: JSONObject) -> Chunks:
        self._is_agent = self._is_agent or bool(data.get("answer"))
        return self.say_tagged(data.get("answer"))

    def _replace(self, data: JSONObject) -> Chunks:
        self._moderation = str(data.get("reason") or "message_replace")
        return self.say(replace_content=str(data.get("answer") or ""))

    def _file(self, data: JSONObject) -> Chunks:
        url, is_theirs = data.get("url"), data.get("belongs_to", "assistant") == "assistant"
        if not url or not is_theirs:
            return ()
        if data.get("type", "image") == "image":
            return self.say(f"![image]({url})")
        return self.say(files=[{"type": data["type"], "url": url}])

    def _thought(self, data: JSONObject) -> Chunks:
        known: JSONObject = {"id": _text(data.get("id")), "type": "tool" if data.get("tool") else "thought"}
        if data.get("tool"):
            known.update(name=data["tool"], input=decoded(data.get("tool_input")))
            known["output"] = decoded(data.get("observation"))
            return self.step(Step.build(known, {"thought": data["thought"]} if data.get("thought") else {}))
        return self.step(Step.build({**known, "output": data.get("thought") or None}))

    def _node(self, node: JSONObject) -> Chunks:
        meta, outputs = node.get("execution_metadata") or {}, node.get("outputs")
        spent = (node.get("process_data") or {}).get("usage") or (outputs or {}).get("usage") or meta
        for place, name in enumerate(("prompt_tokens", "completion_tokens")):
            count = spent.get(name) if isinstance(spent, dict) else None
            self._tokens[place] += count if isinstance(count, int) else 0
        is_search = node.get("node_type") == "knowledge-retrieval"
        found = (outputs or {}).get("result") if is_search else None
        if isinstance(found, list):
            self._found_by_nodes = [*(self._found_by_nodes or ()), *found]
        known = {
            "type": "retrieval" if is_search else "node",
            "name": node.get("title"),
            "id": _text(node.get("id") or node.get("node_id")),
            "input": node.get("inputs"),
            "output": outputs,
            "status": node.get("status"),
            "elapsed": node.get("elapsed_time"),
        }
        extra = {name: node[name] for name in ("node_id", "node_type", "error") if node.get(name)}
        return self.step(Step.build(known, extra))

    def _message_end(self, data: JSONObject) -> Chunks:
        metadata = data.get("metadata") or {}
        spent = dict(metadata.get("usage") or {})
        counts = [spent.pop(name, None) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
        cost = {"total_cost": spent.pop("total_price", None), "cost_unit": spent.pop("currency", None)}
        found = metadata.get("retriever_resources")
        if found is None:
            found = self._found_by_nodes
        context = [_context(number, one) for number, one in enumerate(found, 1)] if found is not None else None
        self.keep(usage=usage_of(*counts, **cost, **spent), context=context)
        self.finish("content_filter" if self._moderation else "stop", self._moderation or "message_end")
        return ()

    def _flow_end(self, data: JSONObject) -> Chunks:
        """The end of a workflow, and of the flow behind a chat, which has told its text before."""
        run = data["data"]
        status = run.get("status")
        if status == "failed":
            self._failure = self._agent.error(self._chat, {"message": run.get("error")}, reply=self._reply)
            return ()
        if self.has_finished:
            return ()
        outputs = run.get("outputs") or {}
        prompt, completion = self._tokens
        has_split = prompt + completion > 0
        self.keep(
            usage=usage_of(prompt if has_split else None, completion if has_split else None, run.get("total_tokens")),
            outputs=outputs,
        )
        self.finish("stop", _text(status))
        return () if self.has_said else self.say(_text_of(outputs))

    def _wait(self, data: JSONObject) -> Chunks:
        self.keep(interactive={**data.get("data", {}), "workflow_run_id": data.get("workflow_run_id")})
        return ()

    def _paused(self, data: JSONObject) -> Chunks:
        self.finish("stop", "paused")
        return ()


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _text_of(outputs: JSONObject) -> str:
    """A workflow's outputs as text: the only one, the one that is named like a text, or all of them as JSON."""
    texts = {name: value for name, value in outputs.items() if isinstance(value, str)}
    if len(texts) == 1:
        return next(iter(texts.values()))
    named = next((texts[name] for name in _TEXTS if name in texts), None)
    if named is not None or not outputs:
        return named or ""
    return json.dumps(outputs, ensure_ascii=False)


def _context(number: int, found: JSONObject) -> Context:
    # A node tells most of it one level below, under the same names.
    told = {**(found["metadata"] if isinstance(found.get("metadata"), dict) else {}), **found}
    extra = {name: value for name, value in told.items() if value is not None and name != "metadata"}
    known = {name: extra.pop(name, None) for name in ("content", "score")}
    return Context.build({"id": told.get("position") or number, **known}, extra)
