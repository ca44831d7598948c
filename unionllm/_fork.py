"""What a forked child must leave alone."""

from __future__ import annotations

import os


def never_free(value: object) -> None:
    """Keep an object alive beyond the end of the interpreter.

    For what a forked child inherits: its copies of sockets and servers belong to threads and peers of the parent, and
    finalising them would wait for the former or confuse the latter.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def process_id() -> int:
    """Which process this is. What was written down under another one was begun by threads that are not here."""
    return os.getpid()
