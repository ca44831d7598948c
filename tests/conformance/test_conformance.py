"""One suite over every provider: what each must send, and what a caller must get, played over real sockets.

A provider takes part by its directory under ``transcripts/``; ``cases.py`` says what belongs there.
"""

from __future__ import annotations

import copy
import json
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cases
import pytest
from cases import Case, Row
from checks import KEY, check_error, check_secrecy, fold, folded
from play import (
    Ask,
    Outcome,
    Reading,
    arguments,
    ask_async,
    ask_sync,
    check_outcome,
    check_request,
    events_of,
    fill,
    play,
)
from server import Cut, Reply, ScriptedServer

from unionllm import BadRequestError, StreamInterruptedError
from unionllm._routes import build_route

_MESSAGES = [{"role": "user", "content": "你好"}]

_ALL = cases.cases()
_STREAMS = [case for case in _ALL if case.sse is not None]
_ANSWERED_STREAMS = [case for case in _STREAMS if case.error is None]
_REFUSALS = [case for case in _ALL if case.error is not None and not case.is_stream and case.replies]
#: ``StreamReader.feed`` gives out its chunks as one list, so an error event takes those of the same packet with it.
_ERRORS = cases.rows("errors.json")
_PARAMETERS = cases.rows("parameters.json")


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Makes the call, blocking or in an event loop; the caller's arguments come out of it unchanged."""
    made: Ask = request.param

    def unchanged(args: dict[str, Any]) -> Outcome:
        kept = copy.deepcopy(args)
        outcome = made(args)
        assert args == kept
        return outcome

    return unchanged


# What is required.


@pytest.mark.parametrize("provider", cases.providers())
def test_a_provider_has_every_required_transcript(provider: str) -> None:
    assert cases.missing(provider) == []


def test_a_provider_without_transcripts_is_told_all_that_it_lacks() -> None:
    missing = cases.missing("acme")

    assert len(missing) == len(cases.REQUIRED_CASES) + len(cases.REQUIRED_TABLES)
    assert {"transcripts/acme/tools_stream/", "transcripts/acme/vision or vision_refused/"} <= set(missing)


def test_transcripts_belong_to_a_provider_and_exemptions_have_a_reason() -> None:
    assert {case.provider for case in _ALL} <= set(cases.providers())
    assert all(cases.EXEMPT_PROVIDERS.values())
    assert all(cases.NOT_AS_BYTES.values())
    assert not {case.provider for case in _ALL} & set(cases.NOT_AS_BYTES)


# Whole calls over a socket.


@pytest.mark.parametrize("case", _ALL, ids=str)
def test_the_vendor_receives_and_the_caller_gets_what_the_transcript_says(
    case: Case, server: ScriptedServer, ask: Ask
) -> None:
    play(case, server)

    outcome = ask(arguments(case.provider, server.url, {"messages": _MESSAGES, **case.call}))

    wanted = fill(case.requests, server.url)
    assert len(server.requests) == len(wanted)
    for expected, sent in zip(wanted, server.requests, strict=True):
        check_request(expected, sent)
    check_outcome(case, outcome)
    check_secrecy(server.requests, outcome.error)


@pytest.mark.parametrize("case", _REFUSALS, ids=str)
def test_a_refused_stream_raises_what_a_refused_whole_call_raises(case: Case, server: ScriptedServer, ask: Ask) -> None:
    play(case, server)

    outcome = ask(arguments(case.provider, server.url, {**case.call, "stream": True}))

    assert outcome.chunks == []
    check_outcome(case, outcome)
    check_secrecy(server.requests, outcome.error)


# Streams, cut into pieces and cut off.


