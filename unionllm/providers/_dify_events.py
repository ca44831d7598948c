"""What Dify says: events of every kind of app, and blocking answers. The kind of an event is a member of its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, as_object, decoded, objects_in, usage_of
from .._protocols.base import JSONObject
from .._protocols.thoughts import ThinkTags
from .._protocols.tidy import text_or_none
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
        self._is_agent = self._has_text = False
        self._outputs: str | None = None
        self._tokens = [0, 0]
        self._found_by_nodes: list[JSONObject] | None = None
        self._kinds: dict[str, Callable[[JSONObject], Chunks]] = {
            "message": self._message,
            "agent_message": self._agent_message,
            "text_chunk": lambda data: self._text_piece(as_object(data.get("data")).get("text")),
            "reasoning_chunk": lambda data: self.say(reasoning=as_object(data.get("data")).get("reasoning")),
            "message_replace": self._replace,
            "message_file": self._file,
            "agent_thought": self._thought,
            "node_finished": lambda data: self._node(as_object(data.get("data"))),
            "message_end": self._message_end,
            "workflow_finished": self._flow_end,
            "human_input_required": self._wait,
            "workflow_paused": self._paused,
        }

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Pings have no data; what gateways add as an end is none of Dify's."""
        if event.data.strip() in ("", "[DONE]", "ping", "null"):
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
        said = self._text_piece(data["answer"])
        return [*said, *self._message_end(data)]

    def end(self) -> Chunks:
        """See ``ChunkParser``. A flow that failed says so, and most often gives the error in an event after that."""
        if self._failure is not None:
            raise self._failure
        if self._moderation and self._ending is not None:
            self._ending = ("content_filter", self._moderation)
        # The outputs are the text of a flow that has told none of it.
        held = self.say_tagged(self._outputs) if not self._has_text and not self._moderation else ()
        return [*held, *super().end()]

    def _know(self, data: JSONObject) -> None:
        self.know(**{name: data.get(name) for name in _IDS}, id=data.get("message_id") or data.get("task_id"))
        self.know(id=data.get("id"))

    def _message(self, data: JSONObject) -> Chunks:
        # The newer kind of agent says all of it once more at its end.
        return () if self._is_agent else self._text_piece(data.get("answer"))

    def _agent_message(self, data: JSONObject) -> Chunks:
        self._is_agent = self._is_agent or bool(data.get("answer"))
        return self._text_piece(data.get("answer"))

    def _text_piece(self, text: Any) -> Chunks:
        text = text_or_none(text)
        self._has_text = self._has_text or bool(text)
        return self.say_tagged(text)

    def _replace(self, data: JSONObject) -> Chunks:
        self._moderation = str(data.get("reason") or "message_replace")
        self._tags = ThinkTags()
        return self.say(replace_content=str(data.get("answer") or ""))

    def _file(self, data: JSONObject) -> Chunks:
        url, is_theirs = data.get("url"), data.get("belongs_to", "assistant") == "assistant"
        if not url or not is_theirs:
            return ()
        if data.get("type", "image") == "image":
            return self.say(f"![image]({url})")
        return self.say(files=[{"type": data["type"], "url": url}])

    def _thought(self, data: JSONObject) -> Chunks:
        known: JSONObject = {"id": text_or_none(data.get("id")), "type": "tool" if data.get("tool") else "thought"}
        if data.get("tool"):
            known.update(name=data["tool"], input=decoded(data.get("tool_input")))
            known["output"] = decoded(data.get("observation"))
            return self.step(Step.build(known, {"thought": data["thought"]} if data.get("thought") else {}))
        return self.step(Step.build({**known, "output": data.get("thought") or None}))

    def _node(self, node: JSONObject) -> Chunks:
        outputs = node.get("outputs")
        holders = (as_object(node.get("process_data")), as_object(outputs))
        told = next((holder["usage"] for holder in holders if holder.get("usage")), node.get("execution_metadata"))
        for place, name in enumerate(("prompt_tokens", "completion_tokens")):
            count = as_object(told).get(name)
            self._tokens[place] += count if isinstance(count, int) else 0
        is_search = node.get("node_type") == "knowledge-retrieval"
        found = as_object(outputs).get("result") if is_search else None
        if isinstance(found, list):
            self._found_by_nodes = [*(self._found_by_nodes or ()), *objects_in(found)]
        known = {
            "type": "retrieval" if is_search else "node",
            "name": node.get("title"),
            "id": text_or_none(node.get("id") or node.get("node_id")),
            "input": node.get("inputs"),
            "output": outputs,
            "status": node.get("status"),
            "elapsed": node.get("elapsed_time"),
        }
        extra = {name: node[name] for name in ("node_id", "node_type", "error") if node.get(name)}
        return self.step(Step.build(known, extra))

    def _message_end(self, data: JSONObject) -> Chunks:
        metadata = as_object(data.get("metadata"))
        spent = dict(as_object(metadata.get("usage")))
        counts = [spent.pop(name, None) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
        cost = {"total_cost": spent.pop("total_price", None), "cost_unit": spent.pop("currency", None)}
        found = metadata.get("retriever_resources")
        self._keep_context(self._found_by_nodes if found is None else objects_in(found))
        self.keep(usage=usage_of(*counts, **{**spent, **cost}))
        self._ending = ("stop", "message_end")
        self.ends_in_silence = True
        return ()

    def _keep_context(self, found: list[JSONObject] | None) -> None:
        self.keep(context=None if found is None else [_context(n, one) for n, one in enumerate(found, 1)])

    def _flow_end(self, data: JSONObject) -> Chunks:
        """The end of a workflow, and of the flow behind a chat, which has told its text before."""
        run = as_object(data.get("data"))
        status = run.get("status")
        if status == "failed":
            told = {"message": run.get("error") or "the flow failed, and does not say why"}
            self._failure = self._agent.error(self._chat, told, reply=self._reply)
            return ()
        if self.has_finished:
            return ()
        outputs = run.get("outputs")
        # A flow behind a chat has an end of its own, perhaps after a moderation that takes its time.
        self.ends_in_silence = "conversation_id" not in self._head
        self._outputs = _text_of(outputs) if isinstance(outputs, dict) else text_or_none(outputs)
        prompt, completion = self._tokens
        has_split = prompt + completion > 0
        self.keep(
            usage=usage_of(prompt if has_split else None, completion if has_split else None, run.get("total_tokens")),
            outputs=as_object(outputs) or None,
            interactive=run if status == "paused" else None,
        )
        self._keep_context(self._found_by_nodes)
        self.finish("stop", text_or_none(status))
        return ()

    def _wait(self, data: JSONObject) -> Chunks:
        self.keep(interactive={**as_object(data.get("data")), "workflow_run_id": data.get("workflow_run_id")})
        return ()

    def _paused(self, data: JSONObject) -> Chunks:
        self.finish("stop", "paused")
        return ()


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
    return Context.build({"id": told.get("position") or told.get("segment_id") or number, **known}, extra)
