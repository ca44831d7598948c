"""The drivers: they run a flow over the network, one with blocking calls, one in an event loop.

A driver does what each step of the flow says, sends the result back, and throws in the error when the network failed.
Adapters never see it. Requests go straight to pooled connections rather than through an ``httpx.Client``: vendor calls
need no redirects (which would carry the key to another host), cookies or auth flows. A caller's own client is used as
it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ._join import Joiner
from ._lines import network_errors
from ._log import Shown, logger
from ._network import AsyncConnections, Connections, hang_up, translate
from ._opened import AsyncOpened, Opened, agiven, given
from ._own_client import ask_at_every_read, checked, leave, request_for
from ._reader import Body, StreamReader
from ._replies import Reply, aiter_pieces, iter_pieces
from ._timeouts import Deadline
from ._urls import place_of
from ._websocket import Conversation, abegin, begin, refuse_client
from ._wire import Flow, HttpReply, HttpRequest, OpenStream, Perform, Step, Wait, WebSocketRequest
from .exceptions import APIError, APIResponseError, APITimeoutError
from .schema import ModelResponse, ModelResponseChunk

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
AnyReply: TypeAlias = "Reply | httpx.Response"

#: The status of a handshake that made a WebSocket of the connection.
_SWITCHED = 101


def _begin_request(step: HttpRequest, deadline: Deadline) -> None:
    deadline.request_started()
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("-> %s %s %s", step.method, place_of(step.url), Shown(step.content, step.secrets))


def _lower_case(response: AnyReply) -> dict[str, str]:
    headers = response.headers
    return headers if isinstance(headers, dict) else {name.lower(): value for name, value in headers.items()}


def _reply(step: HttpRequest, response: AnyReply, content: bytes) -> HttpReply:
    url = place_of(step.url)
    shown = b"(not shown: it holds a secret)" if step.hides_reply else content
    logger.debug("<- %s %s %s", response.status_code, url, Shown(shown, step.secrets))
    return HttpReply(
        status=response.status_code,
        headers=_lower_case(response),
        content=content,
        url=url,
        received_at=time.time(),
    )


def _first_request(step: OpenStream, client: object, deadline: Deadline) -> tuple[HttpRequest, Conversation | None]:
    """What is sent first to open a stream, and the conversation that this begins if it is a WebSocket's."""
    if not isinstance(step.request, WebSocketRequest):
        return step.request, None
    refuse_client(client)
    deadline.handshake_started()
    conversation = Conversation(step.request, deadline.max_bytes)
    return conversation.handshake, conversation


def _is_refused(response: AnyReply, conversation: Conversation | None) -> bool:
    return response.status_code >= 300 or (conversation is not None and response.status_code != _SWITCHED)


def _reader(step: OpenStream, request: HttpRequest, response: AnyReply, deadline: Deadline) -> StreamReader:
    url, headers = place_of(request.url), _lower_case(response)
    logger.debug("<- %s %s (stream)", response.status_code, url)
    return StreamReader(step.parser, response.status_code, headers, url, deadline.max_bytes)


def _is_read(reader: StreamReader, deadline: Deadline, *, is_reusable: bool) -> bool:
    """Whether there is nothing more to wait for in a stream that may end."""
    if reader.failure is not None:
        return True
    if not reader.is_done:
        if reader.has_finished and reader.ends_in_silence:
            deadline.lingering()
        return False
    # On a connection of ours, the end of the body is awaited for a moment, so that the connection can be used again.
    deadline.draining()
    return not is_reusable or reader.is_overdue


def _broken_stream(error: Exception, deadline: Deadline, reader: StreamReader) -> APIError | None:
    """What a network failure in a stream means; None if the answer was complete all the same."""
    if reader.is_done:
        return None
    failure = translate(error, deadline, reader.url, part="stream")
    if reader.has_finished and (reader.ends_in_silence or not isinstance(failure, APITimeoutError)):
        return None
    return failure


def _joined(joiner: Joiner) -> ModelResponse:
    response = joiner.response()
    if response is None:
        raise APIResponseError("the stream ended without a single chunk.")
    return response


