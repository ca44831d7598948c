"""What commands write with: terminals get colours and tables, everything else plain text."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from decimal import Context
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.text import Text

    from ..cost import Cost

#: Control characters, but for tab and line feed: in the text of a model they could steer the terminal.
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

#: Columns of a terminal that are left to a cell that gives way.
_NARROWEST = 20
#: Left out of addresses in a table.
_SCHEME = "https://"
#: What stands for a value that nobody told.
UNKNOWN = "–"


class CommandError(Exception):
    """The command cannot be understood; the text says why."""


def console() -> Console:
    """Standard output as rich sees it now."""
    return _console(sys.stdout)


def warnings() -> Console:
    """Standard error, likewise."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    # FORCE_COLOR makes every pipe a terminal for rich, and what a program reads would be drawn.
    is_terminal = None if file.isatty() else False
    return Console(file=file, highlight=False, emoji=False, force_terminal=is_terminal)


def is_rich() -> bool:
    """Whether standard output is a terminal that can be drawn on."""
    out = console()
    return out.is_terminal and not out.is_dumb_terminal


def write(text: str) -> None:
    """Write to standard output at once: programs and people read it while it grows."""
    sys.stdout.write(text)
    sys.stdout.flush()


def tell(text: str, style: str = "") -> None:
    """A line for the person, on standard error."""
    out = warnings()
    out.print(clean(text), style=style, markup=False, soft_wrap=not out.is_terminal)


def write_json(value: Any) -> None:
    """One JSON document on standard output."""
    write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def clean(text: str) -> str:
    """The text without control characters."""
    return text.translate(_CONTROLS)


def write_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A table: drawn in a terminal, aligned with spaces elsewhere.

    Args:
        right: numbers of the columns that are aligned to the right.
    """
    if is_rich():
        _draw_table(heads, rows, right)
        return
    from rich.cells import cell_len

    lines = [[head.upper() for head in heads], *rows]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = []
        for column, (cell, width) in enumerate(zip(line, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            cells.append(space + cell if column in right else cell + space)
        write("  ".join(cells).rstrip() + "\n")


def _draw_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    addresses = {column for row in rows for column, cell in enumerate(row) if cell.startswith(_SCHEME)}
    # Numbers and names stay whole; what gives way in a narrow terminal is an address, else the first column.
    gives_way = addresses or {0}
    for column, head in enumerate(heads):
        justify: JustifyMethod = "right" if column in right else "left"
        widest = max(map(cell_len, (head, *(row[column] for row in rows))))
        least = None if column in addresses else min(_NARROWEST, widest)
        table.add_column(head, justify=justify, overflow="fold", no_wrap=column not in gives_way, min_width=least)
    for row in rows:
        table.add_row(*map(_cell, row))
    console().print(table)


def _cell(cell: str) -> Text:
    from rich.text import Text

    if cell.startswith(_SCHEME):
        return Text(cell.removeprefix(_SCHEME), style=f"link {cell}", no_wrap=True, overflow="ellipsis")
    return Text(cell, style=_STYLES.get(cell, ""))


#: Cells that are coloured, whatever table they stand in.
_STYLES = {
    "set": "green",
    "installed": "green",
    "not set": "dim",
    "not needed": "dim",
    "ok": "green",
    "warning": "yellow",
    "failed": "bold red",
    UNKNOWN: "dim",
}


def cost_of(response: Any) -> Cost | None:
    """What an answer cost; None when nobody knows, or where there is no answer."""
    cost: Cost | None = getattr(response, "cost", None)
    return cost


def money(cost: Cost | None) -> str:
    """``0.001235 CNY``: four digits that count."""
    return UNKNOWN if cost is None else str(replace(cost, amount=Context(prec=4).plus(cost.amount)))
