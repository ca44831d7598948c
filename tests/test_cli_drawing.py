"""Markdown on the screen while it streams."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from unionllm.cli._drawing import Block, Blocks, TerminalWriter

ESCAPE = "\x1b"


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("一段", ""),
        ("一段\n\n", ""),
        ("一段\n\n二", "一段\n\n"),
        ("一段\n\n\n二段\n\n三", "一段\n\n\n二段\n\n"),
        ("```\na\n\nb", ""),
        ("```\na\n\nb\n```\n\nc", "```\na\n\nb\n```\n\n"),
        ("~~~\na\n\n```\n\nb", ""),
        ("```md\na\n\n```python\n\nb", ""),
        ("- a\n\n- b", ""),
        ("1. a\n\n2", ""),
        ("1. a\n\n2. b\n\nend", "1. a\n\n2. b\n\n"),
        ("- a\n\n  still a", ""),
    ],
)
def test_only_blocks_that_nothing_can_change_are_done(text: str, done: str) -> None:
    blocks = Blocks()

    assert (blocks.feed(text), blocks.tail) == (done, text[len(done) :])


def last_lines(text: str, most: int) -> list[str]:
    """What of a growing block is on the screen."""
    file = io.StringIO()
    Console(file=file, width=40).print(Block(text, has_gap=False, most=most), end="")
    return [line.strip() for line in file.getvalue().splitlines()]


def test_of_a_long_block_the_last_lines_are_drawn_while_it_grows() -> None:
    assert last_lines("\n".join(f"- {number}" for number in range(50)), 3) == ["• 47", "• 48", "• 49"]


def test_a_long_block_of_code_stays_one_while_its_last_lines_are_drawn() -> None:
    code = "```python\n" + "\n".join(f"**x{number}**" for number in range(2000))

    # The last line of its frame is empty.
    assert last_lines(code, 3) == ["**x1998**", "**x1999**", ""]


@pytest.mark.parametrize(
    "text", ["# 一\n\n二三\n\n- 四\n- 五\n\n```python\nx = 1\n\ny = 2\n```\n\n| 六 | 七 |\n|---|---|\n| 八 | 九 |\n"]
)
def test_cut_anywhere_the_text_is_drawn_the_same(text: str) -> None:
    assert drawn(list(text)) == drawn([text])


def drawn(pieces: list[str]) -> list[str]:
    """What stays on a screen that keeps nothing that was drawn for the moment."""
    file = io.StringIO()
    screen = TerminalWriter(Console(file=file, width=60, height=20, force_terminal=False))
    for piece in pieces:
        screen.text(piece)
    screen.end()
    return [line.rstrip() for line in file.getvalue().splitlines() if line.strip()]


def test_a_model_cannot_steer_the_terminal() -> None:
    file = io.StringIO()
    screen = TerminalWriter(Console(file=file, width=60, force_terminal=True, color_system=None))
    screen.reasoning(f"想{ESCAPE}]52;c;eA==\x07")
    screen.text(f"甲{ESCAPE}[2J乙\x9b2J\x08")
    screen.end()

    assert "甲[2J乙2J" in file.getvalue()
    assert f"{ESCAPE}[2J" not in file.getvalue()
    assert f"{ESCAPE}]52" not in file.getvalue()


def test_what_was_cut_while_it_grew_is_whole_in_the_end() -> None:
    file = io.StringIO()
    screen = TerminalWriter(Console(file=file, width=40, height=6, force_terminal=True, color_system=None))
    screen.text("\n".join(f"- {number}" for number in range(50)))
    screen.end()

    drawn = [line.rpartition("K")[2].strip() for line in file.getvalue().splitlines() if "•" in line]
    assert drawn[-50:] == [f"• {number}" for number in range(50)]
