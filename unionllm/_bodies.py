"""Bodies of blocking calls, closed only where that cannot wait for itself.

A stream that nobody holds any more may be closed by the garbage collector, and that runs at any moment: also while this
very thread is inside of the connection pool and holds the pool's lock, which closing a body takes, too. It would wait
for ever. So the pool's own iterators are kept out of the collector's reach for as long as they are in use, and a body
that is given up at such a moment is closed as soon as its thread has left the pool.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from ._lines import WIRE_ERRORS


class _Here(threading.local):
    """What one thread is doing."""

    def __init__(self) -> None:
        #: How many operations of the pool it is inside of.
        self.depth = 0
        #: What waits to be closed until it has left them.
        self.waiting: list[_Held] = []


class _Held:
    """What the pool gave out to be read."""

    def __init__(self, stream: Any) -> None:
        self.iterator: Iterator[bytes] = iter(stream)
        self._stream = stream

    def close(self) -> None:
        with contextlib.suppress(*WIRE_ERRORS):
            self._stream.close()


class Bodies:
    """The bodies of one owner's connections. ``with bodies:`` goes around everything that may take a pool's lock."""

    def __init__(self) -> None:
        self.here = _Here()
        self._held: set[_Held] = set()

    def __enter__(self) -> None:
        self.here.depth += 1

    def __exit__(self, *_: object) -> None:
        self.here.depth -= 1
        self.close_waiting()

    def close_waiting(self) -> None:
        """Close what this thread has given up, unless it is still inside of the pool."""
        here = self.here
        while here.waiting and not here.depth:
            held = here.waiting.pop()
            here.depth += 1
            try:
                held.close()
            finally:
                here.depth -= 1

    def hold(self, stream: Any) -> _Held:
        """Keep what is being read alive until it is released."""
        held = _Held(stream)
        self._held.add(held)
        return held

    def release(self, held: _Held) -> None:
        """Close it, now or as soon as this thread has left the pool."""
        self._held.discard(held)
        if self.here.depth:
            self.here.waiting.append(held)
            return
        with self:
            held.close()


class PooledBody:
    """The body of one reply, read once."""

    def __init__(self, bodies: Bodies, stream: Any) -> None:
        self._bodies = bodies
        self._held = bodies.hold(stream)
        self._iterator = self._held.iterator
        self._here = bodies.here
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        # ``with self._bodies`` written out: this runs for every piece of every body.
        here = self._here
        here.depth += 1
        try:
            return next(self._iterator)
        finally:
            here.depth -= 1
            if here.waiting:
                self._bodies.close_waiting()

    def close(self) -> None:
        """Give the connection back, or close it if there is more to come."""
        if not self._is_closed:
            self._is_closed = True
            self._bodies.release(self._held)

    def __del__(self) -> None:
        self.close()
