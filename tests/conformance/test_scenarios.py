"""Every provider in every scenario against the vendor that plays it: sync and async, whole and streamed."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cases
import pytest
from checks import check_chunks, fold, folded
from play import Ask, Outcome, ask_async, ask_sync
from scenarios import ASK, CLASSES, DIFFERENT, NOT_RETRIED, OTHERWISE, PIXEL, SCENARIOS, Instead, Scenario, Weather

from unionllm import exceptions
from unionllm.testing import VendorServer
from unionllm.testing.vendors import VENDORS, load

PLAYED = [name for name in cases.providers() if name in VENDORS]
_SIX = "一二三四五六"


@pytest.fixture(scope="module")
def vendors() -> Iterator[VendorServer]:
    """One server for all of them."""
    with VendorServer() as server:
        yield server


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Makes the call, blocking or in an event loop."""
    made: Ask = request.param
    return made


def arguments(server: VendorServer, provider: str, needs: str, call: Mapping[str, Any]) -> dict[str, Any]:
    """A call of that provider; ``needs`` picks the model."""
    played = load(provider)
    target = {**server.arguments(provider), "base_url": server.url(provider, played.example_bases.get(needs))}
    return {**target, "model": played.examples[needs], "messages": ASK, "max_retries": 0, **call}


def scenarios_of(provider: str) -> list[Scenario]:
    """Those that the vendor's models can do."""
    return [scenario for scenario in SCENARIOS if scenario.needs in load(provider).examples]


_CALLS = [
    pytest.param(provider, scenario, stream, id=f"{provider}-{scenario}-{'stream' if stream else 'whole'}")
    for provider in PLAYED
    for scenario in scenarios_of(provider)
    for stream in (False, True)
]


def test_there_are_enough_of_them() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 50
    for provider, rows in (*OTHERWISE.items(), *DIFFERENT.items()):
        assert set(rows) <= {scenario.name for scenario in scenarios_of(provider)}


@pytest.mark.parametrize(("provider", "scenario", "stream"), _CALLS)
def test_a_call_is_accepted_and_its_answer_read(
    provider: str, scenario: Scenario, stream: bool, vendors: VendorServer, ask: Ask
) -> None:
    vendors.clear()
    vendors.reply(vendor=provider, **scenario.answer)

    outcome = ask({**arguments(vendors, provider, scenario.needs, scenario.call), "stream": stream})

    if scenario.name in OTHERWISE.get(provider, {}):
        assert isinstance(outcome.error, exceptions.BadRequestError), outcome
        assert vendors.requests == []
        return
    assert outcome.error is None, outcome.error
    assert [request.refused for request in vendors.refused] == []
    instead = DIFFERENT.get(provider, {}).get(scenario.name, Instead(why=""))
    check(outcome, scenario, instead, ids=vendors.vendor(provider).gives_call_ids)


def check(outcome: Outcome, scenario: Scenario, instead: Instead, *, ids: bool) -> None:
    """The answer says what the script said, whole and piece by piece."""
    answer, script = outcome.answer, scenario.answer
    assert answer is not None
    [choice] = answer.choices
    message = choice.message
    assert (message.content or "") == "".join(script.get("text", ""))
    if "reasoning" in script:
        assert message.reasoning_content == "".join(script["reasoning"])
    wanted = script.get("tool_calls", ())[: instead.calls]
    calls = message.tool_calls or ()
    assert [one.function.name for one in calls] == [one["name"] for one in wanted]
    assert [json.loads(one.function.arguments) for one in calls] == [_arguments(one) for one in wanted]
    assert all(one.id and one.type == "function" for one in calls)
    assert len({one.id for one in calls}) == len(calls)
    if ids:
        assert [one.id for one in calls] == [one["id"] for one in wanted]
    assert choice.finish_reason == (instead.finish or scenario.finish)
    usage = script.get("usage")
    if usage and answer.usage is not None:
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (usage["prompt"], usage["completion"])
        assert answer.usage.total_tokens == usage["prompt"] + usage["completion"]
    if scenario.call.get("response_format") is Weather:
        assert answer.parsed == Weather(city="北京", degrees=25)
    assert answer.id
    assert answer.created
    assert answer.model
    if outcome.chunks:
        check_chunks(outcome.chunks, is_whole=True)
        assert folded(answer) == fold(outcome.chunks)


def _arguments(scripted: Mapping[str, Any]) -> Any:
    given = scripted["arguments"]
    return json.loads("".join(given)) if isinstance(given, list) else given


# Errors.

_KINDS = [
    pytest.param(provider, kind, place, stream, id=f"{provider}-{kind}-{place}-{'stream' if stream else 'whole'}")
    for provider in PLAYED
    for kind in load(provider).kinds
    for place, stream in (("status", False), ("status", True), ("in_200", False), ("in_stream", True))
]


@pytest.mark.parametrize(("provider", "kind", "place", "stream"), _KINDS)
def test_every_kind_of_error_has_its_class_wherever_it_stands(
    provider: str, kind: str, place: str, stream: bool, vendors: VendorServer, ask: Ask
) -> None:
    vendors.clear()
    vendors.fault(kind, vendor=provider, place=place, text=_SIX)

    outcome = ask({**arguments(vendors, provider, "chat", {}), "stream": stream})

    error = outcome.error
    assert isinstance(error, CLASSES[kind]), repr(error)
    assert error.provider == provider
    is_final = kind in NOT_RETRIED.get(provider, {})
    assert error.retryable == (kind in ("rate_limit", "overloaded", "server") and not is_final), error
    played = vendors.vendor(provider)
    is_before = played.is_socket(played.base) and played.is_of_handshake(played.problems[played.kinds[kind]])
    if place == "in_stream" and not is_before:
        assert error.partial is not None
        assert str(error.partial.choices[0].message.content or "") in _SIX
    told = f"{error!r} {error} {''.join(traceback.format_exception(error))}"
    assert [value for value in vendors.credentials(provider).values() if value in told] == []


