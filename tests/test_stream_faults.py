"""Streams that go wrong: errors inside them, cuts, silence. Over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from replies import arguments, piece, stream
from server import Cut, Pause, Reply, ScriptedServer
from tunnels import deaf_server

from unionllm import aunionchat, unionchat
from unionllm.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
)

BEGUN = [piece({"role": "assistant", "content": "你"}), piece({"content": "好"})]

Read = Callable[..., str]


def read_sync(server: ScriptedServer, **changes: Any) -> str:
    return "".join(unionchat(**arguments(server, **changes), stream=True).text())


def read_async(server: ScriptedServer, **changes: Any) -> str:
    async def read() -> str:
        return "".join([text async for text in (await aunionchat(**arguments(server, **changes), stream=True)).text()])

    return asyncio.run(read())


both = pytest.mark.parametrize("read", [read_sync, read_async], ids=["sync", "async"])

CODES = [
    ("invalid_api_key", 401, AuthenticationError),
    ("insufficient_quota", 429, InsufficientBalanceError),
    ("insufficient_balance", 402, InsufficientBalanceError),
    ("permission_denied", 403, PermissionDeniedError),
    ("model_not_found", 404, NotFoundError),
    ("rate_limit_exceeded", 429, RateLimitError),
    ("context_length_exceeded", 400, ContextWindowExceededError),
    ("content_filter", 400, ContentPolicyViolationError),
    ("invalid_request_error", 400, BadRequestError),
    ("server_error", 500, InternalServerError),
    ("overloaded_error", 503, ServiceUnavailableError),
]


@both
@pytest.mark.parametrize(("code", "status", "cls"), CODES)
def test_an_error_has_the_same_class_inside_a_stream_as_outside(
    server: ScriptedServer, read: Read, code: str, status: int, cls: type[APIError]
) -> None:
    error = {"error": {"message": "it failed", "code": code, "type": code}}
    server.reply(json=error, status=status)
    server.reply(sse=[error])
    server.reply(sse=[*BEGUN, error])

    with pytest.raises(APIError) as refused:
        read(server)
    with pytest.raises(APIError) as at_once:
        read(server)
    with pytest.raises(APIError) as later:
        read(server)

    assert [type(one.value) for one in (refused, at_once, later)] == [cls, cls, cls]
    assert "it failed" in str(later.value)
    assert (later.value.provider, later.value.model, later.value.code) == ("deepseek", "deepseek-v4-flash", code)
    assert later.value.partial is not None
    assert later.value.partial.choices[0].message.content == "你好"


@both
def test_an_error_line_without_data_is_an_error(server: ScriptedServer, read: Read) -> None:
    server.reply(sse=[*BEGUN, b'{"error":{"message":"no money","code":"insufficient_balance"}}\n\n'])

    with pytest.raises(InsufficientBalanceError, match="no money"):
        read(server)


ENDINGS = {
    "cut": Reply(sse=[*BEGUN, Cut()]),
    "reset": Reply(sse=[*BEGUN, Pause(0.1), Cut(reset=True)]),
    "ended": Reply(sse=BEGUN),
    "ended without length": Reply(sse=BEGUN, until_close=True),
    "in the middle of an event": Reply(sse=[*BEGUN, b'data: {"id":"r-1","choi', Cut()]),
}


@both
@pytest.mark.parametrize("name", ENDINGS)
def test_a_stream_without_its_end_is_an_error_that_holds_what_came(
    server: ScriptedServer, read: Read, name: str
) -> None:
    server.default(ENDINGS[name])

    with pytest.raises(APIError) as caught:
        read(server, max_retries=3)

    if name != "in the middle of an event":
        assert type(caught.value) is StreamInterruptedError
    assert isinstance(caught.value, (StreamInterruptedError, APIResponseError))
    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "你好"
    assert caught.value.partial.choices[0].finish_reason is None
    assert (caught.value.provider, caught.value.model) == ("deepseek", "deepseek-v4-flash")
    assert len(server.requests) == 1, "nothing is tried again once a chunk was handed out"


@both
@pytest.mark.parametrize("last", [Cut(), Cut(reset=True), b""], ids=["cut", "reset", "end"])
def test_a_finish_reason_without_the_end_signal_is_an_end(server: ScriptedServer, read: Read, last: Any) -> None:
    server.reply(sse=[*BEGUN, piece({}, "stop"), Pause(0.1), last])

    assert read(server) == "你好"


@both
def test_a_stream_without_a_single_chunk_is_an_error(server: ScriptedServer, read: Read) -> None:
    server.default(sse=["[DONE]"])

    with pytest.raises(APIResponseError, match="without a single chunk"):
        read(server)


@both
def test_an_event_that_is_no_json_is_an_error_that_shows_it(server: ScriptedServer, read: Read) -> None:
    server.reply(sse=[*BEGUN, "{oops", "[DONE]"])

    with pytest.raises(APIResponseError, match=r"\{oops") as caught:
        read(server)

    assert caught.value.partial is not None


@both
def test_a_page_instead_of_events_is_an_error_that_shows_its_start(server: ScriptedServer, read: Read) -> None:
    server.reply(body="<html><body>Welcome to the hotel</body></html>", content_type="text/html")

    with pytest.raises(APIResponseError, match="Welcome to the hotel"):
        read(server)


@both
def test_keep_alive_lines_are_life_but_no_text(server: ScriptedServer, read: Read) -> None:
    beats = [b": keep-alive\n\n", Pause(0.2)] * 4
    server.reply(sse=[*beats, *BEGUN, piece({}, "stop"), "[DONE]"])

    assert read(server, timeout={"idle": 0.7, "first_token": 0.7}) == "你好"


@both
def test_the_idle_limit_is_named_and_the_partial_answer_kept(server: ScriptedServer, read: Read) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    with pytest.raises(APITimeoutError, match=r"idle limit of 0\.2 s") as caught:
        read(server, timeout={"idle": 0.2}, max_retries=3)

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "你好"
    assert len(server.requests) == 1
    server.wait_for_disconnect()


@both
@pytest.mark.parametrize("reply", [Reply(json={}, delay=60), Reply(sse=[b"", Pause(60)])], ids=["no head", "head"])
def test_the_first_token_limit_is_named(server: ScriptedServer, read: Read, reply: Reply) -> None:
    server.reply(reply)

    with pytest.raises(APITimeoutError, match=r"first token limit of 0\.2 s"):
        read(server, timeout={"first_token": 0.2})

    server.wait_for_disconnect()


@both
def test_the_total_limit_is_named_and_ends_a_stream_that_never_falls_silent(server: ScriptedServer, read: Read) -> None:
    server.reply(sse=[BEGUN[0], *[BEGUN[1], Pause(0.1)] * 300])

    with pytest.raises(APITimeoutError, match=r"total limit of 0\.5 s") as caught:
        read(server, timeout={"total": 0.5})

    assert caught.value.partial is not None
    server.wait_for_disconnect()


@both
def test_a_number_is_the_idle_limit_too(server: ScriptedServer, read: Read) -> None:
    server.reply(sse=[*BEGUN, Pause(60)])

    with pytest.raises(APITimeoutError, match=r"idle limit of 0\.2 s"):
        read(server, timeout=0.2)


@pytest.fixture
def deaf() -> Iterator[str]:
    with deaf_server() as address:
        yield address


@both
def test_the_connect_limit_is_named(server: ScriptedServer, read: Read, deaf: str) -> None:
    with pytest.raises(APITimeoutError, match=r"connect limit of 0\.3 s"):
        read(server, base_url=deaf, timeout={"connect": 0.3, "first_token": 5})


@both
def test_the_total_limit_is_named_while_connecting(server: ScriptedServer, read: Read, deaf: str) -> None:
    with pytest.raises(APITimeoutError, match=r"total limit of 0\.3 s"):
        read(server, base_url=deaf, timeout={"total": 0.3})


@both
def test_the_write_limit_is_named(server: ScriptedServer, read: Read) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        messages = [{"role": "user", "content": "x" * 30_000_000}]
        with pytest.raises(APITimeoutError, match=r"write limit of 0\.3 s"):
            read(server, base_url=url, messages=messages, timeout={"write": 0.3})


@both
def test_an_error_before_the_first_chunk_is_tried_again(server: ScriptedServer, read: Read) -> None:
    server.reply(sse=[{"error": {"message": "busy", "code": "overloaded_error"}}])
    server.reply(sse=stream("你", "好"))

    assert read(server, max_retries=1) == "你好"


@both
def test_a_cut_before_the_first_byte_is_tried_again(server: ScriptedServer, read: Read) -> None:
    server.reply(chunks=[Cut()])
    server.reply(sse=stream("你", "好"))

    assert read(server, max_retries=1) == "你好"


@both
def test_a_refused_connection_names_the_host(server: ScriptedServer, read: Read) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(APIConnectionError, match=f"127.0.0.1:{port}"):
        read(server, base_url=f"http://127.0.0.1:{port}")