class SyncTransport:
    """Runs flows with blocking calls. Safe to use from many threads.

    Args:
        http_client: the caller's own client, used instead of our connections, and never closed by us.
    """

    def __init__(self, http_client: httpx.Client | None = None) -> None:
        self._client = checked(http_client, "Client", "an httpx.AsyncClient serves async calls")
        self._connections = Connections()

    def run(self, flow: Flow[T], deadline: Deadline) -> T:
        """Do what the flow says until it returns."""
        result: Any = None
        error: APIError | None = None
        try:
            while True:
                try:
                    step = flow.send(result) if error is None else flow.throw(error)
                except StopIteration as stop:
                    value: T = stop.value
                    return value
                result = error = None
                try:
                    result = self._perform(step, deadline)
                except APIError as failed:
                    error = failed
        finally:
            flow.close()  # at once, not when a traceback lets go of it: other calls may be waiting for this one

    def close(self) -> None:
        """Close all connections of our own."""
        self._connections.close()

    def _perform(self, step: Step, deadline: Deadline) -> Any:
        if isinstance(step, Wait):
            return time.sleep(deadline.nap(step.seconds))
        if isinstance(step, Perform):
            return step.call()
        if isinstance(step, HttpRequest):
            response = self._send(step, deadline)
            return _reply(step, response, self._read(step, response, deadline))
        opened = self._open(step, deadline)
        if not step.join:
            return opened
        joiner = Joiner()
        try:
            for chunk in opened:
                joiner.add(chunk)
        except APIError as error:
            error.partial = error.partial or joiner.response()
            raise
        return _joined(joiner)

    def _send(self, step: HttpRequest, deadline: Deadline) -> AnyReply:
        _begin_request(step, deadline)
        try:
            if self._client is None:
                return self._connections.send(step, deadline)
            # The request is in no variable: its URL may be signed, and whoever reports an error may show them.
            response = self._client.send(request_for(step, deadline, self._client), stream=True, follow_redirects=False)
            ask_at_every_read(response, deadline)
            return response
        except network_errors() as error:
            failure = translate(error, deadline, step.url)
        except BaseException as error:  # noqa: BLE001  # it is raised again
            # A cancellation, or Ctrl-C: frames of the HTTP library hold the headers, and so the key, for all to see.
            raise error.with_traceback(None)  # noqa: B904  # the same error
        raise failure

    def _read(self, step: HttpRequest, response: AnyReply, deadline: Deadline) -> bytes:
        body = Body(response.status_code, deadline.max_bytes)
        try:
            for data in iter_pieces(response):
                deadline.body_started()
                if not body.add(data):
                    break
            return body.content()
        except network_errors() as error:
            failure = translate(error, deadline, step.url, part="body")
        finally:
            leave(response)
            response.close()
        raise failure

    def _open(self, step: OpenStream, deadline: Deadline) -> Opened:
        request, conversation = _first_request(step, self._client, deadline)
        response = self._send(request, deadline)
        deadline.handshake_ended()
        reader = _reader(step, request, response, deadline)
        if _is_refused(response, conversation):
            return Opened(response, reader, given(reader.refuse(self._read(request, response, deadline))))
        if conversation is not None and isinstance(response, Reply):
            response = begin(response, conversation, deadline, lambda: reader.is_done)
        return Opened(response, reader, self._chunks(response, reader, deadline))

    def _chunks(
        self, response: AnyReply, reader: StreamReader, deadline: Deadline
    ) -> Generator[ModelResponseChunk, None, None]:
        is_reusable = self._client is None and response.status_code != _SWITCHED
        has_begun = False
        try:
            for data in iter_pieces(response):
                if not has_begun:
                    has_begun = True
                    deadline.body_started()
                yield from reader.feed(data)
                if reader.may_end and _is_read(reader, deadline, is_reusable=is_reusable):
                    break
        except network_errors() as error:
            reader.failure = _broken_stream(error, deadline, reader)
        except APIError as error:
            reader.failure = error.with_traceback(None)
        finally:
            leave(response)
            response.close()
        data = b""  # so that no traceback shows what the vendor sent
        yield from reader.end()
        if reader.failure is not None and not reader.is_given_up:
            raise reader.failure


