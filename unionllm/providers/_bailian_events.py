"""What an application of Bailian says: events and whole answers, which have one shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, as_object, count_of, decoded, objects_in, usage_of
from .._protocols.base import JSONObject
from ..schema import Context, Step

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

_ENDINGS = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class BailianParser(AgentParser):
    """A stream of increments, or a whole answer."""

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        self._told: dict[str, Step] = {}
        #: What nodes of a workflow have said so far.
        self._said_by: dict[str, str] = {}

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Keep-alives have no data."""
        if not event.data.strip():
            return ()
        data = self.data_of(event)
        if event.event == "error" or self._agent.is_error(data):
            raise self.error(data, event)
        chunks = self._output(data)
        word = as_object(data.get("output")).get("finish_reason")
        # It is the word "null" until the end.
        if word not in (None, "", "null"):
            self.finish(_ENDINGS.get(word, "stop"), str(word))
        return chunks

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``."""
        chunks = self._output(data)
        word = data["output"].get("finish_reason")
        self.finish(_ENDINGS.get(word, "stop"), None if word in (None, "", "null") else str(word))
        return chunks

    def _output(self, data: JSONObject) -> Chunks:
        output = as_object(data.get("output"))
        if data.get("request_id"):
            self.know(id=data["request_id"], request_id=data["request_id"])
        self.know(conversation_id=output.get("session_id"))
        self._count(as_object(data.get("usage")))
        chunks = [*self._thoughts(objects_in(output.get("thoughts"))), *self._node(output.get("workflow_message"))]
        found = output.get("doc_references")
        if isinstance(found, list) and (found or self.kept("context") is None):
            self.keep(context=[_context(number, one) for number, one in enumerate(objects_in(found), 1)])
        return [*chunks, *self.say(output.get("text"))]

    def _count(self, usage: JSONObject) -> None:
        """Tokens of all models together; the answer is the first one's."""
        models = objects_in(usage.get("models"))
        if not models:
            return
        if not self._has_begun:
            self.know(model=models[0].get("model_id"))
        counts = [sum(count_of(model.get(name)) or 0 for model in models) for name in ("input_tokens", "output_tokens")]
        self.keep(usage=usage_of(*counts, models=models))

    def _thoughts(self, thoughts: Any) -> Chunks:
        steps = [_step(number, thought) for number, thought in enumerate(thoughts, 1)]
        first = self._told.get("thought-1")
        if steps and first is not None and (first.type, first.name) != (steps[0].type, steps[0].name):
            steps = [_step(number, thought) for number, thought in enumerate(thoughts, len(self._told) + 1)]
        for step in steps:
            # A list may come again with more behind it, or go on where the last one ended.
            if self._told.get(str(step.id)) != step:
                self._told[str(step.id)] = step
                yield from self.step(step)

    def _node(self, message: JSONObject | None) -> Chunks:
        if not isinstance(message, dict):
            return ()
        name = str(message.get("node_id") or "")
        piece = as_object(message.get("message")).get("content")
        if isinstance(piece, str):
            self._said_by[name] = self._said_by.get(name, "") + piece
        known = {
            "type": "node",
            "name": message.get("node_name"),
            "id": name or None,
            "status": message.get("node_status"),
            "output": self._said_by.get(name) or None,
        }
        extra: JSONObject = {
            key: message[key] for key in ("node_type", "node_is_completed", "node_msg_seq_id") if key in message
        }
        return self.step(Step.build(known, extra))


def _step(number: int, thought: JSONObject) -> Step:
    told = {name: value for name, value in thought.items() if value not in (None, "")}
    known: JSONObject = {"id": f"thought-{number}", "type": "thought", "name": told.get("action_name")}
    if told.get("action_type") != "response" and (told.get("action") or told.get("action_name")):
        given = decoded(told.pop("action_input_stream", None))
        known.update(type="tool", name=told.pop("action_name", None) or told["action"])
        known["input"] = told.pop("action_input", given)
        known["output"] = decoded(told.pop("observation", None))
    else:
        known["output"] = told.pop("thought", None) or told.pop("response", None)
    return Step.build(known, told)


def _context(number: int, found: JSONObject) -> Context:
    extra = {name: value for name, value in found.items() if value not in (None, "")}
    known = {
        "id": extra.pop("index_id", number),
        "content": extra.pop("text", None),
        "document_id": extra.pop("doc_id", None),
        "document_name": extra.pop("doc_name", None),
        "url": extra.pop("doc_url", None),
    }
    return Context.build(known, extra)
