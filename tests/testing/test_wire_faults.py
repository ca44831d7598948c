"""Faults of the wire, as a client without any cleverness of its own sees them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from unionllm.testing import VendorServer

_TLS = Path(__file__).parents[1] / "tls"
_ASK = {"model": "glm-4.6", "messages": [{"role": "user", "content": "你好"}]}


def post(server: VendorServer, *, stream: bool = False, **more: Any) -> httpx.Response:
    url = f"{server.url('zhipuai')}/chat/completions"
    headers = {"Authorization": f"Bearer {server.credentials('zhipuai')['api_key']}"}
    return httpx.post(url, headers=headers, json={**_ASK, "stream": stream}, **more)


def pieces(server: VendorServer) -> Iterator[bytes]:
    """What comes of a stream, to its end or to where it is cut."""
    url = f"{server.url('zhipuai')}/chat/completions"
    headers = {"Authorization": f"Bearer {server.credentials('zhipuai')['api_key']}"}
    asked = {**_ASK, "stream": True}
    with suppress(httpx.RemoteProtocolError), httpx.stream("POST", url, headers=headers, json=asked) as reply:
        yield from reply.iter_raw()


def test_a_gateway_says_what_it_is_told_to(vendor_server: VendorServer) -> None:
    vendor_server.fault("gateway", status=307, headers={"Location": "http://127.0.0.1:1/"}, body=b"there")

    reply = post(vendor_server)

    assert (reply.status_code, reply.headers["location"], reply.content) == (307, "http://127.0.0.1:1/", b"there")
    assert vendor_server.waiting == 0


@pytest.mark.parametrize("after", [-1, -0.5])
def test_a_cut_in_the_head_leaves_no_reply(vendor_server: VendorServer, after: float) -> None:
    vendor_server.fault("cut", after=after)

    with pytest.raises(httpx.RemoteProtocolError):
        post(vendor_server)


def test_a_fraction_cuts_into_the_next_event(vendor_server: VendorServer) -> None:
    vendor_server.fault("cut", after=1.5, text=["一", "二", "三"])

    got = b"".join(pieces(vendor_server))

    whole, half = got.split(b"\n\n")
    assert whole.startswith(b"data: {")
    assert whole.endswith(b"}")
    assert half.startswith(b"data: {")
    assert not half.endswith(b"}")


def test_a_body_in_another_charset_says_so(vendor_server: VendorServer) -> None:
    vendor_server.fault("charset", text="你好")

    reply = post(vendor_server)

    assert reply.headers["content-type"] == "application/json; charset=gb18030"
    assert "你好" in reply.content.decode("gb18030")


def test_a_compressed_body_is_cut_short_within_a_whole_reply(vendor_server: VendorServer) -> None:
    vendor_server.fault("gzip", text="你好" * 20)

    reply = post(vendor_server)

    assert reply.headers["content-encoding"] == "gzip"
    assert reply.text.startswith("{")
    assert not reply.text.endswith("}")


@pytest.mark.parametrize(("after", "is_cut"), [(100, True), (-5, False), (-0.5, False)])
def test_a_length_is_wrong_by_so_much(vendor_server: VendorServer, after: float, is_cut: bool) -> None:
    vendor_server.fault("content_length", after=after)

    if is_cut:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            post(vendor_server)
    else:
        reply = post(vendor_server)
        assert len(reply.content) == int(reply.headers["content-length"])
        assert not reply.text.endswith("}")


def test_a_large_event_grows_until_the_client_leaves(vendor_server: VendorServer) -> None:
    vendor_server.fault("large", after=1)
    size = 0

    for piece in pieces(vendor_server):
        size += len(piece)
        if size > 3_000_000:
            break

    assert size > 3_000_000


def test_a_server_with_a_certificate_speaks_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_TLS / "cert.pem", _TLS / "key.pem")
    with VendorServer(tls=context) as server:
        assert server.url("zhipuai").startswith("https://127.0.0.1:")
        assert server.url("xunfei").startswith("wss://127.0.0.1:")

        reply = post(server, verify=ssl.create_default_context(cafile=_TLS / "cert.pem"))
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            told = plain.recv(100)

    assert reply.json()["choices"][0]["message"]["content"] == "收到：你好"
    assert not told.startswith(b"HTTP/")
