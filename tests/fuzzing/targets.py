"""What is fuzzed: one function a target. Each raises only where the library does what it must never do."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from seeds import Answer, Seed

from unionllm import ModelResponse, ModelResponseChunk
from unionllm._call import NativeBackend, Route
from unionllm._framing import DECODERS, Event
from unionllm._join import Joiner
from unionllm._reader import StreamReader
from unionllm._routes import build_route
from unionllm._timeouts import Deadline
from unionllm._websocket import Conversation
from unionllm._wire import HttpReply, HttpRequest, OpenStream, Perform, WebSocketRequest
from unionllm.exceptions import APIError, UnionLLMError
from unionllm.schema import Delta, Function, StreamingChoices, ToolCall

#: Steps of one call after which it is given up: a platform may be polled until the caller's patience ends.
_MOST_STEPS = 24
#: What an answer may be in fuzzing: small, so that the limit is met, too.
MAX_BYTES = 400_000
_REASONS = {None, "stop", "length", "tool_calls", "content_filter", "function_call"}


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The same bytes in pieces."""
    inner = {place % (len(data) + 1) for place in places}
    return [data[start:end] for start, end in pairwise(sorted({0, len(data), *inner}))]


# Framing.


def decode(framing: str, pieces: Iterable[bytes], limit: int = MAX_BYTES) -> tuple[list[Event], bytes | str]:
    """The events of an answer, and its body or the error that it ends in."""
    decoder, events = DECODERS[framing](limit), []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
            if decoder.failure is not None:
                raise decoder.failure
        events += decoder.end()
    except UnionLLMError as error:
        return events, str(error)
    return events, bytes(decoder.body or b"")


def check_framing(framing: str, data: bytes, places: Sequence[int], limit: int = MAX_BYTES) -> None:
    """However an answer is cut, it says the same."""
    whole = decode(framing, [data], limit)
    assert decode(framing, cut(data, places), limit) == whole
    if isinstance(whole[1], str):
        assert f"max_response_bytes={limit}" in whole[1]
    else:
        assert sum(len(event.data) for event in whole[0]) <= 3 * len(data)


