"""Where lines come from: a file by its name's ending, or any iterable, sync or not; a few at a time."""

from __future__ import annotations

import asyncio
import codecs
import contextvars
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from ..exceptions import BadRequestError
from .lines import Broken

#: What ``batch`` takes: a file's name, or prompts, OpenAI's batch lines and arguments of calls in any iterable.
Requests: TypeAlias = str | Path | Iterable[Any] | AsyncIterable[Any]

#: Lines that are read ahead.
_AT_ONCE = 64
#: Bytes of a file's line; vendors take less.
_LONGEST = 256 * 1024 * 1024
_TABLES = (".csv", ".tsv", ".parquet")
_JSON_LINES = (".jsonl", ".ndjson", ".json")


def iter_file(path: Path, *, prompt_column: str = "prompt") -> Iterator[Any]:
    """The raw lines of a file: JSON lines, prompts (``.txt``), or the rows of a CSV or Parquet table.

    Args:
        path: its ending says what it is.
        prompt_column: of a table, the column that holds prompts.

    Raises:
        BadRequestError: the ending says nothing, or a table has no such column.
        OSError: the file cannot be read.
    """
    ending = path.suffix.lower()
    if ending in _TABLES:
        from .tables import iter_table

        return iter_table(path, prompt_column)
    if ending == ".txt":
        return _iter_prompts(path)
    if ending in _JSON_LINES:
        return _iter_json_lines(path)
    known = ", ".join((*_JSON_LINES, ".txt", *_TABLES))
    raise BadRequestError(f"{path}: what is in it? A name that ends in one of {known} says so.")


def _iter_bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            yield line


def _iter_prompts(path: Path) -> Iterator[Any]:
    for line in _iter_bytes(path):
        try:
            text = line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            yield Broken(f"no UTF-8 ({error.reason} at byte {error.start}).")
            continue
        if text.strip():
            yield text


def _iter_json_lines(path: Path) -> Iterator[Any]:
    for line in _iter_bytes(path):
        if line.removeprefix(codecs.BOM_UTF8).strip():
            yield parse_json_line(line)


def parse_json_line(line: bytes) -> Any:
    """The value of a line; ``Broken`` if it is no JSON."""
    try:
        return json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Broken(f"no JSON: {error}.")


def count_lines(requests: Requests) -> int | None:
    """How many lines there are, if that can be told without reading them all as what they are; blank ones count too."""
    if isinstance(requests, (str, Path)):
        path = Path(requests)
        if path.suffix.lower() in _TABLES:
            from .tables import count_rows

            return count_rows(path)
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    length = getattr(requests, "__len__", None)
    return None if length is None else int(length())


async def aiter_raw(requests: Requests, prompt_column: str) -> AsyncGenerator[Any, None]:
    """The raw lines of anything; sync iterables are read in another thread, as they may block."""
    if isinstance(requests, AsyncIterable):
        async for raw in requests:
            yield raw
        return
    if isinstance(requests, (str, Path)):
        requests = iter_file(Path(requests), prompt_column=prompt_column)
    elif isinstance(requests, (bytes, Mapping)) or not isinstance(requests, Iterable):
        raise BadRequestError(f"requests must be a file's name or an iterable of lines, not {type(requests).__name__}.")
    async for raw in _from_thread(requests):
        yield raw


async def _from_thread(requests: Iterable[Any]) -> AsyncGenerator[Any, None]:
    """The lines of an iterable that may block, each as soon as it is there.

    The thread is no worker of an executor: it may wait for a line that never comes, and nobody must wait for it then.
    """
    shelf = _Shelf()
    read = contextvars.copy_context().run
    threading.Thread(target=read, args=(shelf.fill, requests), name="batch-input", daemon=True).start()
    try:
        while some := await shelf.take():
            for raw in some:
                yield raw
    finally:
        shelf.leave()


class _Shelf:
    """Lines between the thread that reads them and the event loop that wants them: a few."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lock = threading.Condition()
        self._lines: list[Any] = []
        self._error: BaseException | None = None
        self._is_over = False

    def fill(self, requests: Iterable[Any]) -> None:
        """Read to the end, or until nobody wants more. Runs in the thread."""
        error: BaseException | None = None
        try:
            for raw in requests:
                with self._lock:
                    self._lock.wait_for(lambda: self._is_over or len(self._lines) < _AT_ONCE)
                    if self._is_over:
                        return
                    self._lines.append(raw)
                    is_first = len(self._lines) == 1
                if is_first:
                    self._wake()
        except BaseException as raised:  # noqa: BLE001  # raised where the lines are wanted
            error = raised
        with self._lock:
            self._error, self._is_over = error, True
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> list[Any]:
        """What is there, as soon as that is something; nothing at the end.

        Raises:
            BaseException: what the iterable raised, after the lines before it.
        """
        while True:
            self._arrived.clear()
            with self._lock:
                some, self._lines = self._lines, []
                self._lock.notify()
                if some:
                    return some
                if self._is_over:
                    break
            await self._arrived.wait()
        if self._error is not None:
            raise self._error
        return []

    def leave(self) -> None:
        """No more is wanted."""
        with self._lock:
            self._is_over = True
            self._lock.notify()
