"""The same cases against the strict server of ``unionllm.testing``: what we send is accepted, what it plays is read.

The transcripts say what we must send; here the vendor's own rules judge it, as another reader of the same page wrote
them down. A provider without a played vendor fails, as one without transcripts does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cases
import pytest
from cases import Case, Row
from checks import KEY
from play import Ask, Outcome, arguments, ask_async, ask_sync

from unionllm.exceptions import APIError, APIStatusError
from unionllm.testing import Problem, VendorServer, conformance
from unionllm.testing.vendors import VENDORS, load

_MESSAGES = [{"role": "user", "content": "你好"}]
_PROVIDERS = cases.providers()
_PLAYED = [name for name in _PROVIDERS if name in VENDORS]
#: Transcripts that this server cannot play, and why.
_NOT_PLAYED = {
    "vision_fetched": "the image lies on the scripted server",
    "auth_jwt": "its key is another one; see the test below",
    "json_schema_text_model": "refused before anything is sent",
    "dify-conversation": "the server has no such conversation",
    "dify-completion": "the server's usual key is that of a chatbot",
    "dify-workflow": "the server's usual key is that of a chatbot",
    "dify-suggestions": "the server suggests what it is told to",
    "dify-vision": "the server has no such file",
    "appbuilder-conversation": "the server has no such conversation",
    "appbuilder-stream": "the same",
    "appbuilder-retrieval": "the same, where it is streamed",
    "appbuilder-reasoning": "the same",
    "appbuilder-states_of_a_step": "the same",
    "appbuilder-tools_stream": "the same",
    "appbuilder-tool_result": "the same",
    "coze-vision_and_a_file": "the server has no such file",
    "coze-tool_outputs": "the server has no such chat",
    "coze-stream_tool_outputs": "the server has no such chat",
}


def _planted(provider: str) -> dict[str, str]:
    """The key as each credential that has to be given."""
    return {name: value for name, value in arguments(provider, "", {}).items() if value == KEY}


@pytest.fixture(scope="module")
def vendors() -> Iterator[VendorServer]:
    """One server for all of them, with the key that the transcripts plant."""
    with VendorServer(credentials={name: _planted(name) for name in _PLAYED}) as server:
        yield server


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Makes the call, blocking or in an event loop."""
    made: Ask = request.param
    return made


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_a_provider_is_played_and_has_its_cases(provider: str) -> None:
    assert provider in VENDORS, f"write unionllm/testing/vendors/{provider}.py from the vendor's documentation"
    names = {case.name for case in conformance.cases(provider)}

    assert {"chat", "stream", "bad_key", "rate_limit", "error_in_stream", "stream_cut"} <= names
    played = load(provider)
    assert set(played.kinds.values()) <= set(played.problems)


@pytest.mark.parametrize("client", [conformance.ask_unionchat, conformance.ask_aunionchat], ids=["sync", "async"])
@pytest.mark.parametrize("case", [case for name in _PLAYED for case in conformance.cases(name)], ids=str)
def test_our_adapter_passes_the_cases_that_any_client_should(
    case: conformance.Case, client: conformance.Ask, vendor_server: VendorServer
) -> None:
    outcome = case.check(vendor_server, client)

    assert bool(outcome.error) == case.fails


def call(provider: str, server: VendorServer, args: dict[str, Any]) -> dict[str, Any]:
    return {**arguments(provider, "", {"messages": _MESSAGES, **args}), "base_url": server.url(provider)}


def script(expected: dict[str, Any]) -> dict[str, Any]:
    """What the server has to be told, so that a caller gets this answer."""
    [choice] = expected["choices"][:1]
    message, usage = choice["message"], expected["usage"] or {}
    details = [usage.get(f"{half}_tokens_details") or {} for half in ("prompt", "completion")]
    return {
        "text": [message["content"] or ""],
        "reasoning": [message["reasoning_content"]] if message.get("reasoning_content") else "",
        "tool_calls": [
            {"id": tool["id"], "name": tool["function"]["name"], "arguments": tool["function"]["arguments"]}
            for tool in message["tool_calls"] or ()
        ],
        "finish_reason": choice["finish_reason"] or "",
        "usage": {
            "prompt": usage.get("prompt_tokens") or 1,
            "completion": usage.get("completion_tokens") or 1,
            "cached": details[0].get("cached_tokens") or 0,
            "reasoning": details[1].get("reasoning_tokens") or 0,
        },
    }


