"""What fuzzing has found, each as the answer that did it; and work that grows no faster than the answer."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import seeds
import targets
from seeds import Answer, Seed

from unionllm._join import Joiner
from unionllm._protocols.json_text import MAX_DEPTH, load_json
from unionllm._protocols.openai_parsing import ToolCallIndexes
from unionllm._protocols.thoughts import ThinkTags
from unionllm.schema import Delta, ModelResponseChunk, StreamingChoices


def seed_of(provider: str, name: str) -> Seed:
    return next(seed for seed in seeds.seeds() if (seed.provider, seed.name) == (provider, name))


def put(seed: Seed, path: str, value: Any) -> Answer:
    """The seed's last answer with another value at ``a.0.b``."""
    answer = seed.answers[-1]
    body = target = json.loads(answer.content)
    *names, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    for name in names:
        target = target[name]
    target[last] = value
    return replace(answer, content=json.dumps(body).encode())


FINDINGS: list[tuple[str, str, str, Any, str]] = [
    # Halves of characters cannot be written down.
    ("deepseek", "plain", "choices.0.message.content", "\ud83d", "answer"),
    ("deepseek", "plain", "id", "\udc00", "answer"),
    ("stepfun", "retired_model", "error.message", "\ud800", "BadRequestError"),
    # An ending that is no word.
    ("lingyi", "vision", "choices.0.finish_reason", ["stop"], "answer"),
    ("zhipuai", "plain", "choices.0.finish_reason", 1.5, "answer"),
    # Choices that are none.
    ("minimax", "plain", "choices", 7, "APIResponseError"),
    ("minimax", "plain", "choices.0", [], "APIResponseError"),
    # Words of a vendor without end.
    ("deepseek", "error_context", "error.message", "x" * 50_000, "BadRequestError"),
    ("deepseek", "error_context", "error.code", "9" * 5000, "ContextWindowExceededError"),
    ("deepseek", "error_context", "request_id", {"x": 1}, "ContextWindowExceededError"),
    # Typed fields of a message that have another type.
    ("deepseek", "plain", "choices.0.message.annotations", "x", "answer"),
    ("deepseek", "plain", "choices.0.message.refusal", {"x": 1}, "answer"),
    # Values of another type than the field they end in.
    ("ragflow", "plain_dict", "choices.0.message.reference.chunks.0.dataset_id", False, "answer"),
    ("minimax", "reasoning_details", "choices.0.message.reasoning_details", ["x", {"text": "y"}], "answer"),
    ("doubao", "bot", "bot_usage.model_usage.0.prompt_tokens", {"x": 1}, "answer"),
    ("wenxin", "plain", "search_results", [{"index": 1, "url": {"x": 1}, "title": "t"}], "answer"),
    ("appbuilder", "tools", "content.0.tool_calls.0.id", True, "answer"),
    # What is too deep for anybody to write down.
    ("deepseek", "plain", "usage.x", json.loads("[" * 300 + "]" * 300), "APIResponseError"),
    ("coze", "plain", "data.0.x", json.loads("[" * 300 + "]" * 300), "APIResponseError"),
]


@pytest.mark.parametrize(("provider", "name", "path", "value", "end"), FINDINGS)
def test_a_finding_stays_mended(provider: str, name: str, path: str, value: Any, end: str) -> None:
    seed = seed_of(provider, name)

    assert targets.check_answers(seed, [*seed.answers[:-1], put(seed, path, value)]) == end


@pytest.mark.parametrize(
    ("provider", "name", "before", "after"),
    [
        ("appbuilder", "tools_stream", b'"id":"call_1"', b'"id":true'),
        ("appbuilder", "tools_stream", b'"id":"call_1"', b'"id":9999999999999999999999999999999999999999'),
        ("zhipu_app", "stream", b'"id":"a1"', b'"created":false,"id":"a1"'),
        ("coze", "played_stream", b'"status":"created"', b'"created_at":true,"status":"created"'),
    ],
)
def test_a_finding_in_a_stream_stays_mended(provider: str, name: str, before: bytes, after: bytes) -> None:
    seed = seed_of(provider, name)
    answer = seed.answers[-1]
    odd = answer.content.replace(before, after)

    assert odd != answer.content
    assert targets.check_answers(seed, [*seed.answers[:-1], replace(answer, content=odd)]) == "answer"


