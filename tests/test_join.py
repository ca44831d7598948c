"""Chunks become one whole answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionllm._join import Joiner, to_chunks
from unionllm._protocols.tool_calls import ToolCallIndexes
from unionllm.schema import (
    Choices,
    Context,
    Delta,
    Function,
    Message,
    ModelResponse,
    ModelResponseChunk,
    StreamingChoices,
    ToolCall,
    Usage,
)


def chunk(delta: Delta | None = None, **fields: Any) -> ModelResponseChunk:
    own = {name: fields.pop(name) for name in ("index", "finish_reason", "logprobs") if name in fields}
    choices = [StreamingChoices(delta=delta or Delta(), **own)]
    return ModelResponseChunk(**{"id": "x", "created": 1, "model": "m", "choices": choices, **fields})


def join(chunks: Iterable[ModelResponseChunk]) -> ModelResponse:
    joiner = Joiner()
    for each in chunks:
        joiner.add(each)
    response = joiner.response()
    assert response is not None
    return response


def call(index: int | None, text: str | None = None, **fields: Any) -> ToolCall:
    return ToolCall(index=index, function=Function(name=fields.pop("name", None), arguments=text), **fields)


def calls_of(response: ModelResponse) -> list[tuple[str | None, str | None, str | None]]:
    calls = response.choices[0].message.tool_calls or []
    return [(one.id, one.function.name, one.function.arguments) for one in calls]


def test_before_the_first_chunk_there_is_no_answer() -> None:
    assert Joiner().response() is None


def test_text_reasoning_end_and_usage_are_joined() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    response = join(
        [
            chunk(Delta(role="assistant", content="")),
            chunk(Delta(reasoning_content="想")),
            chunk(Delta(reasoning_content="想")),
            chunk(Delta(content="你")),
            chunk(Delta(content="好")),
            chunk(finish_reason="stop", usage=usage),
        ]
    )

    [choice] = response.choices
    assert (choice.message.content, choice.message.reasoning_content, choice.message.role) == (
        "你好",
        "想想",
        "assistant",
    )
    assert choice.finish_reason == "stop"
    assert response.usage == usage
    assert (response.id, response.created, response.model, response.object) == ("x", 1, "m", "chat.completion")


def test_an_answer_can_be_asked_for_at_any_time() -> None:
    joiner = Joiner()
    texts = []
    for text in "你好吗":
        joiner.add(chunk(Delta(content=text)))
        response = joiner.response()
        assert response is not None
        texts.append(response.choices[0].message.content)
        assert response.choices[0].finish_reason is None

    assert texts == ["你", "你好", "你好吗"]


def test_several_answers_stay_apart() -> None:
    response = join(
        [
            chunk(Delta(content="b"), index=1),
            chunk(Delta(content="a"), index=0),
            chunk(Delta(content="B"), index=1, finish_reason="length"),
            chunk(Delta(content="A"), index=0, finish_reason="stop"),
        ]
    )

    assert [(one.index, one.message.content, one.finish_reason) for one in response.choices] == [
        (0, "aA", "stop"),
        (1, "bB", "length"),
    ]


def test_pieces_of_tool_calls_are_joined_by_their_index() -> None:
    response = join(
        [
            chunk(Delta(tool_calls=[call(0, "", id="c0", name="f"), call(1, "", id="c1", name="g")])),
            chunk(Delta(tool_calls=[call(1, '{"b":')])),
            chunk(Delta(tool_calls=[call(0, '{"a":')])),
            chunk(Delta(tool_calls=[call(0, "1}"), call(1, "2}")])),
        ]
    )

    assert calls_of(response) == [("c0", "f", '{"a":1}'), ("c1", "g", '{"b":2}')]
    assert response.choices[0].message.content is None
    assert all(one.index is None for one in response.choices[0].message.tool_calls or [])


def test_a_name_or_id_repeated_on_every_piece_counts_once() -> None:
    """langchain-ai/langchain-community#475: names came out doubled."""
    response = join(chunk(Delta(tool_calls=[call(0, text, id="c", name="f")])) for text in ('{"a"', ":", "1}"))

    assert calls_of(response) == [("c", "f", '{"a":1}')]


