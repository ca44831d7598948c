"""Plays a transcript: makes the call over a real socket, sync or async, and reads a stream without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cases import Case
from checks import KEY, check_answer, check_chunks, check_error, check_header, fold, folded
from server import Recorded, Reply, ScriptedServer

from unionllm import ModelResponse, ModelResponseChunk, aunionchat, unionchat
from unionllm._call import NativeBackend
from unionllm._reader import StreamReader
from unionllm._registry import find
from unionllm._routes import build_route
from unionllm._wire import ChunkParser
from unionllm.exceptions import APIError, UnionLLMError

#: Where the vendor's API begins on the scripted server; a base URL of more than a host must survive.
BASE = "/api"


@dataclass
class Outcome:
    """What a caller got: an answer, or an error, and the chunks on the way to either."""

    answer: ModelResponse | None = None
    error: UnionLLMError | None = None
    chunks: list[ModelResponseChunk] = field(default_factory=list)


def ask_sync(args: dict[str, Any]) -> Outcome:
    outcome = Outcome()
    try:
        got = unionchat(**args)
        if isinstance(got, ModelResponse):
            outcome.answer = got
        else:
            for chunk in got:
                outcome.chunks.append(chunk)
            outcome.answer = got.response
    except UnionLLMError as error:
        outcome.error = error
    return outcome


def ask_async(args: dict[str, Any]) -> Outcome:
    return asyncio.run(_aask(args))


async def _aask(args: dict[str, Any]) -> Outcome:
    outcome = Outcome()
    try:
        got = await aunionchat(**args)
        if isinstance(got, ModelResponse):
            outcome.answer = got
        else:
            async for chunk in got:
                outcome.chunks.append(chunk)
            outcome.answer = got.response
    except UnionLLMError as error:
        outcome.error = error
    return outcome


Ask = Callable[[dict[str, Any]], Outcome]


def fill(data: Any, server_url: str) -> Any:
    return json.loads(json.dumps(data).replace("{server}", server_url).replace("{key}", KEY))


def arguments(provider: str, server_url: str, call: dict[str, Any]) -> dict[str, Any]:
    found = find(provider)
    assert found is not None
    keys = {credential.name: KEY for credential in found.adapter.spec.credentials if credential.required}
    base = {"provider": provider, "base_url": f"{server_url}{BASE}", "max_retries": 0}
    return {**keys, **base, **fill(call, server_url)}


def _reply(spoken: dict[str, Any]) -> Reply:
    """A row of ``reply.json``. The header says JSON wherever the body is none that says otherwise."""
    fields = {name: spoken[name] for name in ("status", "headers", "json", "body") if name in spoken}
    return Reply(**fields)


def _replies(case: Case, server: ScriptedServer, **framing: Any) -> list[Reply]:
    spoken = [_reply(fill(reply, server.url)) for reply in case.replies]
    return spoken if case.sse is None else [*spoken, Reply(chunks=[case.sse], **framing)]


def play(case: Case, server: ScriptedServer, **framing: Any) -> None:
    for reply in _replies(case, server, **framing):
        server.reply(reply)


def check_request(wanted: dict[str, Any], sent: Recorded) -> None:
    assert sent.method == wanted.get("method", "POST")
    assert sent.path == wanted.get("path", sent.path)
    for name, value in wanted.get("headers", {}).items():
        check_header(name, value, sent.headers.get(name))
    if "body" in wanted:
        assert sent.json == wanted["body"]


def check_outcome(case: Case, outcome: Outcome) -> None:
    if case.error is not None:
        check_error(case.error, outcome.error, case.provider)
    else:
        assert outcome.error is None, outcome.error
        check_answer(case.expected, outcome.answer)
    if outcome.chunks:
        check_chunks(outcome.chunks, is_whole=outcome.error is None)
        joined = outcome.error.partial if isinstance(outcome.error, APIError) else outcome.answer
        assert folded(joined) == fold(outcome.chunks)


def events_of(data: bytes) -> list[bytes]:
    # JSON lines have no blank lines between them.
    blank = next((end for end in (b"\r\n\r\n", b"\n\n") if end in data), b"\n")
    return [event + blank for event in data.split(blank) if event]


class Reading:
    """A stream's bytes read without a network: fresh readers for one call."""

    def __init__(self, case: Case) -> None:
        route = build_route(arguments(case.provider, "http://127.0.0.1:1", case.call), {})
        assert isinstance(route.backend, NativeBackend)
        self._adapter = route.backend.adapter
        self._chat = route.chat.changed(make_id=lambda: "made-1", now=1.0)

    def parser(self) -> ChunkParser:
        return self._adapter.chunk_parser(self._chat)

    def read(self, pieces: Iterable[bytes]) -> tuple[list[ModelResponseChunk], str]:
        """The chunks, and the class of the error that ended them, or ""."""
        reader = StreamReader(self.parser(), 200, {}, "http://127.0.0.1:1")
        chunks: list[ModelResponseChunk] = []
        try:
            for piece in pieces:
                chunks.extend(reader.feed(piece))
                if reader.is_done:
                    break
            chunks.extend(reader.end())
        except UnionLLMError as error:
            return chunks, type(error).__name__
        return chunks, ""

    def events_before_the_finish(self, events: Sequence[bytes]) -> int:
        """How many events may come before the one that says the answer is complete, or failed."""
        reader = StreamReader(parser := self.parser(), 200, {}, "http://127.0.0.1:1")
        for number, event in enumerate(events):
            try:
                list(reader.feed(event))
            except UnionLLMError:
                return number
            if parser.has_finished or parser.is_done:
                return number
        return len(events)
