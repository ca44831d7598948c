"""OpenAI's chat completion shape, read the way vendors really write it: whole bodies and stream events → our schema.

Read tolerantly: usage may sit in the choice, tool calls may lack an index or carry their arguments as an object, the
role may be repeated, a last event may repeat the whole message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._extras import set_apart
from .._framing import Event
from .._templates import template
from .._wire import HttpReply
from ..exceptions import APIResponseError, StreamInterruptedError
from ..schema import (
    Choices,
    Delta,
    Message,
    ModelResponse,
    ModelResponseChunk,
    StreamingChoices,
    ToolCall,
    Usage,
)
from .base import JSONObject
from .json_text import load_json
from .likeness import Likeness
from .tidy import tidy_context
from .tool_calls import MakeId, ToolCallIndexes, parse_function, parse_tool_call, word_of
from .usage import count_of, first_count

if TYPE_CHECKING:
    from .._request import ChatRequest
    from .openai_compatible import OpenAICompatible

_BODY_FIELDS = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "request_id"})
_OURS = frozenset(
    {
        *("adaptations", "context", "conversation_id", "parsed", "provider", "provider_finish_reason"),
        *("suggestions", "steps", "outputs", "interactive"),
    }
)
_CHOICE_FIELDS = frozenset({"index", "finish_reason", "message", "delta", "logprobs", "usage"})
_MESSAGE_FIELDS = frozenset({"role", "content", "reasoning_content", "reasoning", "tool_calls", "function_call"})
#: Nearly all deltas have no more than these.
_PLAIN = frozenset({"role", "content"})
_OPTIONAL_MESSAGE_FIELDS = ("refusal", "annotations", "audio")

#: What reading raises when a vendor's values have not the types that they should have.
ODD_SHAPES = (AttributeError, IndexError, KeyError, TypeError, ValueError)

_make_chunk = template(ModelResponseChunk, {})
_make_choice = template(StreamingChoices, {})
_make_delta = template(Delta, {})


def _text(value: Any) -> str | None:
    """Content as text: a string, or the text parts of a list."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = (part if isinstance(part, str) else (part or {}).get("text") for part in value)
        return "".join(part for part in parts if isinstance(part, str))
    return json.dumps(value, ensure_ascii=False)


def _reasoning(raw: JSONObject) -> str | None:
    return _text(raw.get("reasoning_content")) or _text(raw.get("reasoning")) or None


def _extra(raw: JSONObject, known: frozenset[str]) -> JSONObject:
    """A vendor's further fields; one that bears the name of a field of ours is kept beside it."""
    if known.issuperset(raw):
        return {}
    return {f"vendor_{name}" if name in _OURS else name: value for name, value in raw.items() if name not in known}


def parse_message(raw: JSONObject, make_id: MakeId) -> Message:
    """The message of a whole answer."""
    calls = raw.get("tool_calls")
    # One vendor sends a single call as an object instead of a list.
    calls = [calls] if isinstance(calls, dict) else calls
    known: JSONObject = {
        "content": _text(raw.get("content")),
        "role": word_of(raw.get("role")) or "assistant",
        "reasoning_content": _reasoning(raw),
        "tool_calls": [parse_tool_call(call, make_id) for call in calls] if calls else None,
        "function_call": parse_function(raw["function_call"]) if raw.get("function_call") else None,
    }
    extra = _extra(raw, _MESSAGE_FIELDS)
    if extra:
        extra = set_apart(extra)
        known.update({name: extra.pop(name) for name in _OPTIONAL_MESSAGE_FIELDS if name in extra})
    return Message.build(known, extra)


def parse_response(dialect: OpenAICompatible, chat: ChatRequest, data: JSONObject) -> ModelResponse:
    """A whole body that is known to be no error."""
    raw_choices = [dialect.adjust_choice(raw) for raw in data.get("choices") or [] if isinstance(raw, dict)]
    choices = []
    for position, raw in enumerate(raw_choices):
        word = word_of(raw.get("finish_reason") or None)
        message = dialect.adjust_message(raw.get("message") or raw.get("delta") or {})
        known = {
            "index": first_count(raw.get("index"), position),
            "message": parse_message(message, chat.make_id),
            "finish_reason": dialect.ending(word, calls=bool(message.get("tool_calls"))),
            "provider_finish_reason": word,
            "logprobs": raw.get("logprobs"),
        }
        choices.append(Choices.build(known, _extra(raw, _CHOICE_FIELDS)))
    usages = (dialect.usage(raw) for raw in (data.get("usage"), *(raw.get("usage") for raw in raw_choices)))
    return ModelResponse.build(
        {
            "id": str(data.get("id") or chat.make_id()),
            "choices": choices,
            "created": count_of(data.get("created")) or int(chat.now),
            "model": str(data.get("model") or chat.model),
            "system_fingerprint": word_of(data.get("system_fingerprint")),
            "usage": next(filter(None, usages), None),
            "adaptations": list(chat.adaptations) or None,
            "request_id": _request_id(data),
            **_own_fields(dialect, data),
        },
        _extra(data, _BODY_FIELDS),
    )


