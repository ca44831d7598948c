"""The official clients are the judges: they read what our server plays, and send what our adapters send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from differences import ACCEPTED, FINISH_WORDS, accepted, differing
from harness import Harness, Pair, Played, cases_of, open_harness
from pairs import NOT_PASSED, PAIRS, reason

from unionllm._registry import native_names
from unionllm.testing import VendorServer
from unionllm.testing._received import Received
from unionllm.testing.conformance import Case
from unionllm.testing.vendors import VENDORS

pytestmark = pytest.mark.shows_keys  # the harness is a program of its own, which tells what it was sent


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    """One server and one process a client for all of them."""
    with open_harness() as opened:
        yield opened


_CELLS = [pytest.param(pair, case, id=f"{pair}-{name}") for pair in PAIRS for name, case in cases_of(pair).items()]


@pytest.mark.parametrize(("pair", "case"), _CELLS)
def test_the_official_client_reads_what_the_server_plays(pair: Pair, case: Case, harness: Harness) -> None:
    played = harness.play(pair, case)

    assert played.foreign == []
    if why := reason(pair, case.name):
        assert played.fault, f"{pair} passes {case.name}, which was said not to work: {why}"
    else:
        assert played.fault == ""


def test_every_vendor_has_a_client_that_judges_it() -> None:
    judged = {pair.vendor for pair in PAIRS}

    assert set(VENDORS) - judged == set(_UNJUDGED)


#: Vendors for which there is no client to judge by.
_UNJUDGED = {
    "tiangong": "the vendor never had an SDK",
    "appbuilder": "appbuilder-sdk wants urllib3 before 2 and one old version of mcp, which no environment with the"
    " other clients can have; it was asked by hand, in one of its own",
    "adp": "Tencent's SDKs manage apps; none of them asks one",
}


_OURS = [
    pytest.param(pair, case, id=f"{pair}-{name}")
    for pair in PAIRS
    for name, case in cases_of(pair).items()
    if pair.vendor in native_names() and not reason(pair, name)
]


@pytest.mark.parametrize(("pair", "case"), _OURS)
def test_our_adapter_sends_and_reads_the_same(pair: Pair, case: Case, harness: Harness) -> None:
    theirs, ours = harness.play(pair, case), harness.play(replace(pair, sdk="ours"), case)

    assert ours.fault == ""
    assert read(ours, theirs) == read(theirs, theirs)
    for sent_by_them, sent_by_us in zip(calls(theirs), calls(ours), strict=True):
        assert differing(sent_by_them, sent_by_us) <= accepted(str(pair))


def calls(played: Played) -> list[Received]:
    """Those of a call, none of them made twice: one with most vendors; none where no token was sold, since each client
    decides for itself when it buys one.

    Files left before it are forms, whose bytes no two clients write alike; the server has read them.
    """
    asked = [request for request in played.requests if not request.path.endswith(("/token", "/upload"))]
    assert len({request.path for request in asked}) == len(asked)
    assert asked or played.requests
    return asked


def read(played: Played, judge: Played) -> dict[str, object]:
    """What a client made of a reply, without what the judging client does not tell."""
    outcome, judged = played.outcome, judge.outcome
    has_ids = any(call.id for call in judged.tool_calls)
    found = {
        "text": outcome.text,
        "tool_calls": [(call.name, call.arguments, call.id if has_ids else "") for call in outcome.tool_calls],
        "failed": bool(outcome.error),
    }
    if judged.finish_reason is not None:
        found["finish_reason"] = FINISH_WORDS.get(outcome.finish_reason or "", outcome.finish_reason)
    told = ("prompt_tokens", "completion_tokens", "status")
    return found | {name: getattr(outcome, name) for name in told if getattr(judged, name) is not None}


def test_every_reason_is_about_a_case_that_is_played() -> None:
    names = {str(pair): pair for pair in PAIRS} | {f"{pair.sdk}-{pair.vendor}": pair for pair in PAIRS}

    for name, cases in NOT_PASSED.items():
        assert set(cases) <= set(cases_of(names[name])), name


@pytest.mark.parametrize("start", ACCEPTED)
def test_every_accepted_difference_is_still_one(start: str, harness: Harness) -> None:
    """One that is no more would hide the next."""
    found = set()
    for pair in PAIRS:
        for name, case in cases_of(pair).items() if str(pair).startswith(start) else ():
            if not reason(pair, name):
                theirs, ours = harness.play(pair, case), harness.play(replace(pair, sdk="ours"), case)
                for pieces in zip(calls(theirs), calls(ours), strict=True):
                    found |= differing(*pieces)

    assert found == set(ACCEPTED[start])


@pytest.mark.parametrize("sdk", ["zhipuai", "ours"])
def test_a_token_of_another_hour_is_refused_whoever_signed_it(sdk: str) -> None:
    """Both sign by this clock, and both are refused by that one; a plain key is not."""
    [signed] = [pair for pair in PAIRS if pair.protocol == "jwt"]
    plain = next(pair for pair in PAIRS if pair.sdk == "zhipuai" and not pair.protocol)
    case = cases_of(plain)["chat"]
    with open_harness(VendorServer(clock=lambda: time.time() + 3600)) as late:
        assert "1003" in late.play(replace(signed, sdk=sdk), case).fault
        assert late.play(replace(plain, sdk=sdk), case).fault == ""
