"""Lists of messages put into the order that some vendors want, without touching the caller's."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from unionllm._protocols.arranging import fold_system, merge_neighbours, merge_system, modern_calls
from unionllm._protocols.parameters import Thinking

_S, _T = {"role": "system", "content": "s"}, {"role": "system", "content": [{"type": "text", "text": "t"}]}
_U, _A = {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}
_TEXT_S = {"type": "text", "text": "s"}
_PART = {"type": "text", "text": "p"}
_MARKED = {"type": "text", "text": "m", "cache_control": {"type": "ephemeral"}}
_CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
_RESULT = {"role": "tool", "tool_call_id": "1", "content": "r"}


def _thought(text: str) -> dict[str, str]:
    return {**_A, "reasoning_content": text}


@pytest.mark.parametrize(
    ("arrange", "given", "wanted"),
    [
        (merge_system, [_U], [_U]),
        (merge_system, [_S, _U], [_S, _U]),
        (merge_system, [_S, _U, _T], [{"role": "system", "content": "s\n\nt"}, _U]),
        (merge_system, [_U, _S], [_S, _U]),
        (merge_system, [_S, {"role": "system", "content": [_MARKED]}], [{**_S, "content": [_TEXT_S, _MARKED]}]),
        (fold_system, [_U, _A], [_U, _A]),
        (fold_system, [_S, _A, _U], [_A, {"role": "user", "content": "s\n\nu"}]),
        (fold_system, [_S], [{"role": "user", "content": "s"}]),
        (
            fold_system,
            [_S, {"role": "user", "content": [_PART]}],
            [{"role": "user", "content": [{"type": "text", "text": "s"}, _PART]}],
        ),
        (merge_neighbours, [_U, _A, _U], [_U, _A, _U]),
        (merge_neighbours, [_U, _U, _A], [{"role": "user", "content": "u\n\nu"}, _A]),
        (merge_neighbours, [_thought("x"), _A, _thought("y")], [{**_thought("x\n\ny"), "content": "a\n\na\n\na"}]),
        (merge_neighbours, [_CALL, _RESULT, _A], [_CALL, _RESULT, _A]),
        (merge_neighbours, [_A, _CALL], [_A, _CALL]),
        (merge_neighbours, [_U, {**_U, "content": ""}], [{"role": "user", "content": "u"}]),
    ],
)
def test_the_list_is_put_in_order_and_the_change_told(arrange: Any, given: Any, wanted: Any) -> None:
    before = copy.deepcopy(given)
    sent = list(given)

    changes = arrange(sent)

    assert sent == wanted
    assert given == before
    assert bool(changes) == (wanted != given)
    assert all(change.parameter == "messages" and change.reason for change in changes)


_FLAG = Thinking(flag="enable_thinking", budget="thinking_budget", types=(), on_by_default=False)


@pytest.mark.parametrize(
    ("given", "sent", "changed", "thinks"),
    [
        ({}, {}, [], False),
        ({"thinking": True}, {"enable_thinking": True}, [], True),
        ({"thinking": False}, {"enable_thinking": False}, [], False),
        (
            {"thinking": {"budget_tokens": 100}},
            {"enable_thinking": True, "thinking_budget": 100},
            [],
            True,
        ),
        ({"thinking": {"keep": "all"}}, {"enable_thinking": True}, ["thinking.keep"], True),
        ({"reasoning_effort": "none"}, {"enable_thinking": False}, [], False),
        ({"reasoning_effort": "high"}, {"enable_thinking": True}, ["reasoning_effort"], True),
        ({"reasoning_effort": "minimal"}, {"enable_thinking": False}, ["reasoning_effort"], False),
        ({"reasoning_effort": "minimal", "thinking": True}, {"enable_thinking": True}, ["reasoning_effort"], True),
        (
            {"reasoning_effort": "minimal", "enable_thinking": True},
            {"enable_thinking": True},
            ["reasoning_effort"],
            True,
        ),
        ({"enable_thinking": True}, {"enable_thinking": True}, [], True),
    ],
)
def test_a_switch_of_one_word_is_set(given: Any, sent: Any, changed: list[str], thinks: bool) -> None:
    params = dict(given)

    changes = _FLAG.translate(params)

    assert params == sent
    assert [change.parameter for change in changes] == changed
    assert _FLAG.is_on(params) == thinks


@pytest.mark.parametrize(
    ("family", "sent", "thinks"),
    [
        (Thinking(), {"thinking": {"type": "disabled"}}, False),
        (Thinking(types=("adaptive", "disabled")), {"thinking": {"type": "disabled"}}, False),
        (Thinking(types=("enabled",)), {"thinking": {"type": "enabled"}}, True),
        (Thinking(flag="thinks", always=True), {"thinks": True}, True),
        (Thinking(types=(), always=True), {}, True),
        (Thinking(never=True), {}, False),
    ],
)
def test_minimal_effort_is_none_where_there_are_no_levels(family: Thinking, sent: Any, thinks: bool) -> None:
    """As little thought as there can be."""
    params = {"reasoning_effort": "minimal"}

    [change] = family.translate(params)

    assert params == sent
    assert family.is_on(params) == thinks
    told = sent.get("thinking", sent) or None
    assert (change.action, change.given, change.sent) == ("replaced" if told else "dropped", "minimal", told)


_OLD_CALL = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": {"a": 1}}}
_OLD_RESULT = {"role": "function", "name": "f", "content": "r"}


def _made(number: int) -> dict[str, Any]:
    function = {"name": "f", "arguments": '{"a": 1}'}
    call = {"id": f"call_of_message_{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _given_back(number: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_of_message_{number}", "content": "r"}


@pytest.mark.parametrize(
    ("given", "wanted", "changed"),
    [
        ([_U, _CALL, _RESULT], [_U, _CALL, _RESULT], []),
        (
            [_U, _OLD_CALL, _OLD_RESULT],
            [_U, _made(1), _given_back(1)],
            ["messages[1].function_call", "messages[2].role"],
        ),
        (
            [_OLD_CALL, _OLD_RESULT, _OLD_CALL, _OLD_RESULT],
            [_made(0), _given_back(0), _made(2), _given_back(2)],
            ["messages[0].function_call", "messages[1].role", "messages[2].function_call", "messages[3].role"],
        ),
        ([{**_CALL, "function_call": {"name": "f"}}, _RESULT], [_CALL, _RESULT], ["messages[0].function_call"]),
        # A result of nothing is the vendor's to judge.
        ([_U, _OLD_RESULT], [_U, _OLD_RESULT], []),
    ],
)
def test_calls_as_they_once_were_become_calls_of_tools(given: Any, wanted: Any, changed: list[str]) -> None:
    before = copy.deepcopy(given)
    sent = list(given)

    changes = modern_calls(sent)

    assert sent == wanted
    assert given == before
    assert [change.parameter for change in changes] == changed
