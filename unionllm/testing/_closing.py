"""Ending a server without leaving a connection behind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress


async def stop_accepting(listener: socket.socket) -> None:
    """Take no further connection, and let the loop hand over those that it has accepted.

    Closing the server at once would leave them behind: asyncio cannot attach them to a server that has been closed, and
    forgets to close them.
    """
    # On Windows the loop cancels the accepting itself; and the listener may be closed already.
    with suppress(NotImplementedError, ValueError):
        asyncio.get_running_loop().remove_reader(listener)
    for _ in range(3):  # the task of an accepted connection, its transport, its protocol
        await asyncio.sleep(0)