def test_a_call_without_arguments_has_an_empty_object_once_it_is_whole() -> None:
    begun = chunk(Delta(tool_calls=[call(0, None, id="c", name="f")]))

    assert calls_of(join([begun])) == [("c", "f", "")]
    assert calls_of(join([begun, chunk(finish_reason="tool_calls")])) == [("c", "f", "{}")]


def test_logprobs_are_joined() -> None:
    response = join(
        chunk(Delta(content=text), logprobs={"content": [{"token": text}], "refusal": None}) for text in "ab"
    )

    assert response.choices[0].logprobs == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


def test_what_an_agent_platform_adds_is_kept() -> None:
    response = join(
        [
            chunk(Delta(content="a"), conversation_id="c-1"),
            chunk(Delta(content="b"), context=[Context(id=1, content="段")]),
            chunk(Delta(content="c"), web_search=[1]),
        ]
    )

    assert response.conversation_id == "c-1"
    assert response.context == [Context(id=1, content="段")]
    assert response.web_search == [1]


def test_a_conversation_id_that_comes_late_is_kept() -> None:
    response = join([chunk(Delta(content="a")), chunk(Delta(content="b"), conversation_id="c-1")])

    assert response.conversation_id == "c-1"


def test_a_function_call_of_the_older_kind_is_joined_too() -> None:
    response = join(
        chunk(Delta(function_call=Function(name=name, arguments=text))) for name, text in (("f", '{"a"'), (None, ":1}"))
    )

    assert response.choices[0].message.function_call == Function(name="f", arguments='{"a":1}')


def test_vendor_fields_of_deltas_and_choices_are_kept() -> None:
    response = join(
        [chunk(Delta(content="a", annotations=[1])), chunk(Delta(content="b", annotations=[2], refusal="no"))]
    )

    assert response.choices[0].message.annotations == [1, 2]
    assert response.choices[0].message.refusal == "no"


def test_sound_is_joined_with_what_it_says_and_its_id_kept() -> None:
    pieces = [{"id": "a", "data": "AA"}, {"data": "BB", "transcript": None}, {"transcript": "晴"}, {"expires_at": 1}]
    response = join([chunk(Delta(audio=piece)) for piece in pieces])

    assert response.choices[0].message.audio == {"id": "a", "data": "AABB", "transcript": "晴", "expires_at": 1}


def test_chunks_are_left_as_they_were() -> None:
    chunks = [chunk(Delta(content="a", tool_calls=[call(0, "{", id="c")], annotations=[1])) for _ in range(2)]
    before = [each.model_dump() for each in chunks]

    join(chunks)

    assert [each.model_dump() for each in chunks] == before


@given(st.lists(st.tuples(st.integers(0, 2), st.text(max_size=5)), min_size=1, max_size=30))
def test_no_text_is_lost_or_mixed_up(pieces: list[tuple[int, str]]) -> None:
    response = join(chunk(Delta(content=text), index=index) for index, text in pieces)

    for choice in response.choices:
        assert choice.message.content == "".join(text for index, text in pieces if index == choice.index)


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), min_size=1, max_size=30))
def test_no_argument_is_lost_or_mixed_up(pieces: list[tuple[int, str]]) -> None:
    chunks = [chunk(Delta(tool_calls=[call(index, text)])) for index, text in pieces]
    response = join([*chunks, chunk(finish_reason="tool_calls")])

    expected = [
        "".join(text for at, text in pieces if at == index) or "{}" for index in sorted({at for at, _ in pieces})
    ]
    assert [arguments for _, _, arguments in calls_of(response)] == expected


