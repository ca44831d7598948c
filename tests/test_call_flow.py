"""Retries, fallbacks and limits of one call, as a flow that is played on a clock of its own: no network, no time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from unionllm import exceptions
from unionllm._call import Route, run_call
from unionllm._request import ChatRequest
from unionllm._retry import MAX_WAIT, RetryPolicy
from unionllm._timeouts import LONG_FIRST_TOKEN, Deadline, Timeouts
from unionllm._wire import Flow, Wait
from unionllm.exceptions import APIError, APITimeoutError, InsufficientBalanceError, UnionLLMError


class Clock:
    """Seconds that go by when something takes time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


#: How a try ends, and how long it takes at most: None answers.
Try = tuple[APIError | None, float]


@dataclass
class Vendor:
    """A backend whose tries end as the test says; the last one again and again."""

    name: str
    tries: list[Try]
    clock: Clock
    chats: list[ChatRequest] = field(default_factory=list)

    def answer(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:
        self.chats.append(chat)
        error, seconds = self.tries[min(len(self.chats), len(self.tries)) - 1]
        allowed = deadline.read_seconds()
        if allowed is not None and seconds > allowed:
            self.clock.now += allowed
            raise APITimeoutError(f"the {deadline.applied[0]} limit ran out")
        self.clock.now += seconds
        if error is not None:
            raise error
        yield from ()
        return self.name

    stream = answer


def play(flow: Flow[Any], clock: Clock) -> tuple[Any, list[float]]:
    """The result, or the error, and the waits that were kept."""
    waits = []
    try:
        step = next(flow)
        while True:
            assert isinstance(step, Wait)
            waits.append(step.seconds)
            clock.now += step.seconds
            step = flow.send(None)
    except StopIteration as stop:
        return stop.value[1], waits
    except UnionLLMError as error:
        return error, waits


def route(vendor: Vendor, *, retries: int, chance: float = 0.5, stream: bool = False, **limits: Any) -> Route:
    chat = ChatRequest(
        provider=vendor.name, model="m", messages=(), stream=stream, credentials={"api_key": vendor.name}
    )
    policy = RetryPolicy(max_retries=retries, chance=lambda: chance)
    return Route(backend=vendor, chat=chat, timeouts=Timeouts.parse(limits), retries=policy, clock=vendor.clock)


CLASSES = sorted(
    {cls for cls in vars(exceptions).values() if isinstance(cls, type) and issubclass(cls, APIError)},
    key=lambda cls: cls.__name__,
)
failures = st.builds(
    lambda cls, after: cls("m", retry_after=after), st.sampled_from(CLASSES), st.none() | st.floats(0, 1e6)
)
tries = st.lists(st.tuples(st.none() | failures, st.floats(0, 50)), min_size=1, max_size=6)
chances = st.floats(0, 1, exclude_max=True)


@settings(deadline=None)
@given(st.lists(tries, min_size=1, max_size=4), st.floats(0.01, 200), st.integers(0, 5), chances, st.booleans())
def test_no_call_takes_longer_than_its_total(
    vendors: list[list[Try]], total: float, retries: int, chance: float, stream: bool
) -> None:
    """Tries, waits and fallbacks together. A read is given a millisecond more, because 0 would mean no limit."""
    clock = Clock()
    asked = [Vendor(f"v{number}", ends, clock) for number, ends in enumerate(vendors)]
    made = [route(each, retries=retries, chance=chance, stream=stream, total=total) for each in asked]
    deadline = Deadline(made[0].timeouts, clock)

    play(run_call(made[0], deadline, None, [lambda one=one: one for one in made[1:]]), clock)

    sent = sum(len(vendor.chats) for vendor in asked)
    assert clock.now - 1_000.0 <= total + sent * 0.001 + 1e-6


@given(tries, st.integers(0, 6), chances)
def test_tries_are_one_more_than_retries_and_end_with_what_cannot_get_better(
    ends: list[Try], retries: int, chance: float
) -> None:
    clock = Clock()
    vendor = Vendor("v", ends, clock)

    result, waits = play(run_call(route(vendor, retries=retries, chance=chance), _free(clock)), clock)

    outcomes = [ends[min(number, len(ends) - 1)][0] for number in range(retries + 1)]
    last = next((n for n, error in enumerate(outcomes) if error is None or not error.retryable), retries)
    assert len(vendor.chats) == last + 1
    assert len(waits) == last
    assert isinstance(result, APIError) == (outcomes[last] is not None)


@given(tries, chances)
def test_every_wait_is_the_vendors_capped_or_ours_jittered(ends: list[Try], chance: float) -> None:
    clock = Clock()
    vendor = Vendor("v", ends, clock)

    _, waits = play(run_call(route(vendor, retries=9, chance=chance), _free(clock)), clock)

    for number, wait in enumerate(waits):
        error = ends[min(number, len(ends) - 1)][0]
        assert error is not None
        ours = chance * min(8.0, 0.5 * 2**number)
        assert wait == (ours if error.retry_after is None else min(error.retry_after, MAX_WAIT))


@given(st.integers(0, 5), st.none() | st.floats(0, 100))
def test_an_empty_balance_ends_the_tries_but_not_the_fallbacks(retries: int, after: float | None) -> None:
    clock = Clock()
    broke = Vendor("broke", [(InsufficientBalanceError("no money", retry_after=after), 0)], clock)
    rich = Vendor("rich", [(None, 0)], clock)

    flow = run_call(route(broke, retries=retries), _free(clock), None, [lambda: route(rich, retries=0)])
    result, waits = play(flow, clock)

    assert (result, len(broke.chats), waits) == ("rich", 1, [])


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_fallbacks_are_asked_in_order_until_one_answers(answers: list[bool]) -> None:
    clock = Clock()
    asked = [
        Vendor(f"v{n}", [(None if good else exceptions.NotFoundError("m"), 0)], clock) for n, good in enumerate(answers)
    ]

    fallbacks = [lambda one=one: route(one, retries=2) for one in asked[1:]]
    result, _ = play(run_call(route(asked[0], retries=2), _free(clock), None, fallbacks), clock)

    first = answers.index(True) if True in answers else None
    wanted = asked if first is None else asked[: first + 1]
    assert [len(vendor.chats) for vendor in asked] == [1] * len(wanted) + [0] * (len(asked) - len(wanted))
    # Each is called with its own credentials.
    assert [vendor.chats[0].credentials for vendor in wanted] == [{"api_key": vendor.name} for vendor in wanted]
    if first is None:
        assert result.provider == asked[-1].name
        assert [vendor.name for vendor in asked[:-1] if f"{vendor.name}: NotFoundError" not in str(result)] == []
    else:
        assert result == asked[first].name


def test_the_jitter_covers_the_whole_range() -> None:
    """Full jitter: half of the range would have all clients come back together."""
    policy = RetryPolicy(max_retries=9)
    waits = [policy.wait_before_retry(1, exceptions.RateLimitError("m")) for _ in range(2_000)]

    assert all(wait is not None and 0 <= wait < 0.5 for wait in waits)
    tenths = {math.floor((wait or 0.0) / 0.05) for wait in waits}
    assert tenths == set(range(10))


def test_a_fallback_that_cannot_be_made_is_passed_over() -> None:
    """A name that nobody knows, or a missing key, must not hide what went wrong first, nor keep the next one off."""
    clock = Clock()
    first = Vendor("first", [(exceptions.ServiceUnavailableError("m"), 0)], clock)
    third = Vendor("third", [(None, 0)], clock)

    def unknown() -> Route:
        raise exceptions.ProviderError("Unknown provider 'x'.")

    fallbacks = [unknown, lambda: route(third, retries=0)]
    result, _ = play(run_call(route(first, retries=0), _free(clock), None, fallbacks), clock)
    assert result == "third"

    result, _ = play(run_call(route(first, retries=0), _free(clock), None, [unknown]), clock)
    assert isinstance(result, exceptions.ProviderError)
    assert "Unknown provider 'x'. Before that: first: ServiceUnavailableError." in str(result)


def _free(clock: Clock) -> Deadline:
    return Deadline(Timeouts(first_token=None, idle=None), clock)


# Limits as data.


def test_the_default_limits_are_those_of_the_contract() -> None:
    assert Timeouts.parse(None) == Timeouts(
        connect=10.0, write=60.0, pool=60.0, first_token=600.0, idle=120.0, total=None
    )


def test_a_stream_waits_ten_minutes_for_a_model_that_thinks_and_two_for_others() -> None:
    from unionllm._registry import find
    from unionllm._routes import build_route

    for provider, model in (("deepseek", "deepseek-v4-pro"), ("moonshot", "moonshot-v1-8k"), ("qwen", "qwq-plus")):
        found = find(provider)
        assert found is not None
        given = {"provider": provider, "model": model, "messages": [{"role": "user", "content": "x"}], "api_key": "k"}
        limits = build_route({**given, "stream": True}, {}).timeouts
        thinks = found.adapter.thinks(model)
        assert (limits.connect, limits.first_token, limits.idle, limits.total) == (
            10.0,
            LONG_FIRST_TOKEN if thinks else 120.0,
            120.0,
            None,
        )
        assert build_route(given, {}).timeouts.first_token == LONG_FIRST_TOKEN  # nothing comes before it is whole
    assert found.adapter.thinks("qwq-plus")
