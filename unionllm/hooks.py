"""What hooks are told. A hook is a plain function that takes one event and returns nothing.

::

    client = UnionLLM(provider="deepseek", on_response=lambda event: print(event.usage, event.elapsed))

========================= ============================================================================
argument                  called
========================= ============================================================================
``on_request``            before every try, with a ``RequestEvent``
``on_retry``              when a try has failed and another one follows, with a ``RetryEvent``
``on_response``           once, when the answer is complete: for a stream when it has ended or was left
``on_error``              once, when the call has failed for good, in the middle of a stream too
========================= ============================================================================

Hooks are arguments of ``UnionLLM`` and of every call; a call's own hook takes the place of its client's. They are
called in the thread or task that makes the call, which waits for them: hand longer work to a queue. In async code they
are plain functions too. An exception in a hook is logged, at level ERROR of the logger ``unionllm``, and the call goes
on. Nothing is called for arguments that are refused before anything is sent.

The ``repr`` of an event holds no key, no text of yours and none of the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schema import EmbeddingResponse, ModelResponse, Usage

__all__ = ["CallEvent", "ErrorEvent", "Hooks", "RequestEvent", "ResponseEvent", "RetryEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """What all events tell.

    Args:
        call: a number that all events of one call share, and no other call of this process.
        operation: "chat" or "embeddings".
        provider: who is asked; "" where only LiteLLM knows.
        model: as the call named it.
        stream: whether the answer is streamed.
        attempt: 1 for the first try, 2 for the next one, fallbacks counted on.
        elapsed: seconds since the call began.
        host: host and port that are asked; "" where LiteLLM chooses.
    """

    call: int
    operation: str
    provider: str
    model: str
    stream: bool
    attempt: int
    elapsed: float
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent(CallEvent):
    """A request is about to be sent.

    Args:
        messages: the conversation as it is sent; empty for embeddings. To be read, not to be changed.
        params: the parameters as they are sent; without credentials.
    """

    messages: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryEvent(CallEvent):
    """A try has failed, and another one follows.

    Args:
        error: what it failed with.
        error_type: the class of the error.
        status: HTTP status, where there was an answer.
        request_id: the vendor's id of the failed try, for its support.
        wait: seconds until the next try.
        is_fallback: whether the next of ``fallbacks`` is tried, rather than the same vendor again.
    """

    error: BaseException = field(repr=False)
    error_type: str
    status: int | None = None
    request_id: str | None = None
    wait: float
    is_fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEvent(CallEvent):
    """The answer is here.

    Args:
        request_id: the vendor's id of the call, for its support.
        finish_reason: why the answer ended; None for a stream that was left before its end.
        usage: tokens as the vendor counted them; None where it did not, or where a stream was left.
        time_to_first_chunk: of a stream, seconds from the beginning of the call.
        response: the answer itself, as far as it came; ``response.cost`` is its cost. None for a stream that was
            dropped unread, without being closed.
    """

    request_id: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    time_to_first_chunk: float | None = None
    response: ModelResponse | EmbeddingResponse | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent(CallEvent):
    """The call has failed for good.

    Args:
        error: what the caller gets; None when it was cancelled or interrupted.
        error_type: the class of the error, or "cancelled".
        status: HTTP status, where there was an answer.
        request_id: the vendor's id of the call, for its support.
        time_to_first_chunk: of a stream that failed later, seconds from the beginning of the call.
    """

    error: BaseException | None = field(default=None, repr=False)
    error_type: str
    status: int | None = None
    request_id: str | None = None
    time_to_first_chunk: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """One function for each kind of event, or None."""

    on_request: Callable[[RequestEvent], object] | None = None
    on_response: Callable[[ResponseEvent], object] | None = None
    on_retry: Callable[[RetryEvent], object] | None = None
    on_error: Callable[[ErrorEvent], object] | None = None
