"""Results → a file: JSON lines as OpenAI's batch writes them, or a table."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from typing_extensions import Self

from ..exceptions import BadRequestError
from .results import BatchResult

_JSON_LINES = (".jsonl", ".ndjson", ".json")
_TABLES = (".csv", ".tsv", ".parquet")


class Writer(Protocol):
    """Where results go. A context manager."""

    def write(self, results: Sequence[BatchResult]) -> None:
        """Add some lines."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


class JsonLines:
    """OpenAI's batch output: a line for each line of the input."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, results: Sequence[BatchResult]) -> None:
        """See ``Writer``."""
        self._file.write(b"".join(b"%b\n" % result.to_json() for result in results))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def check_target(path: Path, partial: Path) -> None:
    """Raise what writing the output would end in, before anything is asked; changes nothing that is there.

    Raises:
        BadRequestError: the name's ending does not say what to write.
        OSError: nothing can be written there.
    """
    if path.suffix.lower() not in (*_JSON_LINES, *_TABLES):
        known = ", ".join((*_JSON_LINES, *_TABLES))
        raise BadRequestError(f"{path.name}: what to write? A name that ends in one of {known} says so.")
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with partial.open("ab"):
        pass


def open_writer(path: Path, ending: str) -> Writer:
    """A writer of the kind that an ending names: one that ``check_target`` lets pass.

    Raises:
        OSError: the file cannot be written.
    """
    if ending.lower() in _TABLES:
        from .tables import TableWriter

        return TableWriter(path, ending.lower())
    return JsonLines(path)
