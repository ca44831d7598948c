"""Runs one official client in a process of its own: a call a line comes in, what the client made of it goes out.

A process each, because SDKs keep settings in globals and in the environment, patch what they import, and may ask hosts
of their own; any connection but to 127.0.0.1 is refused here and told.
"""

from __future__ import annotations

import importlib
import json
import socket
import sys
from typing import Any

FOREIGN: list[str] = []


def guard() -> None:
    """Refuse, and note, every connection and every lookup that leaves this machine."""
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] != "127.0.0.1":
            FOREIGN.append(str(address[0]))
            raise OSError(f"connection to {address[0]} refused by the test")
        return connect(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", b"127.0.0.1", None, ""):
            FOREIGN.append(str(host))
            raise socket.gaierror(f"lookup of {host} refused by the test")
        return lookup(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_lookup


def main(name: str) -> None:
    """Serve calls until the input ends."""
    guard()
    # What SDKs print must not stand among the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    driver = importlib.import_module(f"drive_{name}")
    for line in sys.stdin:
        order = json.loads(line)
        FOREIGN.clear()
        try:
            outcome = driver.ask(**order)
        except Exception as error:  # whatever the SDK raises is its answer
            outcome = {"error": type(error).__name__, "status": status_of(error), "words": str(error)[:300]}
        print(json.dumps({**outcome, "foreign": list(FOREIGN)}), file=out, flush=True)


def status_of(error: Exception) -> int | None:
    """The HTTP status an SDK's exception tells, under the names that SDKs use."""
    for name in ("status_code", "http_status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and 100 <= value < 600:  # a vendor's own code may stand there too
            return value
    return None


if __name__ == "__main__":
    main(sys.argv[1])
