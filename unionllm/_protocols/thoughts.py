"""Thoughts that a vendor does not, or not only, tell in ``reasoning_content``.

They stand before the text in ``<think>`` tags, or in ``reasoning_details``; in streams they come in pieces, or from
their beginning each time.
"""

from __future__ import annotations

from .base import JSONObject

_OPEN, _CLOSE = "<think>", "</think>"

#: White space that is held back at most: models have been seen to write nothing else.
_BLANKS = 1000


class ThinkTags:
    """One answer. Only a block at its very start is one of thoughts; tags further on are part of the text."""

    def __init__(self) -> None:
        self._read = self._before
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """The thoughts and the text that this piece completes; what may be half a tag is held back."""
        self._held += piece
        return self._read()

    @property
    def is_over(self) -> bool:
        """Whether all that may come is text, so that it need not be fed any more."""
        return self._read == self._text and not self._held

    def leave(self) -> None:
        """Take what comes from here on for text, tags and all."""
        if self._read == self._before:
            self._read = self._text

    def end(self) -> tuple[str, str]:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        if self._read == self._inside:
            return held, ""
        return "", "" if self._read == self._behind else held

    def _before(self) -> tuple[str, str]:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._held, self._read = start[len(_OPEN) :], self._opened
            return self._read()
        is_open = _OPEN.startswith(start) and len(self._held) <= _BLANKS
        return ("", "") if is_open else self._go_on()

    def _opened(self) -> tuple[str, str]:
        self._held = self._held.lstrip()
        if not self._held:
            return "", ""
        self._read = self._inside
        return self._read()

    def _inside(self) -> tuple[str, str]:
        thought, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._held, self._read = rest, self._behind
            return thought.rstrip(), self._read()[1]
        whole = len(self._held) - _partial(self._held)
        # Line ends in front of the tag belong to it.
        whole = max(len(self._held[:whole].rstrip()), whole - _BLANKS)
        thought, self._held = self._held[:whole], self._held[whole:]
        return thought, ""

    def _behind(self) -> tuple[str, str]:
        self._held = self._held.lstrip()
        return self._go_on() if self._held else ("", "")

    def _go_on(self) -> tuple[str, str]:
        self._read = self._text
        return self._read()

    def _text(self) -> tuple[str, str]:
        text, self._held = self._held, ""
        return "", text


def _partial(text: str) -> int:
    """How many characters at the end of a text may be the beginning of the closing tag."""
    return next((size for size in range(min(len(text), len(_CLOSE) - 1), 0, -1) if text.endswith(_CLOSE[:size])), 0)


def split_thoughts(text: str) -> tuple[str, str]:
    """The thoughts and the text of a whole answer."""
    tags = ThinkTags()
    (first, text), (rest, end) = tags.feed(text), tags.end()
    return first + rest, text + end


class AnswerSoFar:
    """One answer of a stream, as far as it is known."""

    def __init__(self) -> None:
        self.has_begun = self.has_answered = False
        self._thoughts, self._text, self._tags = Growing(), Growing(), ThinkTags()
        self._thinks_apart = False

    def read(self, raw: JSONObject) -> JSONObject:
        """A delta with what is new in it, thoughts apart from text."""
        if raw.get("role") == "tool":
            return {}  # what a search found; it is no part of the answer
        delta: JSONObject = with_reasoning(raw)
        thought, text = delta.get("reasoning_content"), delta.get("content")
        self.has_answered = self.has_answered or bool(text or delta.get("tool_calls"))
        self.has_begun = self.has_answered or self.has_begun or bool(thought)
        if isinstance(thought, str) and thought:
            self._thinks_apart = True
            delta = {**delta, "reasoning_content": self._thoughts.new(thought)}
            if self._thoughts.repeats and delta.get("reasoning_details"):
                last = delta["reasoning_details"][-1]
                delta["reasoning_details"] = [{**last, "text": delta["reasoning_content"]}]
        if isinstance(text, str) and text:
            # Whoever repeats thoughts repeats text.
            delta = {**delta, "content": self._text.new(text) if self._thoughts.repeats else text}
        return delta if self._thinks_apart else _with_pieces(delta, *self._tags.feed(delta.get("content") or ""))

    def end(self, delta: JSONObject) -> JSONObject:
        """The last delta, with what had been held back."""
        thought, text = self._tags.end()
        return _with_pieces(delta, thought, (delta.get("content") or "") + text) if thought or text else delta


class Growing:
    """Text in pieces, or, as older models send it, from its beginning each time; the second piece tells."""

    def __init__(self) -> None:
        self._whole: str | None = ""
        self.repeats = False

    def new(self, piece: str) -> str:
        """What a piece adds."""
        known = self._whole
        if known and piece.startswith(known) and (self.repeats or len(piece) > len(known)):
            self.repeats, self._whole = True, piece
            return piece[len(known) :]
        self._whole = piece if self.repeats or known == "" else None
        return piece


def _with_pieces(delta: JSONObject, thought: str, text: str) -> JSONObject:
    if thought:
        return {**delta, "reasoning_content": thought, "content": text}
    return {**delta, "content": text} if text or delta.get("content") else delta


def with_reasoning(message: JSONObject) -> JSONObject:
    """A message or delta whose ``reasoning_details`` are its ``reasoning_content`` too."""
    details = message.get("reasoning_details")
    if message.get("reasoning_content") or not isinstance(details, list) or not details:
        return message
    texts = (str(detail.get("text") or "") for detail in details if isinstance(detail, dict))
    return {**message, "reasoning_content": "".join(texts)}


def told_apart(message: JSONObject) -> JSONObject:
    """A whole message with its thoughts in ``reasoning_content``, wherever they stood."""
    message, content = with_reasoning(message), message.get("content")
    if message.get("reasoning_content") or not isinstance(content, str):
        return message
    if _OPEN not in content:
        return message
    thoughts, text = split_thoughts(content)
    return {**message, "reasoning_content": thoughts, "content": text} if text != content else message


def handed_back(message: JSONObject, *, apart: bool) -> JSONObject:
    """An earlier answer, its thoughts as they came: apart from the text, in whole pieces, or before it in tags."""
    details = message.get("reasoning_details")
    if apart:
        return {**message, "reasoning_details": _joined(details)} if isinstance(details, list) else message
    thoughts, content = with_reasoning(message).get("reasoning_content"), message.get("content") or ""
    sent = {name: value for name, value in message.items() if name not in ("reasoning_content", "reasoning_details")}
    if not thoughts or not isinstance(content, str):
        return sent
    return {**sent, "content": f"<think>\n{thoughts}\n</think>\n\n{content}"}


def _joined(details: list[JSONObject]) -> list[JSONObject]:
    joined: list[JSONObject] = []
    for detail in details:
        if joined and {**joined[-1], "text": ""} == {**detail, "text": ""}:
            joined[-1] = {**detail, "text": f"{joined[-1].get('text') or ''}{detail.get('text') or ''}"}
        else:
            joined.append(detail)
    return joined
