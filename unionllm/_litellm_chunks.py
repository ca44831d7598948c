"""LiteLLM's chunks → ours, one stream at a time. Pure: imports no LiteLLM, performs no I/O.

The ending is held back until the end has come: what LiteLLM says of it is not always what the vendor said.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from ._litellm_results import (
    COUNTS,
    DETAILS,
    FINISH_REASONS,
    USUAL,
    Sent,
    is_simple,
    message_fields,
    plain,
    request_id_in,
    set_aside,
    told_of,
    usage_of,
    who,
)
from ._protocols.thoughts import ThinkTags
from ._templates import template
from .exceptions import APIResponseError, StreamInterruptedError
from .schema import Delta, ModelResponse, ModelResponseChunk, StreamingChoices, Usage, new_id

#: What a chunk, its choice and its delta say when they bring text and nothing else, as nearly all of a stream do.
_TEXT_CHUNK = frozenset({"id", "object", "created", "model", "choices"})
_TEXT_CHOICE = frozenset({"index", "delta"})
_TEXT_DELTA = frozenset({"content"})
_text_choice = template(StreamingChoices, {"index": 0})
_text_delta = template(Delta, {})


def to_chunk(response: ModelResponse) -> ModelResponseChunk:
    """A whole answer as the only chunk of a stream."""
    told = {name: value for name, value in response if name not in ("object", "choices")}
    choices = [
        StreamingChoices(
            delta=Delta(**told_of(choice.message.model_dump())),
            **{name: value for name, value in choice if name != "message"},
        )
        for choice in response.choices
    ]
    return ModelResponseChunk(choices=choices, **told)


class Watched:
    """LiteLLM's reader of a stream, watched: of several answers LiteLLM tells one ending, and not always whose it was.

    Args:
        reader: gives the vendor's chunks as LiteLLM has parsed them.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = self._steps = reader
        #: The number of each answer that has ended → the vendor's word for how.
        self.ends: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def __iter__(self) -> Iterator[Any]:
        self._steps = iter(self._reader)
        return self

    def __next__(self) -> Any:
        return self._look(next(self._steps))

    def __aiter__(self) -> AsyncIterator[Any]:
        self._steps = aiter(self._reader)
        return self

    async def __anext__(self) -> Any:
        return self._look(await anext(self._steps))

    def _look(self, chunk: Any) -> Any:
        for choice in getattr(chunk, "choices", None) or ():
            if reason := getattr(choice, "finish_reason", None):
                self.ends[choice.index] = str(reason)
        return chunk


