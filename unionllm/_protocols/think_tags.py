"""Thoughts that stand in the text itself, as ``<think>…</think>`` before the answer, whole or in pieces of a stream."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Delta, ModelResponseChunk, StreamingChoices
from .base import JSONObject
from .openai_parsing import OpenAIChunkParser

_OPENING, _CLOSING = "<think>", "</think>"


class ThinkTags:
    """Parts the text of one answer, piece by piece. Only a tag at its very beginning is one."""

    def __init__(self) -> None:
        self._held = ""
        self._part = "start"

    def feed(self, text: str) -> tuple[str, str]:
        """What of the answer, and of the thoughts, is certain by now."""
        if self._part == "answer":
            return text, ""
        self._held += text
        thoughts = ""
        if self._part == "start" and not self._begin():
            return "", ""
        if self._part == "thoughts":
            thoughts = self._think()
        if self._part == "gap":
            self._held = self._held.lstrip()
            self._part = "answer" if self._held else "gap"
        if self._part != "answer":
            return "", thoughts
        answer, self._held = self._held, ""
        return answer, thoughts

    def _begin(self) -> bool:
        """Whether it is known by now how the text begins."""
        start = self._held.lstrip()
        if start.startswith(_OPENING):
            self._held = start[len(_OPENING) :].lstrip()
            # Blanks between the tag and the first thought may still come.
            self._part = "thoughts" if self._held else "start"
            self._held = self._held or _OPENING
        elif not _OPENING.startswith(start):
            self._part = "answer"
        return self._part != "start"

    def _think(self) -> str:
        thoughts, tag, answer = self._held.partition(_CLOSING)
        if tag:
            self._held, self._part = answer, "gap"
            return thoughts.rstrip()
        # The end of a piece may be the beginning of the tag, or blanks before it.
        size = max(size for size in range(len(_CLOSING)) if self._held.endswith(_CLOSING[:size]))
        thoughts = self._held[: len(self._held) - size].rstrip()
        self._held = self._held[len(thoughts) :]
        return thoughts

    def end(self) -> tuple[str, str]:
        """What was held back because more could have come."""
        held, self._held = self._held, ""
        if self._part == "thoughts":
            return "", held.rstrip()
        return ("" if held == _OPENING else held), ""


def split_thoughts(message: JSONObject) -> JSONObject:
    """A whole message with the thoughts taken out of its text."""
    content = message.get("content")
    if not isinstance(content, str) or not content.lstrip().startswith(_OPENING):
        return message
    tags = ThinkTags()
    pieces = (tags.feed(content), tags.end())
    answer, thoughts = ("".join(piece[part] for piece in pieces) for part in (0, 1))
    return {**message, "content": answer, "reasoning_content": message.get("reasoning_content") or thoughts}


class TaggedChunkParser(OpenAIChunkParser):
    """The events of one stream, the thoughts taken out of the text as they come."""

    _tags: dict[int, ThinkTags] | None = None

    def _delta(self, index: int, raw: JSONObject) -> Delta | None:
        content = raw.get("content")
        if isinstance(content, str) and content:
            self._tags = self._tags or {}
            answer, thoughts = self._tags.setdefault(index, ThinkTags()).feed(content)
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
            for index, (text, thought) in held.items()
            if text or thought
        ]
        return (ModelResponseChunk.build({**self._head, "choices": choices}), *last) if choices else last
