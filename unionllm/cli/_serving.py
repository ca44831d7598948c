"""The vendor server in the foreground."""

from __future__ import annotations

import sys
import threading

from . import _codes as codes


def serve(port: int) -> int:
    """Run the server until Ctrl-C; returns the exit code.

    Args:
        port: where to listen on 127.0.0.1; 0 takes a free one.
    """
    try:
        from ..testing._mock import serve as serve_vendors
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        sys.stderr.write("The vendor server needs aiohttp: pip install 'unionllm[testing]'\n")
        return codes.USAGE
    try:
        serve_vendors(port, _say, threading.Event())
    except OSError as error:
        sys.stderr.write(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port.\n")
        return codes.FAILED
    return codes.DONE


def _say(text: str) -> None:
    sys.stdout.write(text)
    # A program that starts this one reads the addresses through a pipe.
    sys.stdout.flush()
