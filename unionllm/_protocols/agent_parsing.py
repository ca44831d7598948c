"""Answers of agent platforms → our schema: the text as it comes, and at the end what was retrieved on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .._framing import Event
from .._wire import HttpReply
from ..exceptions import StreamInterruptedError
from ..schema import Context, Delta, ModelResponseChunk, Step, StreamingChoices, ToolCall, Usage
from .base import JSONObject
from .json_text import load_json
from .openai_parsing import ODD_SHAPES
from .thoughts import ThinkTags
from .tidy import number_or_none, text_or_none, tidy_context, tidy_step

if TYPE_CHECKING:
    from .._request import ChatRequest
    from .agents import Agent

Chunks = Iterable[ModelResponseChunk]


class AgentParser(ABC):
    """The events of one stream, or one whole body.

    A platform's parser reads events in ``read`` and bodies in ``read_whole``. Both give chunks made by ``say`` and
    ``step``, tell what they learn by ``know`` and ``keep``, and call ``finish`` when the answer is complete. All that
    belongs to the end of an answer is put into its last chunk.
    """

    framing = "sse"
    ends_in_silence = False

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        self.is_done = False
        self._agent = agent
        self._chat = chat
        self._reply: HttpReply | None = None
        self._head: JSONObject = {}
        self._late: JSONObject = {}
        self._steps: dict[str, Step] = {}
        self._ending: tuple[str, str | None] | None = None
        self._has_begun = False
        self._said: set[str] = set()
        self._tags = ThinkTags()

    # What a platform's parser does.

    @abstractmethod
    def read(self, event: Event) -> Chunks:
        """What one event tells. Raises the platform's error when the event is one."""

    @abstractmethod
    def read_whole(self, data: JSONObject) -> Chunks:
        """What a body that is no error tells; calls ``finish``."""

    # What it does it with.

    def data_of(self, event: Event) -> JSONObject:
        """The object in an event, or the error for an event that holds none."""
        try:
            data = load_json(event.data)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self._agent.unreadable(self._chat, "an event of the stream is no JSON object", event.data)
        told: JSONObject = without_nulls(data)
        return told

    def know(self, **ids: Any) -> None:
        """Remember ids; they stand on every chunk from now on. Empty ones are passed over, ``id`` counts once."""
        for name, value in ids.items():
            if value not in (None, "") and not (name == "id" and "id" in self._head):
                self._head[name] = str(value)

    def keep(self, **fields: Any) -> None:
        """Remember fields of the last chunk. None is passed over."""
        if fields.get("context"):
            fields["context"] = [tidy_context(one) for one in fields["context"]]
        self._late.update({name: value for name, value in fields.items() if value is not None})

    def kept(self, name: str) -> Any:
        """A field that was remembered; None if there is none."""
        return self._late.get(name)

    def say(
        self,
        content: Any = None,
        *,
        reasoning: Any = None,
        tool_calls: Sequence[ToolCall] | None = None,
        **extra: Any,
    ) -> Chunks:
        """A chunk with something for the message in it; none if there is nothing."""
        known: JSONObject = {}
        content, reasoning = text_or_none(content), text_or_none(reasoning)
        if content:
            known["content"] = content
            self._said.add("content")
        if reasoning:
            known["reasoning_content"] = reasoning
            self._said.add("reasoning")
        if tool_calls:
            known["tool_calls"] = list(tool_calls)
        return (self._chunk(known, extra),) if known or extra else ()

    def say_tagged(self, text: str | None) -> Chunks:
        """The same for a piece of text that may begin with thoughts in ``<think>`` tags."""
        thoughts, answer = self._tags.feed(text or "")
        return self.say(answer, reasoning=thoughts)

    @property
    def has_said(self) -> bool:
        """Whether any text of the answer has been given out."""
        return "content" in self._said

    def step(self, step: Step) -> Chunks:
        """A chunk with a step in it. What is not told of a step told of before stays as it was."""
        old = self._steps.get(step.id) if step.id is not None else None
        step = tidy_step(step)
        if old is not None:
            told = {name: value for name, value in step if value not in (None, "")}
            # What a thought said is no result of the tool that it turned out to be.
            kept = old if old.type == step.type else old.model_copy(update={"output": None})
            step = kept.model_copy(update=told)
        if step.id is not None:
            self._steps[step.id] = step
        return (self._chunk({}, {}, steps=[step]),)

    def retrieved(self, found: list[Context] | None, name: str | None = None) -> Chunks:
        """What was retrieved: for the last chunk, and at once as a step."""
        if found is None:
            return ()
        known = self.kept("context") or []
        self.keep(context=[*known, *found])
        number = sum(step.type == "retrieval" for step in self._steps.values())
        return self.step(
            Step.build({"type": "retrieval", "name": name, "id": f"retrieval-{number + 1}", "output": list(found)})
        )

    def finish(self, reason: str, word: Any = None) -> None:
        """The answer is complete. The first call counts.

        Args:
            reason: OpenAI's finish reason.
            word: the platform's own.
        """
        self._ending = self._ending or (reason, text_or_none(word))

    # What everybody does with it.

    @property
    def has_finished(self) -> bool:
        """See ``ChunkParser``."""
        return self._ending is not None

    def start(self, head: HttpReply) -> None:
        """See ``ChunkParser``."""
        self._reply = head

    def feed(self, event: Event) -> Chunks:
        """See ``ChunkParser``."""
        try:
            return list(self.read(event))
        except ODD_SHAPES:
            pass
        raise self._agent.unreadable(self._chat, "an event of the stream makes no sense", event.data)

    def read_body(self, reply: HttpReply) -> Chunks:
        """See ``ChunkParser``."""
        data = without_nulls(self._agent.read_json(self._chat, reply))
        try:
            chunks = [*self.read_whole(data), *self.end()]
        except ODD_SHAPES:
            chunks = []
        if not chunks:
            text = reply.content.decode("utf-8", "replace")
            raise self._agent.unreadable(self._chat, "the answer makes no sense", text, reply.status)
        self.is_done = True
        return chunks

    def end(self) -> Chunks:
        """See ``ChunkParser``."""
        if self._ending is None:
            raise StreamInterruptedError(
                f"{self._chat.provider}: the stream ended without the platform's end signal, so the answer is not "
                "whole. What had arrived is in .partial; ask again."
            )
        thoughts, answer = self._tags.end()
        adaptations = list(self._chat.adaptations) or None
        held = self.say(answer, reasoning=thoughts)
        return (*held, self._chunk({}, {}, self._ending, **self._late, adaptations=adaptations))

    def error(self, data: Any, event: Event | None = None) -> Exception:
        """The error that an event means, to be raised."""
        return self._agent.error(self._chat, data, reply=self._reply, event=event)

    def _chunk(
        self, known: JSONObject, extra: JSONObject, ending: tuple[str, str | None] | None = None, **fields: Any
    ) -> ModelResponseChunk:
        if not self._has_begun:
            self._begin()
            known = {"role": "assistant", **known}
        choice: JSONObject = {"index": 0, "delta": Delta.build(known, dict(extra))}
        if ending is not None:
            choice.update(finish_reason=ending[0], provider_finish_reason=ending[1])
        declared = ModelResponseChunk.model_fields
        others = {name: value for name, value in fields.items() if name not in declared}
        fields = {name: value for name, value in fields.items() if name in declared}
        return ModelResponseChunk.build({**self._head, "choices": [StreamingChoices.build(choice)], **fields}, others)

    def _begin(self) -> None:
        self._has_begun = True
        chat, told = self._chat, self._agent.request_id(self._reply)
        self._head.setdefault("id", chat.make_id())
        self._head.setdefault("created", int(chat.now))
        self._head.setdefault("model", chat.model)
        self._head.update(provider=chat.provider or None)
        if told:
            self._head.setdefault("request_id", told)


