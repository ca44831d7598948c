"""Certificates, a vendor behind TLS, and proxies, all on 127.0.0.1, for tests of how calls travel."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import functools
import http.server
import ipaddress
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from replies import answer, stream

#: The name in the vendor's certificate; no resolver knows it, so it is reached through a proxy or not at all.
HOST = "vendor.test"


class Authority:
    """A certificate authority of the tests' own, with files in a folder."""

    def __init__(self, folder: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        self._x509 = x509
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of the tests")])
        made = self._build(self._name, self._key, 1, x509.BasicConstraints(ca=True, path_length=0))
        self.file = self._write("authority", made, None)

    def _build(self, name: Any, key: Any, days: int, *extensions: Any) -> Any:
        from cryptography.hazmat.primitives import hashes

        now = dt.datetime.now(dt.timezone.utc)
        begin = now - dt.timedelta(days=3)
        builder = self._x509.CertificateBuilder(issuer_name=self._name, subject_name=name, public_key=key.public_key())
        builder = builder.serial_number(self._x509.random_serial_number()).not_valid_before(begin)
        builder = builder.not_valid_after(now + dt.timedelta(days=days))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, made: Any, key: Any) -> str:
        from cryptography.hazmat.primitives import serialization

        pem = made.public_bytes(serialization.Encoding.PEM)
        if key is not None:
            form = serialization.PrivateFormat.PKCS8
            pem += key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        path = self.folder / f"{name}.pem"
        path.write_bytes(pem)
        return str(path)

    def issue(self, name: str, *, host: str = HOST, days: int = 1) -> str:
        """A file with a certificate for 127.0.0.1 and a host, and its key; ``days`` below 0 is one that has expired."""
        from cryptography.hazmat.primitives.asymmetric import ec

        x509, key = self._x509, ec.generate_private_key(ec.SECP256R1())
        names: list[Any] = [x509.DNSName(host)]
        names += [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))] if host == HOST else []
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        return self._write(name, self._build(subject, key, days, x509.SubjectAlternativeName(names)), key)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined]  # set below
        events = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in stream("你", "好")]
        content = ("".join(events) if body.get("stream") else json.dumps(answer("你好"))).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if body.get("stream") else "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nobody is to hear it."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self) -> Any:
        connection, address = self.socket.accept()
        # The handshake is made by the connection's own thread, and may fail there.
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address  # type: ignore[attr-defined]

    def handle_error(self, *_: Any) -> None:
        """A client that does not trust us hangs up."""


@contextlib.contextmanager
def tls_vendor(certificate: str, clients: str | None = None) -> Iterator[Any]:
    """A vendor behind TLS; ``port``, and ``seen``: the headers of each request. ``clients``: who signs theirs."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    if clients is not None:
        tls.load_verify_locations(clients)
        tls.verify_mode = ssl.CERT_REQUIRED
    with _Server(("127.0.0.1", 0), _Handler) as server:
        vendor: Any = server
        vendor.tls, vendor.seen, vendor.port = tls, [], server.server_address[1]
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.01), daemon=True)
        thread.start()
        yield vendor
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def deaf_server() -> Iterator[str]:
    """The address of a server whose queue of connections is full: it answers no further one."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class Proxy:
    """A proxy that sends everybody to one port; ``asked``: what each client wanted, and ``known`` as whom.

    Args:
        to: the port.
        login: ``user:password`` that it wants, or "".
    """

    scheme = "http"

    def __init__(self, to: int, login: str = "") -> None:
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self._to, self._login = to, login
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def url(self, login: str = "", scheme: str = "") -> str:
        at = f"{login}@" if login else ""
        return f"{scheme or self.scheme}://{at}127.0.0.1:{self._listener.getsockname()[1]}"

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if not self.greet(connection):
                return
            with socket.create_connection(("127.0.0.1", self._to)) as other:
                self._start(self._pump, connection, other)
                self._pump(other, connection)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def greet(self, connection: socket.socket) -> bool:
        """Whether the client may go on."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        self.heads.append(head)
        wanted = base64.b64encode(self._login.encode())
        if self._login and b"Basic " + wanted not in head:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return False
        self.asked.append(head.split(b" ")[1].decode())
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return True


class SocksProxy(Proxy):
    """The same in SOCKS 5."""

    scheme = "socks5"

    def greet(self, connection: socket.socket) -> bool:
        _, count = connection.recv(2)
        connection.recv(count)
        connection.sendall(b"\x05\x02" if self._login else b"\x05\x00")
        if self._login:
            _, length = connection.recv(2)
            user = connection.recv(length)
            password = connection.recv(connection.recv(1)[0])
            is_known = b":".join((user, password)).decode() == self._login
            connection.sendall(b"\x01\x00" if is_known else b"\x01\x01")
            if not is_known:
                return False
        *_, kind = connection.recv(4)
        name = connection.recv(connection.recv(1)[0]).decode() if kind == 3 else socket.inet_ntoa(connection.recv(4))
        self.asked.append(f"{name}:{struct.unpack('>H', connection.recv(2))[0]}")
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return True
