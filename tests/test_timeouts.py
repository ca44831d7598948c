"""How long a call may wait, and for what."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionllm._timeouts import Deadline, Timeouts
from unionllm.exceptions import BadRequestError

LIMITS = ["connect", "write", "pool", "first_token", "idle", "total"]


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_defaults_are_those_of_the_contract() -> None:
    limits = Timeouts.parse(None)

    assert (limits.connect, limits.idle, limits.first_token, limits.total) == (10, 120, 600, None)


def test_the_default_of_the_first_token_depends_on_the_model() -> None:
    assert Timeouts.parse(None, first_token=120).first_token == 120
    assert Timeouts.parse({"idle": 3}, first_token=120).first_token == 120
    assert Timeouts.parse(7, first_token=120).first_token == 7


def test_a_number_limits_connect_first_token_and_idle_alike() -> None:
    limits = Timeouts.parse(2.5)

    assert (limits.connect, limits.first_token, limits.idle) == (2.5, 2.5, 2.5)
    assert limits.total is None


@pytest.mark.parametrize("name", LIMITS)
def test_a_mapping_sets_one_limit_and_leaves_the_others(name: str) -> None:
    limits = Timeouts.parse({name: 3})

    for other in LIMITS:
        assert getattr(limits, other) == (3.0 if other == name else getattr(Timeouts.parse(None), other))


def test_none_in_a_mapping_means_no_limit() -> None:
    assert Timeouts.parse({"idle": None, "connect": None}).idle is None
    assert Timeouts.parse({"idle": None, "connect": None}).connect is None


def test_an_httpx_timeout_is_understood() -> None:
    limits = Timeouts.parse(httpx.Timeout(4, read=9))

    assert (limits.connect, limits.write, limits.pool, limits.first_token, limits.idle) == (4, 4, 4, 9, 9)


@pytest.mark.parametrize(
    "given_value", [0, -1, True, False, "5", [], float("nan"), {"idle": 0}, {"idle": "x"}, {"total": True}, object()]
)
def test_what_is_no_limit_is_refused(given_value: Any) -> None:
    with pytest.raises(BadRequestError, match="timeout"):
        Timeouts.parse(given_value)


def test_an_unknown_limit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequestError, match=r"no limit 'read'.*connect.*first_token.*idle.*total"):
        Timeouts.parse({"read": 3})


@given(st.none() | st.floats() | st.integers() | st.text() | st.dictionaries(st.sampled_from(LIMITS), st.floats()))
def test_whatever_is_given_becomes_positive_limits_or_an_error(value: Any) -> None:
    try:
        limits = Timeouts.parse(value)
    except BadRequestError:
        return
    assert all(limit is None or limit > 0 for limit in (getattr(limits, name) for name in LIMITS))


def test_the_first_read_waits_for_the_first_token_and_later_ones_for_life() -> None:
    deadline = Deadline(Timeouts(first_token=30, idle=5), Clock())

    assert deadline.read_seconds() == 30
    assert deadline.applied == ("first token", 30)
    deadline.body_started()
    assert deadline.read_seconds() == 5
    assert deadline.applied == ("idle", 5)


@pytest.mark.parametrize(("idle", "seconds"), [(30, 3), (0.5, 0.5), (None, 3)])
def test_a_complete_answer_is_not_lingered_over_for_long(idle: float | None, seconds: float) -> None:
    deadline = Deadline(Timeouts.parse({"idle": idle}), Clock())
    deadline.body_started()
    deadline.lingering()

    assert deadline.read_seconds() == seconds

    deadline.start_attempt(deadline.timeouts)
    deadline.body_started()
    assert deadline.read_seconds() == idle


def test_the_first_token_is_limited_from_the_request_on_however_many_reads_it_takes() -> None:
    """A server may drip its headers: each byte would begin the limit anew."""
    clock = Clock()
    deadline = Deadline(Timeouts(first_token=30, idle=5), clock)
    deadline.write_seconds()
    clock.now += 9  # to send it

    assert deadline.read_seconds() == 30
    clock.now += 12
    assert (deadline.read_seconds(), deadline.applied) == (18, ("first token", 30))
    clock.now += 40
    assert (deadline.read_seconds(), deadline.applied) == (0.001, ("first token", 30))
    deadline.write_seconds()  # another request of the same call
    assert deadline.read_seconds() == 30


def test_the_handshake_is_limited_by_connect_until_it_has_ended() -> None:
    deadline = Deadline(Timeouts(connect=3, first_token=30), Clock())

    deadline.handshake_started()
    assert (deadline.read_seconds(), deadline.applied) == (3, ("connect", 3))
    deadline.handshake_ended()
    assert deadline.read_seconds() == 30
    deadline.handshake_started()
    deadline.start_attempt(Timeouts(connect=3, first_token=7))
    assert deadline.read_seconds() == 7


def test_a_new_attempt_waits_for_its_first_token_again() -> None:
    deadline = Deadline(Timeouts(first_token=30, idle=5), Clock())
    deadline.body_started()

    deadline.start_attempt(Timeouts(first_token=7))

    assert deadline.read_seconds() == 7


def test_the_total_cuts_every_other_limit_and_is_named() -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(first_token=30, total=40), clock)

    assert deadline.read_seconds() == 30
    clock.now += 25
    deadline.start_attempt(deadline.timeouts)
    assert deadline.read_seconds() == 15
    assert deadline.applied == ("total", 40)
    assert deadline.shorten("connect", 10) == 10
    assert deadline.applied == ("connect", 10)


def test_the_total_goes_on_over_attempts() -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(total=40), clock)
    clock.now += 30

    deadline.start_attempt(Timeouts(total=40))

    assert deadline.left() == 10


def test_without_a_total_nothing_runs_out() -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(first_token=None), clock)
    clock.now += 1e9

    assert deadline.left() is None
    assert deadline.read_seconds() is None


@given(st.floats(min_value=0.01, max_value=1e6), st.floats(min_value=0, max_value=1e7))
def test_what_is_left_never_falls_below_zero_nor_a_read_to_it(total: float, passed: float) -> None:
    clock = Clock()
    deadline = Deadline(Timeouts(total=total), clock)
    clock.now += passed

    left, seconds = deadline.left(), deadline.read_seconds()

    assert left is not None
    assert left >= 0
    assert seconds is not None
    assert seconds > 0


@given(
    st.fixed_dictionaries({}, optional={name: st.none() | st.floats(min_value=0.01, max_value=99) for name in LIMITS}),
    st.lists(
        st.sampled_from(
            [
                *("start_attempt", "request_started", "body_started", "draining", "lingering"),
                *("start_route", "handshake_started", "handshake_ended"),
            ]
        )
    ),
)
def test_what_is_known_of_the_next_reads_is_what_each_of_them_is_told(limits: dict[str, Any], steps: list[str]) -> None:
    deadline = Deadline(Timeouts.parse(limits), Clock())
    for step in steps:
        getattr(deadline, step)(*((deadline.timeouts,) if step in ("start_attempt", "start_route") else ()))
        known, applied = deadline.steady, deadline.applied
        if known is not None:
            assert (deadline.read_seconds(), deadline.applied) == (known, applied)
    assert deadline.steady is None or "body_started" in steps
