"""Agent platforms, every kind of app, sync and async, whole and streamed: what comes with an answer but its text."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from agent_cases import VARIANTS, Variant
from checks import check_chunks, fold, folded
from play import Ask, Outcome, ask_async, ask_sync

from unionllm import Context, ModelResponse, Step, exceptions
from unionllm._protocols.agents import Agent
from unionllm._registry import PROVIDERS, find
from unionllm.testing import VendorServer

_ASK = [{"role": "user", "content": "北京有什么？"}]
_PASSAGES = [
    {"id": "p1", "content": "故宫在北京。", "score": 0.91, "title": "a.md", "url": "https://example.com/a"},
    {"id": "p2", "content": "长城也在。", "score": 0.5, "title": "b.md", "url": "https://example.com/b"},
]
_STEPS = [{"name": "search", "arguments": {"q": "北京"}, "result": "两条"}]
_SCRIPT: dict[str, Any] = {
    "text": ["北京有", "故宫 🙂", "\n\n和长城。"],
    "reasoning": ["先", "想"],
    "context": _PASSAGES,
    "steps": _STEPS,
    "suggestions": ["还有吗？", "门票多少？"],
    "usage": {"prompt": 12, "completion": 7},
}


@pytest.fixture(scope="module")
def vendors() -> Iterator[VendorServer]:
    """One server for all of them."""
    with VendorServer() as server:
        yield server


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Makes the call; the caller's arguments come out of it unchanged."""
    made: Ask = request.param

    def unchanged(args: dict[str, Any]) -> Outcome:
        kept = copy.deepcopy(args)
        outcome = made(args)
        assert args == kept
        return outcome

    return unchanged


def arguments(server: VendorServer, variant: Variant, **call: Any) -> dict[str, Any]:
    usual = {**server.arguments(variant.provider), "base_url": server.url(variant.provider)}
    usual["model"] = server.vendor(variant.provider).examples["chat"]
    return {**usual, "messages": _ASK, "max_retries": 0, **variant.call, **variant.given(server), **call}


def answered(outcome: Outcome, server: VendorServer) -> ModelResponse:
    assert outcome.error is None, outcome.error
    assert [request.refused for request in server.refused] in ([], ["blocking"]) or _learns(server)
    assert outcome.answer is not None
    return outcome.answer


def _learns(server: VendorServer) -> bool:
    """Refusals that teach our adapter what kind of app it talks to come before the answer, and only once."""
    return all(request.refused for request in server.refused) and len(server.refused) <= 2


_CELLS = [
    pytest.param(variant, stream, id=f"{variant}-{'stream' if stream else 'whole'}")
    for variant in VARIANTS
    for stream in (False, True)
]
each = pytest.mark.parametrize(("variant", "stream"), _CELLS)


def test_every_platform_has_its_kinds_of_apps_here() -> None:
    platforms = set()
    for name in PROVIDERS:
        found = find(name)
        assert found is not None
        platforms |= {name} if isinstance(found.adapter, Agent) else set()

    assert platforms <= {variant.provider for variant in VARIANTS}


@each
def test_what_was_retrieved_comes_with_the_answer(
    variant: Variant, stream: bool, vendors: VendorServer, ask: Ask
) -> None:
    vendors.clear()
    vendors.reply(vendor=variant.provider, **{**_SCRIPT, **variant.scripted})

    outcome = ask(arguments(vendors, variant, stream=stream))

    answer = answered(outcome, vendors)
    told = [what for what in ("context", "steps", "suggestions") if variant.tells(what, stream=stream)]
    assert answer.choices[0].message.content == "".join(_SCRIPT["text"])
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
    if "context" in told:
        check_context(answer)
    if "steps" in told:
        assert any(_is_search(step) for step in answer.steps or ()), answer.steps
    if "suggestions" in told:
        assert answer.suggestions == _SCRIPT["suggestions"]
    if variant.tells("nodes", stream=stream):
        assert any(step.type == "node" for step in answer.steps or ())
    if variant.tells("reasoning", stream=stream):
        assert answer.choices[0].message.reasoning_content == "先想"
    if variant.tells("usage", stream=stream):
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 7)
        assert answer.usage.total_tokens == 19
    if stream:
        check_stream(outcome, answer)


