"""What Zhipu's agents and apps say: OpenAI's envelope, with contents of many shapes inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, count_of, objects_in, usage_of
from .._protocols.base import JSONObject
from .._protocols.openai_compatible import FINISH_REASONS
from ..exceptions import APIError
from ..schema import Step, Usage

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

#: Members of a content that are its text, in this order.
_TEXTS = ("text", "msg", "content")
#: Usage of an app's node → our names.
_COUNTS = ("inputTokenCount", "outputTokenCount", "totalTokenCount")


class RunningError(APIError):
    """No error: a job that was begun, and has not ended yet. The adapter's flow asks for its result."""

    def __init__(self, data: JSONObject) -> None:
        super().__init__("the agent is still at work")
        self.data = data


class ZhipuAppParser(AgentParser):
    """One stream or one body, of an agent or of an app."""

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        self._files: list[Any] = []

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``."""
        text = event.data.strip()
        if not text:
            return ()
        if text == "[DONE]":
            self.finish("stop")
            self.is_done = True
            return ()
        data = self.data_of(event)
        if self._agent.is_error(data):
            raise self.error(data, event)
        return self._told(data, "delta")

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``."""
        if not data.get("choices") and not data.get("messages") and not data.get("async_id"):
            raise self._agent.unreadable(self._chat, "the answer holds no choices", str(data))
        chunks = list(self._told(data, "message"))
        self.finish("stop")
        return chunks

    def _told(self, data: JSONObject, part: str) -> Chunks:
        if data.get("async_id") and not data.get("choices") and not data.get("messages"):
            raise RunningError(data)
        self.know(**{name: data.get(name) for name in ("id", "conversation_id", "request_id")})
        if (created := count_of(data.get("created"))) is not None:
            self._head.setdefault("created", created)
        self.keep(usage=_usage(data.get("usage")))
        chunks = [*self._messages(data.get("messages"))]
        for choice in objects_in(data.get("choices")):
            said = choice.get(part) or choice.get("messages") or choice.get("message")
            chunks += self._messages(said)
            word = choice.get("finish_reason")
            if word:
                self._check(word)
                self.finish(FINISH_REASONS.get(word, "stop"), word)
        return chunks

    def _check(self, word: str) -> None:
        if word == "network_error":
            raise self.error({"error": {"code": "1234", "message": "the vendor broke the answer off (network_error)"}})

    def _messages(self, told: Any) -> list[Any]:
        """Chunks of a message or of several."""
        chunks: list[Any] = []
        for message in objects_in(told if isinstance(told, list) else [told]):
            if isinstance(message.get("event"), dict):
                chunks += self.step(_step(message["event"]))
            chunks += self.say(reasoning=_text(message.get("reasoning_content"), []) or None)
            files: list[Any] = []
            text = _text(message.get("content"), files)
            # A file is told again with every piece of some answers.
            files = [file for file in files if file not in self._files]
            self._files += files
            chunks += self.say(text, files=files) if files else self.say(text)
        return chunks


def _text(content: Any, files: list[Any]) -> str:
    """The text in a content; what is none is put into ``files``."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(_text(part, files) for part in content)
    if not isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False)
    for name in _TEXTS:
        if name in content:
            return _text(content[name], files)
    if content:
        files.append(content)
    return ""


def _step(event: JSONObject) -> Step:
    known = {
        "type": "node",
        "name": event.get("node_name"),
        "id": str(event["node_id"]) if event.get("node_id") else None,
        "output": event.get("content"),
        "status": event.get("type"),
    }
    return Step.build(known, {"time": event["time"]} if event.get("time") is not None else {})


def _usage(told: Any) -> Usage | None:
    """An agent's counts, or the sums of an app's nodes."""
    if isinstance(told, dict):
        return usage_of(told.get("prompt_tokens"), told.get("completion_tokens"), told.get("total_tokens"))
    if not isinstance(told, list) or not told:
        return None
    sums = [[node[name] for node in told if isinstance(node.get(name), int)] for name in _COUNTS]
    return usage_of(*(sum(counts) if counts else None for counts in sums))
