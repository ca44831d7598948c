"""Thoughts between tags in the text, however a stream cuts them."""

from __future__ import annotations

import pytest

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
