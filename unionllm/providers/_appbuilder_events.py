"""What an app of AppBuilder says: the text, and beside it items of content, each a state of something that was done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, as_object, count_of, decoded, objects_in, usage_of
from .._protocols.base import JSONObject
from .._protocols.tool_calls import word_of
from ..schema import Context, Function, Step, ToolCall

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

#: Kinds of content → kinds of steps. Kinds that nobody has told us of are nodes.
_KINDS = {"rag": "retrieval", **dict.fromkeys(("function_call", "code", "image", "audio", "video"), "tool")}
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


class AppBuilderParser(AgentParser):
    """A stream of pieces, or a whole answer: both have one shape."""

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        self._usage: dict[str, JSONObject] = {}
        self._found: dict[str, list[Context]] = {}
        self._told: dict[str, Step] = {}
        self._called: set[str] = set()

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Keep-alives have no data; what gateways add as an end is none of the platform's."""
        if not event.data.strip() or event.data.strip() == "[DONE]":
            return ()
        data = self.data_of(event)
        chunks = list(self._message(data, event))
        if data.get("is_completion"):
            self._end()
        return chunks

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``."""
        chunks = list(self._message({**data, "answer": data["answer"]}))
        self._end()
        return chunks

    def _end(self) -> None:
        counts = [[count_of(usage.get(name)) for usage in self._usage.values()] for name in _COUNTS]
        told = [[one for one in count if one is not None] for count in counts]
        sums = [sum(count) if count else None for count in told]
        if any(count is not None for count in sums):
            self.keep(usage=usage_of(*sums, events=list(self._usage.values())))
        self.finish("tool_calls" if self._called else "stop", "interrupt" if self._called else None)

    def _message(self, data: JSONObject, event: Event | None = None) -> Iterator[Any]:
        if self._agent.is_error(data):
            raise self.error(data, event)
        ids = {name: data.get(name) for name in ("conversation_id", "message_id")}
        self.know(**ids, id=data.get("message_id") or data.get("request_id"))
        if self._agent.request_id(self._reply) is None:
            self.know(request_id=data.get("request_id"))
        # What was done stands before what is said of it.
        for item in objects_in(data.get("content")):
            yield from self._item(data, item, event)
        yield from self.say(data.get("answer"))

    def _item(self, data: JSONObject, item: JSONObject, event: Event | None) -> Iterator[Any]:
        code, status = item.get("event_code"), item.get("event_status")
        if code not in (0, "0", "", None):
            message = item.get("event_message") or f"{item.get('event_type')} failed"
            raise self.error({"code": code, "message": message, "request_id": data.get("request_id")}, event)
        key = str(item.get("event_id") or item.get("event_type") or "")
        outputs = as_object(item.get("outputs"))
        if isinstance(item.get("usage"), dict):
            self._usage[key] = item["usage"]
        if status == "interrupt" and item.get("tool_calls"):
            yield from self._call(item["tool_calls"])
            return
        kind, old = item.get("content_type"), self._told.get(key)
        if kind == "chat_reasoning":
            yield from self.say(reasoning=outputs.get("text"))
        if kind in ("text", "chat_reasoning") or (kind == "status" and old is None):
            # That is the answer itself, or tells nothing.
            return
        if isinstance(outputs.get("references"), list):
            self._search(key, outputs["references"])
        # A status has no outputs: it is about what was told under its id.
        step = self._step(key, item, outputs)
        if kind == "status" and old is not None:
            step = old.model_copy(update={"status": status})
        if old != step:
            self._told[key] = step
            yield from self.step(step)

    def _call(self, calls: list[JSONObject]) -> Chunks:
        """Tools of the caller, for which the run waits."""
        made = []
        for call in calls:
            call_id = str(call["id"])
            if call_id in self._called:
                continue
            given = call["function"].get("arguments")
            text = given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False)
            function = Function.build({"name": word_of(call["function"]["name"]), "arguments": text})
            made.append(
                ToolCall.build({"id": call_id, "type": "function", "function": function, "index": len(self._called)})
            )
            self._called.add(call_id)
        return self.say(tool_calls=made)

    def _search(self, key: str, references: list[Any]) -> None:
        """The references of an event; they may come with each of its states."""
        found = [one for one in references if isinstance(one, dict)]
        if found or key not in self._found:
            self._found[key] = [_context(number, one) for number, one in enumerate(found, 1)]
            self.keep(context=[one for several in self._found.values() for one in several])

    def _step(self, key: str, item: JSONObject, outputs: JSONObject) -> Step:
        kind = item.get("content_type")
        known: JSONObject = {
            "type": _KINDS.get(str(kind), "node"),
            "name": item.get("event_type"),
            "status": item.get("event_status"),
            "id": key or None,
        }
        if kind == "rag":
            known["output"] = self._found.get(key)
        elif kind == "function_call":
            known["output"] = decoded(outputs.get("text")) or (outputs or None)
        else:
            known["output"] = outputs or None
        extra: JSONObject = {"content_type": kind} if kind else {}
        if item.get("tool_calls"):
            # Without an interruption the platform runs them itself.
            extra["calls"] = item["tool_calls"]
        return Step.build(known, extra)


def _context(number: int, found: JSONObject) -> Context:
    extra = {name: value for name, value in found.items() if value not in (None, "")}
    return Context.build({"id": extra.pop("id", number), "content": extra.pop("content", None)}, extra)
