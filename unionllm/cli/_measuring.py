"""One streamed call, measured: what came, when, and what it cost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..chat import aunionchat
from ..exceptions import APIError, UnionLLMError
from ._screen import cost_of

if TYPE_CHECKING:
    from ..cost import Cost
    from ..schema import ModelResponse, Usage


@dataclass(slots=True, kw_only=True)
class Measured:
    """A call while it runs and after; times in seconds of one clock, None for what has not happened."""

    provider: str | None
    model: str | None
    texts: list[str] = field(default_factory=list)
    started: float | None = None
    first: float | None = None
    ended: float | None = None
    response: ModelResponse | None = None
    error: UnionLLMError | None = None
    was_stopped: bool = False

    @property
    def title(self) -> str:
        """``provider/model``."""
        return "/".join(part for part in (self.provider, self.model) if part)

    @property
    def text(self) -> str:
        """The answer as far as it came."""
        return "".join(self.texts)

    @property
    def seconds(self) -> float | None:
        """From the call to its end."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def seconds_to_first(self) -> float | None:
        """From the call to the first text or reasoning."""
        return None if self.started is None or self.first is None else self.first - self.started

    @property
    def usage(self) -> Usage | None:
        """Token counts."""
        return self.response.usage if self.response is not None else None

    @property
    def tokens_a_second(self) -> float | None:
        """Tokens of the answer over the time from the first one to the end."""
        tokens = self.usage.completion_tokens if self.usage is not None else None
        if not tokens or self.first is None or self.ended is None or self.ended <= self.first:
            return None
        return tokens / (self.ended - self.first)

    @property
    def cost(self) -> Cost | None:
        """What the answer cost."""
        return cost_of(self.response)


def prepare(calls: Sequence[Measured], messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> None:
    """Import what the calls need, which takes up to seconds and would count as the first one's time."""
    # pydantic and the models of answers
    from .. import _finish, _stream, schema  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from .._arguments import arguments
    from .._calling import Call, shared_transports

    shared_transports()
    for call in calls:
        # What is wrong with it is told when the call is made.
        with contextlib.suppress(UnionLLMError):
            Call(arguments(call.model, messages, call.provider, True, params)).start()


async def measure(
    call: Measured, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any], *, keeps_text: bool = True
) -> None:
    """Make the call, and note in it what happens. A cancelled one has ``was_stopped``, and ends without raising.

    Args:
        keeps_text: whether to keep the answer; a thousand calls need not.
    """
    call.started = time.perf_counter()
    try:
        stream = await aunionchat(call.model, messages, provider=call.provider, stream=True, **params)
        try:
            async for chunk in stream:
                for choice in chunk.choices:
                    piece = choice.delta.content or ""
                    if call.first is None and (piece or choice.delta.reasoning_content):
                        call.first = time.perf_counter()
                    if piece and keeps_text and choice.index == 0:
                        call.texts.append(piece)
        finally:
            await stream.aclose()
            call.response = stream.response
    except asyncio.CancelledError:
        call.was_stopped = True
    except UnionLLMError as error:
        call.error = error
        if isinstance(error, APIError) and call.response is None:
            call.response = error.partial
    call.ended = time.perf_counter()