class StreamTranslator:
    """LiteLLM's chunks → ours. The last one is held back until the vendor's usage, or the end, is there.

    Args:
        wrapper: LiteLLM's stream object; only read, and watched if there are several answers.
        sent: the call.
    """

    def __init__(self, wrapper: Any, sent: Sent) -> None:
        self._wrapper = wrapper
        self._watched: Watched | None = None
        if sent.answers > 1 and getattr(wrapper, "completion_stream", None) is not None:
            self._watched = wrapper.completion_stream = Watched(wrapper.completion_stream)
        self._sent = sent
        #: What all chunks say; empty before the first one.
        self._head: dict[str, Any] = {}
        self._usage: Any = None
        self._ends: dict[int, StreamingChoices] = {}
        self._late: dict[str, Any] = {}
        self._speakers: set[int] = set()
        self._tags: dict[int, ThinkTags] = {}
        #: Makes chunks that share the head; None until text is known to be only text, which it is for good.
        self._text_chunk: Callable[[dict[str, Any], dict[str, Any]], ModelResponseChunk] | None = None
        #: Whether anything but an ending came.
        self.has_content = False
        #: Whether the ending is known and only held back.
        self.is_finished = False

    def feed(self, chunk: Any) -> ModelResponseChunk | None:
        """What one of LiteLLM's chunks gives the user; None when nothing of it is to be handed out yet."""
        data = _fields(chunk)
        if self._text_chunk is not None and (delta := _text_only(data)) is not None:
            text = _text_choice({"delta": _text_delta(delta, {})}, {})
            return self._text_chunk({"choices": [text]}, {})
        self._usage = data.get("usage") or self._usage
        choices = [choice for given in data.get("choices") or () if (choice := self._split_ending(given))]
        extra = {} if data.keys() <= USUAL else set_aside({n: plain(v) for n, v in data.items() if n not in USUAL})
        if not choices and self.is_finished:
            self._late |= extra
            return None
        if not choices and not extra:
            return None
        head = self._head or self._start(chunk, data)
        self.has_content = True
        if self._text_chunk is None and 0 in self._speakers and self._tags[0].is_over:
            self._text_chunk = template(ModelResponseChunk, self._head)
        # A loop over choices[0] must not fail on a chunk that has nothing but vendor fields.
        known = {**head, "choices": choices or [StreamingChoices.build({"index": 0, "delta": Delta.build({})})]}
        if "system_fingerprint" in data:
            known["system_fingerprint"] = data["system_fingerprint"]
        return ModelResponseChunk.build(known, extra)

    def end(self) -> ModelResponseChunk:
        """The last chunk: finish reasons and usage.

        Raises:
            StreamInterruptedError: the vendor had not finished.
            APIResponseError: nothing came at all.
        """
        self._read_endings()
        if not self.is_finished and self.has_content:
            raise self._interrupted()
        if not self.is_finished or not (self.has_content or any(end.finish_reason for end in self._ends.values())):
            raise self._empty()
        head = self._head or self._start(None, {})
        for index, tags in self._tags.items():
            self._give_back(index, *tags.end())
        for index in self._ends.keys() - self._speakers:
            self._ends[index].delta.role = "assistant"
        choices = [self._ends[index] for index in sorted(self._ends)]
        return ModelResponseChunk.build({**head, "choices": choices, "usage": self._final_usage()}, self._late)

    def _read_endings(self) -> None:
        """Believe what was seen of several answers rather than what LiteLLM made of it."""
        if self._watched is None or not self._watched.ends:
            return
        for index, reason in self._watched.ends.items():
            known = self._ends.get(index)
            self._ends[index] = _ending(index, reason, reason, {} if known is None else known.model_extra or {})
        self.is_finished = self._speakers <= self._watched.ends.keys()

    def _give_back(self, index: int, thought: str, text: str) -> None:
        """What might have been a tag, and at the end of the stream is known to be none."""
        if thought or text:
            made = self._ends.setdefault(index, StreamingChoices.build({"index": index, "delta": Delta.build({})}))
            made.delta.reasoning_content, made.delta.content = thought or None, text or None

    def _split_ending(self, given: Any) -> StreamingChoices | None:
        """The choice without its ending, which is kept for the last chunk; None when nothing else is in it."""
        data = _fields(given)
        finish, index = data.pop("finish_reason", None), data.pop("index", 0)
        delta = message_fields(_fields(data.pop("delta", None) or {}))
        self._part_thoughts(index, delta)
        is_said = bool(delta.get("content")) or any(value not in ("", [], {}) for value in delta.values())
        extra = {name: plain(value) for name, value in data.items()} if data else {}
        if finish is not None:
            self._keep_ending(finish, index, {} if is_said else extra)
        if not is_said and (finish or (index in self._speakers and not extra)):
            return None
        if index not in self._speakers:
            self._speakers.add(index)
            delta["role"] = delta.get("role") or "assistant"
        return StreamingChoices.build({"index": index, "delta": _delta(delta)}, extra)

    def _part_thoughts(self, index: int, delta: dict[str, Any]) -> None:
        """Take ``<think>`` text out of the content: LiteLLM does that in whole answers, but not in streams."""
        tags = self._tags.get(index)
        if tags is None:
            tags = self._tags[index] = ThinkTags()
        if tags.is_over:
            return
        text = delta.get("content")
        if delta.get("reasoning_content"):
            tags.leave()  # thoughts told apart: tags in the text are text
        if text and isinstance(text, str):
            thought, delta["content"] = tags.feed(text)
            if thought:
                delta["reasoning_content"] = thought

    def _keep_ending(self, finish: str, index: int, extra: dict[str, Any]) -> None:
        """LiteLLM ends every stream with a reason, be it an invented "stop": see whether the vendor gave one."""
        said = getattr(self._wrapper, "received_finish_reason", None)
        if self._sent.tells_end and said is None:
            if index:  # LiteLLM remembers, and invents, the end of the first answer only
                self._ends[index] = _ending(index, finish, None, extra)
                return
            raise self._interrupted() if self.has_content else self._empty()
        is_known = said or index or getattr(self._wrapper, "intermittent_finish_reason", None)
        self._ends[index] = _ending(index, finish if is_known else None, None if index else said, extra)
        self.is_finished = True

    def _start(self, chunk: Any, data: dict[str, Any]) -> dict[str, Any]:
        """Settle what all chunks share; give what the first one says."""
        hidden = getattr(chunk, "_hidden_params", None) or {}
        # The chunk itself carries the name that was asked for; the vendor's stands only here.
        model = self._sent.bare_model(hidden.get("provider_response_model") or data.get("model"))
        made = {"id": data.get("id") or new_id(), "created": data.get("created") or int(time.time()), "model": model}
        self._head = {**made, "provider": self._sent.provider}
        first = {"request_id": request_id_in(self._wrapper), "adaptations": list(self._sent.adaptations)}
        return {**self._head, **{name: value for name, value in first.items() if value}}

    def _final_usage(self) -> Usage | None:
        """LiteLLM's sum, if the vendor told any usage at all; otherwise it is an estimate that nobody asked for."""
        told = [usage.model_dump() for usage in self._told_usages()]
        if not told:
            return None
        merged: dict[str, Any] = {}
        for usage in (*told, plain(self._usage or {})):
            merged.update(told_of(usage))
        untold = [name for name in DETAILS if not any(usage.get(name) for usage in told)]
        return usage_of({name: value for name, value in merged.items() if name not in untold})

    def _told_usages(self) -> Iterator[Any]:
        chunks: Iterable[Any] = getattr(self._wrapper, "chunks", None) or ()
        for chunk in chunks:
            usage = getattr(chunk, "usage", None)
            if usage is not None and any(getattr(usage, name, None) for name in COUNTS):
                yield usage

    def _interrupted(self) -> StreamInterruptedError:
        name = self._sent.provider
        message = f"{name}: the stream ended before the answer was complete. Call again, or use .partial."
        return StreamInterruptedError(message, request_id=request_id_in(self._wrapper), **who(self._sent))

    def _empty(self) -> APIResponseError:
        message = f"{self._sent.provider}: the stream ended with nothing in it. Check base_url and the model's name."
        return APIResponseError(message, request_id=request_id_in(self._wrapper), **who(self._sent))


