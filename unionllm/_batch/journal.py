"""The journal: every answer is a line of an append-only file before anybody sees it, and is found again by its hash.

A line is written by one ``write`` to a file opened for appending, so it survives the death of this process at any
moment; a line that was cut in half by that is cut off when the file is next opened. What is lost when the *machine*
dies depends on ``fsync``: see ``Fsync``.

Where the line of a hash stands is kept in a private SQLite database that is made anew from the file at each opening,
lies on the disk as soon as it outgrows its cache, and vanishes with the process. A dict of a million hashes would take
150 MB; and with the file as the only truth there is no second one that could differ from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from .._log import logger
from ..exceptions import UnionLLMError
from .lines import KEY_DIGITS
from .results import Entry, dump_json

#: ``"second"``: at most once a second, beside the work: a machine that dies loses a second of answers. ``"always"``:
#: before an answer is handed out. ``"never"``: when the operating system likes. The process's own death loses nothing.
Fsync: TypeAlias = Literal["second", "always", "never"]
FSYNC = ("second", "always", "never")

_HEAD = re.compile(
    rb'\{"key":"([0-9a-f]{%d})","ok":(true|false),"tokens":(\d+),"cost":(null|[-+.\deE]+),'
    rb'(?:"currency":"([A-Z]{3})",)?' % KEY_DIGITS
)
_END = b"}\n"
#: Bytes read at once while the file is scanned.
_BLOCK = 1 << 20
#: KiB of the index that stay in memory; some 200,000 hashes.
_CACHE = 16 * 1024

_TABLE = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE lines (key BLOB PRIMARY KEY, place INTEGER, size INTEGER, ok INTEGER) WITHOUT ROWID;
CREATE TABLE claims (key BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_PUT = "INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?)"
_GET = "SELECT place, size FROM lines WHERE key = ?"


class JournalError(UnionLLMError):
    """The journal cannot be used: somebody else writes it, or it is no journal."""


class Journal:
    """Answers by the hash of their request.

    Args:
        path: the file, made if there is none; None for one that is gone when it is closed.
        fsync: see ``Fsync``.

    Raises:
        JournalError: another process writes this file, or it holds something else.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path | None = None, fsync: Fsync = "second") -> None:
        if fsync not in FSYNC:
            raise JournalError(f"fsync={fsync!r} is none of {', '.join(map(repr, FSYNC))}.")
        self.path = path
        #: Tokens of all answers, earlier runs' included.
        self.tokens = 0
        #: How many answers there are, and how many of them say what they cost.
        self.answers, self.priced = 0, 0
        #: Of the first answer that says what it cost; the money of others is not counted.
        self.currency: str | None = None
        self._cost = Decimal(0)
        self._fsync: Fsync = "never" if path is None else fsync
        self._dirty = asyncio.Event()
        # Unbuffered: a buffer would be lost with the process, and could show old bytes to ``read``.
        self._file: IO[bytes] = (
            tempfile.TemporaryFile(buffering=0) if path is None else path.open("a+b", buffering=0)  # noqa: SIM115  # closed by close()
        )
        self._index = sqlite3.connect("", isolation_level=None)
        try:
            self._lock()
            self._open_index()
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows: there two runs have to be kept apart by their user
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JournalError(f"{self.path} is being written by another run. Wait for it, or name another.") from None

    def _open_index(self) -> None:
        self._index.executescript(f"PRAGMA cache_size = -{_CACHE}; {_TABLE}")
        self._index.execute("BEGIN")
        self._size = 0
        for place, line in self._whole_lines():
            self._size = place + len(line)
            # A failure of an earlier run is asked again: it is not put into the index.
            if (head := _HEAD.match(line)) and head[2] == b"true":
                self._count(int(head[3]), *_money(head))
                self._index.execute(_PUT, (bytes.fromhex(head[1].decode()), place, len(line), 1))
        if os.fstat(self._file.fileno()).st_size > self._size:
            logger.info("%s: the last line was cut in half; it is cut off", self.path)
            self._file.truncate(self._size)

    def _whole_lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line that has an end, with its place. Lines of no journal end it all, before anything is cut off."""
        self._file.seek(0)
        place, rest = 0, b""
        while block := self._file.read(_BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                whole = line + b"\n"
                if not (_HEAD.match(whole) and whole.endswith(_END)):
                    raise JournalError(f"{self.path}, byte {place}: this is no line of a journal. Name another file.")
                yield place, whole
                place += len(whole)
        if rest and not rest.startswith(b'{"key":"'[: len(rest)]):
            raise JournalError(f"{self.path}, byte {place}: this is no line of a journal. Name another file.")

    @property
    def cost(self) -> float:
        """Money of all answers that say what they cost, earlier runs' included."""
        return float(self._cost)

    def _count(self, tokens: int, cost: float | None, currency: str | None) -> None:
        self.answers += 1
        self.tokens += tokens
        if cost is not None:
            self.currency = self.currency or currency
            if currency == self.currency:
                self.priced += 1
                # By its digits: ten times 0.1 is 1.
                self._cost += Decimal(repr(cost))

    def find(self, key: str) -> bool:
        """Whether there is a line for this hash: an answer, or a failure of this run."""
        return self._index.execute(_GET, (bytes.fromhex(key),)).fetchone() is not None

    def claim(self, key: str) -> bool:
        """Whether whoever calls is the one to ask this: True once for a hash without a line."""
        if self.find(key):
            return False
        return self._index.execute("INSERT OR IGNORE INTO claims VALUES (?)", (bytes.fromhex(key),)).rowcount == 1

    def absorb(self, path: Path) -> None:
        """Take over the lines of another journal whose hashes have none here; lines that were cut in half are not."""
        with path.open("rb") as file:
            for line in file:
                if line.endswith(_END) and not self.find((entry := parse_entry(line)).key):
                    self._append_line(line, entry)

    def read(self, key: str) -> Entry:
        """The entry of a hash that was found."""
        place, size = self._index.execute(_GET, (bytes.fromhex(key),)).fetchone()
        self._file.seek(place)
        line = b""
        while len(line) < size and (more := self._file.read(size - len(line))):
            line += more
        return parse_entry(line)

    def append(self, entry: Entry) -> None:
        """Write an entry. When this returns, the death of this process cannot lose it any more.

        Raises:
            OSError: the disk is full, or gone.
        """
        self._append_line(format_entry(entry), entry)

    def _append_line(self, line: bytes, entry: Entry) -> None:
        self._file.seek(0, os.SEEK_END)
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = self.path  # a write does not say which file it is that has no room
            # What is under way may find room again: behind half a line, its own would be lost with it.
            with suppress(OSError):
                self._file.truncate(self._size)
            raise
        place, self._size = self._size, self._size + len(line)
        self._index.execute(_PUT, (bytes.fromhex(entry.key), place, len(line), int(entry.is_ok)))
        if entry.is_ok:
            self._count(entry.tokens, entry.cost, entry.currency)
        self._dirty.set()

    async def settle(self) -> None:
        """Return when what was appended may be handed out."""
        if self._fsync == "always":
            await asyncio.to_thread(os.fsync, self._file.fileno())

    async def keep_syncing(self) -> None:
        """Bring what was written to the disk once a second; runs until it is cancelled."""
        while self._fsync == "second":
            await self._dirty.wait()
            self._dirty.clear()
            await asyncio.to_thread(os.fsync, self._file.fileno())
            await asyncio.sleep(1)

    def close(self) -> None:
        """Close the file, all of it on the disk unless ``fsync`` is ``"never"``."""
        if not self._file.closed:
            if self._fsync != "never":
                os.fsync(self._file.fileno())
            self._file.close()
        self._index.close()