def said(outcome: Outcome) -> dict[str, Any]:
    """What came back, in the words of the script."""
    assert outcome.answer is not None, outcome.error
    return script(outcome.answer.to_dict())


def _is_played(case: Case) -> bool:
    names = [case.name, str(case), str(case).rpartition("_")[0], str(case).partition("_")[0]]
    is_out = any(name in _NOT_PLAYED for name in names)
    return case.error is None and case.provider in _PLAYED and not is_out and bool(case.requests)


@pytest.mark.parametrize("case", [case for case in cases.cases() if _is_played(case)], ids=str)
def test_the_vendor_accepts_what_the_transcript_sends(case: Case, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    wanted = script(case.expected)
    vendors.reply(vendor=case.provider, **wanted)

    outcome = ask(call(case.provider, vendors, case.call))

    assert [request.refused for request in vendors.refused] == []
    assert said(outcome) == wanted


def test_a_token_that_we_sign_is_accepted(vendor_server: VendorServer, ask: Ask) -> None:
    arguments_ = {**vendor_server.arguments("zhipuai"), "model": "glm-4.6", "messages": _MESSAGES, "auth": "jwt"}

    outcome = ask({**arguments_, "max_retries": 0})

    assert outcome.answer is not None, outcome.error
    assert vendor_server.refused == []


_ROWS = [
    row for row in cases.rows("parameters.json") if row.provider in _PLAYED and not row.values.get("official_host")
]


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_the_vendor_accepts_every_parameter_as_we_adapt_it(row: Row, vendors: VendorServer) -> None:
    vendors.clear()

    # JSON mode wants the word in the prompt.
    messages = [{"role": "user", "content": "你好，用 JSON 回答"}]
    outcome = ask_sync(
        call(row.provider, vendors, {"model": row.values["model"], "messages": messages, **row.values["call"]})
    )

    assert [request.refused for request in vendors.refused] == []
    assert outcome.answer is not None, outcome.error


def _problems() -> list[Any]:
    return [
        pytest.param(name, label, problem, id=f"{name}-{label}")
        for name in _PLAYED
        for label, problem in load(name).problems.items()
    ]


def _expected_class(provider: str, problem: Problem) -> set[str]:
    """The classes that the table of our adapter's tests gives to this code at this status; none if it has no row."""
    found = set()
    for row in cases.rows("errors.json"):
        body = row.values["body"]
        error = body.get("error") if isinstance(body, dict) else None
        if row.provider != provider or not isinstance(error, dict) or not problem.code:
            continue
        if (row.values["status"], str(problem.code)) in {(problem.status, error.get(key)) for key in ("code", "type")}:
            found.add(row.values["class"])
    return found


@pytest.mark.parametrize("place", ["status", "in_200", "in_stream"])
@pytest.mark.parametrize(("provider", "label", "problem"), _problems())
def test_every_error_of_the_vendor_ends_in_its_class(
    provider: str, label: str, problem: Problem, place: str, vendors: VendorServer
) -> None:
    vendors.clear()
    is_stream = place == "in_stream"
    vendors.fault(label, vendor=provider, place=place, text="一二三四五六")
    played = vendors.vendor(provider)
    is_socket = played.is_socket(played.base)
    is_before = is_socket and played.is_of_handshake(problem)

    outcome = ask_sync(call(provider, vendors, {"model": played.examples["chat"], "stream": is_stream}))

    assert isinstance(outcome.error, APIError), outcome
    assert problem.message in str(outcome.error)
    if place == "status":
        assert isinstance(outcome.error, APIStatusError)
        # Where a vendor says no with status 200, the error has the usual status of its class.
        hidden = outcome.error.default_status
        if is_before or not is_socket:  # a message of a WebSocket has no status
            assert outcome.error.status_code == (problem.status if problem.status >= 300 else hidden)
        assert {type(outcome.error).__name__} <= (_expected_class(provider, problem) or {type(outcome.error).__name__})
    if is_stream and not is_before:
        assert outcome.chunks
        assert outcome.error.partial is not None
        assert json.dumps(outcome.error.partial.to_dict(), ensure_ascii=False).count("一") == 1
