"""Clients for the tests of the local server itself: a bare socket, and httpx."""

from __future__ import annotations

import socket

import httpx
from server import ScriptedServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PAYLOAD = "data: 你好\n\n".encode()


def connect(server: ScriptedServer) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def exchange(server: ScriptedServer, request: bytes = GET) -> bytes:
    """Everything the server sends up to the end of the connection."""
    with connect(server) as sock:
        sock.sendall(request)
        received = b""
        while data := sock.recv(65536):
            received += data
        return received


def pieces_of(client: httpx.Client) -> list[bytes]:
    with client.stream("GET", "/") as response:
        return list(response.iter_raw())