def _sample(length: int) -> list[int]:
    """Some offsets in a body of so many bytes, at its ends and in between."""
    return sorted({1, 2, length // 4 + 1, length // 2, length * 3 // 4, length - 2, length - 1})


@pytest.mark.parametrize("case", _STREAMS, ids=str)
def test_pieces_on_the_wire_do_not_matter(case: Case, server: ScriptedServer, ask: Ask) -> None:
    assert case.sse is not None
    for split in (1, *([offset] for offset in _sample(len(case.sse)))):
        play(case, server, split=split)

        check_outcome(case, ask(arguments(case.provider, server.url, case.call)))


@pytest.mark.parametrize("case", _STREAMS, ids=str)
def test_a_stream_reads_the_same_wherever_it_is_split(case: Case) -> None:
    """Every offset, then byte by byte: characters, line ends and JSON texts are all cut in the middle."""
    data, reading = case.sse, Reading(case)
    assert data is not None
    by_event = reading.read(events_of(data))

    assert by_event[0]
    assert reading.read(data[n : n + 1] for n in range(len(data))) == by_event
    assert [n for n in range(1, len(data)) if reading.read((data[:n], data[n:])) != by_event] == []


@pytest.mark.parametrize("ending", [[], [Cut()], [Cut(reset=True)]], ids=["ended", "closed", "reset"])
@pytest.mark.parametrize("case", _ANSWERED_STREAMS, ids=str)
def test_a_stream_cut_before_its_end_is_an_error_that_holds_what_had_arrived(
    case: Case, ending: list[Cut], server: ScriptedServer, ask: Ask
) -> None:
    assert case.sse is not None
    events, reading = events_of(case.sse), Reading(case)
    for count in range(1, reading.events_before_the_finish(events) + 1):
        arrived = events[:count]
        server.reply(Reply(chunks=[*arrived, *ending]))

        outcome = ask(arguments(case.provider, server.url, case.call))

        assert isinstance(outcome.error, StreamInterruptedError), (count, outcome)
        had_arrived = folded(outcome.error.partial)
        if case.is_stream:
            assert had_arrived == fold(outcome.chunks)
        if Cut(reset=True) not in ending:  # a reset may overtake the bytes before it
            expected, _ = reading.read(arrived)
            assert had_arrived == fold(expected)
        for index, so_far in had_arrived.items():
            whole = case.expected["choices"][index]["message"]
            assert (whole["content"] or "").startswith(so_far["content"])
            assert whole.get("reasoning_content", "").startswith(so_far["reasoning"])


# Tables: every row of the vendor's page.


@pytest.mark.parametrize("row", _ERRORS, ids=str)
def test_a_vendors_error_code_means_its_class(row: Row, server: ScriptedServer, ask: Ask) -> None:
    values = row.values
    payload = {"body": values["body"]} if isinstance(values["body"], str) else {"json": values["body"]}
    server.reply(Reply(status=values["status"], headers=values.get("headers", {}), **payload))

    outcome = ask(
        arguments(row.provider, server.url, {"model": values.get("model", "any-model"), "messages": _MESSAGES})
    )

    wanted = {"class": values["class"], "retryable": values["retryable"]}
    if values["status"] >= 300:  # else the class tells
        wanted["status_code"] = values["status"]
    check_error(wanted, outcome.error, row.provider)
    check_secrecy(server.requests, outcome.error)


@pytest.mark.parametrize("row", [row for row in _ERRORS if row.values.get("in_stream")], ids=str)
def test_an_error_event_in_a_stream_means_the_same_class(row: Row, server: ScriptedServer, ask: Ask) -> None:
    """The text arrives in the same packet as the error, and must not be lost with it."""
    [stream] = [case for case in _STREAMS if (case.provider, case.name) == (row.provider, "stream")]
    assert stream.sse is not None
    events = events_of(stream.sse)
    arrived = events[: Reading(stream).events_before_the_finish(events)]
    server.reply(Reply(chunks=[b"".join([*arrived, f"data: {json.dumps(row.values['body'])}\n\n".encode()])]))

    outcome = ask(arguments(row.provider, server.url, stream.call))

    check_error({"class": row.values["class"], "retryable": row.values["retryable"]}, outcome.error, row.provider)
    assert fold(outcome.chunks) == fold(Reading(stream).read(arrived)[0])


def _expect_warning(row: Row) -> AbstractContextManager[Any]:
    phrase = row.values.get("warning")
    return pytest.warns(DeprecationWarning, match=phrase) if phrase else nullcontext()


def _row_call(row: Row, **more: Any) -> dict[str, Any]:
    return {"model": row.values["model"], "messages": _MESSAGES, **row.values["call"], **more}


def _play_plain(provider: str, server: ScriptedServer) -> None:
    [plain] = [case for case in _ALL if (case.provider, case.name) == (provider, "plain")]
    play(plain, server)


def asked(server: ScriptedServer) -> Any:
    """What the last request said that said something: a poll says nothing."""
    return next(request.json for request in reversed(server.requests) if request.body)


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("model", "messages")}


_ON_SERVER = [row for row in _PARAMETERS if not row.values.get("official_host")]


@pytest.mark.parametrize("row", _ON_SERVER, ids=str)
def test_parameters_are_adapted_and_each_change_is_told(row: Row, server: ScriptedServer, ask: Ask) -> None:
    _play_plain(row.provider, server)

    outcome = ask(arguments(row.provider, server.url, _row_call(row)))

    assert outcome.answer is not None, outcome.error
    assert _parameters(asked(server)) == fill(row.values["body"], server.url)
    assert [change.parameter for change in outcome.answer.adaptations or ()] == row.values["adaptations"]


@pytest.mark.parametrize("row", _ON_SERVER, ids=str)
def test_strict_policy_refuses_what_it_would_have_to_change(row: Row, server: ScriptedServer) -> None:
    _play_plain(row.provider, server)

    outcome = ask_sync(arguments(row.provider, server.url, _row_call(row, param_policy="strict")))

    if row.values["adaptations"] and not row.values.get("strict_sends"):
        assert isinstance(outcome.error, BadRequestError)
        assert row.values["adaptations"][0] in str(outcome.error)
        assert server.requests == []
    else:
        assert _parameters(asked(server)) == fill(row.values["body"], server.url)


@pytest.mark.parametrize("row", _ON_SERVER, ids=str)
def test_raw_policy_sends_parameters_untouched(row: Row, server: ScriptedServer) -> None:
    _play_plain(row.provider, server)

    outcome = ask_sync(arguments(row.provider, server.url, _row_call(row, param_policy="raw")))

    assert outcome.answer is not None, outcome.error
    usual = {"model": row.values["model"], "messages": _MESSAGES, **row.values["call"]}
    assert asked(server) == fill(row.values.get("raw_body", usual), server.url)
    assert outcome.answer.adaptations is None


@pytest.mark.parametrize("row", [row for row in _PARAMETERS if row.values.get("official_host")], ids=str)
def test_rules_of_the_vendors_own_host_are_applied_there(row: Row) -> None:
    """Nothing is sent: these rules look at the address, which no scripted server can have."""
    call = {**_row_call(row), "provider": row.provider, "api_key": KEY}

    with _expect_warning(row):
        chat = build_route(call, {}).chat

    assert (chat.model, dict(chat.params)) == (row.values["sent_model"], row.values["body"])
    assert [change.parameter for change in chat.adaptations] == row.values["adaptations"]
    with pytest.raises(BadRequestError, match=row.values["adaptations"][0]):
        build_route({**call, "param_policy": "strict"}, {})
    with warnings.catch_warnings(record=True) as warned:
        assert build_route({**call, "param_policy": "raw"}, {}).chat.model == row.values["model"]
    assert warned == []
