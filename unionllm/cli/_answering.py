"""One question and its answer on the screen; Ctrl-C stops the answer, and what has arrived is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..chat import unionchat
from ._screen import UNKNOWN, cost_of, money

if TYPE_CHECKING:
    from .._stream import Stream
    from ..schema import ModelResponse
    from ._drawing import Writer


@dataclass(slots=True, kw_only=True)
class Whom:
    """Who is asked, and with which parameters."""

    provider: str | None
    model: str | None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Provider and model, as far as they are known."""
        return " · ".join(part for part in (self.provider, self.model) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of a question; ``response`` is as far as it came."""

    response: ModelResponse | None
    was_stopped: bool = False


def ask(whom: Whom, messages: Sequence[Mapping[str, Any]], screen: Writer) -> Answered:
    """Ask, and write the answer while it arrives.

    Raises:
        UnionLLMError: the call failed; what had arrived has been written.
    """
    stream: Stream | None = None
    was_stopped = False
    screen.begin(whom.title)
    try:
        stream = unionchat(whom.model, messages, provider=whom.provider, stream=True, **whom.params)
        with stream:
            _write(stream, screen)
    except KeyboardInterrupt:
        was_stopped = True
    finally:
        screen.end()
    return Answered(response=None if stream is None else stream.response, was_stopped=was_stopped)


def _write(stream: Stream, screen: Writer) -> None:
    for chunk in stream:
        for choice in chunk.choices:
            if choice.index != 0:
                continue
            if choice.delta.reasoning_content:
                screen.reasoning(choice.delta.reasoning_content)
            if choice.delta.content:
                screen.text(choice.delta.content)


def text_of(response: ModelResponse | None) -> str:
    """The text of an answer; "" when it has none."""
    return (response.choices[0].message.content or "") if response is not None and response.choices else ""


def usage_line(response: ModelResponse | None) -> str:
    """``[usage: 3 prompt + 2 completion = 5 tokens]``, with the cost when it is known; "" without counts."""
    usage = response.usage if response is not None else None
    if usage is None:
        return ""
    counts = [
        UNKNOWN if count is None else str(count)
        for count in (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    ]
    cost = cost_of(response)
    told = f", {money(cost)}" if cost is not None else ""
    return f"[usage: {counts[0]} prompt + {counts[1]} completion = {counts[2]} tokens{told}]"


def changes(response: ModelResponse | None) -> list[str]:
    """What was changed in the request because the vendor would refuse it as it was given, a line each."""
    lines = []
    for one in (response.adaptations if response is not None else None) or ():
        became = f" to {one.sent!r}" if one.sent is not None else ""
        reason = f": {one.reason}" if one.reason else ""
        lines.append(f"[{one.parameter} was {one.action}{became}{reason}]")
    return lines