def check_context(answer: ModelResponse) -> None:
    assert answer.context is not None
    assert all(isinstance(one, Context) for one in answer.context)
    assert [one.content for one in answer.context] == [passage["content"] for passage in _PASSAGES]
    scores = [one.score for one in answer.context]
    assert scores in ([0.91, 0.5], [None, None])  # None where the platform tells no scores
    assert all(one.id is not None for one in answer.context)
    assert repr(answer.context[0]).startswith(f"Context(id={answer.context[0].id!r}, content='故宫在北京。', score=")
    assert answer["context"] == answer.get("context") == answer.context
    assert "context" in answer
    assert "context=[Context(" in repr(answer)


def _is_search(step: Step) -> bool:
    is_called = step.name == "search" and step.input in ({"q": "北京"}, '{"q": "北京"}')
    return step.type in ("tool", "plugin") and is_called and step.output == "两条"


def check_stream(outcome: Outcome, answer: ModelResponse) -> None:
    """Retrieval stands on the last chunk alone; ids on every chunk; steps where they changed."""
    check_chunks(outcome.chunks, is_whole=True)
    assert folded(answer) == fold(outcome.chunks)
    *before, last = outcome.chunks
    assert last.context == answer.context
    assert last.suggestions == answer.suggestions
    assert last.outputs == answer.outputs
    assert all(chunk.context is None and chunk.suggestions is None and chunk.outputs is None for chunk in before)
    assert last.conversation_id == answer.conversation_id
    told = [chunk for chunk in outcome.chunks if chunk.steps]
    assert bool(told) == bool(answer.steps)
    assert all(chunk.conversation_id in (None, last.conversation_id) for chunk in before)


@each
def test_nothing_retrieved_is_no_context(variant: Variant, stream: bool, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    vendors.reply(vendor=variant.provider, text="好", **variant.scripted)

    answer = answered(ask(arguments(vendors, variant, stream=stream)), vendors)

    assert answer.choices[0].message.content == "好"
    assert not answer.context
    # An empty list says that there was a search.
    assert "context" not in repr(answer) or answer.context == []


@each
def test_a_conversation_goes_on_by_its_id(variant: Variant, stream: bool, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    first = answered(ask(arguments(vendors, variant, stream=stream, user="u-1")), vendors)
    if not variant.tells("conversation", stream=stream):
        assert first.conversation_id is None
        return
    assert first.conversation_id

    turns = [*_ASK, {"role": "assistant", "content": "故宫"}, {"role": "user", "content": "还有呢？"}]
    call = {"stream": stream, "user": "u-1", "conversation_id": first.conversation_id, "messages": turns}
    second = answered(ask(arguments(vendors, variant, **call)), vendors)

    assert second.conversation_id == first.conversation_id
    assert second.choices[0].message.content == "收到：还有呢？"
    assert "messages[0:2]" in [change.parameter for change in second.adaptations or ()]
    sent = b"".join(request.body for request in vendors.requests[-3:])
    assert "还有呢".encode() in sent or b"\\u8fd8\\u6709" in sent


@each
def test_earlier_turns_are_sent_or_named(variant: Variant, stream: bool, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    turns = [
        {"role": "system", "content": "要简短"},
        *_ASK,
        {"role": "assistant", "content": "故宫"},
        {"role": "user", "content": "还有呢？"},
    ]

    answer = answered(ask(arguments(vendors, variant, stream=stream, messages=turns)), vendors)

    sent = "".join(request.body.decode("utf-8") for request in vendors.requests)
    sent = sent.encode().decode("unicode_escape") if "\\u" in sent else sent
    named = {change.parameter for change in answer.adaptations or ()}
    if variant.tells("history", stream=stream):
        assert all(turn["content"] in sent for turn in turns)
    else:
        assert any(name.startswith("messages[0") for name in named), named
    with_refusal = ask(arguments(vendors, variant, stream=stream, messages=turns, param_policy="strict"))
    if named:
        assert isinstance(with_refusal.error, exceptions.BadRequestError)


@each
def test_a_broken_stream_keeps_what_was_retrieved(
    variant: Variant, stream: bool, vendors: VendorServer, ask: Ask
) -> None:
    vendors.clear()
    vendors.fault("cut", vendor=variant.provider, **{**_SCRIPT, **variant.scripted})

    outcome = ask(arguments(vendors, variant, stream=stream))

    assert isinstance(outcome.error, exceptions.APIConnectionError), outcome
    if stream and outcome.chunks:
        assert outcome.error.partial is not None
        assert folded(outcome.error.partial) == fold(outcome.chunks)
        assert outcome.error.partial.steps == _joined(outcome)


def _joined(outcome: Outcome) -> list[Step] | None:
    found: dict[Any, Step] = {}
    for chunk in outcome.chunks:
        found.update({step.id: step for step in chunk.steps or ()})
    return list(found.values()) or None