def without_nulls(value: Any) -> Any:
    """A decoded value whose lists hold no nulls: one that slipped in must not cost what stands beside it."""
    if isinstance(value, list):
        return [without_nulls(one) for one in value if one is not None]
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items()}
    return value


def as_object(value: Any) -> JSONObject:
    """The value, if it is an object; else an empty one: an oddity beside the answer must not cost the answer."""
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[JSONObject]:
    """The objects in a list; none if it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def decoded(value: Any) -> Any:
    """The value that a JSON text holds; the text itself if it holds none."""
    if not isinstance(value, str):
        return value
    try:
        return load_json(value, constant=_refuse_constant)
    except ValueError:
        return value or None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def count_of(value: Any) -> int | None:
    """A whole number, also one written as a text or with a point; None for anything else."""
    number = number_or_none(value)
    return int(number) if number is not None and number == int(number) else None


def usage_of(prompt: Any, completion: Any, total: Any = None, /, **extra: Any) -> Usage | None:
    """Token counts as a platform tells them; None if it tells none."""
    counts = [count_of(count) for count in (prompt, completion)]
    whole = count_of(total)
    if whole is None and None not in counts:
        whole = sum(count for count in counts if count is not None)
    told = {name: value for name, value in extra.items() if value is not None}
    if counts == [None, None] and whole is None and not told:
        return None
    if "cost_unit" in told:
        told["cost_unit"] = str(told["cost_unit"])
    return Usage.build({"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": whole}, told)
