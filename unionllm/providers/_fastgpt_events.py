"""What FastGPT says: OpenAI's chunks under names of events, nodes of the workflow, and whole answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, as_object, decoded, objects_in
from .._protocols.base import JSONObject
from ..schema import Step
from ._fastgpt_nodes import Nodes, contexts, quotes_of

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

#: Endings that are OpenAI's. Tools run on the server, so that there is none for the caller to run.
_ENDINGS = frozenset({"stop", "length", "content_filter"})


class FastGPTParser(AgentParser):
    """A stream of either version, or a whole answer.

    ``[DONE]`` ends the text, not the stream: the first version tells its nodes behind it, the second before. So it is
    read on to the end of the body, or until nothing more comes for a while.
    """

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        self._nodes: list[Any] = []
        self._has_all_nodes = chat.params.get("detail") is False
        self._is_over = False
        #: Id of a tool → its arguments and its result, as far as they have come.
        self._tools: dict[str, tuple[str, str]] = {}
        self.know(conversation_id=chat.params.get("chatId"))
        self._kinds: dict[str, Callable[[Event], Chunks]] = {
            "": self._answer,
            "message": self._answer,
            "answer": self._answer,
            "fastAnswer": self._answer,
            "toolCall": self._tool,
            "toolParams": self._tool,
            "toolResponse": self._tool,
            "flowNodeResponse": self._node,
            "flowResponses": self._all_nodes,
            "interactive": self._wait,
            "updateVariables": self._variables,
        }

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Kinds of events that are not known are passed over."""
        data = event.data.strip()
        if event.event == "error":
            told = decoded(data)
            raise self.error(told if isinstance(told, dict) else {"message": str(told or "")}, event)
        if data == "[DONE]":
            return self._done()
        handle = self._kinds.get(event.event)
        return handle(event) if handle is not None and data else ()

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``. An error of some node stands beside what the others have said."""
        self._know(data)
        nodes = decoded(data.get("responseData"))
        self._nodes, self._has_all_nodes = nodes if isinstance(nodes, list) else [], True
        choice = data["choices"][0]
        message = choice["message"]
        content = message.get("content")
        told = content if isinstance(content, list) else [content]
        items = [item if isinstance(item, dict) else {"text": item} for item in told]
        texts, thoughts = ([said for item in items if (said := _said(item, kind))] for kind in ("text", "reasoning"))
        chunks = [*self.say(reasoning=message.get("reasoning_content") or "\n".join(thoughts))]
        for item in items:
            chunks += self._item(item)
        chunks += self.say_tagged("\n".join(texts))
        if data.get("error"):
            if not texts and not self.kept("interactive") and not Nodes(self._nodes).outputs():
                raise self.error(data)
            self.keep(error=data["error"])
        self.keep(newVariables=data.get("newVariables") or None)
        word = choice.get("finish_reason")
        self.finish(word if word in _ENDINGS else "stop", word)
        return chunks

    def end(self) -> Chunks:
        """See ``ChunkParser``."""
        if not self.has_finished:
            return super().end()
        nodes = Nodes(self._nodes)
        outputs = nodes.outputs()
        self.keep(usage=nodes.usage(), context=nodes.context(), outputs=outputs)
        said = self.say(json.dumps(outputs, ensure_ascii=False)) if outputs and not self.has_said else ()
        return [*said, *super().end()]

    def _know(self, data: JSONObject) -> None:
        self.know(id=data.get("id"))
        if not self._chat.params.get("chatId"):
            self.know(conversation_id=data.get("id"))

    # Events.

    def _answer(self, event: Event) -> Chunks:
        data = self.data_of(event)
        if self._agent.is_error(data):
            raise self.error(data, event)
        self._know(data)
        chunks: list[Any] = []
        for choice in data.get("choices") or ():
            delta, word = choice.get("delta") or {}, choice.get("finish_reason")
            chunks += self.say(reasoning=delta.get("reasoning_content"))
            chunks += self.say_tagged(delta.get("content"))
            if word:
                self.finish(word if word in _ENDINGS else "stop", word)
        return chunks

    def _done(self) -> Chunks:
        self.finish("stop")
        self._is_over = self.ends_in_silence = True
        self.is_done = self._has_all_nodes
        return ()

    def _node(self, event: Event) -> Chunks:
        node = as_object(decoded(event.data))
        if not self._has_all_nodes:
            self._nodes.append(node)
        found = quotes_of(node)
        if found is None:
            return ()
        known = {
            "type": "retrieval",
            "name": node.get("moduleName"),
            "id": str(node.get("id") or node.get("nodeId") or "") or None,
            "output": contexts(found),
            "elapsed": node.get("runningTime"),
        }
        return self.step(Step.build(known))

    def _all_nodes(self, event: Event) -> Chunks:
        told = decoded(event.data)
        self._nodes, self._has_all_nodes = told if isinstance(told, list) else [told], True
        self.is_done = self._is_over
        return ()

    def _tool(self, event: Event) -> Chunks:
        tool = as_object(as_object(decoded(event.data)).get("tool"))
        return () if not tool else self._tool_step(tool, is_new=event.event == "toolCall")

    def _wait(self, event: Event) -> Chunks:
        data = as_object(decoded(event.data))
        self.keep(interactive=as_object(data.get("interactive")) or data or None)
        return ()

    def _variables(self, event: Event) -> Chunks:
        self.keep(newVariables=decoded(event.data) or None)
        return ()

    # Parts of a whole answer.

    def _item(self, item: JSONObject) -> Chunks:
        tools = [*objects_in(item.get("tools")), *objects_in([item.get("tool")])]
        if item.get("interactive"):
            self.keep(interactive=as_object(item["interactive"]) or {"data": item["interactive"]})
        files = self.say(files=[item["file"]]) if item.get("file") else ()
        return [*files, *(chunk for tool in tools for chunk in self._tool_step(tool, is_new=True))]

    def _tool_step(self, tool: JSONObject, *, is_new: bool) -> Chunks:
        """A tool that runs at the platform, as far as it is known. Later events tell its pieces by its id."""
        key = str(tool.get("id") or "")
        before = ("", "") if is_new else self._tools.get(key, ("", ""))
        pieces = [_text(tool.get(name)) for name in ("params", "response")]
        self._tools[key] = given, result = before[0] + pieces[0], before[1] + pieces[1]
        known = {
            "type": "tool",
            "name": tool.get("toolName") or tool.get("functionName"),
            "id": key or None,
            "input": decoded(given),
            "output": decoded(result),
        }
        extra = {name: tool[name] for name in ("functionName", "toolAvatar") if tool.get(name)}
        return self.step(Step.build(known, extra))


def _said(item: JSONObject, kind: str) -> str:
    """The text of an item, if it is one of that kind; it stands in an object of its own, or alone."""
    told = item.get(kind)
    return _text(told.get("content") if isinstance(told, dict) else told)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
