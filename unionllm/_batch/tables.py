"""CSV and Parquet, through pyarrow: the extra ``batch``. A few thousand rows are in memory at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import Self

from ..exceptions import BadRequestError, UnionLLMError
from .lines import Broken
from .results import BatchResult

#: Rows that are read and written at a time.
_ROWS = 1024
#: Columns that hold JSON where they are text.
_JSON_COLUMNS = ("messages", "body", "tools", "response_format", "thinking", "stop")
#: Columns that a row is asked by; others are parameters if OpenAI knows them, and else left alone.
_ASKED = frozenset({"custom_id", "system", "model", "provider", *_JSON_COLUMNS, "temperature", "top_p", "max_tokens"})


def _arrow() -> Any:
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise UnionLLMError("CSV and Parquet need pyarrow: pip install 'unionllm[batch]'") from None
    return pa


def iter_table(path: Path, prompt_column: str) -> Iterator[Any]:
    """The rows of a table as raw lines: ``prompt`` or ``messages``, ``custom_id``, ``system``, ``model``, parameters.

    Raises:
        BadRequestError: it has no column to ask.
        UnionLLMError: pyarrow is not installed.
    """
    with _readable(path):
        yield from _iter_rows(path, prompt_column)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What the reader says of a file that it cannot read, as an error of ours."""
    arrow = _arrow()
    try:
        yield
    except (arrow.ArrowException, csv.Error) as error:
        raise BadRequestError(f"{path} cannot be read as {path.suffix.lower()}: {error}") from None


def _iter_rows(path: Path, prompt_column: str) -> Iterator[Any]:
    broken: list[Broken] = []
    batches = _iter_parquet(path) if path.suffix.lower() == ".parquet" else _iter_csv(path, broken)
    for batch in batches:
        names = set(batch.schema.names)
        if not names & {prompt_column, "messages", "body"}:
            raise BadRequestError(
                f"{path} has no column {prompt_column!r}, messages or body, but {', '.join(batch.schema.names)}. "
                "Name the one that holds prompts with prompt_column."
            )
        if len(names) < len(batch.schema.names):
            raise BadRequestError(f"{path} has two columns of one name: {', '.join(batch.schema.names)}.")
        wanted = [name for name in batch.schema.names if name in _ASKED or name == prompt_column]
        for row in batch.select(wanted).to_pylist():
            yield _raw_line(row, prompt_column)
        # Their place among the rows is not told: they come after the rows that they were read with.
        yield from broken
        broken.clear()


def _iter_parquet(path: Path) -> Iterator[Any]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_ROWS)


def _iter_csv(path: Path, broken: list[Broken]) -> Iterator[Any]:
    from pyarrow import csv as arrow_csv

    delimiter = _delimiter(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        names = next(csv.reader(file, delimiter=delimiter), [])

    def tell(row: Any) -> str:
        broken.append(Broken(f"{row.actual_columns} columns, where the head has {row.expected_columns}."))
        return "skip"

    # Everything as bytes: a prompt of "007" is no number, and one row that is no UTF-8 must not end the others.
    # Columns of numbers are read as JSON, row by row.
    reader = arrow_csv.open_csv(
        path,
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=tell),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, _arrow().binary()), strings_can_be_null=True, null_values=[""]
        ),
    )
    with reader:
        for batch in reader:
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _raw_line(row: dict[str, Any], prompt_column: str) -> Any:
    try:
        row = {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}
    except UnicodeDecodeError as error:
        return Broken(f"no UTF-8 ({error.reason} at byte {error.start}).")
    given = {name: value for name, value in row.items() if value is not None and name != prompt_column}
    for name in (*_JSON_COLUMNS, "temperature", "top_p", "max_tokens"):
        if isinstance(given.get(name), str):
            try:
                given[name] = json.loads(given[name])
            except ValueError as error:
                return Broken(f"column {name} holds no JSON: {error}.")
    if row.get(prompt_column) is not None:
        given["prompt"] = row[prompt_column]
    return given


def count_rows(path: Path) -> int | None:
    """The rows of a Parquet file; None for CSV, where a row may have several lines."""
    if path.suffix.lower() != ".parquet":
        return None
    _arrow()
    from pyarrow import parquet

    with _readable(path), parquet.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


class TableWriter:
    """A row for each line: ``custom_id``, ``status_code``, ``content``, ``error`` and so on. A context manager."""

    def __init__(self, path: Path, ending: str) -> None:
        arrow = _arrow()
        text, number = arrow.string(), arrow.int64()
        self._schema = arrow.schema(
            [
                *(("custom_id", text), ("status_code", number), ("content", text), ("reasoning_content", text)),
                *(("finish_reason", text), ("prompt_tokens", number), ("completion_tokens", number)),
                *(("total_tokens", number), ("cost", arrow.float64()), ("model", text), ("request_id", text)),
                *(("tool_calls", text), ("error_code", text), ("error", text)),
            ]
        )
        self._rows: list[dict[str, Any]] = []
        if ending == ".parquet":
            from pyarrow import parquet

            self._writer: Any = parquet.ParquetWriter(path, self._schema)
        else:
            from pyarrow import csv as arrow_csv

            options = arrow_csv.WriteOptions(delimiter="\t" if ending == ".tsv" else ",")
            self._writer = arrow_csv.CSVWriter(path, self._schema, write_options=options)

    def write(self, results: Sequence[BatchResult]) -> None:
        """Add some lines."""
        self._rows += map(_row, results)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(_arrow().Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


def _row(result: BatchResult) -> dict[str, Any]:
    row: dict[str, Any] = {"custom_id": result.custom_id, "status_code": result.status_code, "cost": result.cost}
    if result.error is not None:
        return {**row, "error_code": str(result.error.get("code")), "error": result.error.get("message")}
    if (response := result.response) is None:
        return row
    row.update(model=response.model, request_id=response.request_id)
    if response.choices:
        choice = response.choices[0]
        calls = [call.to_dict() for call in choice.message.tool_calls or ()]
        row.update(content=choice.message.content, reasoning_content=choice.message.reasoning_content)
        row.update(finish_reason=choice.finish_reason)
        row.update(tool_calls=json.dumps(calls, ensure_ascii=False) if calls else None)
    if response.usage is not None:
        row.update({name: getattr(response.usage, name) for name in _COUNTS})
    return row


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
