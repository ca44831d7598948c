"""Our answers and chunks → LiteLLM's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from litellm import ModelResponse as TheirResponse
from litellm import Usage as TheirUsage
from litellm.types.utils import ModelResponseStream

if TYPE_CHECKING:
    from .schema import ModelResponse, ModelResponseChunk, StreamingChoices

#: Fields of a chunk that do not count as something said.
_FRAME = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "provider"})


def to_litellm(response: ModelResponse) -> Any:
    """A whole answer as LiteLLM's class, with all that LiteLLM has no fields for."""
    data = response.model_dump(warnings=False)
    usage = data.pop("usage", None)
    made = TheirResponse(**_told(data))
    if usage is not None:
        made.usage = _usage(usage)
    return made


def _usage(usage: dict[str, Any]) -> Any:
    return TheirUsage(**_told(usage))


def _told(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


class Splitter:
    """The chunks of one stream, rearranged so that LiteLLM hands everything on.

    LiteLLM ends a stream at the first chunk that has a finish reason and no text, and throws away what else that chunk
    holds and whatever comes after it; a chunk with usage is taken apart. So reasons to finish are held back to the
    end, usage goes into a chunk of its own before them, and nothing else into either.

    Args:
        model: the model as LiteLLM names it, which the chunks it makes itself have, too.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._ends: dict[int, StreamingChoices] = {}
        self._last: ModelResponseChunk | None = None
        self._usage: dict[str, Any] | None = None

    def feed(self, chunk: ModelResponseChunk) -> Iterator[Any]:
        """What to hand on for one chunk of ours."""
        self._last = chunk
        data = {**chunk.model_dump(warnings=False), "model": self._model}
        self._usage = data.pop("usage", None) or self._usage
        for choice, given in zip(chunk.choices, data["choices"], strict=True):
            if choice.finish_reason is not None:
                self._ends[choice.index] = choice
                given["finish_reason"] = None
        if _says_something(data):
            if not data["choices"]:
                data["choices"] = [_choice()]
            yield _made(data)

    def end(self) -> Iterator[Any]:
        """What to hand on when the stream has come to its end."""
        if self._last is None:
            return
        frame = {"id": self._last.id, "created": self._last.created, "model": self._model}
        if self._usage is not None:
            yield ModelResponseStream(**frame, choices=[_choice()], usage=_usage(self._usage))
        first, *others = sorted(self._ends) or [0]
        if others:
            # LiteLLM looks at the first choice of a chunk only, and passes the others as they are.
            ends = [_choice(index, self._ends[index].finish_reason) for index in others]
            yield ModelResponseStream(**frame, choices=[_choice(first), *ends])
        if first in self._ends:
            yield ModelResponseStream(**frame, choices=[_choice(first, self._ends[first].finish_reason)])


def _choice(index: int = 0, finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {}, "finish_reason": finish_reason}


def _made(data: dict[str, Any]) -> Any:
    for choice in data["choices"]:
        choice["delta"] = _told(choice["delta"])
    return ModelResponseStream(**_told(data))


def _says_something(data: dict[str, Any]) -> bool:
    deltas = any(any(value is not None for value in choice["delta"].values()) for choice in data["choices"])
    ends = any(value is not None for choice in data["choices"] for name, value in choice.items() if name not in _PLAIN)
    return deltas or ends or any(value is not None for name, value in data.items() if name not in _FRAME)


#: Fields of a choice that say nothing by themselves.
_PLAIN = frozenset({"index", "delta", "finish_reason"})
