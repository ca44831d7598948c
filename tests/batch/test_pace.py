"""How many at once, and how many a minute: pure decisions, with time as an argument."""

from __future__ import annotations

import pytest

from unionllm import APIError, RateLimitError
from unionllm._batch.budget import Budget, Spent, Verdict, judge
from unionllm._batch.pace import Lane, Meter, Turn, open_lanes
from unionllm._batch.progress import LineProgress, Pace, describe, format_seconds
from unionllm._batch.run import Stats


@pytest.mark.parametrize("per_minute", [1, 6, 60, 600, 6000])
def test_no_minute_sees_more_than_its_limit(per_minute: int) -> None:
    meter = Meter(per_minute, now=0.0)
    now, passed = 0.0, []
    while now < 90:
        seconds = meter.wait(1, now)
        if seconds > 0:
            # A timer that is a little late now and then.
            now += seconds + 0.001
            continue
        meter.take(1, now)
        passed.append(now)

    for start in range(0, 30, 7):
        within = sum(start <= moment < start + 60 for moment in passed)
        assert per_minute * 0.9 - 1 <= within <= per_minute + 1


def test_a_request_larger_than_what_may_pass_at_once_goes_and_is_paid_off_later() -> None:
    meter = Meter(6000, now=0.0)

    assert meter.wait(500, 0.0) == 0
    meter.take(500, 0.0)

    assert 4 < meter.wait(10, 0.0) < 6
    meter.take(-500, 0.0)  # it cost nothing after all
    assert meter.wait(10, 0.0) == 0


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Meter(0, now=0.0)


def fill(lane: Lane, now: float) -> list[Turn]:
    turns = []
    while lane.wait(0, now) == 0:
        turns.append(lane.begin(0, now))
    return turns


def answer(lane: Lane, turns: list[Turn], now: float) -> None:
    for turn in turns:
        lane.end(turn, 0, now, is_answer=True)


def test_the_number_at_once_doubles_until_the_vendor_says_stop_then_grows_by_one_a_round() -> None:
    lane = Lane(credentials={}, most=100)
    sizes = []
    for second in range(3):
        turns = fill(lane, second)
        sizes.append(len(turns))
        answer(lane, turns, second)
    assert sizes == [8, 16, 32]

    turns = fill(lane, 3.0)
    for turn in turns[:10]:
        lane.slow_down(turn, RateLimitError("x", retry_after=2.0), 3.5)
        lane.end(turn, 0, 3.5, is_answer=False)

    assert lane.limit == 32  # halved once, though ten said so
    assert lane.wait(0, 3.6) is None
    answer(lane, turns[10:], 3.6)
    assert 1.8 < (lane.wait(0, 3.6) or 0) <= 2.0
    before = lane.limit
    answer(lane, fill(lane, 6.0), 6.0)
    assert before < lane.limit <= before + 1.01


def test_a_lane_never_closes_altogether_and_never_opens_wider_than_it_may() -> None:
    lane = Lane(credentials={}, most=10)
    for second in range(5):
        answer(lane, fill(lane, second), second)
    assert lane.limit == 10

    for second in range(10, 200, 10):
        (turn, *others) = fill(lane, second)
        lane.slow_down(turn, RateLimitError("x", retry_after=0.0), second)
        for each in (turn, *others):
            lane.end(each, 0, second, is_answer=False)
    assert lane.limit == 1
    assert lane.wait(0, 1000.0) == 0


def test_waits_grow_while_a_vendor_names_none() -> None:
    lane = Lane(credentials={}, most=10)
    longest = []
    for round_ in range(6):
        now = round_ * 100.0
        turn = lane.begin(0, now)
        lane.slow_down(turn, RateLimitError("x"), now)
        lane.end(turn, 0, now, is_answer=False)
        longest.append(lane.wait(0, now) or 0.0)

    assert all(wait <= 0.5 * 2**number for number, wait in enumerate(longest))
    assert max(longest) <= 8


def test_limits_are_shared_out() -> None:
    (lane,) = open_lanes([{}], most=100, rpm=600, tpm=None, now=0.0, share=0.25)

    assert lane.most == 25
    assert sum(1 for _ in fill(lane, 0.0)) <= 2
    assert open_lanes([{}], most=3, rpm=None, tpm=None, now=0.0, share=0.1)[0].most == 1


def spent(**more: float | bool | None) -> Spent:
    usual = {"tokens": 0, "cost": 0, "average_tokens": None, "average_cost": None, "in_flight": 0, "has_answers": False}
    return Spent(**{**usual, **more})  # type: ignore[arg-type]


KNOWN = {"average_tokens": 10.0, "average_cost": 0.5, "has_answers": True}


@pytest.mark.parametrize(
    ("budget", "state", "verdict"),
    [
        (Budget(), spent(tokens=1e9), Verdict.GO),
        (Budget(tokens=100), spent(), Verdict.GO),
        (Budget(tokens=100), spent(in_flight=1), Verdict.WAIT),
        (Budget(tokens=100), spent(tokens=50, in_flight=4, **KNOWN), Verdict.GO),
        (Budget(tokens=100), spent(tokens=50, in_flight=5, **KNOWN), Verdict.WAIT),
        (Budget(tokens=100), spent(tokens=95, **KNOWN), Verdict.STOP),
        (Budget(tokens=100), spent(tokens=100, in_flight=3, **KNOWN), Verdict.STOP),
        (Budget(cost=2), spent(cost=1.0, **KNOWN), Verdict.GO),
        (Budget(cost=2), spent(cost=1.6, **KNOWN), Verdict.STOP),
        (Budget(cost=2), spent(average_tokens=10.0, has_answers=True), Verdict.UNKNOWN),
        (Budget(cost=2, tokens=100), spent(tokens=99, cost=0.1, **KNOWN), Verdict.STOP),
    ],
)
def test_a_request_is_begun_only_if_it_fits(budget: Budget, state: Spent, verdict: Verdict) -> None:
    assert judge(budget, state) is verdict


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Budget(tokens=0)


def test_progress_tells_rate_rest_tokens_cost_and_errors() -> None:
    stats = Stats(total=1000, handed_out=250, failed=3, tokens=12345, cost=0.5, is_priced=True, in_flight=8, at_once=16)
    stats.refusals = 2

    told = describe(stats, 10.0)

    assert told == (
        "250/1,000 lines, 10.0/s, ETA 0:01:15, 12,345 tokens, cost 0.5000, 3 failed, 8/16 at once, 2 told to slow down"
    )
    assert format_seconds(3725) == "1:02:05"
    assert "ETA" not in describe(Stats(handed_out=5), 1.0)


def test_a_rate_is_that_of_the_last_half_minute() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    rates = []
    for second in range(100):
        now[0] = second
        rates.append(pace.update(second * 2 if second < 50 else 100 + (second - 50) * 10))

    assert (rates[40], rates[99]) == (2.0, 10.0)


def test_without_a_terminal_there_is_a_line_every_ten_seconds() -> None:
    now, said = [0.0], []
    with LineProgress(said.append, lambda: now[0]) as progress:
        for second in range(25):
            now[0] = second
            progress(Stats(handed_out=second))

    assert len(said) == 2
    assert said[0].startswith("10 lines, 1.0/s")


def test_errors_that_are_no_refusals_leave_the_pace_alone() -> None:
    lane = Lane(credentials={}, most=10)
    turn = lane.begin(0, 0.0)
    lane.end(turn, 0, 0.0, is_answer=False)

    assert (lane.limit, lane.refusals, lane.wait(0, 0.0)) == (8, 0, 0)
    assert isinstance(RateLimitError("x"), APIError)
