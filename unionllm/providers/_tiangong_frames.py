"""Tiangong's signature and messages, and what its two endpoints answer: JSON lines of the one, cards of the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._framing import Event
from .._protocols.base import JSONObject
from .._protocols.openai_parsing import OpenAIChunkParser
from ..exceptions import ContentPolicyViolationError, InternalServerError
from ..schema import Context, ModelResponseChunk

if TYPE_CHECKING:
    from .._request import ChatRequest

#: ``status`` of an answer that did not come to its end by itself → a word for it.
_ENDINGS = {2: "timeout", 4: "sensitive"}
#: Characters that must have come before a piece which begins with all of them is taken for the text so far.
_SURELY = 8


def sign(app_key: str, app_secret: str, timestamp: str) -> str:
    """The signature of a call made at that time, in Unix seconds."""
    return hashlib.md5(f"{app_key}{app_secret}{timestamp}".encode(), usedforsecurity=False).hexdigest()


class LineParser(OpenAIChunkParser):
    """JSON lines, each with a piece of the reply; nobody knows for sure that it is not the reply so far."""

    framing = "json_lines"
    _said = ""

    def feed(self, event: Event) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        return super().feed(event._replace(data=event.data.removeprefix("data:")))

    def _chunk(self, data: JSONObject) -> Iterable[ModelResponseChunk]:
        for choice in data["choices"]:
            piece = choice["delta"]["content"] or ""
            if len(self._said) >= _SURELY and len(piece) > len(self._said) and piece.startswith(self._said):
                piece = piece[len(self._said) :]
            choice["delta"]["content"] = piece
            self._said += piece
            check_silence(self._chat, choice["finish_reason"], self._said)
        chunks = super()._chunk(data)
        self.is_done = self.has_finished
        return chunks


class CardParser(OpenAIChunkParser):
    """Markdown cards in pieces, cards with what a search found, and one with the whole text once more."""

    _said = False

    def _chunk(self, data: JSONObject) -> Iterable[ModelResponseChunk]:
        messages = [one for card in data.get("arguments") or () for one in card.get("messages") or ()]
        target, kind = data.get("target"), str(data.get("card_type") or "markdown")
        is_last = target in ("finish", "end") or str(data.get("type")) == "2"
        text = ""
        if kind == "search_result":
            found = [_passage(page) for one in messages for page in one.get("sourceAttributions") or ()]
            self._own["context"] = [*self._own.get("context", ()), *found]
        elif kind == "markdown" and not (is_last and self._said):
            text = "".join(one.get("text") or "" for one in messages)
            self._said = self._said or bool(text)
        if not text and not is_last:
            return ()
        choice = {"delta": {"content": text}, "finish_reason": "finished" if is_last else None}
        return super()._chunk({"choices": [choice]})

    def end(self) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        if self.is_done:
            self._finished.setdefault(0, "finished")
        return super().end()


def as_theirs(message: JSONObject) -> JSONObject:
    """A message of role and text; the assistant is called bot."""
    role, content = message["role"], message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content)
    return {"role": "bot" if role == "assistant" else role, "content": content or ""}


def as_openai(raw: JSONObject, part: str) -> JSONObject:
    """A body, or a line, of v4; ``part`` is where its text goes: "message" or "delta"."""
    found = raw.get("resp_data")
    if not isinstance(found, dict):
        return {"choices": []}
    choice = {"index": 0, part: {"role": "assistant", "content": found.get("reply")}, "finish_reason": _word(found)}
    trace = raw.get("trace_id")
    return {"id": trace, "request_id": trace, "choices": [choice], "usage": found.get("usage")}


def _word(found: JSONObject) -> str | None:
    status, reason = found.get("status"), found.get("finish_reason")
    if isinstance(status, int) and status in _ENDINGS:
        return _ENDINGS[status]
    if reason:
        return str(reason)
    return "finished" if status == 3 else None


def check_silence(chat: ChatRequest, word: str | None, said: str) -> None:
    """An end of these kinds with nothing said before it is a failure.

    Raises:
        ContentPolicyViolationError: moderation let nothing through.
        InternalServerError: the vendor ran out of time.
    """
    cls = {"sensitive": ContentPolicyViolationError, "timeout": InternalServerError}.get(word or "")
    if cls is not None and not said:
        why = "moderation refused this text" if word == "sensitive" else "server ran out of time; ask again"
        raise cls(f"{chat.provider}: the vendor's {why}.", provider=chat.provider, model=chat.model, code=word)


def _passage(page: JSONObject) -> Context:
    known = {"content": page.get("snippet") or page.get("content"), "id": page.get("url")}
    return Context(**{**page, **known})
