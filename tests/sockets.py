"""A WebSocket server on 127.0.0.1 that plays what a test tells it, after another library's reading of the protocol."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Talk = Callable[[ServerConnection], None]

_LONGEST = 10.0
CREDENTIALS = {"app_id": "0a1b2c3d", "api_key": "planted-key-0123456789", "api_secret": "planted-secret-0123456789"}
MESSAGES = [{"role": "user", "content": "你好"}]


class SocketServer:
    """Every connection is talked to by ``talk``, which is given it when the first message has come.

    with SocketServer(lambda connection: connection.send(frame("你好", 2))) as server:
        unionchat(**server.arguments())
    """

    def __init__(self, talk: Talk, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self._talk = talk
        self._tls = tls
        self._options = options
        #: The first message of each connection, in the order of arrival.
        self.requests: list[Any] = []
        #: The paths that were asked for, with their queries.
        self.paths: list[str] = []
        #: The header Host of each handshake.
        self.hosts: list[str] = []
        #: Close codes of connections that have ended; 1006 for those that ended without a closing frame.
        self.ended: list[int | None] = []
        self._changed = threading.Condition()

    def __enter__(self) -> SocketServer:
        quiet = logging.Logger("sockets", logging.CRITICAL + 1)  # noqa: LOG001  # nobody is to hear it
        options: dict[str, Any] = {"compression": None, "logger": quiet, **self._options}
        self._server = serve(self._handle, "127.0.0.1", 0, ssl=self._tls, **options)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}"

    def arguments(self, **more: Any) -> dict[str, Any]:
        """A call of Spark's that comes here."""
        usual = {"provider": "xunfei", "model": "4.0Ultra", "messages": MESSAGES, "max_retries": 0}
        return {**usual, **CREDENTIALS, "base_url": self.url, **more}

    def wait_until_ended(self, count: int = 1) -> list[int | None]:
        """The close codes, once so many connections are over. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.ended) >= count, _LONGEST):
                raise TimeoutError(f"{len(self.ended)} of {count} connections have ended")
            return list(self.ended)

    def _handle(self, connection: ServerConnection) -> None:
        try:
            self.paths.append(connection.request.path if connection.request else "")
            self.hosts += connection.request.headers.get_all("Host") if connection.request else []
            self.requests.append(json.loads(connection.recv(_LONGEST)))
            self._talk(connection)
            connection.recv(_LONGEST)  # the closing is left to the client
        except ConnectionClosed:
            pass
        finally:
            connection.close_socket()
            with self._changed:
                self.ended.append(connection.protocol.close_code)
                self._changed.notify_all()


def frame(text: str = "", status: int = 1, **more: Any) -> str:
    """A frame of Spark's; the last one has status 2 and counts tokens."""
    payload: dict[str, Any] = {
        "choices": {"status": status, "seq": 0, "text": [{"content": text, "role": "assistant", "index": 0, **more}]}
    }
    if status == 2:
        payload["usage"] = {"text": {"question_tokens": 2, "prompt_tokens": 5, "completion_tokens": 3}}
    return json.dumps(
        {"header": {"code": 0, "message": "Success", "sid": "cha1", "status": status}, "payload": payload}
    )


def reset(connection: ServerConnection) -> None:
    """End the connection without a word, by RST."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The thread that reads would keep the socket open: this wakes it up, and it closes.
    connection.socket.shutdown(socket.SHUT_RD)


def stay_silent(connection: ServerConnection) -> None:
    """Say nothing until the client has left, for a few seconds at most."""
    connection.recv(_LONGEST)
