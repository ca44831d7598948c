"""The corners of a WebSocket: errors before there is a connection, and first frames that are none."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from rows import NOW, Call
from tables.xunfei import ask, signed

from unionllm.testing import VendorServer


@pytest.mark.parametrize(("name", "status"), [("unauthorized", 401), ("date", 403), ("path", 404)])
def test_what_the_gateway_says_is_said_to_the_handshake(name: str, status: int) -> None:
    with VendorServer(clock=lambda: NOW) as server:
        server.fault(name, vendor="xunfei")

        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            ask(server, Call())

        assert caught.value.status == status
        assert server.waiting == 0
        assert server.refused == []


def test_a_first_frame_that_is_no_text_is_refused_and_a_client_may_leave_without_one() -> None:
    async def talk(server: VendorServer) -> Any:
        url, query = signed(server)
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url, params=query):
                pass
            async with session.ws_connect(url, params=query) as socket:
                await socket.send_bytes(b"\xff")
                return (await socket.receive_json(timeout=5))["header"]["code"]

    with VendorServer(clock=lambda: NOW) as server:
        assert asyncio.run(talk(server)) == 10003
        assert [request.status for request in server.requests] == [400]


def test_a_signature_that_is_no_ascii_is_wrong() -> None:
    with VendorServer(clock=lambda: NOW) as server:
        response = ask(server, Call(query={"signature": "é"}))

        assert response.status_code == 401
        assert "does not match" in response.text
