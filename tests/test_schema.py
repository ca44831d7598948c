"""The objects that a user gets: how they look, how they are read, copied and stored."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import unionllm
from unionllm.schema import (
    Adaptation,
    Choices,
    Context,
    Delta,
    Function,
    Message,
    ModelResponse,
    ModelResponseChunk,
    OpenAIObject,
    StreamingChoices,
    ToolCall,
    Usage,
)

PLAIN = (
    "ModelResponse(id='x-1', choices=[Choices(finish_reason='stop', index=0, "
    "message=Message(content='你好', role='assistant'))], created=7, model='m', object='chat.completion', "
    "system_fingerprint=None, usage=Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3))"
)


def response(**fields: Any) -> ModelResponse:
    choices = [Choices(finish_reason="stop", index=0, message=Message(content="你好"))]
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    return ModelResponse(**{"id": "x-1", "created": 7, "model": "m", "choices": choices, "usage": usage, **fields})


def rich_response() -> ModelResponse:
    """An answer with something at every level, vendor fields included."""
    call = ToolCall(id="c1", function=Function(name="f", arguments='{"a":1}'), vendor="v")
    message = Message(content=None, tool_calls=[call], reasoning_content="因为", citations=[1])
    return response(
        choices=[Choices(finish_reason="tool_calls", message=message, provider_finish_reason="tool_call")],
        context=[Context(id=1, content="段落", score=0.96240234375)],
        conversation_id="conv-1",
        adaptations=[Adaptation(parameter="n", action="dropped", given=2)],
        web_search=[{"title": "网页"}],
    )


def test_repr_is_the_line_that_older_releases_printed() -> None:
    assert repr(response()) == PLAIN
    assert str(response()) == PLAIN


def test_repr_ends_with_conversation_id_and_context_when_they_are_set() -> None:
    shown = repr(response(conversation_id="c-1", context=[Context(id=1, content="段落", score=0.96240234375)]))

    passage = "Context(id=1, content='段落', score=0.96240234375)"
    assert shown == PLAIN[:-1] + f", conversation_id='c-1', context=[{passage}])"


def test_repr_leaves_out_internals_and_unset_fields_of_a_message() -> None:
    shown = repr(response(provider="deepseek", request_id="r", web_search=[1]))

    assert shown == PLAIN


def test_repr_shows_further_fields_of_a_message_only_when_set() -> None:
    assert repr(Message(content="a", reasoning_content="b")) == (
        "Message(content='a', role='assistant', reasoning_content='b')"
    )


def test_repr_of_a_chunk_has_deltas() -> None:
    chunk = ModelResponseChunk(
        id="x", created=7, model="m", choices=[StreamingChoices(delta=Delta(content="好", role="assistant"))]
    )

    assert repr(chunk) == (
        "ModelResponseChunk(id='x', choices=[StreamingChoices(finish_reason=None, index=0, "
        "delta=Delta(content='好', role='assistant'))], created=7, model='m', object='chat.completion.chunk', "
        "system_fingerprint=None, usage=None)"
    )


def test_every_level_can_be_read_like_a_dict() -> None:
    whole = rich_response()

    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert whole["usage"]["total_tokens"] == 3
    assert whole["context"][0]["score"] == 0.96240234375
    assert whole.get("usage").get("prompt_tokens") == 1
    assert whole["choices"][0]["message"].get("content", "nothing") == "nothing"
    assert whole.get("no_such_field", 5) == 5


def test_a_missing_name_is_a_key_error_and_an_attribute_error() -> None:
    with pytest.raises(KeyError, match="no_such_field"):
        response()["no_such_field"]
    with pytest.raises(AttributeError, match="no_such_field"):
        response().no_such_field  # noqa: B018  # the access is what is tested


def test_in_tells_whether_a_field_has_a_value() -> None:
    whole = rich_response()

    assert "usage" in whole
    assert "context" in whole
    assert "web_search" in whole
    assert "system_fingerprint" not in whole
    assert "prompt_tokens" in whole.usage
    assert "content" not in whole.choices[0].message
    assert "reasoning_content" in whole["choices"][0]["message"]
    assert 5 not in whole


def test_zero_counts_as_a_value() -> None:
    usage = Usage(prompt_tokens=0)

    assert usage.prompt_tokens == 0
    assert "prompt_tokens" in usage
    assert usage.get("prompt_tokens", 9) == 0


def test_items_can_be_set() -> None:
    whole = response()

    whole["choices"][0]["message"]["content"] = "新"
    whole["my_note"] = "n"

    assert whole.choices[0].message.content == "新"
    assert whole.my_note == "n"
    assert whole.model_dump()["my_note"] == "n"


@pytest.mark.parametrize(
    "made", [ModelResponse(), ModelResponseChunk(), Message(), Delta(), Choices(), Usage(), Context()]
)
def test_every_field_is_always_present(made: OpenAIObject) -> None:
    for name in type(made).model_fields:
        assert name in made.__dict__
        assert made[name] == getattr(made, name)


def test_nothing_is_invented_for_what_the_vendor_did_not_say() -> None:
    assert Usage().prompt_tokens is None
    assert Usage().total_tokens is None
    assert Choices().finish_reason is None
    assert ModelResponse().usage is None
    assert Delta().role is None


def test_a_response_gets_a_fresh_id_and_the_time() -> None:
    first, second = ModelResponse(), ModelResponse()

    assert first.id.startswith("chatcmpl-")
    assert first.id != second.id
    assert isinstance(first.created, int)


def test_context_given_to_the_constructor_is_kept() -> None:
    """X2 of compat.md: older releases dropped it."""
    made = ModelResponse(choices=[], context=[Context(id=1)])

    assert made.context == [Context(id=1)]


@pytest.mark.parametrize("copied", [lambda whole: pickle.loads(pickle.dumps(whole)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("make", [response, rich_response])
def test_copies_are_equal(make: Callable[[], ModelResponse], copied: Callable[[ModelResponse], ModelResponse]) -> None:
    whole = make()

    other = copied(whole)

    assert other == whole
    assert other is not whole
    assert other.model_dump() == whole.model_dump()
    assert repr(other) == repr(whole)


def test_a_deep_copy_shares_nothing() -> None:
    whole = rich_response()

    other = copy.deepcopy(whole)
    other.choices[0].message.tool_calls[0].function.arguments = "changed"

    assert whole.choices[0].message.tool_calls[0].function.arguments == '{"a":1}'


def test_dumps_have_the_shape_of_openai() -> None:
    dumped = response().model_dump()

    assert dumped == {
        "id": "x-1",
        "created": 7,
        "model": "m",
        "object": "chat.completion",
        "system_fingerprint": None,
        "choices": [
            {
                "finish_reason": "stop",
                "index": 0,
                "message": {"content": "你好", "role": "assistant", "tool_calls": None},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


def test_every_way_to_dump_says_the_same() -> None:
    whole = rich_response()

    assert whole.to_dict() == whole.model_dump()
    assert json.loads(whole.model_dump_json()) == whole.model_dump()
    assert json.loads(whole.json()) == whole.model_dump()
    assert whole.model_dump()["web_search"] == [{"title": "网页"}]
    assert ModelResponse.model_validate(whole.model_dump()) == whole


def test_vendor_fields_are_kept_at_every_level() -> None:
    whole = ModelResponse.model_validate(
        {"choices": [{"message": {"content": "a", "m": 1}, "c": 2}], "usage": {"u": {"v": 3}}, "r": [4]}
    )

    assert (whole.r, whole.usage.u, whole.choices[0].c, whole.choices[0].message.m) == ([4], {"v": 3}, 2, 1)
    assert whole["choices"][0]["message"]["m"] == 1


def test_a_chunk_is_a_response_too() -> None:
    assert isinstance(ModelResponseChunk(), ModelResponse)
    assert ModelResponseChunk().object == "chat.completion.chunk"


def built_and_validated() -> list[tuple[Any, Any]]:
    """The same values, made by ``build`` and by validation."""
    usage = {"prompt_tokens": 0, "total_tokens": 3}
    message = {"content": "你好", "role": "assistant", "reasoning_content": None}
    call = {"id": "c", "type": "function"}
    function = {"name": "f", "arguments": "{}"}
    whole = {"id": "x", "created": 1, "model": "m"}
    return [
        (Usage.build(dict(usage), {"cost": 1}), Usage(**usage, cost=1)),
        (Usage.build(dict(usage)), Usage(**usage)),
        (Message.build(dict(message), {"note": "n"}), Message(**message, note="n")),
        (Delta.build({}), Delta()),
        (ToolCall.build({**call, "function": Function.build(dict(function))}), ToolCall(**call, function=function)),
        (
            ModelResponse.build({**whole, "choices": [Choices.build({"message": Message.build(dict(message))})]}),
            ModelResponse(**whole, choices=[Choices(message=message)]),
        ),
        (
            ModelResponseChunk.build({**whole, "choices": [StreamingChoices.build({"delta": Delta.build({})})]}),
            ModelResponseChunk(**whole, choices=[StreamingChoices(delta=Delta())]),
        ),
    ]


@pytest.mark.parametrize("pair", built_and_validated(), ids=lambda pair: type(pair[0]).__name__)
def test_built_objects_equal_validated_ones(pair: tuple[OpenAIObject, OpenAIObject]) -> None:
    built, validated = pair

    assert built == validated
    assert repr(built) == repr(validated)
    assert built.model_dump() == validated.model_dump()
    assert built.model_dump_json() == validated.model_dump_json()
    assert pickle.loads(pickle.dumps(built)) == validated
    assert copy.deepcopy(built) == copy.copy(built) == built.model_copy() == validated
    assert type(built).model_validate(built.model_dump()) == validated


@pytest.mark.parametrize("pair", built_and_validated(), ids=lambda pair: type(pair[0]).__name__)
def test_built_objects_can_be_changed_like_validated_ones(pair: tuple[OpenAIObject, OpenAIObject]) -> None:
    for made in pair:
        made["added_later"] = 1

    assert pair[0] == pair[1]
    assert pair[0].model_dump()["added_later"] == 1


def test_objects_built_one_after_the_other_share_nothing() -> None:
    first, second = Message.build({}), Message.build({})

    first["note"] = "n"
    first.content = "c"

    assert second.get("note") is None
    assert second.content is None


def test_an_answer_message_can_be_handed_back() -> None:
    """The next turn's history: what validation of a message must survive."""
    message = rich_response().choices[0].message

    assert Message.model_validate(message.model_dump()) == message
    assert message.model_dump(exclude_none=True)["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a":1}'},
        "vendor": "v",
    }


@pytest.mark.parametrize("name", ["ModelResponse", "Choices", "Message", "Usage", "Context", "ToolCall", "Function"])
def test_the_classes_are_offered_by_the_package(name: str) -> None:
    assert getattr(unionllm, name) is globals()[name]