def format_entry(entry: Entry) -> bytes:
    """The journal's line of an entry. What the index needs stands first: the rest need not be decoded for it."""
    more = {"status": entry.status, "request_id": entry.request_id, "error": entry.error}
    cost = "null" if entry.cost is None else repr(entry.cost)
    head = f'{{"key":"{entry.key}","ok":{"true" if entry.is_ok else "false"},"tokens":{entry.tokens},"cost":{cost},'
    if entry.currency is not None:
        head += f'"currency":"{entry.currency}",'
    told = dump_json(more)[1:-1]
    return b'%b%b,"body":%b}\n' % (head.encode(), told.encode(), entry.body)


def _money(head: re.Match[bytes]) -> tuple[float | None, str | None]:
    """Cost and currency of an entry."""
    return None if head[4] == b"null" else float(head[4]), None if head[5] is None else head[5].decode()


def parse_entry(line: bytes) -> Entry:
    """The entry of a journal's line; its body stays as it is."""
    head = _HEAD.match(line)
    start = line.find(b',"body":')
    if head is None or start < 0:
        raise JournalError("a line of the journal has changed while it was in use.")
    told: dict[str, Any] = json.loads(b"{%b}" % line[head.end() : start])
    cost, currency = _money(head)
    return Entry(
        key=head[1].decode(),
        is_ok=head[2] == b"true",
        tokens=int(head[3]),
        cost=cost,
        currency=currency,
        body=line[start + len(b',"body":') : -len(_END)],
        **told,
    )
