"""The tree of errors: who descends from whom, what they carry, and that they survive a pickle."""

from __future__ import annotations

import inspect
import pickle

import pytest

import unionllm
from unionllm import exceptions
from unionllm.exceptions import APIError, APIStatusError, UnionLLMError, class_for_status
from unionllm.schema import ModelResponse

#: Section 6 of the contract: class → parent, and the status of those that have one of their own.
TREE = {
    "ProviderError": ("UnionLLMError", None),
    "APIError": ("UnionLLMError", None),
    "APIConnectionError": ("APIError", None),
    "APITimeoutError": ("APIConnectionError", None),
    "StreamInterruptedError": ("APIConnectionError", None),
    "APIResponseError": ("APIError", None),
    "APIStatusError": ("APIError", None),
    "BadRequestError": ("APIStatusError", 400),
    "ContextWindowExceededError": ("BadRequestError", 400),
    "ContentPolicyViolationError": ("BadRequestError", 400),
    "AuthenticationError": ("APIStatusError", 401),
    "InsufficientBalanceError": ("APIStatusError", 402),
    "PermissionDeniedError": ("APIStatusError", 403),
    "NotFoundError": ("APIStatusError", 404),
    "RateLimitError": ("APIStatusError", 429),
    "InternalServerError": ("APIStatusError", 500),
    "ServiceUnavailableError": ("InternalServerError", 503),
}
ALIASES = {
    "Timeout": "APITimeoutError",
    "APICallError": "APIError",
    "OpenAIError": "UnionLLMError",
    "InvalidRequestError": "BadRequestError",
}
CALL_FAILURES = sorted(name for name in TREE if name != "ProviderError")


@pytest.mark.parametrize("name", TREE)
def test_the_tree_is_that_of_the_contract(name: str) -> None:
    parent, status = TREE[name]
    cls = getattr(exceptions, name)

    assert cls.__bases__ == (getattr(exceptions, parent),)
    if issubclass(cls, APIError):
        assert cls("m").status_code == status


def test_the_tree_holds_nothing_else() -> None:
    """A new class must be put into the contract; a budget's error stands beside the calls."""
    classes = {cls.__name__ for _, cls in inspect.getmembers(exceptions, inspect.isclass) if issubclass(cls, Exception)}

    assert classes == {*TREE, "UnionLLMError", "BudgetExceededError"}


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_older_names_are_the_same_classes(alias: str, name: str) -> None:
    assert getattr(exceptions, alias) is getattr(exceptions, name)
    assert getattr(unionllm, alias) is getattr(unionllm, name)


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_error_is_offered_by_the_package(name: str) -> None:
    assert getattr(unionllm, name) is getattr(exceptions, name)
    assert name in unionllm.__all__


def test_the_base_is_a_plain_exception() -> None:
    assert UnionLLMError.__bases__ == (Exception,)
    with pytest.raises(UnionLLMError, match="words"):
        raise exceptions.ProviderError("words")


@pytest.mark.parametrize("name", CALL_FAILURES)
def test_a_vendors_error_is_caught_as_ours_with_a_number_for_its_status(name: str) -> None:
    """X10 of compat.md: vendor errors were of no common class, and some had words for a status."""
    error = getattr(exceptions, name)("m", status_code=418)

    assert isinstance(error, UnionLLMError)
    assert error.status_code == 418


@pytest.mark.parametrize("name", [*CALL_FAILURES, *ALIASES])
def test_every_class_takes_message_provider_and_model(name: str) -> None:
    """X11 of compat.md: half of the classes could not be constructed."""
    cls = getattr(exceptions, name)
    if not issubclass(cls, APIError):
        cls = APIError

    error = cls("m", "p", "x")

    assert (str(error), error.message, error.provider, error.llm_provider, error.model) == ("m", "m", "p", "p", "x")


@pytest.mark.parametrize("name", CALL_FAILURES)
def test_the_keywords_of_older_constructors_are_taken(name: str) -> None:
    error = getattr(exceptions, name)(message="m", llm_provider="p", model="x", response=None)

    assert error.llm_provider == "p"
    assert not hasattr(error, "response")


@pytest.mark.parametrize("name", CALL_FAILURES)
def test_an_unpickled_error_has_everything_it_had(name: str) -> None:
    given = getattr(exceptions, name)(
        "it failed",
        provider="deepseek",
        model="m",
        status_code=499,
        code="E1",
        request_id="r-1",
        body={"error": {"message": "no"}},
        retry_after=1.5,
        retryable=True,
        partial=ModelResponse(id="p", created=1),
        original="litellm.Something",
    )

    error = pickle.loads(pickle.dumps(given))

    assert type(error) is type(given)
    assert error.__dict__ == given.__dict__
    assert (str(error), error.args) == ("it failed", ("it failed",))
    assert error.partial.id == "p"


def test_attributes_set_later_survive_the_pickle_too() -> None:
    error = APIError("m")
    error.provider = "later"

    assert pickle.loads(pickle.dumps(error)).llm_provider == "later"


@pytest.mark.parametrize("name", ["ProviderError", "BudgetExceededError", "UnionLLMError"])
def test_errors_that_are_no_calls_can_be_pickled(name: str) -> None:
    error = pickle.loads(pickle.dumps(getattr(exceptions, name)("words")))

    assert (type(error).__name__, str(error)) == (name, "words")


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "InsufficientBalanceError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (408, "APIStatusError"),
        (409, "APIStatusError"),
        (418, "APIStatusError"),
        (422, "BadRequestError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (502, "InternalServerError"),
        (503, "ServiceUnavailableError"),
        (529, "InternalServerError"),
    ],
)
def test_every_status_has_a_class(status: int, name: str) -> None:
    assert class_for_status(status) is getattr(exceptions, name)
    assert issubclass(class_for_status(status), APIStatusError)


@pytest.mark.parametrize("name", CALL_FAILURES)
def test_only_what_may_pass_is_called_retryable(name: str) -> None:
    passing = {"APIConnectionError", "RateLimitError", "InternalServerError", "ServiceUnavailableError"}

    assert getattr(exceptions, name)("m").retryable is (name in passing)
    assert getattr(exceptions, name)("m", retryable=True).retryable is True
    assert getattr(exceptions, name)("m", retryable=False).retryable is False
