"""Whatever a vendor sends, a call ends with an answer or with an error of ours; the longer run is ``scripts/fuzz``.

``UNIONLLM_FUZZ_EXAMPLES=20000`` tries as many inputs of each test instead of the few that CI has time for.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import mutators
import pytest
import seeds
import targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import Answer, Seed

from unionllm._registry import PROVIDERS

_EXAMPLES = int(os.environ.get("UNIONLLM_FUZZ_EXAMPLES", "0"))
_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


def tried(count: int) -> settings:
    """So many inputs, or as many as the environment asks for; time is no matter, for machines differ."""
    return settings(max_examples=_EXAMPLES or count, deadline=None, suppress_health_check=_CHECKS, database=None)


cuts = st.lists(st.integers(0, 3000), max_size=4)
chances = st.integers(0, 2**32).map(Random)


def of(provider: str) -> list[Seed]:
    return [seed for seed in seeds.seeds() if seed.provider == provider]


def test_every_provider_is_fuzzed_in_streams_and_in_whole_answers() -> None:
    kinds = {(seed.provider, bool(seed.args.get("stream"))) for seed in seeds.seeds()}

    assert {name for name, _ in kinds} == set(PROVIDERS) - seeds.NOT_FUZZED
    assert kinds == {(name, is_stream) for name in seeds.providers() for is_stream in (False, True)}


@pytest.mark.parametrize("provider", seeds.providers())
def test_the_answers_that_fuzzing_starts_from_are_read(provider: str) -> None:
    ends = {str(seed): targets.check_answers(seed, seed.answers) for seed in of(provider)}

    assert "answer" in ends.values()
    assert [name for name, end in ends.items() if not end] == []


@pytest.mark.parametrize("provider", seeds.providers())
@given(chance=chances, places=cuts)
@tried(40)
def test_no_change_of_an_answer_ends_a_call_in_anything_but_an_error_of_ours(
    provider: str, chance: Random, places: list[int]
) -> None:
    seed = chance.choice(of(provider))
    answers = list(seed.answers)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(answers))
        answers[at] = mutators.change_answer(answers[at], chance)

    assert targets.check_answers(seed, answers, places) in ENDS


#: How a call may end: "" for one that goes on asking, as a poll does.
ENDS = {
    *(
        "answer",
        "",
        "APIConnectionError",
        "APIResponseError",
        "APIStatusError",
        "APITimeoutError",
        "StreamInterruptedError",
    ),
    *("AuthenticationError", "BadRequestError", "ContentPolicyViolationError", "ContextWindowExceededError"),
    *("InsufficientBalanceError", "InternalServerError", "NotFoundError", "PermissionDeniedError", "RateLimitError"),
    "ServiceUnavailableError",
}


@pytest.mark.parametrize("provider", seeds.providers())
@given(
    chance=chances,
    content=st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")),
)
@tried(10)
def test_no_bytes_end_a_call_in_anything_but_an_error_of_ours(provider: str, chance: Random, content: bytes) -> None:
    seed = chance.choice(of(provider))
    prefix = chance.choice((b"", b"data: ", b"data: {", b"event: x\ndata: ", b'{"choices": [', b"\n\n"))

    assert targets.check_answers(seed, [Answer(prefix + content)]) in ENDS


@pytest.mark.parametrize("provider", seeds.providers())
@given(chance=chances, other=chances)
@tried(10)
def test_what_one_vendor_says_ends_no_call_of_another_in_anything_but_an_error_of_ours(
    provider: str, chance: Random, other: Random
) -> None:
    seed, foreign = chance.choice(of(provider)), other.choice(seeds.seeds())

    assert targets.check_answers(seed, foreign.answers) in ENDS


@given(
    chance=chances,
    places=cuts,
    framing=st.sampled_from(["sse", "json_lines"]),
    limit=st.sampled_from([64, 1000, 400_000]),
)
@tried(100)
def test_no_cut_changes_what_a_changed_stream_means_nor_whether_it_is_too_large(
    chance: Random, places: list[int], framing: str, limit: int
) -> None:
    content = chance.choice(seeds.seeds()).answers[-1].content

    targets.check_framing(framing, mutators.change_stream(content, chance), places, limit)


frames = st.lists(
    st.binary(max_size=12)
    | st.sampled_from(
        [b"\x81\x02hi", b"\x01\x02hi", b"\x80\x01!", b"\x89\x00", b"\x88\x02\x03\xe8", b"\x82\x7e\x01\x00"]
    )
    | st.binary(max_size=100).map(lambda data: bytes([0x81, len(data)]) + data),
    max_size=12,
).map(b"".join)


@given(data=frames, places=cuts)
@tried(100)
def test_no_cut_changes_what_the_frames_of_a_websocket_mean(data: bytes, places: list[int]) -> None:
    targets.check_websocket(data, places)


indexes = st.none() | st.sampled_from([0, 1, 2, -1, 2**40])
pieces = st.tuples(
    indexes, st.sampled_from([None, "", "c1"]), st.sampled_from([None, "", "f"]), st.none() | st.text(max_size=5)
)
extras: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {},
        {"annotations": [1]},
        {"refusal": "no"},
        {"audio": {"data": "x", "id": "a"}},
        {"annotations": "x"},
        {"audio": [1]},
    ]
)
deltas = st.fixed_dictionaries(
    {"content": st.none() | st.text(max_size=5), "calls": st.lists(pieces, max_size=3), "extra": extras}
)


@given(st.lists(st.tuples(st.integers(0, 2), deltas), max_size=12))
@tried(100)
def test_whatever_chunks_there_are_they_are_joined_piece_by_piece(
    given_deltas: list[tuple[int, dict[str, Any]]],
) -> None:
    targets.check_joining(given_deltas)
