"""An answer on the screen while it streams: Markdown in a terminal, the bare text elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from ._screen import clean, console, is_rich, write

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.markdown import Markdown
    from rich.segment import Segment

#: Where a block of code begins or ends; in the item of a list it is indented.
_FENCE = re.compile(r"\s*(`{3,}|~{3,})(.*)")
#: What goes on with the block before a blank line: the next item of a list, or an indented paragraph of one.
#: Or what may still become one.
_GOES_ON = re.compile(r"\s|[-*+]\s|\d+[.)]\s|(?:[-*+]|\d+[.)]?)?\Z")
#: Redrawings a second.
_PACE = 10


class Writer(Protocol):
    """Takes an answer piece by piece."""

    def begin(self, title: str) -> None:
        """The call has been made; nothing has arrived yet."""

    def reasoning(self, piece: str) -> None:
        """What the model thinks."""

    def text(self, piece: str) -> None:
        """What it answers."""

    def end(self) -> None:
        """Nothing more will come."""


def writer(*, is_plain: bool = False) -> Writer:
    """The writer for standard output as it is now."""
    return TerminalWriter(console()) if is_rich() and not is_plain else PlainWriter()


class PlainWriter:
    """The text of the answer as it is, and a line break; reasoning is left out."""

    def __init__(self) -> None:
        self._has_text = False

    def begin(self, title: str) -> None:
        """Nothing is written."""

    def reasoning(self, piece: str) -> None:
        """Nothing is written."""

    def text(self, piece: str) -> None:
        """Written at once."""
        self._has_text = True
        write(piece)

    def end(self) -> None:
        """A line break after the text, if there is any."""
        if self._has_text:
            write("\n")


class TerminalWriter:
    """Markdown, drawn anew while its last block grows; blocks that are complete stay as they are, in the scrollback.

    Drawing all of an answer anew would leave copies of its upper part behind once it is higher than the screen.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._live: Live | None = None
        self._status: Live | None = None
        self._tail = ""
        self._has_blocks = False
        self._is_thinking = False

    def begin(self, title: str) -> None:
        """A spinner with the title, until something arrives."""
        from rich.live import Live
        from rich.spinner import Spinner
        from rich.text import Text

        spinner = Spinner("dots", text=Text(title, style="dim"), style="dim")
        self._status = Live(spinner, console=self._out, transient=True, refresh_per_second=_PACE)
        self._status.start()

    def reasoning(self, piece: str) -> None:
        """Dimmed, not as Markdown."""
        self._stop_status()
        self._finish_text()
        self._is_thinking = True
        self._out.print(clean(piece), style="dim italic", markup=False, end="", soft_wrap=True)

    def text(self, piece: str) -> None:
        """Markdown; a block that is complete moves up."""
        self._stop_status()
        if self._is_thinking:
            self._is_thinking = False
            self._out.print("\n")
        self._tail += clean(piece)
        if "\n" in piece:
            done, self._tail = split_blocks(self._tail)
            if done:
                self._print(done)
        self._draw()

    def end(self) -> None:
        """The last block stays; a spinner goes."""
        self._stop_status()
        if self._is_thinking:
            self._is_thinking = False
            self._out.print()
        self._finish_text()

    def _stop_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _draw(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._out, transient=True, refresh_per_second=_PACE, vertical_overflow="visible")
            self._live.start()
        # Higher than the screen, it could not be taken back to be drawn anew.
        most = max(self._out.height - 2, 1)
        self._live.update(Block(self._tail, has_gap=self._has_blocks, most=most))

    def _finish_text(self) -> None:
        if self._live is not None:
            self._live.update("")
            self._live.stop()
            self._live = None
        if self._tail.strip():
            self._print(self._tail)
        self._tail, self._has_blocks = "", False

    def _print(self, block: str) -> None:
        self._out.print(Block(block, has_gap=self._has_blocks), end="")
        self._has_blocks = True


class Block:
    """A Markdown text without empty lines around it; its last lines, where there is a most."""

    def __init__(self, text: str, *, has_gap: bool, most: int | None = None) -> None:
        self._text = text
        self._has_gap = has_gap
        self._most = most

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, as rich draws them."""
        from rich.segment import Segment

        lines = out.render_lines(markdown(self._text), options.update(height=None), pad=False)
        while lines and _is_empty(lines[0]):
            del lines[0]
        while lines and _is_empty(lines[-1]):
            del lines[-1]
        if self._has_gap:
            lines.insert(0, [])
        for line in lines if self._most is None else lines[-self._most :]:
            yield from line
            yield Segment.line()


def _is_empty(line: list[Segment]) -> bool:
    # A line that has a background belongs to a block of code.
    return all(not text.strip() and not (style and style.bgcolor) for text, style, _ in line)


def markdown(text: str) -> Markdown:
    """The text for rich. Addresses of links are shown: a model chose them."""
    from rich.markdown import Markdown

    return Markdown(text.strip("\n"), hyperlinks=False)


def split_blocks(text: str) -> tuple[str, str]:
    """The blocks of a growing Markdown text that nothing can change any more, and the rest."""
    end = place = 0
    fence, is_after_blank = "", False
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if is_after_blank and line.strip() and not _GOES_ON.match(line):
            end = place
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and not mark[2].strip() else fence
        elif mark:
            fence = mark[1]
        is_after_blank = not fence and not line.strip() and (is_after_blank or place > end)
        place += len(line)
    return text[:end], text[end:]
