"""Thoughts are told apart from text wherever the pieces are cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from unionllm._protocols.thoughts import AnswerSoFar, ThinkTags, split_thoughts

_CASES = [
    ("<think>\n2+2\n</think>\n\n4", "2+2", "4"),
    ("<think>a</think>b", "a", "b"),
    ("\n <think>\na\n\nb\n</think>\nc\n", "a\n\nb", "c\n"),
    ("<think>\n\n</think>\n\n4", "", "4"),
    ("<think>a < b </thin </think></think> c", "a < b </thin", "</think> c"),
    ("<think>a</think>\n\n", "a", ""),
    ("4 <think>a</think>", "", "4 <think>a</think>"),
    ("<thinking>a", "", "<thinking>a"),
    ("<thi", "", "<thi"),
    (" \n", "", " \n"),
    ("<think>cut short </th", "cut short </th", ""),
    ("", "", ""),
]


def told(pieces: Iterable[str]) -> tuple[str, str]:
    tags = ThinkTags()
    found = [*[tags.feed(piece) for piece in pieces], tags.end()]
    return "".join(thought for thought, _ in found), "".join(text for _, text in found)


@pytest.mark.parametrize(("content", "thought", "text"), _CASES)
def test_thoughts_before_a_text_are_told_apart_wherever_they_are_cut(content: str, thought: str, text: str) -> None:
    assert split_thoughts(content) == (thought, text)
    assert told(content) == (thought, text)
    for place in range(len(content)):
        assert told((content[:place], content[place:])) == (thought, text)


def test_text_behind_thoughts_is_given_out_as_it_comes() -> None:
    tags = ThinkTags()

    assert tags.feed("<think>ab") == ("ab", "")
    assert tags.feed("c</think>d") == ("c", "d")
    assert tags.feed("<") == ("", "<")


def read(thoughts: Iterable[str]) -> str:
    so_far = AnswerSoFar()
    return "".join(so_far.read({"reasoning_content": thought})["reasoning_content"] for thought in thoughts)


@pytest.mark.parametrize(
    ("thoughts", "whole"),
    [
        (("a", "b", "ab"), "abab"),
        (("a", "ab", "abc"), "abc"),
        (("a", "ab", "ab", "abc"), "abc"),
        (("a", "ab", "x", "xy"), "abxy"),
        (("嗯", "嗯", "嗯嗯"), "嗯嗯嗯嗯"),
    ],
)
def test_thoughts_told_from_their_beginning_each_time_are_told_once(thoughts: tuple[str, ...], whole: str) -> None:
    """The second piece decides: what does not go on from the first one is no repetition, then or later."""
    assert read(thoughts) == whole
