"""Refuses, and notes, every connection of this process that would leave 127.0.0.1.

An audit hook, which no library can go around; it cannot be taken out again, so it belongs into a process of its own.
"""

from __future__ import annotations

import sys
from typing import Any

#: What was refused: ``connect 1.2.3.4:443``, ``resolve api.example.com``.
REFUSED: list[str] = []
_HERE = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}


def install() -> None:
    """From now on nobody in this process reaches anything but this machine."""
    sys.addaudithook(_watch)


def _watch(event: str, given: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(given[1], tuple):
        _refuse_others("connect", given[1][0], f"{given[1][0]}:{given[1][1]}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _refuse_others("resolve", given[0], str(given[0]))


def _refuse_others(what: str, host: Any, told: str) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _HERE:
        REFUSED.append(f"{what} {told}")
        raise OSError(f"refused: {what} {told}")
