"""What tests of the command line share: commands in this process, and a terminal for those that need one."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from vendors_on_loopback import environment, process_environment

from unionllm import _registry
from unionllm.cli import main
from unionllm.testing import VendorServer

#: Seconds to wait for what a command has to write.
_LONGEST = 60.0
_COLOURS = re.compile(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")
#: The terminal becomes the process's own: Ctrl-C is then a signal, as it is for a person.
_START = (
    "import fcntl, runpy, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "runpy.run_module('unionllm', run_name='__main__')"
)


def variables_for(server: VendorServer, *names: str) -> dict[str, str | None]:
    """Variables that send these vendors to the server, with credentials that it accepts; no other key is set."""
    variables = environment(keys=False)
    for name in names:
        found = _registry.find(name)
        assert found is not None
        spec = found.adapter.spec
        variables[spec.base_url_env[0]] = server.url(name)
        for credential in spec.credentials:
            if credential.env and credential.name in server.credentials(name):
                variables[credential.env[0]] = server.credentials(name)[credential.name]
    return variables


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


class Ran:
    """The exit code and the output of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


def run_here(capsys: pytest.CaptureFixture[str], *words: str) -> Ran:
    """A command in this process."""
    capsys.readouterr()
    code = main(list(words))
    return Ran(code, *capsys.readouterr())


class Terminal:
    """A process in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], number: int) -> None:
        self._process = process
        self._number = number
        self._read = b""
        self._seen = 0

    @property
    def raw(self) -> str:
        """All that was written, with what steers the terminal."""
        return self._read.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """All that was written, without it."""
        return _COLOURS.sub("", self.raw)

    def wait_for(self, text: str) -> None:
        """Read until the text has been written since the last time."""
        until = time.monotonic() + _LONGEST
        while self.text.find(text, self._seen) < 0:
            assert time.monotonic() < until, self.text
            assert self._read_some(), self.text
        self._seen = self.text.find(text, self._seen) + len(text)

    def _read_some(self) -> bool:
        if not select.select([self._number], [], [], 1.0)[0]:
            return self._process.poll() is None
        try:
            piece = os.read(self._number, 65536)
        except OSError:  # Linux says so when the other side has gone
            return False
        self._read += piece
        return bool(piece)

    def type(self, text: str) -> None:
        os.write(self._number, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.type("\x03")

    def interrupt_until(self, text: str) -> None:
        """Ctrl-C, as often as a person would press it until the text is there.

        While it waits for a line, CPython passes over a signal that comes between its writing of the prompt and its
        waiting, until the next key or signal.
        """
        for _ in range(3):
            self.interrupt()
            until = time.monotonic() + 5
            while time.monotonic() < until and self.text.find(text, self._seen) < 0 and self._read_some():
                pass
            if self.text.find(text, self._seen) >= 0:
                break
        self.wait_for(text)

    def end(self) -> int:
        """Read the rest; the exit code."""
        until = time.monotonic() + _LONGEST
        while self._read_some():
            assert time.monotonic() < until, self.text
        return self._process.wait(timeout=_LONGEST)


@contextmanager
def terminal(*words: str, variables: dict[str, str | None], rows: int = 30, columns: int = 80) -> Iterator[Terminal]:
    """``unionllm WORDS`` in a terminal of that size."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    more: dict[str, str | None] = {"TERM": "xterm-256color", "NO_COLOR": None, "COLUMNS": None, "LINES": None}
    process = subprocess.Popen(
        [sys.executable, "-c", _START, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=process_environment({**variables, **more}),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
