"""A proxy that plays the internet: every host in it is a function, and hosts that it does not know are noted.

It speaks TLS in the name of whatever host is asked for, with certificates of an authority made for the occasion, so
that vendors can be called at the addresses that a client has for them.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme

from scripts import Recorded, Reply, Step

#: What stands at a host.
Host = Callable[[Recorded], Reply]


class Internet:
    """Listens on a free port of 127.0.0.1 inside its ``with`` block, as proxy and as plain server."""

    def __init__(self) -> None:
        #: Host → what answers there. The empty name answers requests that do not come through the proxy.
        self.hosts: Mapping[str, Host] = {}
        #: Who was asked for what, in order: host and request.
        self.requests: list[tuple[str, Recorded]] = []
        #: Hosts that nobody plays, with the paths that were asked for there.
        self.strangers: list[str] = []
        self.authority = trustme.CA()
        self._making = threading.Lock()

    def __enter__(self) -> Internet:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.internet = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self, hosts: Mapping[str, Host]) -> None:
        """Put up other hosts, and forget what was asked before."""
        self.hosts = hosts
        self.requests.clear()
        self.strangers.clear()

    def answer(self, host: str, request: Recorded) -> Reply:
        """What that host says."""
        self.requests.append((host, request))
        played = self.hosts.get(host)
        if played is None and not host:
            return Reply(status=404, body="")  # late news from a call that is over: LiteLLM looks up prices afterwards
        if played is None:
            self.strangers.append(f"{request.method} {host}{request.path}")
            return Reply(status=502, body=f"nobody plays {host}")
        return played(request)

    def context_for(self, host: str) -> ssl.SSLContext:
        """TLS as that host."""
        with self._making:
            return self._context_for(host)

    @functools.cache  # noqa: B019  # one of these a process
    def _context_for(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        self.authority.issue_cert(host).configure_cert(context)
        return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    internet: Internet

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no fault of the server's; faults of hosts come back as replies."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    host = ""

    def do_CONNECT(self) -> None:
        """Become the host that is asked for."""
        self.host = self.path.partition(":")[0]
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        self.connection = self.server.internet.context_for(self.host).wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        request = Recorded(
            method=self.command,
            path=target.path,
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._chunks() if "transfer-encoding" in self.headers else self.rfile.read(length),
            connection=self.client_address[1],
            received_at=time.monotonic(),
        )
        self._send(self.server.internet.answer(self.host or target.hostname or "", request))

    do_POST = do_GET

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, reply: Reply) -> None:
        def send(step: Step) -> None:
            assert isinstance(step, bytes)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(step), step) if reply.is_chunked else step)

        whole = b"" if reply.is_stream else b"".join(step for step in reply.payload if isinstance(step, bytes))
        self.wfile.write(reply.head(len(whole)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            reply.play(send) if reply.is_stream else self.wfile.write(whole)
            if reply.is_chunked:
                self.wfile.write(b"0\r\n\r\n")

    def finish(self) -> None:
        """Close what ``do_CONNECT`` opened, too."""
        super().finish()
        if self.connection is not self.request:
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked for stands in ``requests``."""