@pytest.mark.parametrize("provider", PLAYED)
def test_a_full_queue_tells_when_to_come_back(provider: str, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    vendors.fault("rate_limit", vendor=provider, retry_after=7)

    outcome = ask(arguments(vendors, provider, "chat", {}))

    assert isinstance(outcome.error, exceptions.RateLimitError)
    if not vendors.vendor(provider).is_socket(vendors.vendor(provider).base):
        assert outcome.error.retry_after == 7


# Faults of the network, and replies that nobody can read.

_FAULTS: Mapping[str, tuple[dict[str, Any], type[exceptions.APIError]]] = {
    "cut_before_the_head": ({"name": "cut", "after": -1}, exceptions.APIConnectionError),
    "cut": ({"name": "cut"}, exceptions.APIConnectionError),
    "reset": ({"name": "cut", "reset": True}, exceptions.APIConnectionError),
    "stall": ({"name": "stall", "seconds": 5}, exceptions.APITimeoutError),
    "slow": ({"name": "slow", "seconds": 5}, exceptions.APITimeoutError),
    "malformed": ({"name": "malformed"}, exceptions.APIError),
    "html": ({"name": "html"}, exceptions.APIError),
    "empty": ({"name": "empty"}, exceptions.APIError),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("provider", PLAYED)
def test_a_broken_reply_is_an_error_that_holds_what_had_arrived(
    provider: str, fault: str, stream: bool, vendors: VendorServer, ask: Ask
) -> None:
    vendors.clear()
    broken, cls = _FAULTS[fault]
    vendors.fault(vendor=provider, text=_SIX, **broken)

    # Short limits only where there is silence: on a busy machine, other calls would end by them, too.
    is_silent = fault in ("stall", "slow", "empty")
    limits = {"first_token": 0.3, "idle": 0.2, "total": 1} if is_silent else {"total": 20}
    outcome = ask(arguments(vendors, provider, "chat", {"stream": stream, "timeout": limits}))

    # A request that arrives when nobody waits for it any more would take the fault of the next test.
    until = time.monotonic() + 20
    while not vendors.requests:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert isinstance(outcome.error, cls), repr(outcome.error)
    assert outcome.error.provider == provider
    if outcome.chunks:
        check_chunks(outcome.chunks, is_whole=False)
        assert folded(outcome.error.partial) == fold(outcome.chunks)


@pytest.mark.parametrize("provider", PLAYED)
def test_a_port_where_nobody_listens_is_named(provider: str, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    with vendors.refusing():
        outcome = ask(arguments(vendors, provider, "chat", {}))

    assert isinstance(outcome.error, exceptions.APIConnectionError)


# What is wrong before anything is sent.


@pytest.mark.parametrize("provider", PLAYED)
def test_a_call_without_credentials_says_which_are_missing(
    provider: str, vendors: VendorServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendors.clear()
    given = arguments(vendors, provider, "chat", {})
    for name in vendors.credentials(provider):
        del given[name]

    outcome = ask(given)

    assert isinstance(outcome.error, exceptions.AuthenticationError)
    assert vendors.requests == []


@pytest.mark.parametrize("messages", [[], [{"role": "user"}], ["你好"]], ids=str)
@pytest.mark.parametrize("provider", PLAYED)
def test_messages_that_are_none_are_refused_here(provider: str, messages: Any, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()

    outcome = ask(arguments(vendors, provider, "chat", {"messages": messages}))

    assert isinstance(outcome.error, exceptions.BadRequestError)
    assert vendors.requests == []


@pytest.mark.parametrize("provider", PLAYED)
def test_a_role_that_nobody_knows_is_refused_here_or_there(provider: str, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()

    outcome = ask(arguments(vendors, provider, "chat", {"messages": [{"role": "ghost", "content": "a"}]}))

    assert isinstance(outcome.error, exceptions.BadRequestError)


@pytest.mark.parametrize("provider", PLAYED)
def test_a_path_in_a_message_is_never_opened(provider: str, vendors: VendorServer, ask: Ask, tmp_path: Path) -> None:
    vendors.clear()
    secret = tmp_path / "a.png"
    secret.write_text("what stands in the file", encoding="utf-8")
    needs = "image" if "image" in load(provider).examples else "chat"
    for url in (str(secret), secret.as_uri()):
        part = {"type": "image_url", "image_url": {"url": url}}
        messages = [{"role": "user", "content": [{"type": "text", "text": str(secret)}, part]}]

        ask(arguments(vendors, provider, needs, {"messages": messages}))

    sent = b"".join(request.body for request in vendors.requests)
    assert b"what stands in the file" not in sent
    assert b"d2hhdCBzdGFuZHM" not in sent


@pytest.mark.parametrize("provider", [name for name in PLAYED if "image" not in load(name).examples])
def test_a_model_that_is_blind_refuses_pictures_here(provider: str, vendors: VendorServer, ask: Ask) -> None:
    vendors.clear()
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}]

    outcome = ask(arguments(vendors, provider, "chat", {"messages": messages}))

    assert isinstance(outcome.error, exceptions.BadRequestError)
    assert vendors.requests == []
