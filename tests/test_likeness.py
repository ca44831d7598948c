"""Events that repeat the one before but for their text are not parsed anew: the chunks are the same all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from unionllm import ModelResponseChunk
from unionllm._reader import StreamReader
from unionllm._request import ChatRequest
from unionllm.providers.deepseek import DeepSeek
from unionllm.providers.deepseek import adapter as deepseek

CHAT = ChatRequest(provider="deepseek", model="m", messages=(), stream=True)


class Careful(DeepSeek):
    """The same vendor, as one that has rules of its own for texts: every event is parsed."""

    parsed = 0

    def adjust_message(self, raw: dict[str, Any]) -> dict[str, Any]:
        self.parsed += 1
        return super().adjust_message(raw)


def careful() -> Careful:
    return Careful(deepseek.spec)


def read(adapter: DeepSeek, events: list[str]) -> tuple[list[ModelResponseChunk], str]:
    """The chunks of a stream, and what it ended in."""
    reader = StreamReader(adapter.chunk_parser(CHAT), 200, {"content-type": "text/event-stream"}, "")
    chunks = [chunk for event in events for chunk in reader.feed(f"data: {event}\n\n".encode("utf-8", "replace"))]
    return [*chunks, *reader.end()], str(reader.failure)


def told(chunks: list[ModelResponseChunk]) -> Iterator[Any]:
    """All that chunks hold, and which of it was set."""
    for chunk in chunks:
        yield chunk.model_dump(), chunk.model_dump(exclude_unset=True), repr(chunk)


def event(text: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c-1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, **more}]}


_TEXTS = st.one_of(
    st.sampled_from(["", "晴", "c-1", "m", "content", '"', "\\", "\n", '"}', "\u2028", "\x00", "😀", None, 3, ["a"]]),
    st.text(max_size=4),
)
_DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": _TEXTS,
        "reasoning_content": _TEXTS,
        "role": st.sampled_from(["assistant", None]),
        "tool_calls": st.sampled_from([None, [], [{"index": 0, "function": {"name": "f", "arguments": "{"}}]]),
        "note": st.sampled_from(["晴", None]),
    },
)
_CHOICES = st.fixed_dictionaries(
    {"delta": _DELTAS},
    optional={
        "index": st.sampled_from([0, 0, 0, 1]),
        "finish_reason": st.sampled_from([None, None, "stop"]),
        "logprobs": st.sampled_from([None, {"content": [1]}]),
        "message": _DELTAS,
        "usage": st.just({"prompt_tokens": 2}),
    },
)
_EVENTS = st.fixed_dictionaries(
    {"choices": st.lists(_CHOICES, min_size=1, max_size=2)},
    optional={
        "id": st.sampled_from(["c-1", "晴", "m"]),
        "model": st.sampled_from(["m", "晴"]),
        "usage": st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 2}]),
        "error": st.sampled_from([None, {"message": "晴"}]),
        "vendor": st.sampled_from(["晴", 1]),
    },
)
#: Streams whose events repeat one another, with other texts and without.
_STREAMS = st.lists(
    st.one_of(
        _EVENTS.map(lambda made: [made, made]),
        st.tuples(_TEXTS, _TEXTS, _TEXTS).map(lambda texts: [event(text) for text in texts]),
        st.tuples(_EVENTS, _TEXTS, _TEXTS).map(lambda parts: [with_text(parts[0], text) for text in parts[1:]]),
    ),
    max_size=5,
).map(lambda groups: [each for group in groups for each in group])


def with_text(made: dict[str, Any], text: Any) -> dict[str, Any]:
    first, *others = made["choices"]
    return {**made, "choices": [{**first, "delta": {**first["delta"], "content": text}}, *others]}


@given(_STREAMS, st.booleans())
def test_what_is_repeated_reads_the_same(stream: list[dict[str, Any]], are_escaped: bool) -> None:
    events = [json.dumps(each, ensure_ascii=are_escaped) for each in stream]

    mine, my_end = read(deepseek, events)
    parsed, its_end = read(careful(), events)

    assert list(told(mine)) == list(told(parsed))
    assert my_end == its_end


def test_only_the_text_is_taken_for_the_text() -> None:
    """The same characters stand in front of it, as the id, in the key's place, and behind it."""
    events = [
        '{"id": "hi", "choices": [{"index": 0, "delta": {"content": "hi"}}], "hi": 1}',
        '{"id": "hi", "choices": [{"index": 0, "delta": {"content": "hi"}}], "hi": 1}',
        '{"id": "ho", "choices": [{"index": 0, "delta": {"content": "hi"}}], "hi": 1}',
        '{"id": "ho", "choices": [{"index": 0, "delta": {"content": "ha"}}], "hi": 1}',
        '{"id": "ho", "choices": [{"index": 0, "delta": {"content": "hi"}}], "he": 1}',
    ]

    chunks, _ = read(deepseek, events)

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["hi", "hi", "hi", "ha", "hi"]


def test_chunks_share_nothing_that_a_caller_can_change() -> None:
    events = [json.dumps(event(text)) for text in "abcd"]
    reader = StreamReader(deepseek.chunk_parser(CHAT), 200, {}, "")
    chunks = []
    for each in events:
        [chunk] = reader.feed(f"data: {each}\n\n".encode())
        chunks.append(chunk.model_dump())
        chunk.choices[0].delta.content = "changed"
        chunk.choices[0].delta.extra = "changed"
        chunk.choices.append(chunk.choices[0])
        chunk.model = "changed"

    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == list("abcd")
    assert {len(chunk["choices"]) for chunk in chunks} == {1}
    assert {chunk["model"] for chunk in chunks} == {"m"}
    assert not any("extra" in chunk["choices"][0]["delta"] for chunk in chunks)


def test_a_vendors_own_rules_see_every_event() -> None:
    adapter = careful()
    chunks, _ = read(adapter, [json.dumps(event(text)) for text in "abcdef"])

    assert len(chunks) == adapter.parsed == 6


def test_texts_with_escapes_need_no_parsing_and_lose_nothing() -> None:
    texts = ["a", "b\n", '"c"', "\\", "d\u2028", "😀", "\t", "e"]
    chunks, _ = read(deepseek, [json.dumps(event(text)) for text in texts])

    assert [chunk.choices[0].delta.content for chunk in chunks] == texts


def test_an_event_in_between_is_not_forgotten() -> None:
    """What the last of them says counts, though those before and behind it are alike."""
    first = json.dumps({**event("a"), "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    other = json.dumps({"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 2}})
    events = [first, first, first, other, first, json.dumps(event("", finish_reason="stop"))]

    mine, parsed = read(deepseek, events)[0], read(careful(), events)[0]

    assert list(told(mine)) == list(told(parsed))
    assert mine[-1].usage is not None
    assert mine[-1].usage.prompt_tokens == 1


def test_a_vendors_object_is_each_chunks_own() -> None:
    told_with = {**event("a"), "task_id": {"n": 1}}
    chunks, _ = read(deepseek, [json.dumps({**told_with, "choices": event(text)["choices"]}) for text in "abcd"])

    objects = [chunk.task_id for chunk in chunks]
    assert objects == [{"n": 1}] * 4
    assert len({id(one) for one in objects}) == 4
