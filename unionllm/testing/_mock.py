"""``python -m unionllm mock``: the vendor server from a shell."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ._server import VendorServer


def serve(port: int, write: Callable[[str], object], stop: threading.Event) -> None:
    """Run the server until ``stop`` is set, and say where each vendor is and what it accepts. Raises OSError."""
    with VendorServer(port=port) as server:
        write(f"{len(server.vendors)} vendors on http://127.0.0.1:{server.port}, until Ctrl-C\n\n")
        for name in server.vendors:
            write(f"{name}\n  base_url       {server.url(name)}\n")
            for credential, value in server.credentials(name).items():
                write(f"  {credential.ljust(13)}  {value}\n")
        write("\n")
        # Without a limit, Ctrl-C is not seen on Windows while the wait lasts.
        while not stop.wait(0.5):
            pass