def test_a_platforms_question_that_is_no_object_is_kept_as_data() -> None:
    seed = seed_of("fastgpt", "content_list")
    body = json.loads(seed.answers[-1].content)
    body["choices"][0]["message"]["content"] = [{"interactive": "which one?"}]
    player = targets.Player([replace(seed.answers[-1], content=json.dumps(body).encode())])
    route = targets.route_of(seed)
    assert route is not None

    response = player.run(route.backend.answer(route.chat, targets.Deadline(route.timeouts, lambda: 0.0)))

    assert response.interactive == {"data": "which one?"}


def test_passages_of_a_step_have_the_types_of_passages() -> None:
    seed = seed_of("fastgpt", "stream_v2")
    content = seed.answers[-1].content
    odd = content.replace(b'"collectionId":"col"', b'"collectionId":{"a":1}')

    assert odd != content
    assert targets.check_answers(seed, [*seed.answers[:-1], replace(seed.answers[-1], content=odd)]) == "answer"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\ud83d\ude00b"', "a\U0001f600b"),
        (r'{"\ud800": ["\uDC00", "\\ud800"]}', {"\ufffd": ["\ufffd", "\\ud800"]}),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
        ("[" + '{"a": [1, "[[["]},' * 200 + "0]", None),
    ],
)
def test_json_is_read_with_whole_characters_only(text: str, value: Any) -> None:
    read = load_json(text)

    assert json.dumps(read, ensure_ascii=False).encode()
    assert value is None or read == value


@pytest.mark.parametrize("text", ["[" * 101 + "]" * 101, '{"a":' * 200 + "1" + "}" * 200, "[" * 100_000, "9" * 5000])
def test_json_that_nobody_could_write_down_again_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"deep|digits|Expecting"):
        load_json(text)


# Work that grows no faster than what arrives. A step may not copy all that came before it: the most that one step
# takes for a moment is measured, since all steps together cannot be.


def largest_step(steps: Iterator[Callable[[], Any]]) -> int:
    """The most bytes that one of the steps took, those that it has kept left out."""
    largest = 0
    tracemalloc.start()
    try:
        for number, step in enumerate(steps):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            step()
            # The first steps are few enough for anything, and buffers that grow do so now and then.
            if number % 100 == 99:
                _, peak = tracemalloc.get_traced_memory()
                largest = max(largest, peak - before)
    finally:
        tracemalloc.stop()
    return largest


def chunk(**extra: Any) -> ModelResponseChunk:
    return ModelResponseChunk(id="x", choices=[StreamingChoices(index=0, delta=Delta(**extra))])


@pytest.mark.parametrize(
    ("extra", "joined"),
    [
        ({"annotations": [{"x": 1}]}, lambda message: len(message.annotations) * 400),
        ({"refusal": "x" * 400}, lambda message: len(message.refusal)),
        ({"audio": {"data": "x" * 400}}, lambda message: len(message.audio["data"])),
    ],
)
def test_the_pieces_of_an_answer_are_not_joined_again_with_each_of_them(
    extra: dict[str, Any], joined: Callable[[Any], int]
) -> None:
    joiner, number = Joiner(), 5000

    largest = largest_step((lambda: joiner.add(chunk(**extra))) for _ in range(number))

    assert largest < 30_000
    response = joiner.response()
    assert response is not None
    assert joined(response.choices[0].message) == 400 * number


def test_thoughts_of_nothing_but_blanks_are_not_held_back_for_ever() -> None:
    for start in ("<think>a", ""):
        tags, number = ThinkTags(), 5000
        tags.feed(start)

        assert largest_step((lambda: tags.feed(" " * 100)) for _ in range(number)) < 30_000  # noqa: B023


def test_each_call_of_many_is_found_without_looking_at_all_others() -> None:
    compared = 0

    class Name(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    class Told:
        def __init__(self, number: int) -> None:
            self.number = number

        def __str__(self) -> str:
            return Name(f"call_{self.number}")

    indexes = ToolCallIndexes()
    for number in range(3000):
        assert indexes.place({"id": Told(number)}, 0) == (number, True)
        assert indexes.place({"id": Told(number)}, 0) == (number, False)

    assert compared < 30_000