class AsyncTransport:
    """Runs flows in one event loop.

    Args:
        http_client: the caller's own client, used instead of our connections, and never closed by us.
    """

    def __init__(self, http_client: httpx.AsyncClient | None = None) -> None:
        self._client = checked(http_client, "AsyncClient", "an httpx.Client serves sync calls")
        self._connections = AsyncConnections()

    async def run(self, flow: Flow[T], deadline: Deadline) -> T:
        """Do what the flow says until it returns."""
        result: Any = None
        error: APIError | None = None
        try:
            while True:
                try:
                    step = flow.send(result) if error is None else flow.throw(error)
                except StopIteration as stop:
                    value: T = stop.value
                    return value
                result = error = None
                try:
                    result = await self._perform(step, deadline)
                except APIError as failed:
                    error = failed
        finally:
            flow.close()  # at once, not when a traceback lets go of it: other calls may be waiting for this one

    async def close(self) -> None:
        """Close all connections of our own."""
        await self._connections.close()

    def _perform(self, step: Step, deadline: Deadline) -> Awaitable[Any]:
        if isinstance(step, OpenStream):
            return self._join(step, deadline) if step.join else self._open(step, deadline)
        if isinstance(step, HttpRequest):
            return self._exchange(step, deadline)
        import asyncio  # which runs already

        if isinstance(step, Wait):
            return asyncio.sleep(deadline.nap(step.seconds))
        return step.acall() if step.acall is not None else asyncio.to_thread(step.call)

    async def _exchange(self, step: HttpRequest, deadline: Deadline) -> HttpReply:
        response = await self._send(step, deadline)
        return _reply(step, response, await self._read(step, response, deadline))

    async def _join(self, step: OpenStream, deadline: Deadline) -> ModelResponse:
        opened = await self._open(step, deadline)
        joiner = Joiner()
        try:
            async for chunk in opened:
                joiner.add(chunk)
        except APIError as error:
            error.partial = error.partial or joiner.response()
            raise
        return _joined(joiner)

    async def _send(self, step: HttpRequest, deadline: Deadline, *, is_handshake: bool = False) -> AnyReply:
        _begin_request(step, deadline)
        try:
            if self._client is None:
                return await self._connections.send(step, deadline, is_handshake=is_handshake)
            # The request is in no variable: its URL may be signed, and whoever reports an error may show them.
            response = await self._client.send(
                request_for(step, deadline, self._client), stream=True, follow_redirects=False
            )
            ask_at_every_read(response, deadline)
            return response
        except network_errors() as error:
            failure = translate(error, deadline, step.url)
        except BaseException as error:  # noqa: BLE001  # it is raised again
            # A cancellation, or Ctrl-C: frames of the HTTP library hold the headers, and so the key, for all to see.
            raise error.with_traceback(None)  # noqa: B904  # the same error
        raise failure

    async def _read(self, step: HttpRequest, response: AnyReply, deadline: Deadline) -> bytes:
        body = Body(response.status_code, deadline.max_bytes)
        try:
            async for data in aiter_pieces(response):
                deadline.body_started()
                if not body.add(data):
                    break
            return body.content()
        except network_errors() as error:
            failure = translate(error, deadline, step.url, part="body")
        finally:
            leave(response)
            await response.aclose()
        raise failure

    async def _open(self, step: OpenStream, deadline: Deadline) -> AsyncOpened:
        request, conversation = _first_request(step, self._client, deadline)
        response = await self._send(request, deadline, is_handshake=conversation is not None)
        deadline.handshake_ended()
        reader = _reader(step, request, response, deadline)
        if _is_refused(response, conversation):
            chunks = agiven(reader.refuse(await self._read(request, response, deadline)))
        else:
            if conversation is not None and isinstance(response, Reply):
                response = await abegin(response, conversation, deadline, lambda: reader.is_done)
            chunks = self._chunks(response, reader, deadline)
        return AsyncOpened(response, reader, await anext(chunks, None), chunks)

    async def _chunks(
        self, response: AnyReply, reader: StreamReader, deadline: Deadline
    ) -> AsyncGenerator[ModelResponseChunk, None]:
        import asyncio

        is_reusable = self._client is None and response.status_code != _SWITCHED
        has_begun = False
        try:
            async for data in aiter_pieces(response):
                if not has_begun:
                    has_begun = True
                    deadline.body_started()
                for chunk in reader.feed(data):
                    yield chunk
                if reader.may_end and _is_read(reader, deadline, is_reusable=is_reusable):
                    break
        except network_errors() as error:
            reader.failure = _broken_stream(error, deadline, reader)
        except APIError as error:
            reader.failure = error.with_traceback(None)
        except (GeneratorExit, asyncio.CancelledError):
            # Closing awaits, and a second cancellation would end that before the vendor is told.
            hang_up(response)
            raise
        finally:
            leave(response)
            await response.aclose()
        data = b""  # so that no traceback shows what the vendor sent
        for chunk in reader.end():
            yield chunk
        if reader.failure is not None and not reader.is_given_up:
            raise reader.failure
