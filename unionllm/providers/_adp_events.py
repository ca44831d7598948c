"""What Tencent's ADP says: typed events of messages, each of which holds contents. The last one is a response's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, as_object, decoded, objects_in, usage_of
from .._protocols.base import JSONObject
from ..schema import Context, Step

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

#: ``ReplyMethod`` of an answer that moderation put in the place of the app's.
_MODERATED = 4
#: Kinds of messages that are steps on the way → the kind of step.
_STEPS = {"tool_call": "tool", "task_execution": "node"}
_REFERS = ("DocRefer", "QaRefer", "WebSearchRefer", "GraphRAGRefer")


class ADPParser(AgentParser):
    """One stream. What a message is, its first event tells; its text may be replaced later."""

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        # The platform says it too, but an error may come first.
        self.know(conversation_id=chat.params.get("conversation_id"))
        self._types: dict[str, str] = {}
        #: Message and content → the text so far.
        self._texts: dict[tuple[str, Any], str] = {}
        self._kinds: dict[str, Callable[[JSONObject], Chunks]] = {
            "request_ack": lambda data: self._record(as_object(data.get("RequestAck"))),
            "response.created": lambda data: self._response(as_object(data.get("Response"))),
            "message.added": self._message_added,
            "content.added": self._content_added,
            "text.delta": self._delta,
            "text.replace": self._replace,
            "reference.added": lambda data: self._refer(as_object(data.get("Reference"))),
            "message.done": lambda data: self._message_done(as_object(data.get("Message"))),
            "response.completed": lambda data: self._completed(as_object(data.get("Response"))),
        }

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Behind the end stands one more event, which says that this was it."""
        if self.is_done or event.data.strip() in ("", "null"):
            return ()
        data = self.data_of(event)
        kind = str(data.get("Type") or event.event)
        if kind == "error" or self._agent.is_error(data):
            raise self.error(data, event)
        handle = self._kinds.get(kind)
        return handle(data) if handle is not None else ()

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``. There are no answers in one piece."""
        raise self._agent.unreadable(self._chat, "the answer is no stream of events", str(data))

    def _record(self, record: JSONObject) -> Chunks:
        self.know(
            conversation_id=record.get("ConversationId"), request_id=as_object(record.get("ExtraInfo")).get("RequestId")
        )
        return ()

    def _response(self, record: JSONObject) -> Chunks:
        self.know(id=record.get("RecordId"), message_id=record.get("RecordId"))
        return self._record(record)

    def _message_added(self, data: JSONObject) -> Chunks:
        message = as_object(data.get("Message"))
        self._types[str(message.get("MessageId"))] = str(message.get("Type"))
        return ()

    def _content_added(self, data: JSONObject) -> Chunks:
        content = data["Content"]
        if content.get("Type") == "image" and self._is_reply(data):
            return self.say(f"![image]({content['Image']['Url']})")
        return self._delta({**data, "Text": content["Text"]}) if content.get("Text") else ()

    def _is_reply(self, data: JSONObject) -> bool:
        return self._types.get(str(data.get("MessageId")), "reply") == "reply"

    def _delta(self, data: JSONObject) -> Chunks:
        place, text = _place(data), str(data.get("Text") or "")
        self._texts[place] = self._texts.get(place, "") + text
        return self._say(place[0], text)

    def _say(self, message: str, text: str) -> Chunks:
        kind = self._types.get(message, "reply")
        if kind == "thought":
            return self.say(reasoning=text)
        return self.say(text) if kind == "reply" else ()

    def _replace(self, data: JSONObject) -> Chunks:
        """A longer text only goes on; another one takes the place of what was said."""
        place, text = _place(data), str(data.get("Text") or "")
        before = self._texts.get(place, "")
        self._texts[place] = text
        if text.startswith(before):
            return self._say(place[0], text[len(before) :])
        if not self._is_reply(data):
            return ()
        replies = (said for (message, _), said in self._texts.items() if self._is_reply({"MessageId": message}))
        return self.say(replace_content="".join(replies))

    def _refer(self, reference: JSONObject) -> Chunks:
        """Only the name of the document is told, not the passage."""
        told: JSONObject = next((reference[name] for name in _REFERS if reference.get(name)), {})
        known = {
            "id": reference.get("Index"),
            "content": reference.get("Name"),
            "document_id": told.get("DocId") or told.get("QaId"),
            "document_name": told.get("DocName"),
            "dataset_id": told.get("KnowledgeId"),
            "dataset_name": told.get("KnowledgeName"),
            "segment_id": told.get("ReferenceId"),
            "url": told.get("Url"),
        }
        found = [*(self.kept("context") or ()), Context.build(known, {"type": reference.get("Type")})]
        self.keep(context=found)
        return self.step(Step.build({"type": "retrieval", "id": "references", "output": list(found)}))

    def _message_done(self, message: JSONObject) -> Chunks:
        number, kind = str(message.get("MessageId")), str(message.get("Type"))
        text = "".join(str(content.get("Text") or "") for content in objects_in(message.get("Contents")))
        if kind in _STEPS:
            elapsed = (message.get("ExtraInfo") or {}).get("Elapsed")
            known = {"type": _STEPS[kind], "id": number, "name": message.get("Name"), "output": decoded(text)}
            known.update(status=message.get("Status"), elapsed=float(elapsed) / 1000 if elapsed else None)
            return self.step(Step.build(known))
        self._types.setdefault(number, kind)
        has_text = any(place == number and said for (place, _), said in self._texts.items())
        return self._delta({"MessageId": number, "Text": text}) if text and not has_text else ()

    def _completed(self, record: JSONObject) -> Chunks:
        self._response(record)
        if record.get("Status") == "failed":
            raise self.error({"Error": {"Message": record.get("StatusDesc") or "the response failed"}})
        told = as_object(record.get("StatInfo"))
        prompt, completion, total = (told.get(f"{name}Tokens") for name in ("Input", "Output", "Total"))
        if total and not prompt and not completion:
            # The sum alone is told.
            prompt = completion = None
        self.keep(usage=usage_of(prompt, completion, total))
        is_moderated = (record.get("ExtraInfo") or {}).get("ReplyMethod") == _MODERATED
        self.finish("content_filter" if is_moderated else "stop", record.get("Status"))
        self.is_done = True
        return ()


def _place(data: JSONObject) -> tuple[str, Any]:
    return str(data.get("MessageId")), data.get("ContentIndex", 0)
