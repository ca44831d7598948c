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
    """The text of the answer as it is, and a line break; reasoning is left out.

    In a terminal without what could steer it.
    """

    def __init__(self) -> None:
        self._has_text = False
        self._is_terminal = console().is_terminal

    def begin(self, title: str) -> None:
        """Nothing is written."""

    def reasoning(self, piece: str) -> None:
        """Nothing is written."""

    def text(self, piece: str) -> None:
        """Written at once."""
        self._has_text = True
        write(clean(piece) if self._is_terminal else piece)

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
        self._blocks = Blocks()
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
        if done := self._blocks.feed(clean(piece)):
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

        # Higher than the screen, it could not be taken back to be drawn anew.
        block = Block(self._blocks.tail, has_gap=self._has_blocks, most=max(self._out.height - 2, 1))
        if self._live is not None:
            self._live.update(block)
            return
        self._live = Live(
            block, console=self._out, transient=True, refresh_per_second=_PACE, vertical_overflow="visible"
        )
        self._live.start(refresh=True)

    def _finish_text(self) -> None:
        if self._live is not None:
            self._live.update("")
            self._live.stop()
            self._live = None
        if self._blocks.tail.strip():
            self._print(self._blocks.tail)
        self._blocks, self._has_blocks = Blocks(), False

    def _print(self, block: str) -> None:
        self._out.print(Block(block, has_gap=self._has_blocks), end="")
        self._has_blocks = True


class Block:
    """A Markdown text without empty lines around it; its last lines, where there is a most."""

    def __init__(self, text: str, *, has_gap: bool, most: int | None = None) -> None:
        self._text = text
        self._has_gap = has_gap
        self._most = most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, as rich draws them."""
        from rich.segment import Segment

        text = self._text if self._most is None else _last_lines(self._text, self._most)
        lines = console.render_lines(markdown(text), options.update(height=None), pad=False)
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


class Blocks:
    """Cuts a growing Markdown text where a block is complete; every line is looked at once."""

    def __init__(self) -> None:
        #: What may still change.
        self.tail = ""
        self._end = self._place = 0
        self._fence = ""
        self._is_after_blank = False

    def feed(self, piece: str) -> str:
        """The blocks that are complete now, and were not before."""
        self.tail += piece
        while (stop := self.tail.find("\n", self._place)) >= 0:
            line = self.tail[self._place : stop + 1]
            self._begin(line)
            self._take(line)
            self._place = stop + 1
        self._begin(self.tail[self._place :])
        done, self.tail = self.tail[: self._end], self.tail[self._end :]
        self._place, self._end = self._place - self._end, 0
        return done

    def _begin(self, line: str) -> None:
        if self._is_after_blank and line.strip() and not _GOES_ON.match(line):
            self._end = self._place

    def _take(self, line: str) -> None:
        mark = _FENCE.match(line)
        if self._fence:
            is_end = mark is not None and mark[1].startswith(self._fence) and not mark[2].strip()
            self._fence = "" if is_end else self._fence
        elif mark:
            self._fence = mark[1]
        self._is_after_blank = not self._fence and not line.strip() and self._place > 0


def _last_lines(text: str, most: int) -> str:
    """So much of a long block that its last lines can be drawn; a block of code stays one."""
    lines = text.split("\n")
    if len(lines) <= most:
        return text
    opened = _FENCE.match(lines[0])
    return "\n".join([*([lines[0]] if opened else []), *lines[-most:]])
