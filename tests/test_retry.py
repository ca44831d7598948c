"""When a call is tried again: a pure decision."""

from __future__ import annotations

import email.utils
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionllm import exceptions
from unionllm._retry import MAX_WAIT, RetryPolicy, parse_retry_after
from unionllm.exceptions import APIError

NOW = 1_795_400_000.0
CLASSES = [cls for cls in vars(exceptions).values() if isinstance(cls, type) and issubclass(cls, APIError)]

any_error = st.builds(
    lambda cls, after, retryable: cls("m", retry_after=after, retryable=retryable),
    st.sampled_from(CLASSES),
    st.none() | st.floats(min_value=-10, max_value=1e12),
    st.sampled_from([None, True, False]),
)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(limit=st.integers(0, 20), error=any_error, chance=chances)
def test_no_call_is_repeated_more_often_than_allowed(limit: int, error: APIError, chance: float) -> None:
    policy = RetryPolicy(max_retries=limit, chance=lambda: chance)

    repeated = sum(policy.wait_before_retry(tries, error) is not None for tries in range(1, limit + 30))

    assert repeated == (limit if error.retryable else 0)
    assert policy.wait_before_retry(limit + 1, error) is None


@given(tries=st.integers(1, 10_000), error=any_error, chance=chances)
def test_no_wait_is_negative_or_longer_than_a_minute(tries: int, error: APIError, chance: float) -> None:
    seconds = RetryPolicy(max_retries=10_000, chance=lambda: chance).wait_before_retry(tries, error)

    assert seconds is None or 0 <= seconds <= MAX_WAIT == 60


@given(tries=st.integers(1, 10_000), chance=chances)
def test_waits_of_our_own_stay_below_eight_seconds(tries: int, chance: float) -> None:
    error = exceptions.InternalServerError("m")

    seconds = RetryPolicy(max_retries=10_000, chance=lambda: chance).wait_before_retry(tries, error)

    assert seconds is not None
    assert 0 <= seconds <= 8


def test_waits_double_from_half_a_second() -> None:
    policy = RetryPolicy(max_retries=9, chance=lambda: 1.0)

    waits = [policy.wait_before_retry(tries, exceptions.RateLimitError("m")) for tries in range(1, 8)]

    assert waits == [0.5, 1, 2, 4, 8, 8, 8]


def test_the_wait_is_jittered_over_its_whole_range() -> None:
    error = exceptions.RateLimitError("m")

    assert RetryPolicy(chance=lambda: 0.0).wait_before_retry(1, error) == 0
    assert RetryPolicy(chance=lambda: 0.5).wait_before_retry(1, error) == 0.25


def test_the_default_is_two_retries() -> None:
    error = exceptions.ServiceUnavailableError("m")

    assert [RetryPolicy().wait_before_retry(tries, error) is None for tries in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    "name",
    [
        "BadRequestError",
        "AuthenticationError",
        "InsufficientBalanceError",
        "PermissionDeniedError",
        "NotFoundError",
        "APIResponseError",
        "StreamInterruptedError",
        "APITimeoutError",
        "ContextWindowExceededError",
    ],
)
def test_what_cannot_get_better_is_not_repeated(name: str) -> None:
    error = getattr(exceptions, name)("m", retry_after=1)

    assert RetryPolicy(max_retries=5).wait_before_retry(1, error) is None


@pytest.mark.parametrize(
    "name", ["APIConnectionError", "RateLimitError", "InternalServerError", "ServiceUnavailableError"]
)
def test_the_vendors_own_wait_is_obeyed(name: str) -> None:
    error = getattr(exceptions, name)("m", retry_after=7.25)

    assert RetryPolicy(chance=lambda: 0.0).wait_before_retry(1, error) == 7.25


def test_a_wait_of_a_year_is_cut_to_a_minute() -> None:
    error = exceptions.RateLimitError("m", retry_after=365 * 86400)

    assert RetryPolicy().wait_before_retry(1, error) == 60


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1500ms"}, 1.5),
        ({"retry-after": "20s"}, 20.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "31536000"}, 31536000.0),
        ({"retry-after": email.utils.formatdate(NOW + 5, usegmt=True)}, 5.0),
        ({"retry-after": email.utils.formatdate(NOW - 5, usegmt=True)}, 0.0),
        ({"retry-after": email.utils.formatdate(NOW + 365 * 86400, usegmt=True)}, 365.0 * 86400),
    ],
)
def test_every_form_of_retry_after_is_read(headers: dict[str, str], seconds: float) -> None:
    assert parse_retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "nan", "inf", "-inf", "ms", "s", "Mon, 99 Nov 2026", "2 s 3", "１ｘ"]
)
def test_garbage_says_nothing(text: str) -> None:
    assert parse_retry_after({"retry-after": text}, NOW) is None
    assert parse_retry_after({}, NOW) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_vendor_sends_is_a_wait_or_nothing(value: str, milliseconds: str) -> None:
    seconds = parse_retry_after({"retry-after": value, "retry-after-ms": milliseconds}, NOW)

    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@given(st.datetimes())
def test_every_date_is_a_wait(moment: object) -> None:
    assert hasattr(moment, "strftime")
    text = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")

    seconds = parse_retry_after({"retry-after": text}, NOW)

    assert seconds is None or seconds >= 0
