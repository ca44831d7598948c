"""Who owns the connections: one sync transport a process, one async transport an event loop, or a client its own.

The transports of the plain functions are the library's only global state.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from ._fork import never_free
from ._transport import AsyncTransport, SyncTransport

if TYPE_CHECKING:
    import asyncio


class Transports:
    """The transports of one owner: a ``UnionLLM`` client, or the plain functions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._sync: SyncTransport | None = None
        self._of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()

    def sync(self, http_client: Any = None) -> SyncTransport:
        """The transport of blocking calls; one over the caller's own client if there is one."""
        if http_client is not None:
            return SyncTransport(http_client)
        if self._pid == os.getpid() and (kept := self._sync) is not None:
            return kept
        self._leave_parent()
        with self._lock:
            if self._sync is None:
                self._sync = SyncTransport()
            return self._sync

    def kept(self, http_client: Any = None) -> AsyncTransport | None:
        """What ``of_loop`` would give, if it is there already."""
        if http_client is not None or self._pid != os.getpid():
            return None
        import asyncio

        owned = self._of_loops.get(asyncio.get_running_loop())
        return None if owned is None else owned.transport

    async def of_loop(self, http_client: Any = None) -> AsyncTransport:
        """The transport of the running event loop; made anew in every loop, and closed with it."""
        if http_client is not None:
            return AsyncTransport(http_client)
        self._leave_parent()
        import asyncio

        loop = asyncio.get_running_loop()
        owned = self._of_loops.get(loop)
        if owned is None:
            for old in [old for old in self._of_loops if old.is_closed()]:
                del self._of_loops[old]  # it ended without the notice that _OfLoop waits for
            owned = _OfLoop(lambda: self._of_loops.pop(loop, None))
            self._of_loops[loop] = owned
            await owned.start()
        return owned.transport

    def close(self) -> None:
        """Close the sync connections. Those of event loops close with ``aclose`` or with their loop."""
        self._leave_parent()
        with self._lock:
            transport, self._sync = self._sync, None
        if transport is not None:
            transport.close()

    async def aclose(self) -> None:
        """Close the connections of the running loop, and the sync ones."""
        import asyncio

        self.close()
        owned = self._of_loops.pop(asyncio.get_running_loop(), None)
        if owned is not None:
            await owned.stop()

    def _leave_parent(self) -> None:
        # After a fork, parent and child would write into the same sockets. The child keeps its copies out of use and
        # out of the garbage: a TLS goodbye from the child would end the parent's connection.
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            never_free((self._sync, self._of_loops))
            self._sync = None
            self._of_loops = weakref.WeakKeyDictionary()
            self._pid = os.getpid()  # last: whatever interrupts this, the next call begins it anew


class _OfLoop:
    """A transport that is closed when its loop shuts down.

    An event loop closes the asynchronous generators that were started in it before it ends (``asyncio.run`` does),
    which is the only notice it gives: so the transport hangs on one.
    """

    def __init__(self, forget: Callable[[], object]) -> None:
        self.transport = AsyncTransport()
        self._guard = _guard(self.transport, forget)

    async def start(self) -> None:
        await self._guard.__anext__()

    async def stop(self) -> None:
        await self._guard.aclose()


async def _guard(transport: AsyncTransport, forget: Callable[[], object]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        forget()  # a started generator holds its loop, and would keep it alive through our table
        await transport.close()


_shared: Transports | None = None
_shared_lock = threading.Lock()


def shared() -> Transports:
    """The transports of the plain functions."""
    global _shared  # noqa: PLW0603  # the one borrowed default client
    if _shared is not None:
        return _shared  # as all calls but the first find it
    with _shared_lock:
        if _shared is None:
            _shared = Transports()
            atexit.register(_shared.close)
        return _shared
