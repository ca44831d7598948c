"""Events of a stream that repeat the one before them but for their text, which is what nearly all events do.

Parsing such an event anew would find the same values once more. What stands around its text is compared instead, as
text, so that the answer is the same at a third of the cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._templates import Repeated
from .json_text import load_json

if TYPE_CHECKING:
    from ..schema import ModelResponseChunk

#: What no text can be told to hold. No vendor says it, and no escape in it is needed.
_MARK = "unionllm\u2063mark"

#: A chunk's choices, and fields that are texts and numbers: nothing that a caller could change in one chunk and find
#: changed in another.
_PLAIN = frozenset({"id", "created", "model", "system_fingerprint", "provider", "request_id", "choices"})

#: Events in a row of which none was like the one before, after which a vendor's events are taken to differ always.
_PATIENCE = 8


class Likeness:
    """Recognizes events like the last one that was parsed.

    Args:
        reads_plainly: whether what the parser makes of an event depends on that event's text in no other way than
            that the text stands in the chunk.
    """

    __slots__ = ("_after", "_alike", "_before", "_end", "_left", "_start")

    def __init__(self, *, reads_plainly: bool) -> None:
        self._before = self._after = ""
        self._start = self._end = 0
        self._alike: Repeated | None = None
        self._left = _PATIENCE if reads_plainly else 0

    def chunk(self, data: str) -> ModelResponseChunk | None:
        """The chunk of an event that is like the last one; None for any other, which is to be parsed and ``learn``t."""
        alike = self._alike
        if alike is None or not data.startswith(self._before) or not data.endswith(self._after):
            return None
        text = data[self._start : self._end]
        if not text.isprintable() or '"' in text or "\\" in text:
            text = _read(text)
        # Empty is also the text of an event that is too short to have both of its ends.
        if not text:
            return None
        self._left = _PATIENCE
        return alike.with_text(text)

    def forget(self) -> None:
        """An event is parsed: whatever it changes, those before it are not what the next one is like."""
        self._alike = None

    def learn(self, data: str, chunk: ModelResponseChunk) -> None:
        """Take note of an event and the chunk that it was parsed into."""
        if not self._left:
            return
        self._left -= 1
        name = _only_text(chunk)
        if name is None:
            return
        text = getattr(chunk.choices[0].delta, name)
        before, quoted, after = data.partition(f'"{text}"')
        if not quoted or not text.isprintable():
            return
        self._before, self._after = f'{before}"', f'"{after}'
        self._start, self._end = len(self._before), -len(self._after)
        # The same characters may stand elsewhere, too: only parsing tells whether these are the text.
        if _text_of(f"{self._before}{_MARK}{self._after}", name) == _MARK:
            self._alike = Repeated(chunk, name)


def _only_text(chunk: ModelResponseChunk) -> str | None:
    """The name of the one field that tells anything new in a chunk; None if there are more, or none."""
    if len(chunk.choices) != 1 or chunk.__pydantic_extra__ or not chunk.__pydantic_fields_set__ <= _PLAIN:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if choice.finish_reason or choice.logprobs is not None or choice.__pydantic_extra__ or delta.__pydantic_extra__:
        return None
    told = [name for name in delta.__pydantic_fields_set__ if getattr(delta, name) is not None]
    return told[0] if len(told) == 1 and told[0] in ("content", "reasoning_content") else None


def _read(text: str) -> str:
    """What stands between the quotes of a JSON string; "" for what is no such text, but ends it, say."""
    try:
        value = load_json(f'"{text}"')
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def _text_of(data: str, name: str) -> object:
    try:
        return load_json(data)["choices"][0]["delta"][name]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