def _own_fields(dialect: OpenAICompatible, data: JSONObject) -> JSONObject:
    fields = dialect.own_fields(data)
    for passage in fields.get("context") or ():
        tidy_context(passage)
    return fields


def _request_id(data: JSONObject) -> str | None:
    given = data.get("request_id")
    return str(given) if given else None


#: Learns nothing, so that all streams can share it.
_NOTHING_ALIKE = Likeness(reads_plainly=False)


class OpenAIChunkParser:
    """The events of one stream.

    The finish reason is held back until usage has come, so that one last chunk carries both; text that came with it is
    given out at once.
    """

    framing = "sse"
    ends_in_silence = False

    __slots__ = (
        *("_calls", "_chat", "_dialect", "_finished", "_head", "_late", "_late_of", "_likeness", "_own", "_reply"),
        *("_started", "_usage", "is_done"),
    )

    def __init__(self, dialect: OpenAICompatible, chat: ChatRequest) -> None:
        self.is_done = False
        self._dialect = dialect
        self._chat = chat
        self._head: JSONObject = {}
        self._finished: dict[int, str] = {}
        self._usage: Usage | None = None
        self._started: set[int] = set()
        self._calls: dict[int, ToolCallIndexes] = {}
        self._late: JSONObject = {}
        self._late_of: dict[int, JSONObject] = {}
        self._own: JSONObject = {}
        self._reply: HttpReply | None = None
        self._likeness = _NOTHING_ALIKE

    def start(self, head: HttpReply) -> None:
        """See ``ChunkParser``."""
        self._reply = head
        # Not before: the fewer objects there are by then, the sooner a thousand calls are on their way.
        if type(self) is OpenAIChunkParser and self._dialect.reads_plainly():
            self._likeness = Likeness(reads_plainly=True)

    @property
    def has_finished(self) -> bool:
        """Whether a finish reason was read."""
        return bool(self._finished) and self._started <= self._finished.keys()

    def feed(self, event: Event) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        alike = self._likeness.chunk(event.data)
        if alike is not None:
            return (alike,)
        self._likeness.forget()
        try:
            return self._read(event)
        except ODD_SHAPES:
            pass
        raise self._dialect.unreadable(self._chat, "an event of the stream makes no sense", event.data)

    def _read(self, event: Event) -> Iterable[ModelResponseChunk]:
        text = event.data.strip()
        if not text:
            return ()
        if text == "[DONE]":
            self.is_done = True
            return ()
        try:
            data = load_json(text)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self._dialect.unreadable(self._chat, "an event of the stream is no JSON object", text)
        if self._dialect.is_error(data):
            raise self._dialect.error(self._chat, data, reply=self._reply, event=event)
        return self._learned(text, self._chunk(self._dialect.openai_shape(data)))

    def _learned(self, text: str, chunks: Iterable[ModelResponseChunk]) -> Iterator[ModelResponseChunk]:
        for chunk in chunks:
            self._likeness.learn(text, chunk)
            yield chunk

    def _chunk(self, data: JSONObject) -> Iterable[ModelResponseChunk]:
        if not self._head:
            self._head = self._first_head(data)
        if data.get("usage"):
            self._usage = self._dialect.usage(data["usage"]) or self._usage
        choices = []
        for raw in data.get("choices") or ():
            choice = self._choice(raw) if isinstance(raw, dict) else None
            if choice is not None:
                choices.append(choice)
        known: JSONObject = {**self._head, "choices": choices}
        extra = _extra(data, _BODY_FIELDS)
        own = _own_fields(self._dialect, data)
        if own:
            self._own.update(own)
            known.update(own)
        if not choices:
            self._late.update(extra)
            return ()
        return (_make_chunk(known, extra),)

    def _first_head(self, data: JSONObject) -> JSONObject:
        chat = self._chat
        return {
            "id": str(data.get("id") or chat.make_id()),
            "created": count_of(data.get("created")) or int(chat.now),
            "model": str(data.get("model") or chat.model),
            "system_fingerprint": word_of(data.get("system_fingerprint")),
            # Also in what is left of a stream that broke off.
            "provider": chat.provider or None,
            "request_id": _request_id(data) or self._dialect.request_id(self._reply),
        }

    def _choice(self, raw: JSONObject) -> StreamingChoices | None:
        raw = self._dialect.adjust_choice(raw)
        index = count_of(raw.get("index")) or 0
        if raw.get("usage"):
            self._usage = self._dialect.usage(raw["usage"]) or self._usage
        word = raw.get("finish_reason")
        if word and word != "null":
            self._finished[index] = str(word)
        delta = raw.get("delta")
        if delta is None and index not in self._started:
            delta = raw.get("message")
        made = self._delta(index, delta or {})
        extra = _extra(raw, _CHOICE_FIELDS)
        if made is None and raw.get("logprobs") is None:
            self._late_of.setdefault(index, {}).update(extra)
            return None
        known = {"index": index, "delta": made or Delta.build({}), "logprobs": raw.get("logprobs")}
        return _make_choice(known, extra)

    def _delta(self, index: int, raw: JSONObject) -> Delta | None:
        raw = self._dialect.adjust_message(raw)
        content = raw.get("content")
        known: JSONObject = {"content": _text(content)} if content else {}
        extra: JSONObject = {}
        if not _PLAIN.issuperset(raw):
            extra = self._further(index, raw, known)
        if index not in self._started and (known or extra or "role" in raw or "content" in raw):
            self._started.add(index)
            known["role"] = word_of(raw.get("role")) or "assistant"
            known.setdefault("content", _text(content))
        return _make_delta(known, extra) if known or extra else None

    def _further(self, index: int, raw: JSONObject, known: JSONObject) -> JSONObject:
        """What a delta holds beside text; fields of ours go to ``known``, the vendor's own are given back."""
        reasoning, calls = _reasoning(raw), raw.get("tool_calls")
        if reasoning:
            known["reasoning_content"] = reasoning
        if calls:
            known["tool_calls"] = self._tool_calls(index, [calls] if isinstance(calls, dict) else calls)
        if raw.get("function_call"):
            known["function_call"] = parse_function(raw["function_call"])
        return {name: value for name, value in raw.items() if name not in _MESSAGE_FIELDS and value is not None}

    def _tool_calls(self, index: int, raw: list[Any]) -> list[ToolCall]:
        indexes = self._calls.get(index)
        if indexes is None:
            indexes = self._calls[index] = ToolCallIndexes()
        return [indexes.piece(call, position, self._chat.make_id) for position, call in enumerate(raw)]

    def read_body(self, reply: HttpReply) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        from .._join import to_chunks

        chunks = to_chunks(self._dialect.to_response(self._chat, reply))
        self.is_done = True
        return chunks

    def end(self) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        dialect, chat = self._dialect, self._chat
        if not self.has_finished and not self.is_done:
            raise StreamInterruptedError(
                f"{chat.provider}: the stream ended without the vendor's end signal, so the answer is not whole. "
                "What had arrived is in .partial; ask again, or continue from there."
            )
        if not self._head:
            raise APIResponseError(f"{chat.provider}: the stream ended without a single chunk. Ask again.")
        for word in self._finished.values():
            dialect.check_finish(chat, word)
        choices = [self._last(index, word) for index, word in sorted(self._finished.items())]
        choices = choices or [StreamingChoices.build({"index": 0, "delta": Delta.build({})})]
        known = {**self._head, "choices": choices, "usage": self._usage, "adaptations": list(chat.adaptations) or None}
        known.update(self._own)
        return (ModelResponseChunk.build(known, self._late),)

    def _last(self, index: int, word: str) -> StreamingChoices:
        # Of an answer without a word, this is the first piece too.
        delta = Delta.build({} if index in self._started else {"role": "assistant"})
        finish = self._dialect.ending(word, calls=index in self._calls)
        known = {"index": index, "delta": delta, "finish_reason": finish, "provider_finish_reason": word}
        return StreamingChoices.build(known, self._late_of.get(index, {}))