def converse(frames: Iterable[bytes], limit: int = MAX_BYTES) -> tuple[list[bytes], str]:
    """The messages in the frames of a WebSocket, and the name of the error that ended it."""
    import base64
    import hashlib

    talk = Conversation(WebSocketRequest(url="ws://127.0.0.1:1/x", messages=("{}",)), limit)
    key = talk.handshake.headers["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
    talk.start([(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept)])
    messages: list[bytes] = []
    try:
        for data in frames:
            messages += talk.receive(data)[0]
            talk.check()
    except (UnionLLMError, ConnectionError) as error:
        return messages, type(error).__name__
    return messages, ""


def check_websocket(data: bytes, places: Sequence[int]) -> None:
    """However the frames are cut, they say the same."""
    whole, pieces = (converse(filter(None, way)) for way in ([data], cut(data, places)))
    assert pieces == whole
    assert sum(map(len, whole[0])) <= len(data)


# Answers: body readers and chunk parsers, each through its provider's own flow.


@cache
def _route(provider: str, args: str) -> Route | None:
    try:
        return build_route(json.loads(args), {})
    except UnionLLMError:
        return None


def route_of(seed: Seed) -> Route | None:
    """The route of the call; None for one that is refused before anything is sent."""
    made = _route(seed.provider, json.dumps(seed.args, sort_keys=True))
    if made is None:
        return None
    return made._replace(chat=made.chat.changed(make_id=lambda: "made-1", now=1.0, memory={}))


def _reply(answer: Answer, url: str) -> HttpReply:
    return HttpReply(
        status=answer.status, headers=answer.headers, content=answer.content, url=url.partition("?")[0], received_at=2.0
    )


class Player:
    """A driver without a network: gives a flow the answers that it is told, the last one again and again."""

    def __init__(self, answers: Sequence[Answer], places: Sequence[int] = ()) -> None:
        self._answers = list(answers)
        self._places = places
        self.joiner = Joiner()
        self.chunks: list[ModelResponseChunk] = []

    def run(self, flow: Any) -> Any:
        """What the flow returns; None if it has not come to an end. Raises the error of the call."""
        result: Any = None
        error: APIError | None = None
        try:
            for _ in range(_MOST_STEPS):
                step = flow.send(result) if error is None else flow.throw(error)
                result = error = None
                try:
                    result = self._perform(step)
                except APIError as failed:
                    error = failed
        except StopIteration as stop:
            return stop.value
        finally:
            flow.close()
        return None

    def _perform(self, step: Any) -> Any:
        assert not isinstance(step, Perform)
        if isinstance(step, HttpRequest):
            return _reply(self._next(), step.url)
        if isinstance(step, OpenStream):
            self.chunks = list(self._stream(step))
            return self.joiner.response() if step.join else self.chunks
        return None

    def _next(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def _stream(self, step: OpenStream) -> Iterator[ModelResponseChunk]:
        answer = self._next()
        reader = StreamReader(step.parser, answer.status, answer.headers, "http://127.0.0.1:1/", MAX_BYTES)
        if answer.status >= 300:
            pieces, ends = [], iter(reader.refuse(answer.content))
        else:
            is_socket = step.parser.framing == "messages"
            pieces = answer.content.split(b"\n") if is_socket else cut(answer.content, self._places)
            ends = reader.end()
        for piece in pieces:
            for chunk in reader.feed(piece):
                yield self._joined(chunk)
            if reader.failure is not None:
                raise reader.failure
            if reader.is_done:
                return
        for chunk in ends:
            yield self._joined(chunk)
        if reader.failure is not None:
            raise reader.failure

    def _joined(self, chunk: ModelResponseChunk) -> ModelResponseChunk:
        self.joiner.add(chunk)
        return chunk


def check_answers(seed: Seed, answers: Sequence[Answer], places: Sequence[int] = ()) -> str:
    """Whatever a vendor answers, a call ends with an answer of the right types or with an error of ours.

    Returns:
        How the call ended: the class of the error, "answer", or "" for one that goes on asking.
    """
    route = route_of(seed)
    if route is None:
        return "refused"
    assert isinstance(route.backend, NativeBackend)
    deadline = Deadline(route.timeouts, lambda: 0.0)
    player = Player(answers, places)
    ended = "answer"
    try:
        ask = route.backend.stream if route.chat.stream else route.backend.answer
        got = player.run(ask(route.chat, deadline))
        if isinstance(got, ModelResponse):
            check_model(got)
        ended = "answer" if got else ""
    except UnionLLMError as error:
        check_failure(error)
        ended = type(error).__name__
    for chunk in player.chunks:
        check_model(chunk)
    joined = player.joiner.response()
    if joined is not None:
        check_model(joined)
    return ended


def check_failure(error: UnionLLMError) -> None:
    """An error of ours can be shown, written down and pickled."""
    assert f"{error}".encode()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    if isinstance(error, APIError):
        assert len(error.message) < 5000
        assert isinstance(error.code, str | None)
        assert isinstance(error.request_id, str | None)


def check_model(model: ModelResponse) -> None:
    """An answer, or a chunk, has values of the types that it declares, and can be written down."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = model.model_dump()
    text = model.model_dump_json()
    assert repr(model)
    type(model).model_validate(data, strict=True)
    json.loads(text)
    for choice in model.choices:
        assert choice.finish_reason in _REASONS


# Joining.


def check_joining(deltas: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Chunks of any vendor's making are joined to what they say, piece by piece."""
    joiner = Joiner()
    text: dict[int, str] = {}
    calls: dict[tuple[int, int], str] = {}
    for index, raw in deltas:
        pieces = [
            ToolCall(index=place, id=call_id, function=Function(name=name, arguments=arguments))
            for place, call_id, name, arguments in raw.get("calls", ())
        ]
        delta = Delta(content=raw.get("content"), tool_calls=pieces or None, **raw.get("extra", {}))
        joiner.add(ModelResponseChunk(id="x", choices=[StreamingChoices(index=index, delta=delta)]))
        text[index] = text.get(index, "") + (raw.get("content") or "")
        for position, piece in enumerate(pieces):
            key = (index, position if piece.index is None else piece.index)
            calls[key] = calls.get(key, "") + (piece.function.arguments or "")
    joined = joiner.response()
    if joined is None:
        assert not deltas
        return
    check_model(joined)
    assert {choice.index: choice.message.content or "" for choice in joined.choices} == text
    for choice in joined.choices:
        wanted = [calls[key] for key in sorted(calls) if key[0] == choice.index]
        assert [call.function.arguments for call in choice.message.tool_calls or ()] == wanted