def test_a_whole_answer_as_chunks_joins_to_the_same_answer() -> None:
    whole = ModelResponse(
        id="x",
        created=1,
        model="m",
        choices=[
            Choices(
                finish_reason="tool_calls",
                message=Message(
                    content="先",
                    reasoning_content="想",
                    tool_calls=[ToolCall(id="c", function=Function(name="f", arguments="{}"))],
                ),
            ),
            Choices(index=1, finish_reason="stop", message=Message(content="二")),
        ],
        usage=Usage(total_tokens=3),
        conversation_id="c-1",
        web_search=[1],
    )

    assert join(to_chunks(whole)).model_dump() == whole.model_dump()


def placed(pieces: list[dict[str, Any]]) -> list[tuple[int, bool]]:
    indexes = ToolCallIndexes()
    return [indexes.place(raw, position) for position, raw in enumerate(pieces)]


@pytest.mark.parametrize(
    ("pieces", "places"),
    [
        ([{"index": 0, "id": "a"}, {"index": 0}, {"index": 1, "id": "b"}, {"index": 1}, {"index": 0}], [0, 0, 1, 1, 0]),
        ([{"index": 0, "id": "a"}, {"index": 0, "id": "a"}, {"index": 0, "id": ""}], [0, 0, 0]),
        ([{"index": 0, "id": "a"}, {"index": 0, "id": "b"}, {"index": 0}], [0, 1, 1]),
        ([{"id": "a"}, {}, {"id": "b"}, {}, {"id": "a"}], [0, 0, 1, 1, 0]),
        ([{"index": 1, "id": "a"}, {"index": 1}, {"index": 2, "id": "b"}], [0, 0, 1]),
        ([{"index": None, "id": "a"}, {"index": None}], [0, 0]),
        ([{"index": 0, "id": None, "function": {"name": "f"}}, {"index": 0, "id": "late"}, {"index": 0}], [0, 0, 0]),
        ([{"function": {"name": "f"}}, {"function": {"arguments": "{}"}}, {"function": {"name": "g"}}], [0, 0, 1]),
        ([{"index": True, "id": "a"}, {"index": -1, "id": "b"}], [0, 1]),
    ],
)
def test_a_piece_finds_its_call(pieces: list[dict[str, Any]], places: list[int]) -> None:
    assert [place for place, _ in placed(pieces)] == places


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"index": st.none() | st.integers(-1, 3), "id": st.sampled_from(["", "a", "b"])}
        )
    )
)
def test_places_are_counted_without_gaps_and_begin_once(pieces: list[dict[str, Any]]) -> None:
    seen: list[int] = []
    for place, is_first in placed(pieces):
        assert is_first == (place not in seen)
        assert place <= len(set(seen))
        seen.append(place)


def test_id_and_name_come_with_the_first_piece_only() -> None:
    indexes = ToolCallIndexes()
    raw = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}

    first, second = (indexes.piece(raw, 0, lambda: "made") for _ in range(2))

    assert (first.id, first.function.name, first.index) == ("a", "f", 0)
    assert (second.id, second.function.name, second.function.arguments) == (None, None, "{")


def test_a_call_without_an_id_gets_one() -> None:
    piece = ToolCallIndexes().piece({"function": {"name": "f", "arguments": {"a": 1}}}, 0, lambda: "made")

    assert piece.id == "call_made"
    assert json.loads(piece.function.arguments or "") == {"a": 1}


@pytest.mark.parametrize("raw", [None, "x", {}, {"function": None}, {"function": "f"}, {"index": "0"}])
def test_a_misshapen_piece_is_no_crash(raw: Any) -> None:
    assert ToolCallIndexes().piece(raw, 0, lambda: "made").index == 0


def test_the_thoughts_of_a_chunk_stay_its_own() -> None:
    blocks = [[{"type": "thinking", "thinking": text, "index": 0}] for text in ("先", "后")]
    chunks = [chunk(Delta(thinking_blocks=list(block))) for block in blocks]

    message = join(chunks).choices[0].message

    assert [block["thinking"] for block in message.model_dump()["thinking_blocks"]] == ["先后"]
    assert [each.choices[0].delta.model_dump()["thinking_blocks"] for each in chunks] == blocks
