"""The test bed's own server: what other tests rely on when they script it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from raw_client import PAYLOAD, exchange, pieces_of
from server import Cut, Pause, Recorded, Reply, ScriptedServer, encode_event


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=5) as running:
        yield running


def test_replies_are_played_in_the_order_they_were_queued(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(json={"n": 1})
    server.reply(json={"n": 2}, status=429, headers={"Retry-After": "2"})
    server.reply(Reply(body="三"))

    first, second, third = (client.post("/") for _ in range(3))

    assert (first.status_code, first.json(), first.headers["content-type"]) == (200, {"n": 1}, "application/json")
    assert (second.status_code, second.reason_phrase, second.headers["retry-after"]) == (429, "Too Many Requests", "2")
    assert third.text == "三"
    assert third.headers["content-length"] == "3"


def test_a_request_is_recorded_as_it_was_sent(server: ScriptedServer, client: httpx.Client) -> None:
    server.default(json={})

    client.post("/v1/a%2Fb?x=1&y=&z=%E4%BD%A0", json={"text": "你"}, headers={"Authorization": "Bearer k"})

    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/v1/a%2Fb")
    assert request.query == {"x": "1", "y": "", "z": "你"}
    assert request.headers["authorization"] == "Bearer k"
    assert request.json == {"text": "你"}
    assert json.loads(request.body) == request.json
    assert 0 <= time.monotonic() - request.received_at < 5


def test_a_body_that_is_no_json_is_an_error_only_when_asked_for(server: ScriptedServer, client: httpx.Client) -> None:
    server.default(json={})

    client.post("/", content=b"no json")

    assert server.requests[0].body == b"no json"
    with pytest.raises(json.JSONDecodeError):
        _ = server.requests[0].json


def test_a_chunked_request_is_put_together(server: ScriptedServer, client: httpx.Client) -> None:
    server.default(json={})

    client.post("/", content=iter([b"ab", b"c" * 100_000, b"de"]))

    assert server.requests[0].body == b"ab" + b"c" * 100_000 + b"de"


def test_replies_for_a_path_are_looked_for_first(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(body="any")
    server.reply(body="token", path="/token")

    assert client.get("/token?id=1").text == "token"
    assert client.get("/token").text == "any"


def test_the_default_answers_when_the_queue_is_empty(server: ScriptedServer, client: httpx.Client) -> None:
    def echo(request: Recorded) -> Reply:
        return Reply(body=request.path)

    server.default(echo)
    server.reply(body="queued")

    assert [client.get(path).text for path in ("/a", "/b", "/c")] == ["queued", "/b", "/c"]


def test_events_are_sent_as_chunks_of_their_own(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(sse=[{"a": "你"}, b": comment\n\n", "[DONE]"])

    with client.stream("GET", "/") as response:
        pieces = list(response.iter_raw())

    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["transfer-encoding"] == "chunked"
    assert pieces == ['data: {"a": "你"}\n\n'.encode(), b": comment\n\n", b"data: [DONE]\n\n"]


def test_the_bytes_on_the_wire(server: ScriptedServer) -> None:
    server.reply(chunks=[b"ab", b"", b"c"], content_type="text/x", headers={"X-Id": "7"})

    received = exchange(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")

    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/x\r\ntransfer-encoding: chunked\r\nX-Id: 7\r\n\r\n"
    assert received == head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


def test_a_header_of_the_script_replaces_the_usual_one(server: ScriptedServer) -> None:
    server.reply(body=b"abc", headers={"Content-Length": "0"}, content_type="", status=299)

    received = exchange(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert received == b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\nabc"


def test_a_raw_reply_has_no_head_but_its_own(server: ScriptedServer) -> None:
    server.reply(body=b"SSH-2.0-nonsense\r\n", raw=True)

    assert exchange(server) == b"SSH-2.0-nonsense\r\n"


def test_the_payload_is_cut_at_every_offset_asked_for(server: ScriptedServer, client: httpx.Client) -> None:
    for offset in range(1, len(PAYLOAD)):
        server.reply(chunks=[PAYLOAD[:2], PAYLOAD[2:]], split=[offset])
        assert pieces_of(client) == [PAYLOAD[:offset], PAYLOAD[offset:]]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (4, [b"0123", b"4567", b"89"]),
        (99, [b"0123456789"]),
        ([7, 2, 2, 0, 10, 50], [b"01", b"23456", b"789"]),
        ([], [b"0123456789"]),
    ],
)
def test_a_whole_body_can_be_split_too(server: ScriptedServer, split: Any, expected: list[bytes]) -> None:
    server.reply(body=b"0123456789", split=split)

    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert pieces_of(client) == expected


def test_offsets_count_on_across_a_pause(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(chunks=[b"01", b"23", Pause(0.01), b"45", b"67"], split=[1, 6])

    assert pieces_of(client) == [b"0", b"123", b"45", b"67"]


def test_a_pause_holds_the_following_pieces_back(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(chunks=[b"a", Pause(0.2), b"b"])

    with client.stream("GET", "/") as response:
        pieces = response.iter_raw()
        began = time.monotonic()
        assert next(pieces) == b"a"
        assert time.monotonic() - began < 0.15
        assert next(pieces) == b"b"
        assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize("late", [{"delay": 0.2, "json": {}}, {"sse": [Pause(0.2), {}]}])
def test_a_pause_before_all_pieces_holds_the_head_back(
    server: ScriptedServer, client: httpx.Client, late: dict[str, Any]
) -> None:
    server.reply(**late)

    began = time.monotonic()
    with client.stream("GET", "/"):
        assert time.monotonic() - began >= 0.19


def test_an_empty_piece_sends_the_head_alone(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(sse=[b"", Pause(30), {}])

    with client.stream("GET", "/") as response:
        assert response.status_code == 200

    assert server.wait_for_disconnect() < 1


@pytest.mark.parametrize(
    ("cut", "error"), [(Cut(), httpx.RemoteProtocolError), (Cut(reset=True), httpx.ReadError)], ids=["fin", "reset"]
)
def test_a_cut_ends_the_connection_in_the_middle(
    server: ScriptedServer, client: httpx.Client, cut: Cut, error: type[Exception]
) -> None:
    server.reply(chunks=[b"a", Pause(0.05), cut, b"never"])

    with client.stream("GET", "/") as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"a"
        with pytest.raises(error):
            next(pieces)


@pytest.mark.parametrize(
    ("cut", "error"), [(Cut(), httpx.RemoteProtocolError), (Cut(reset=True), httpx.ReadError)], ids=["fin", "reset"]
)
def test_a_cut_may_come_before_the_head(
    server: ScriptedServer, client: httpx.Client, cut: Cut, error: type[Exception]
) -> None:
    server.reply(chunks=[cut])

    with pytest.raises(error):
        client.get("/")


def test_a_body_shorter_than_announced_is_an_error_of_the_protocol(
    server: ScriptedServer, client: httpx.Client
) -> None:
    server.reply(body=b"abc", announce=10)

    with pytest.raises(httpx.RemoteProtocolError, match=re.escape("received 3 bytes, expected 10")):
        client.get("/")


def test_the_end_of_the_connection_may_be_the_end_of_the_body(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(sse=["a", "b"], until_close=True)
    server.reply(json={})

    first = client.get("/")
    client.get("/")

    assert first.content == encode_event("a") + encode_event("b")
    assert "content-length" not in first.headers
    assert "transfer-encoding" not in first.headers
    assert server.connections == 2


def test_gzip_is_decoded_to_the_same_bytes(server: ScriptedServer, client: httpx.Client) -> None:
    text = "你好 " * 1000
    server.reply(json={"text": text}, gzip=True)
    server.reply(json={"text": text}, gzip=True, split=7)
    server.reply(body=b"", gzip=True)

    plain, split, empty = (client.get("/") for _ in range(3))

    assert plain.json() == split.json() == {"text": text}
    assert int(plain.headers["content-length"]) < 200
    assert plain.headers["content-encoding"] == split.headers["content-encoding"] == "gzip"
    assert empty.content == b""


def test_a_compressed_stream_can_be_read_piece_by_piece(server: ScriptedServer, client: httpx.Client) -> None:
    server.reply(sse=["a", Pause(30), "b"], gzip=True)

    with client.stream("GET", "/") as response:
        assert next(response.iter_bytes()) == encode_event("a")
