"""One call as a flow: which backend answers it, how often it is tried, what it falls back to. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ._framing import MAX_EVENT_BYTES
from ._log import logger
from ._wire import Flow, Wait
from .exceptions import APIConnectionError, APIError, UnionLLMError

if TYPE_CHECKING:
    from ._protocols.base import Adapter
    from ._request import ChatRequest
    from ._retry import RetryPolicy
    from ._timeouts import Deadline, Timeouts
    from ._watch import Watch
    from .schema import ModelResponse


class Backend(Protocol):
    """Whatever can answer a call: a native adapter, or the bridge to LiteLLM."""

    def answer(self, chat: ChatRequest, deadline: Deadline) -> Flow[ModelResponse]:  # pyright: ignore[reportReturnType]
        """The whole answer."""

    def stream(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:  # pyright: ignore[reportReturnType]
        """An opened stream of chunks, the first one received."""


class NativeBackend:
    """A vendor adapter behind our own transport."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter

    def answer(self, chat: ChatRequest, deadline: Deadline) -> Flow[ModelResponse]:  # pyright: ignore[reportReturnType]
        """The whole answer."""
        return self._ask(chat, is_stream=False)

    def stream(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:  # pyright: ignore[reportReturnType]
        """An opened stream of chunks, the first one received."""
        return self._ask(chat, is_stream=True)

    def _ask(self, chat: ChatRequest, *, is_stream: bool) -> Flow[Any]:
        """Ask, and once more if the adapter has given up a token that was refused."""
        adapter = self.adapter
        try:
            ready = yield from adapter.make_ready(chat)
            try:
                return (yield from (adapter.stream(ready) if is_stream else adapter.complete(ready)))
            except APIError as error:
                if not adapter.renew(ready, error):
                    raise
            ready = yield from adapter.make_ready(chat)
            return (yield from (adapter.stream(ready) if is_stream else adapter.complete(ready)))
        except APIConnectionError as error:
            self._explain(error, chat)
            raise

    def _explain(self, error: APIConnectionError, chat: ChatRequest) -> None:
        """Have the error say what is known about it, if the vendor's own host cannot be reached."""
        spec = self.adapter.spec
        # Those that may be tried again are those without any connection; later ones have another reason.
        if spec.when_unreachable and error.retryable and spec.region_of(chat.base_url) is not None:
            error.message = f"{error.message} {spec.when_unreachable}"
            error.args = (error.message,)


class Route(NamedTuple):
    """One way to get the call answered."""

    backend: Backend
    chat: ChatRequest
    timeouts: Timeouts
    retries: RetryPolicy
    max_bytes: int = MAX_EVENT_BYTES
    #: Unix time in seconds.
    clock: Callable[[], float] = time.time


def run_call(
    first: Route, deadline: Deadline, watch: Watch | None = None, fallbacks: Sequence[Callable[[], Route]] = ()
) -> Flow[tuple[Route, Any]]:
    """Try the routes in order, each with its retries; give the first that works, with its result.

    Routes after the first are made when they are needed. The last error is the one raised. ``watch`` is told of every
    try.
    """
    # Without fallbacks, as most calls are, there is no flow around the flow of the tries.
    if not fallbacks:
        return _with_retries(first, deadline, watch)
    return _with_fallbacks((lambda: first, *fallbacks), deadline, watch)


def _with_fallbacks(
    routes: Sequence[Callable[[], Route]], deadline: Deadline, watch: Watch | None
) -> Flow[tuple[Route, Any]]:
    earlier: list[str] = []
    for position, make_route in enumerate(routes):
        try:
            route = make_route()
            if position:
                deadline.start_route(route.timeouts)
            return (yield from _with_retries(route, deadline, watch))
        except UnionLLMError as error:
            # A first provider that cannot be asked is a mistake of the caller's; a fallback is passed over.
            if position == len(routes) - 1 or deadline.is_over or not (position or isinstance(error, APIError)):
                _add_earlier(error, earlier)
                raise
            failed = getattr(error, "provider", None) or f"fallback {position}"
            earlier.append(f"{failed}: {type(error).__name__}")
            logger.info("%s failed for good (%s); falling back", failed, type(error).__name__)
            if watch is not None:
                watch.retrying(error, 0.0, is_fallback=True)
    raise AssertionError("a call has at least one route")


def _add_earlier(error: UnionLLMError, earlier: Sequence[str]) -> None:
    if earlier:
        message = f"{error} Before that: {'; '.join(earlier)}."
        error.args = (message,)
        if isinstance(error, APIError):
            error.message = message


def _with_retries(route: Route, deadline: Deadline, watch: Watch | None) -> Flow[tuple[Route, Any]]:
    tries = 0
    while True:
        tries += 1
        # Signatures and dates are of this try, not of the first, which begins when its route has been made.
        chat = route.chat if tries == 1 and route.chat.now else route.chat.changed(now=route.clock())
        deadline.start_attempt(route.timeouts, route.max_bytes)
        if watch is not None:
            watch.sending(chat)
        try:
            backend = route.backend
            flow = backend.stream(chat, deadline) if chat.stream else backend.answer(chat, deadline)
            return route, (yield from flow)
        except APIError as error:
            # The adapter's frames hold what the vendor said in their local variables, and a vendor may echo the key.
            error = error.with_traceback(None)
            label(error, chat)
            seconds = route.retries.wait_before_retry(tries, error)
            left = deadline.left()
            if seconds is None or (left is not None and seconds >= left):
                raise
            logger.info("%s: %s; trying again in %.2f s", chat.provider, type(error).__name__, seconds)
            if watch is not None:
                watch.retrying(error, seconds)
        yield Wait(seconds=seconds)


def label(error: APIError, chat: ChatRequest) -> None:
    """Say which call an error belongs to, where the place that raised it could not know."""
    if error.provider is None:
        error.provider = chat.provider
    if error.model is None:
        error.model = chat.model or None
    if not error.message.startswith(f"{error.provider}"):
        error.message = f"{error.provider}: {error.message}"
        error.args = (error.message,)