def _delta(data: dict[str, Any]) -> Delta:
    if len(data) == 1 and isinstance(data.get("content"), str):
        return Delta.build(data)  # nearly every chunk of a stream
    if is_simple(data):
        return Delta.build({}, {name: plain(value) for name, value in data.items()})
    return Delta(**{name: plain(value) for name, value in data.items()})


def _ending(index: int, finish: str | None, said: str | None, extra: dict[str, Any]) -> StreamingChoices:
    reason = finish if finish in FINISH_REASONS else None
    word = str(said) if said and said not in FINISH_REASONS else None
    known = {"index": index, "delta": Delta.build({}), "finish_reason": reason, "provider_finish_reason": word}
    return StreamingChoices.build(known, extra)


def _text_only(data: dict[str, Any]) -> dict[str, Any] | None:
    """The delta of a chunk that brings text of the first answer and nothing else; None for any other chunk."""
    if data.keys() != _TEXT_CHUNK or len(data["choices"]) != 1:
        return None
    choice = _fields(data["choices"][0])
    if choice.keys() != _TEXT_CHOICE or choice["index"] != 0:
        return None
    delta = _fields(choice["delta"])
    is_text = delta.keys() == _TEXT_DELTA and isinstance(delta["content"], str) and delta["content"] != ""
    return delta if is_text else None


def _fields(given: Any) -> dict[str, Any]:
    """What one of LiteLLM's objects holds, without its empty fields; what is inside of those is left as it is.

    A chunk has four objects one inside the other: ``model_dump`` of it takes twice as long as all the rest that we do.
    """
    if isinstance(given, dict):
        return told_of(given)
    told, extra = vars(given), getattr(given, "__pydantic_extra__", None)
    if extra:
        told = {**told, **extra} if told else extra
    return {name: value for name, value in told.items() if value is not None}
