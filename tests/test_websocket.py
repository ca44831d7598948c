"""WebSocket calls over real sockets: what goes wrong in the handshake, in the conversation, and at its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from server import Reply, ScriptedServer
from sockets import CREDENTIALS, MESSAGES, SocketServer, frame, reset, stay_silent
from websockets.sync.server import ServerConnection

from unionllm import UnionLLM, aunionchat, unionchat
from unionllm._framing import MAX_EVENT_BYTES
from unionllm.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    StreamInterruptedError,
    UnionLLMError,
)

TLS = Path(__file__).parent / "tls"
Call = Callable[[dict[str, Any]], Any]


def whole(given: dict[str, Any]) -> Any:
    return unionchat(**given).choices[0].message.content


def streamed(given: dict[str, Any]) -> Any:
    return "".join(unionchat(**given, stream=True).text())


def awhole(given: dict[str, Any]) -> Any:
    async def call() -> Any:
        return (await aunionchat(**given)).choices[0].message.content

    return asyncio.run(call())


def astreamed(given: dict[str, Any]) -> Any:
    async def call() -> Any:
        return "".join([text async for text in (await aunionchat(**given, stream=True)).text()])

    return asyncio.run(call())


every_way = pytest.mark.parametrize("call", [whole, streamed, awhole, astreamed])


def failure(call: Call, given: dict[str, Any]) -> APIError:
    with pytest.raises(UnionLLMError) as caught:
        call(given)
    assert isinstance(caught.value, APIError)
    assert caught.value.provider == "xunfei"
    return caught.value


def to_http(server: ScriptedServer, **more: Any) -> dict[str, Any]:
    """A call to a server that plays handshakes byte by byte."""
    address = {"base_url": server.url.replace("http", "ws", 1), "provider": "xunfei", "model": "4.0Ultra"}
    return {**address, **CREDENTIALS, "messages": MESSAGES, "max_retries": 0, **more}


def partial(error: APIError) -> str | None:
    return error.partial.choices[0].message.content if error.partial else None


def say(*steps: Any) -> Callable[[ServerConnection], None]:
    """A conversation: texts are sent, anything else is called."""

    def talk(connection: ServerConnection) -> None:
        for step in steps:
            if callable(step):
                step(connection)
            else:
                connection.send(step)

    return talk


# What goes well.


@every_way
def test_messages_are_events_and_the_end_is_ours_to_close(call: Call) -> None:
    with SocketServer(say(frame("你", 0), frame("好"), frame("！", 2))) as server:
        assert call(server.arguments()) == "你好！"
        assert server.wait_until_ended() == [1000]
        assert server.requests[0]["payload"]["message"]["text"] == MESSAGES


@every_way
def test_pieces_of_a_message_and_pings_in_between_make_no_difference(call: Call) -> None:
    text, last = frame("你好", 0), frame("！", 2)
    steps = say(
        lambda c: c.send([text[:20], text[20:21], text[21:]]),
        lambda c: c.ping().wait(5),
        lambda c: c.pong(b"x"),
        last.encode(),
    )
    with SocketServer(steps) as server:
        assert call(server.arguments()) == "你好！"
        assert server.wait_until_ended() == [1000]


@every_way
def test_a_large_message_is_read_whole(call: Call) -> None:
    with SocketServer(say(frame("很长" * 1_000_000, 2))) as server:
        assert call(server.arguments()) == "很长" * 1_000_000


def test_each_text_arrives_when_it_was_sent() -> None:
    steps = say(frame("你", 0), lambda c: c.recv(5))
    with SocketServer(steps) as server:
        stream = unionchat(**server.arguments(), stream=True)

        assert next(stream.text()) == "你"
        stream.close()


def test_many_calls_at_once_have_a_connection_each() -> None:
    async def calls(given: dict[str, Any]) -> list[Any]:
        return await asyncio.gather(*(aunionchat(**given) for _ in range(20)))

    with SocketServer(say(frame("好", 2))) as server:
        answers = asyncio.run(calls(server.arguments()))

        assert [answer.choices[0].message.content for answer in answers] == ["好"] * 20
        assert len(server.wait_until_ended(20)) == 20


# The handshake.


@every_way
@pytest.mark.parametrize(
    ("status", "message", "cls"),
    [
        (401, "HMAC signature does not match", AuthenticationError),
        (403, "something else is not allowed", PermissionDeniedError),
        (404, "no Route matched with those values", NotFoundError),
    ],
)
def test_a_refused_handshake_is_the_vendors_error(
    call: Call, status: int, message: str, cls: type[APIError], server: ScriptedServer
) -> None:
    server.reply(status=status, json={"message": message})

    error = failure(call, to_http(server))

    assert type(error) is cls
    assert (error.status_code, error.body) == (status, {"message": message})
    assert message in str(error)
    assert server.requests[0].headers["upgrade"] == "websocket"


@every_way
@pytest.mark.parametrize(
    "reply",
    [
        Reply(body="<html>hello</html>", content_type="text/html"),
        Reply(json={"answer": "hello"}),
        Reply(
            raw=True,
            body="HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
        ),
        Reply(raw=True, body="HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
    ],
    ids=["page", "json", "wrong key", "other protocol"],
)
def test_an_answer_that_opens_no_websocket_is_none(call: Call, reply: Reply, server: ScriptedServer) -> None:
    server.default(reply)

    error = failure(call, to_http(server))

    assert type(error) is APIResponseError
    assert "Check base_url" in str(error)


@every_way
def test_a_redirect_is_not_followed(call: Call, server: ScriptedServer) -> None:
    """The signed request would travel with it."""
    server.reply(status=302, headers={"location": "/elsewhere"}, body="")

    error = failure(call, to_http(server))

    assert error.status_code == 302
    assert len(server.requests) == 1


@every_way
def test_nobody_listening_is_named(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    given = {"provider": "xunfei", "model": "lite", "messages": MESSAGES, "max_retries": 0, **CREDENTIALS}

    error = failure(call, {**given, "base_url": f"ws://127.0.0.1:{port}"})

    assert type(error) is APIConnectionError
    assert f"127.0.0.1:{port}" in str(error)
    assert error.retryable


@every_way
def test_a_certificate_that_nobody_vouches_for_is_refused(call: Call) -> None:
    with SocketServer(say(frame("好", 2)), tls=certificate()) as server:
        error = failure(call, server.arguments())

    assert type(error) is APIConnectionError
    assert "TLS" in str(error)
    assert not error.retryable
    assert server.requests == []


def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    return context


def test_a_certificate_that_is_trusted_opens_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(TLS / "cert.pem"))
    monkeypatch.setattr("unionllm._network._tls", lambda: context)

    async def call(given: dict[str, Any]) -> Any:
        async with UnionLLM(timeout=5) as client:
            return await client.achat(**given)

    with SocketServer(say(frame("好", 2)), tls=certificate()) as server, UnionLLM(timeout=5) as client:
        assert server.url.startswith("wss://")
        assert client.chat(**server.arguments()).choices[0].message.content == "好"
        assert asyncio.run(call(server.arguments())).choices[0].message.content == "好"
        assert server.wait_until_ended(2) == [1000, 1000]


# Limits.


@every_way
def test_a_silent_handshake_runs_into_the_connect_limit(call: Call, server: ScriptedServer) -> None:
    server.reply(json={}, delay=60)

    error = failure(call, to_http(server, timeout={"connect": 0.2}))

    assert isinstance(error, APITimeoutError)
    assert "the connect limit of 0.2 s" in str(error)
    assert error.retryable


@every_way
@pytest.mark.parametrize(
    ("limits", "texts", "named"),
    [
        ({"first_token": 0.2, "idle": 9}, [], "the first token limit of 0.2 s"),
        ({"first_token": 9, "idle": 0.2}, ["你", "好"], "the idle limit of 0.2 s"),
        ({"first_token": 9, "idle": 9, "total": 0.3}, ["你"], "the total limit of 0.3 s"),
        ({"total": 0.3}, [], "the total limit of 0.3 s"),
    ],
)
def test_a_silent_conversation_runs_into_its_limit(
    call: Call, limits: dict[str, float], texts: list[str], named: str
) -> None:
    with SocketServer(say(*map(frame, texts), stay_silent)) as server:
        error = failure(call, server.arguments(timeout=limits))

        assert isinstance(error, APITimeoutError)
        assert named in str(error)
        assert not error.retryable
        assert partial(error) == ("".join(texts) or None)
        server.wait_until_ended()


@every_way
def test_a_message_that_is_too_large_ends_the_call(call: Call) -> None:
    with SocketServer(say(frame("你"), "x" * (MAX_EVENT_BYTES + 1))) as server:
        error = failure(call, server.arguments())

        assert type(error) is APIResponseError
        assert f"{MAX_EVENT_BYTES:,}" in str(error)
        assert partial(error) == "你"
        server.wait_until_ended()


# Endings.


@every_way
@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (lambda c: c.close(1011, "inner trouble"), "code 1011: inner trouble"),
        (lambda c: c.close(), "code 1000"),
        (lambda c: c.socket.shutdown(socket.SHUT_RDWR), "without a closing frame"),
        (reset, ""),
    ],
    ids=["closed with a reason", "closed", "ended", "reset"],
)
def test_an_end_before_the_vendors_own_is_an_interruption(call: Call, ending: Any, told: str) -> None:
    with SocketServer(say(frame("你", 0), frame("好"), ending)) as server:
        error = failure(call, server.arguments())

    assert type(error) is StreamInterruptedError
    assert told in str(error)
    if ending is not reset:  # which may overtake what was sent before
        assert partial(error) == "你好"


@every_way
@pytest.mark.parametrize("nonsense", ["\x00", "[1]", "{}", '{"header":{"code":0,"status":1}}'])
def test_a_message_that_is_no_frame_is_shown(call: Call, nonsense: str) -> None:
    with SocketServer(say(frame("你"), nonsense, stay_silent)) as server:
        error = failure(call, server.arguments())

        assert type(error) is APIResponseError
        assert partial(error) == "你"
        server.wait_until_ended()


def test_a_byte_that_is_no_frame_is_an_interruption() -> None:
    with SocketServer(say(frame("你"), lambda c: c.socket.sendall(b"\xff\xff\xff"))) as server:
        error = failure(whole, server.arguments())

        assert type(error) is StreamInterruptedError
        server.wait_until_ended()


@every_way
def test_an_error_frame_keeps_what_came_before_it(call: Call) -> None:
    refused = '{"header":{"code":10014,"message":"output audit","sid":"cha7","status":2}}'
    with SocketServer(say(frame("你"), refused, stay_silent)) as server:
        error = failure(call, server.arguments())

        assert (type(error).__name__, error.code, error.request_id) == ("ContentPolicyViolationError", "10014", "cha7")
        assert partial(error) == "你"
        server.wait_until_ended()


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "websockets.client", None)
    with SocketServer(stay_silent) as server:
        for call in (whole, astreamed):
            with pytest.raises(ProviderError, match=r'pip install "unionllm\[xunfei\]"'):
                call(server.arguments())
        assert server.paths == []
