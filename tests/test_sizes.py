"""How much of an answer is held: one event, one body, one stream; the caller's to set. Over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import re
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replies import MESSAGES, answer, arguments, piece, stream
from server import ScriptedServer
from sockets import SocketServer, frame

from unionllm import (
    APIError,
    APIResponseError,
    BadRequestError,
    InternalServerError,
    ServiceUnavailableError,
    UnionLLM,
    _litellm,
    aunionchat,
    unionchat,
)
from unionllm._framing import DECODERS, MAX_EVENT_BYTES, STREAM_SHARE, SSEDecoder
from unionllm._inflate import PIECE_BYTES, CannotInflateError, Inflater, inflater_for
from unionllm._routes import build_route

Call = Callable[[dict[str, Any]], str]


def whole(given: dict[str, Any]) -> str:
    return unionchat(**given).choices[0].message.content or ""


def streamed(given: dict[str, Any]) -> str:
    return "".join(unionchat(**given, stream=True).text())


def awhole(given: dict[str, Any]) -> str:
    async def call() -> str:
        return (await aunionchat(**given)).choices[0].message.content or ""

    return asyncio.run(call())


def astreamed(given: dict[str, Any]) -> str:
    async def call() -> str:
        return "".join([text async for text in (await aunionchat(**given, stream=True)).text()])

    return asyncio.run(call())


every_way = pytest.mark.parametrize("call", [whole, awhole, streamed, astreamed])


def refused(call: Call, given: dict[str, Any], limit: int) -> APIResponseError:
    """The error for too much, which names the limit and the argument that raises it."""
    with pytest.raises(APIResponseError, match=re.escape(f"max_response_bytes={limit}")) as caught:
        call({**given, "max_response_bytes": limit})
    assert type(caught.value) is APIResponseError
    assert not caught.value.retryable
    return caught.value


@every_way
def test_a_body_beyond_the_callers_limit_is_refused_and_one_within_it_is_read(
    call: Call, server: ScriptedServer
) -> None:
    server.default(json=answer("你" * 3000))

    error = refused(call, arguments(server), 5000)

    assert "5,000 bytes" in str(error)
    assert call(arguments(server, max_response_bytes=50_000)) == "你" * 3000


@pytest.mark.parametrize("call", [streamed, astreamed])
def test_an_event_beyond_the_callers_limit_ends_the_stream_and_what_came_before_is_kept(
    call: Call, server: ScriptedServer
) -> None:
    server.default(sse=stream("好", "x" * 5000))

    error = refused(call, arguments(server), 2000)

    assert error.partial is not None
    assert error.partial.choices[0].message.content == "好"
    assert call(arguments(server, max_response_bytes=50_000)) == "好" + "x" * 5000


@pytest.mark.parametrize("call", [streamed, astreamed])
def test_a_stream_may_be_longer_than_one_event_but_not_without_end(call: Call, server: ScriptedServer) -> None:
    text = "x" * 50
    size = len(stream(text)[1]["choices"][0]["delta"]["content"]) + 150
    server.default(sse=[*([piece({"content": text})] * (STREAM_SHARE * 4000 // size)), piece({}, "stop"), "[DONE]"])

    error = refused(call, arguments(server), 1000)

    assert f"{STREAM_SHARE * 1000:,} bytes in one stream" in str(error)
    assert error.partial is not None
    assert len(call(arguments(server, max_response_bytes=10_000))) > STREAM_SHARE * 100


@pytest.mark.parametrize("call", [whole, awhole])
def test_the_answer_of_a_model_that_only_streams_is_limited_too(call: Call) -> None:
    with SocketServer(lambda connection: _say_without_end(connection)) as server:
        error = refused(call, server.arguments(), 1000)

    assert "in one stream" in str(error)


def _say_without_end(connection: Any) -> None:
    for _ in range(10_000):
        connection.send(frame("好" * 20))


@every_way
def test_a_message_of_a_websocket_is_limited(call: Call) -> None:
    def talk(connection: Any) -> None:
        connection.send(frame("x" * 5000, 2))

    with SocketServer(talk) as server:
        refused(call, server.arguments(), 2000)
        assert call(server.arguments(max_response_bytes=20_000)) == "x" * 5000


@every_way
def test_a_message_of_many_frames_is_limited(call: Call) -> None:
    def talk(connection: Any) -> None:
        text = frame("x" * 5000, 2)
        connection.send([text[start : start + 100] for start in range(0, len(text), 100)])

    with SocketServer(talk) as server:
        refused(call, server.arguments(), 2000)


_BOMB = gzip.compress(b" " * 50_000_000, 1)
BOMBS = {1: _BOMB, 2: gzip.compress(_BOMB)}


@every_way
@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_of_compression_is_refused_before_it_has_grown(call: Call, layers: int, server: ScriptedServer) -> None:
    """50 MB in 50 kB; compressed twice, in a few hundred bytes. httpx would make them of one read."""
    coding = ", ".join(["gzip"] * layers)
    server.default(body=BOMBS[layers], headers={"content-encoding": coding, "content-type": "application/json"})
    call_it = arguments(server, max_response_bytes=1_000_000, timeout=30)

    tracemalloc.start()
    try:
        with pytest.raises(APIResponseError) as caught:
            call(call_it)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8_000_000
    assert ("max_response_bytes=1000000" if layers == 1 else "was not asked for") in str(caught.value)


@pytest.mark.parametrize("is_stream", [False, True])
def test_of_a_refusal_without_end_the_beginning_is_read_and_its_class_is_that_of_its_status(
    server: ScriptedServer, is_stream: bool
) -> None:
    server.default(chunks=[b"<h1>Sorry</h1>", *[b"x" * 65_536] * 1000], status=503)

    for limit in (None, 1000):
        with pytest.raises(ServiceUnavailableError, match="Sorry") as caught:
            unionchat(**arguments(server, stream=is_stream, max_response_bytes=limit))
        assert caught.value.retryable
        assert len(str(caught.value)) < 1000


def test_a_refusal_within_the_limit_is_read_whole(server: ScriptedServer) -> None:
    server.default(status=500, json={"error": {"message": "m", "code": "c-1", "trace": "x" * 5000}})

    with pytest.raises(InternalServerError) as caught:
        asyncio.run(aunionchat(**arguments(server)))

    assert caught.value.code == "c-1"


def test_a_client_has_a_limit_for_all_its_calls_and_a_call_one_of_its_own(server: ScriptedServer) -> None:
    server.default(json=answer("x" * 3000))

    with UnionLLM(**arguments(server, max_response_bytes=1000)) as client:
        with pytest.raises(APIResponseError, match="max_response_bytes=1000 "):
            client.completion()
        assert client.completion(max_response_bytes=10_000).choices[0].message.content == "x" * 3000


def test_a_fallback_may_have_a_limit_of_its_own(server: ScriptedServer) -> None:
    server.default(json=answer("x" * 3000))
    fallback = arguments(server, provider="moonshot", model="kimi-k3", max_response_bytes=10_000)

    response = unionchat(**arguments(server, max_response_bytes=1000, fallbacks=[fallback]))

    assert response.provider == "moonshot"


@pytest.mark.parametrize("given_limit", [0, -1, True, 1.5, "1", float("inf")])
def test_a_limit_that_is_no_number_of_bytes_is_refused_before_anything_is_sent(
    given_limit: Any, server: ScriptedServer
) -> None:
    with pytest.raises(BadRequestError, match="max_response_bytes"):
        unionchat(**arguments(server, max_response_bytes=given_limit))

    assert server.requests == []


def test_the_default_is_32_mebibytes() -> None:
    call = {"provider": "deepseek", "model": "m", "messages": MESSAGES, "api_key": "k"}

    assert build_route(call, {}).max_bytes == MAX_EVENT_BYTES == 32 * 1024 * 1024
    assert build_route({**call, "max_response_bytes": None}, {}).max_bytes == MAX_EVENT_BYTES


def test_it_is_told_that_litellm_knows_no_such_limit() -> None:
    route = build_route(
        {"provider": "openai", "model": "gpt-4o", "messages": MESSAGES, "api_key": "k", "max_response_bytes": 9}, {}
    )

    assert isinstance(route.backend, _litellm.LiteLLMBackend)
    assert [change.parameter for change in route.chat.adaptations] == ["max_response_bytes"]
    assert "max_response_bytes" not in route.chat.params


# A caller's own client.


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity", ""])
def test_a_callers_client_asks_for_what_can_be_read_within_a_limit(coding: str, server: ScriptedServer) -> None:
    body = answer("好" * 1000)
    server.default(json=body, gzip=coding == "gzip")

    with httpx.Client() as client:
        response = unionchat(**arguments(server, http_client=client))
        refused(whole, arguments(server, http_client=client), 1000)

    assert response.choices[0].message.content == "好" * 1000
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_hook_that_reads_the_answer_of_a_callers_client_takes_nothing_away(
    server: ScriptedServer, is_stream: bool
) -> None:
    server.default(**({"sse": stream("你好")} if is_stream else {"json": answer("你好")}), gzip=True)
    seen = []

    with httpx.Client(event_hooks={"response": [lambda response: seen.append(response.read())]}) as client:
        got = unionchat(**arguments(server, http_client=client, stream=is_stream))
        text = "".join(got.text()) if is_stream else got.choices[0].message.content

    assert text == "你好"
    assert len(seen) == 1


def test_a_coding_that_was_not_asked_for_is_named(server: ScriptedServer) -> None:
    server.default(json=answer(), headers={"content-encoding": "br"})

    for call in (whole, awhole, streamed, astreamed):
        with pytest.raises(APIError, match="content-encoding 'br' was not asked for"):
            call(arguments(server))


# Without a network.


def packed(data: bytes, coding: str) -> bytes:
    wbits = {"gzip": 31, "x-gzip": 31, "deflate": 15, "raw": -15}[coding]
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


def unpacked(pieces: Iterator[bytes], coding: str) -> list[bytes]:
    inflater = Inflater("deflate" if coding == "raw" else coding)
    return [out for one in pieces for out in inflater.feed(one)]


@given(
    data=st.binary(max_size=300) | st.integers(0, 400_000).map(lambda size: b"ab" * size),
    coding=st.sampled_from(["gzip", "x-gzip", "deflate", "raw"]),
    step=st.integers(1, 400),
)
@settings(deadline=None, max_examples=60)
def test_what_was_compressed_comes_out_the_same_wherever_it_is_cut(data: bytes, coding: str, step: int) -> None:
    body = packed(data, coding)

    pieces = unpacked((body[start : start + step] for start in range(0, len(body), step)), coding)

    assert b"".join(pieces) == data
    assert all(0 < len(one) <= PIECE_BYTES for one in pieces)


def test_several_gzip_files_in_a_row_are_one_body_and_padding_is_none_of_it() -> None:
    body = gzip.compress(b"a" * 10) + gzip.compress(b"b" * PIECE_BYTES * 2) + b"\0\0"

    assert b"".join(unpacked(iter([body]), "gzip")) == b"a" * 10 + b"b" * PIECE_BYTES * 2


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "x" * 1000])
def test_what_was_not_asked_for_is_not_read(coding: str) -> None:
    with pytest.raises(CannotInflateError, match="not asked for") as caught:
        inflater_for(coding)

    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("coding", ["", " identity ", "Identity"])
def test_what_is_not_compressed_needs_no_reading(coding: str) -> None:
    assert inflater_for(coding) is None


@pytest.mark.parametrize("framing", ["sse", "json_lines"])
@pytest.mark.parametrize("cut", [1, 50, 99, 100, 101, 300])
def test_the_limit_is_the_same_wherever_the_bytes_are_cut(framing: str, cut: int) -> None:
    fits, exceeds = b"data: " + b"x" * 94 + b"\n\n", b"{" + b"x" * 100 + b"\n\n"
    start = b"data: 1\n\n"

    for body, is_refused in ((start + fits, False), (start + exceeds, True), (start + exceeds + fits, True)):
        decoder, events = DECODERS[framing](100), []
        try:
            for place in range(0, len(body), cut):
                events += decoder.feed(body[place : place + cut])
                if decoder.failure is not None:
                    raise decoder.failure
            outcome = False
        except APIResponseError:
            outcome = True
        assert outcome == is_refused, (body, cut)
        assert events, "what came before the limit is kept"


def test_long_comments_are_not_hoarded() -> None:
    decoder = SSEDecoder(max_bytes=1_000_000)
    decoder.feed(b"data: 1\n\n")
    tracemalloc.start()
    try:
        for _ in range(16):
            decoder.feed(b": " + b"x" * 900_000 + b"\n")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 200_000
