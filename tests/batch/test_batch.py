"""``batch`` and ``abatch`` against the vendor server: real sockets, real refusals."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from unionllm import BadRequestError, abatch, batch
from unionllm._batch.api import AsyncBatchRun, BatchRun
from unionllm.testing import VendorServer


@pytest.fixture
def vendors() -> Iterator[VendorServer]:
    with VendorServer() as server:
        yield server


def given(vendors: VendorServer, **more: Any) -> dict[str, Any]:
    return {**vendors.arguments("zhipuai"), "model": "glm-4.5", "thinking": False, **more}


def asked(vendors: VendorServer) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in vendors.requests]


def texts(run: BatchRun) -> list[str | None]:
    return [result.text for result in run]


def test_results_come_in_the_order_of_the_lines(vendors: VendorServer) -> None:
    run = batch((f"q{number}" for number in range(120)), **given(vendors))

    results = list(run)

    assert [(result.index, result.custom_id, result.text) for result in results] == [
        (number, f"line-{number + 1}", f"收到：q{number}") for number in range(120)
    ]
    assert (run.stats.ending, run.stats.asked, run.stats.failed) == ("done", 120, 0)
    assert run.stats.tokens == sum(result.tokens for result in results) > 0
    assert vendors.refused == []


def test_results_can_be_had_as_they_come(vendors: VendorServer) -> None:
    vendors.fault("slow", seconds=0.5)  # the first one to arrive

    results = list(batch([f"q{number}" for number in range(20)], ordered=False, **given(vendors)))

    assert sorted(result.index for result in results) == list(range(20))
    assert [result.index for result in results] != list(range(20))


def test_a_question_that_is_asked_twice_is_sent_once(vendors: VendorServer) -> None:
    run = batch(["a", "b", "a", {"custom_id": "x", "prompt": "a"}], **given(vendors))

    results = list(run)

    assert [(result.custom_id, result.text) for result in results] == [
        *(("line-1", "收到：a"), ("line-2", "收到：b"), ("line-3", "收到：a"), ("x", "收到：a"))
    ]
    assert sorted(asked(vendors)) == ["a", "b"]
    assert [result.is_stored for result in results] == [False, False, True, True]


def test_a_second_run_sends_only_what_has_no_answer(vendors: VendorServer, tmp_path: Path) -> None:
    vendors.fault("bad_request")
    first = list(batch(["a"], journal=tmp_path / "j", **given(vendors)))
    again = batch(["a", "b"], journal=tmp_path / "j", **given(vendors))
    assert [result.is_ok for result in first] == [False]
    assert texts(again) == ["收到：a", "收到：b"]

    third = batch(["b", "c", "a"], journal=tmp_path / "j", **given(vendors))

    assert texts(third) == ["收到：b", "收到：c", "收到：a"]
    assert sorted(asked(vendors)) == ["a", "a", "b", "c"]
    assert (third.stats.stored, third.stats.asked) == (2, 1)


def test_lines_that_cannot_be_asked_are_results_too(vendors: VendorServer) -> None:
    results = list(batch([5, "a", {"prompt": "b", "base_url": "http://x"}, {}], **given(vendors)))

    assert [result.is_ok for result in results] == [False, True, False, False]
    assert [result.error and result.error["code"] for result in results] == [
        "invalid_line",
        None,
        *["invalid_line"] * 2,
    ]
    assert asked(vendors) == ["a"]


def test_a_refusal_is_a_result_with_the_vendors_status_and_code(vendors: VendorServer) -> None:
    vendors.fault("context")

    (result,) = batch(["a"], **given(vendors))

    assert result.error is not None
    assert (result.status_code, result.error["type"], result.error["code"]) == (
        400,
        "ContextWindowExceededError",
        "1261",
    )
    line = result.to_dict()
    assert (line["error"], line["response"]["status_code"]) == (None, 400)
    assert line["response"]["body"]["error"]["code"] == "1261"


def test_a_failed_connection_is_tried_again_by_the_call_itself(vendors: VendorServer) -> None:
    vendors.fault("cut", after=-1)

    (result,) = batch(["a"], **given(vendors))

    assert (result.text, len(vendors.requests)) == ("收到：a", 2)
    with vendors.refusing():
        (result,) = batch(["a"], **given(vendors, max_retries=0))
    assert result.error is not None
    assert (result.status_code, result.error["type"]) == (None, "APIConnectionError")


def test_too_many_requests_slow_the_run_down_and_fail_nothing(vendors: VendorServer) -> None:
    for _ in range(12):
        vendors.fault("rate_limit", retry_after=0.02)

    run = batch([f"q{number}" for number in range(60)], max_retries=0, **given(vendors))

    assert texts(run) == [f"收到：q{number}" for number in range(60)]
    assert run.stats.refusals == 12
    assert len(vendors.requests) == 72


def test_patience_with_too_many_requests_ends(vendors: VendorServer) -> None:
    for _ in range(4):
        vendors.fault("rate_limit", retry_after=0.01)

    results = list(batch(["a"], patience=0.001, **given(vendors)))

    assert [result.status_code for result in results] == [429]


def test_a_fallback_answers_what_the_first_provider_does_not(vendors: VendorServer) -> None:
    other = {**vendors.arguments("deepseek"), "model": "deepseek-v4-flash"}
    vendors.fault("server", vendor="zhipuai")

    (result,) = batch(["a"], fallbacks=[other], **given(vendors, max_retries=0))

    assert result.response is not None
    assert (result.response.provider, result.text) == ("deepseek", "收到：a")


class Keys:
    """The key that the server accepts, and one that it refuses."""

    def __init__(self, vendors: VendorServer) -> None:
        self.good = vendors.credentials("zhipuai")["api_key"]
        self.bad = self.good[::-1]


def test_a_refused_key_is_left_out_and_the_others_go_on(vendors: VendorServer) -> None:
    keys = Keys(vendors)

    run = batch([f"q{number}" for number in range(30)], keys=[keys.bad, {"api_key": keys.good}], **given(vendors))

    assert texts(run) == [f"收到：q{number}" for number in range(30)]
    assert Counter(request.status for request in vendors.requests)[200] == 30
    assert 1 <= len(vendors.refused) <= 8  # the first round of that key


def test_a_run_stops_when_every_key_is_refused_and_goes_on_later(vendors: VendorServer, tmp_path: Path) -> None:
    keys = Keys(vendors)
    lines = [f"q{number}" for number in range(500)]

    run = batch(lines, journal=tmp_path / "j", **given(vendors, api_key=keys.bad))
    results = list(run)

    assert (results, run.stats.ending) == ([], "refused")
    assert run.stats.reason.startswith("zhipuai: ")
    assert len(vendors.requests) <= 8
    assert len(texts(batch(lines[:20], journal=tmp_path / "j", **given(vendors)))) == 20


def test_a_few_lines_that_every_key_refuses_are_not_done(vendors: VendorServer) -> None:
    """All of them were read, and under way, before the first refusal."""
    run = batch(["a", "b", "c"], **given(vendors, api_key=Keys(vendors).bad))

    assert (list(run), run.stats.ending) == ([], "refused")
    assert run.stats.reason.startswith("zhipuai: ")


def test_a_stop_while_the_vendor_puts_the_last_lines_off_is_not_done(vendors: VendorServer) -> None:
    vendors.fault("rate_limit", retry_after=30)
    run = batch(["a", "b"], ordered=False, **given(vendors))

    results = [next(run)]  # the other one waits
    run.stop()
    results += list(run)

    assert (len(results), run.stats.ending) == (1, "stopped")


def test_a_fallback_whose_key_is_refused_says_nothing_about_the_runs_key(vendors: VendorServer) -> None:
    other = {**vendors.arguments("deepseek"), "model": "deepseek-v4-flash", "api_key": "sk-wrong"}
    vendors.fault("server", vendor="zhipuai")

    run = batch(["a", "b", "c"], fallbacks=[other], concurrency=1, **given(vendors, max_retries=0))

    assert [result.status_code for result in run] == [401, 200, 200]
    assert run.stats.ending == "done"


def test_several_keys_share_the_work(vendors: VendorServer) -> None:
    keys = Keys(vendors)

    run = batch([f"q{number}" for number in range(40)], keys=[keys.good, keys.good], concurrency=4, **given(vendors))

    assert len(texts(run)) == 40
    assert run.stats.at_once == 8


def test_a_budget_in_tokens_stops_cleanly_and_can_be_raised(vendors: VendorServer, tmp_path: Path) -> None:
    lines = [f"q{number:03}" for number in range(200)]  # 4 + 7 tokens each, by the server's count
    run = batch(lines, budget_tokens=500, journal=tmp_path / "j", **given(vendors))

    first = list(run)

    assert run.stats.ending == "budget"
    assert 40 <= len(first) == len(vendors.requests) <= 45
    assert 0.9 * 500 <= run.stats.tokens <= 500
    again = batch(lines, budget_tokens=500, journal=tmp_path / "j", **given(vendors))
    assert (len(list(again)), again.stats.asked) == (len(first), 0)
    last = batch(lines, budget_tokens=5000, journal=tmp_path / "j", **given(vendors))
    assert len(list(last)) == len(vendors.requests) == 200


def test_a_run_that_is_left_does_not_say_that_it_is_done(vendors: VendorServer) -> None:
    with batch([f"q{number}" for number in range(1000)], **given(vendors)) as run:
        next(run)

    assert run.stats.ending == "stopped"


def test_requests_a_minute_are_kept(vendors: VendorServer) -> None:
    run = batch([f"q{number}" for number in range(6)], rpm=600, **given(vendors))

    assert len(texts(run)) == 6
    moments = [request.received_at for request in vendors.requests]
    assert moments[-1] - moments[0] > 0.25  # 2.5 at once, then one every 0.1 s


def test_stopping_finishes_what_is_under_way(vendors: VendorServer, tmp_path: Path) -> None:
    run = batch([f"q{number}" for number in range(5000)], journal=tmp_path / "j", **given(vendors))
    results = [next(run)]

    run.stop()
    results += list(run)

    assert run.stats.ending == "stopped"
    assert len(results) == len(vendors.requests) < 5000
    assert all(result.is_ok for result in results)


def test_a_run_that_is_stopped_before_it_begins_asks_nothing(vendors: VendorServer) -> None:
    run = batch(["a", "b"], **given(vendors))

    run.stop()

    assert (list(run), run.stats.ending, vendors.requests) == ([], "stopped", [])


def test_leaving_the_loop_ends_the_run_and_its_thread(vendors: VendorServer) -> None:
    with batch((f"q{number}" for number in range(5000)), **given(vendors)) as run:
        for result in run:
            assert result.is_ok
            break

    assert not [thread for thread in threading.enumerate() if thread.name == "batch"]
    assert len(vendors.requests) < 1000


def test_a_line_is_asked_as_soon_as_the_input_yields_it(vendors: VendorServer) -> None:
    answered = threading.Event()

    def lines() -> Iterator[str]:
        yield "a"
        yield "b" if answered.wait(60) else "nobody has asked the first one"

    found = []
    for result in batch(lines(), **given(vendors)):
        found.append(result.text)
        answered.set()

    assert found == ["收到：a", "收到：b"]


def test_a_run_can_be_left_while_its_input_blocks(vendors: VendorServer) -> None:
    is_over, left = threading.Event(), []

    def lines() -> Iterator[str]:
        yield "a"
        is_over.wait(60)
        left.append("too late")
        yield "b"

    with batch(lines(), **given(vendors)) as run:
        next(run)

    assert left == []
    is_over.set()


def test_an_input_that_fails_is_raised_after_what_came_before_it(vendors: VendorServer) -> None:
    def lines() -> Iterator[str]:
        yield "a"
        raise LookupError("the database has gone")

    run = batch(lines(), **given(vendors))

    with pytest.raises(LookupError, match="the database has gone"):
        list(run)


def test_asynchronous_input_and_results(vendors: VendorServer) -> None:
    async def lines() -> AsyncIterator[Any]:
        for number in range(30):
            yield {"prompt": f"q{number}"}

    async def main() -> list[str | None]:
        async with abatch(lines(), **given(vendors)) as run:
            return [result.text async for result in run]

    assert asyncio.run(main()) == [f"收到：q{number}" for number in range(30)]


def test_a_run_given_up_leaves_no_task(vendors: VendorServer) -> None:
    async def main() -> int:
        run = abatch([f"q{number}" for number in range(500)], **given(vendors))
        async for _ in run:
            break
        await run.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"messages": []}, "messages: not for a batch"),
        ({"stream": True}, "stream: not for a batch"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"rpm": -1}, "rpm=-1"),
        ({"budget_tokens": 0}, "budget_tokens=0"),
        ({"keys": "sk-1"}, "keys must be a list"),
    ],
)
def test_wrong_arguments_are_found_before_anything_begins(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        batch(["a"], provider="zhipuai", **arguments)


def test_both_functions_and_both_runs_take_and_offer_the_same() -> None:
    assert inspect.signature(batch).parameters == inspect.signature(abatch).parameters
    twins = {"__aiter__": "__iter__", "__anext__": "__next__", "__aenter__": "__enter__", "__aexit__": "__exit__"}
    twins["aclose"] = "close"
    offered = {twins.get(name, name) for name in vars(AsyncBatchRun) if name in twins or name[0] != "_"}
    assert offered - {"take"} == {name for name in vars(BatchRun) if name in twins.values() or name[0] != "_"}


def test_a_key_is_in_no_journal_and_no_result(vendors: VendorServer, tmp_path: Path) -> None:
    vendors.fault("bad_request", message="no")
    results = list(batch(["a", "b"], journal=tmp_path / "j", **given(vendors)))

    key = vendors.credentials("zhipuai")["api_key"]
    assert len(results) == 2
    assert key not in (tmp_path / "j").read_text(encoding="utf-8")
    assert key not in json.dumps([result.to_dict() for result in results]) + repr(results)
