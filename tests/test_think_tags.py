"""Thoughts between tags in the text, however a stream cuts them."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionllm._protocols.think_tags import split_thoughts
from unionllm._protocols.thoughts import ThinkTags

#: Text → the answer, and the thoughts.
CASES = {
    "<think>a</think>b": ("b", "a"),
    "<think>\na < b\n</think>\n\nc\n": ("c\n", "a < b"),
    " \n<think>a b</think>": ("", "a b"),
    "<think></think>b": ("b", ""),
    "<think>\n\n</think>\n\nb": ("b", ""),
    "<think>a</think>b<think>c</think>": ("b<think>c</think>", "a"),
    "b <think>a</think>": ("b <think>a</think>", ""),
    " a": (" a", ""),
    "<thinking>a": ("<thinking>a", ""),
    "<thi": ("<thi", ""),
    "<think>a</thin": ("", "a</thin"),
    "<think>a": ("", "a"),
    "<think>": ("", ""),
    "\n": ("\n", ""),
    "": ("", ""),
}


def read(pieces: list[str]) -> tuple[str, str]:
    tags = ThinkTags()
    told = [*(tags.feed(piece) for piece in pieces), tags.end()]
    return "".join(answer for _, answer in told), "".join(thought for thought, _ in told)


@pytest.mark.parametrize("text", CASES)
def test_a_text_is_parted_the_same_wherever_it_is_cut(text: str) -> None:
    assert read([text]) == CASES[text]
    assert read(list(text)) == CASES[text]
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert read([text[:first], text[first:second], text[second:]]) == CASES[text], (first, second)


#: What a text is made of here: tags, halves of tags, what is cut off with them, and letters of one to four bytes.
PARTS = ("<think>", "</think>", "<think", "</", "<", ">", " ", "\n", "a", "é", "好", "𝄞", "<thinking>")


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.data())
def test_any_text_reads_the_same_however_it_is_cut(text: str, data: st.DataObject) -> None:
    """In one piece, letter by letter, at every single place, and at any several places."""
    told = read([text])
    assert read(list(text)) == told
    for cut in range(len(text) + 1):
        assert read([text[:cut], text[cut:]]) == told
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    edges = [0, *cuts, len(text)]
    assert read([text[start:end] for start, end in itertools.pairwise(edges)]) == told


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_no_letter_of_a_text_is_lost_or_made(text: str) -> None:
    """What is told is the text without one pair of tags, and without the blanks around it."""
    answer, thoughts = read([text])
    blank = re.compile(r"\s")
    match = re.match(r"\s*<think>(.*?)(?:</think>(.*))?$", text, re.DOTALL)
    expected = (match[2] or "", match[1]) if match else (text, "")
    assert (blank.sub("", answer), blank.sub("", thoughts)) == tuple(blank.sub("", part) for part in expected)
    assert match is not None or answer == text


def test_who_has_told_thoughts_apart_means_tags_as_text() -> None:
    tags = ThinkTags()
    tags.leave()
    assert (tags.feed("<think>a"), tags.end(), tags.is_over) == (("", "<think>a"), ("", ""), True)


def test_nothing_is_held_back_without_need() -> None:
    tags = ThinkTags()

    assert [tags.feed(piece) for piece in ("<think>", "a", "b ", "c", "</think>", "d", " ", "e")] == [
        *(("", ""), ("a", ""), ("b", ""), (" c", ""), ("", "")),
        *(("", "d"), ("", " "), ("", "e")),
    ]


@pytest.mark.parametrize("content", [None, "", "a", [], "a <think>b</think>"])
def test_a_message_without_thoughts_is_left_alone(content: object) -> None:
    message = {"role": "assistant", "content": content}

    assert split_thoughts(message) is message


def test_thoughts_in_their_own_field_are_not_replaced() -> None:
    given = {"content": "<think>a</think>b", "reasoning_content": "c"}

    assert split_thoughts(given) == {"content": "b", "reasoning_content": "c"}
    assert given["content"].startswith("<think>")
