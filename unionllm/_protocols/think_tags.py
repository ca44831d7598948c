"""Thoughts that stand in the text itself, as ``<think>…</think>`` before the answer, whole or in pieces of a stream."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Delta, ModelResponseChunk, StreamingChoices
from .base import JSONObject
from .openai_parsing import OpenAIChunkParser
from .thoughts import ThinkTags
from .thoughts import split_thoughts as thoughts_of


def split_thoughts(message: JSONObject) -> JSONObject:
    """A whole message with the thoughts taken out of its text."""
    content = message.get("content")
    if not isinstance(content, str) or not content.lstrip().startswith("<think>"):
        return message
    thoughts, answer = thoughts_of(content)
    return {**message, "content": answer, "reasoning_content": message.get("reasoning_content") or thoughts}


class TaggedChunkParser(OpenAIChunkParser):
    """The events of one stream, the thoughts taken out of the text as they come."""

    _tags: dict[int, ThinkTags] | None = None

    def _delta(self, index: int, raw: JSONObject) -> Delta | None:
        content = raw.get("content")
        if isinstance(content, str) and content:
            self._tags = self._tags or {}
            thoughts, answer = self._tags.setdefault(index, ThinkTags()).feed(content)
            raw = {**raw, "content": answer, **({"reasoning_content": thoughts} if thoughts else {})}
        return super()._delta(index, raw)

    def end(self) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        last = super().end()
        held = {index: tags.end() for index, tags in (self._tags or {}).items()}
        choices = [
            StreamingChoices.build(
                {"index": index, "delta": Delta.build({"content": text or None, "reasoning_content": thought or None})}
            )
            for index, (thought, text) in held.items()
            if text or thought
        ]
        return (ModelResponseChunk.build({**self._head, "choices": choices}), *last) if choices else last
