"""Cancellations that come where the HTTP library does not expect them: put off to the next real wait, or to the end.

httpcore takes its locks through anyio, which gives way to other tasks each time (``asyncio.sleep(0)``). A cancellation
that hits one of these moments leaves a connection behind that is open, nobody's, and never used or closed: the one
that was just made, or the one whose answer was just read. At a real wait it is expected, and everything is put away.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Steps:
    """Runs work in the task that awaits it, without cancelling it where it only gives way.

    Args:
        work: what to run; awaited once.
    """

    __slots__ = ("_work", "cancelled")

    def __init__(self, work: Awaitable[Any]) -> None:
        self._work = work
        #: The cancellation that was put off and has not been delivered: after the work, whoever ran it raises this.
        self.cancelled: asyncio.CancelledError | None = None

    @types.coroutine
    def run(self) -> Generator[Any, Any, Any]:
        """The result of the work."""
        steps = self._work.__await__()
        send: Any = steps.send
        value: Any = None
        while True:
            try:
                awaited = send(value)
            except StopIteration as end:
                return end.value
            if self.cancelled is not None and awaited is not None:
                awaited.cancel()  # its waiter is woken up with the cancellation, as if the task had been cancelled now
            send, value = steps.send, None
            try:
                yield awaited
            except asyncio.CancelledError as error:
                if awaited is None:
                    self.cancelled = error
                else:
                    self.cancelled, send, value = None, steps.throw, error
            except BaseException as error:  # noqa: BLE001  # whatever it is, the work is told
                send, value = steps.throw, error


async def finish(work: Awaitable[None]) -> None:
    """Do it to its end unless it really has to wait; a cancellation counts afterwards."""
    steps = Steps(work)
    await steps.run()
    if steps.cancelled is not None:
        raise steps.cancelled
