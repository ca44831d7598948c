"""A call from its arguments to its result: what ``unionchat``, ``unionembed`` and the client share.

Imported by the first call, with all that every call needs: an import inside of a function takes its time each time.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._call import Route, run_call
from ._clients import Transports, shared
from ._finish import Finisher
from ._log import configure
from ._routes import build_route, fallback_args, may_import_litellm, merge_args, read_fallbacks
from ._stream import AsyncStream, Stream
from ._timeouts import Deadline
from ._watch import Watch, watch_of
from ._wire import Environment, Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cost import PriceTable


__all__ = ["Call", "EmbeddingCall", "merge_args", "shared_transports"]


class Call:
    """One call: its arguments → a flow, and the flow's result → what the user gets."""

    #: What OpenTelemetry calls it.
    operation = "chat"

    def __init__(self, given: dict[str, Any]) -> None:
        configure(os.environ)
        self.given = given
        self.http_client = given.get("http_client")
        self.is_stream = bool(given.get("stream"))
        self.watch: Watch | None = None
        self.prices: PriceTable | None = None

    def start(self) -> tuple[Flow[tuple[Route, Any]], Deadline]:
        """The flow of the call, and its limits. Whatever is wrong with the arguments is raised here."""
        if self.given.get("prices") is not None:
            from .cost import own_prices

            self.prices = own_prices(self.given["prices"])
        self.watch = watch_of(self.given, self.operation)
        build, environ = self.route_builder(), Environment(os.environ)
        first = build(self.given, environ)
        fallbacks: list[Callable[[], Route]] = []
        if self.given.get("fallbacks") is not None:
            others = [fallback_args(self.given, fallback) for fallback in read_fallbacks(self.given["fallbacks"])]
            fallbacks = [functools.partial(build, args, environ) for args in others]
        deadline = Deadline(first.timeouts, time.monotonic)
        flow = run_call(first, deadline, self.watch, fallbacks)
        return (flow if self.watch is None else self.watch.follow(flow)), deadline

    def route_builder(self) -> Callable[[Mapping[str, Any], Mapping[str, str]], Route]:
        """What makes a route of arguments and the environment."""
        return build_route

    def finish(self, result: tuple[Route, Any], stream_class: Any) -> Any:
        """The answer, or the stream of it."""
        route, answer = result
        finisher = Finisher(route, self.given.get("response_format"), self.prices)
        if self.watch is not None:
            return self.watch.deliver(answer, finisher, stream_class if self.is_stream else None)
        return stream_class(answer, finisher) if self.is_stream else finisher.response(answer)

    def run(self, transports: Transports) -> Any:
        """Make the call, blocking."""
        flow, deadline = self.start()
        return self.finish(transports.sync(self.http_client).run(flow, deadline), Stream)

    async def arun(self, transports: Transports) -> Any:
        """Make the call in the running event loop."""
        import asyncio

        # Importing LiteLLM takes seconds, in which no other task would run.
        in_thread = may_import_litellm(self.given)
        flow, deadline = await asyncio.to_thread(self.start) if in_thread else self.start()
        transport = transports.kept(self.http_client) or await transports.of_loop(self.http_client)
        return self.finish(await transport.run(flow, deadline), AsyncStream)


class EmbeddingCall(Call):
    """One call for embeddings."""

    operation = "embeddings"

    def route_builder(self) -> Callable[[Mapping[str, Any], Mapping[str, str]], Route]:
        """See ``Call``."""
        from ._embeddings import build_embedding_route

        return build_embedding_route

    def finish(self, result: tuple[Route, Any], stream_class: Any) -> Any:
        """See ``Call``."""
        if self.watch is not None:
            self.watch.answered(result[1])
        return result[1]


#: Gives the connections of all calls without a client.
shared_transports = shared
