"""The errors of unionllm: one tree, one class a kind, never one a vendor.

::

    UnionLLMError
    ├── ProviderError                      unknown provider, or a wrong use of one
    ├── BudgetExceededError                a budget set by the caller is used up
    └── APIError                           a call failed
        ├── APIConnectionError             no answer (DNS, refused, reset, TLS)
        │   ├── APITimeoutError            one of the limits of ``timeout=`` ran out
        │   └── StreamInterruptedError     a stream ended without the vendor's end signal
        ├── APIResponseError               an answer nobody can read, or with nothing in it
        └── APIStatusError                 the vendor refused
            ├── BadRequestError            400, 422
            │   ├── ContextWindowExceededError
            │   └── ContentPolicyViolationError
            ├── AuthenticationError        401
            ├── InsufficientBalanceError   402, whatever status the vendor hides it behind
            ├── PermissionDeniedError      403
            ├── NotFoundError              404
            ├── RateLimitError             429
            └── InternalServerError        500 and above
                └── ServiceUnavailableError  503

This module imports nothing of ours and nothing heavy: ``from unionllm import unionchat`` loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schema import ModelResponse

__all__ = [
    "APICallError",
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "InsufficientBalanceError",
    "InternalServerError",
    "InvalidRequestError",
    "NotFoundError",
    "OpenAIError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "ServiceUnavailableError",
    "StreamInterruptedError",
    "Timeout",
    "UnionLLMError",
]


class UnionLLMError(Exception):
    """Base of every error that this library raises."""


class ProviderError(UnionLLMError):
    """A provider nobody knows, or a provider used in a way that cannot work."""


class BudgetExceededError(UnionLLMError):
    """A budget that the caller set is used up."""


class APIError(UnionLLMError):
    """A call failed.

    Args:
        message: what happened, to which call, and what to do next. Never holds a credential.
        llm_provider: the provider's name; the spelling of 0.x and LiteLLM, second for old positional use.
        model: the model of the call.
        provider: the provider's name; wins over ``llm_provider``.
        status_code: the HTTP status; where the vendor hid the refusal in a 2xx, the usual status of the class.
        code: the vendor's own error code, as text.
        request_id: the vendor's id of the call, to quote in a support ticket.
        body: what the vendor answered, decoded when it was JSON.
        retry_after: seconds the vendor asked to wait, uncapped.
        retryable: whether the same call may succeed shortly; by default what the class says.
        partial: the answer as far as it had arrived, when the call was a stream.
        original: name of the foreign class (LiteLLM's) that this error stands for.
    """

    #: Status given to errors of this class that the vendor sent with HTTP 2xx.
    default_status: int | None = None
    #: Whether the same call may succeed shortly, unless the instance says otherwise.
    default_retryable: bool = False

    def __init__(
        self,
        message: str,
        llm_provider: str | None = None,
        model: str | None = None,
        *,
        provider: str | None = None,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        body: Any = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        partial: ModelResponse | None = None,
        original: str | None = None,
        response: object = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider or llm_provider
        self.model = model
        self.status_code = self.default_status if status_code is None else status_code
        self.code = code
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after
        self.retryable = self.default_retryable if retryable is None else retryable
        self.partial = partial
        self.original = original
        # Only accepted for 0.x constructors: an HTTP response object holds the Authorization header.
        del response

    @property
    def llm_provider(self) -> str | None:
        """The provider's name, as 0.x and LiteLLM call it."""
        return self.provider

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(cls: type[APIError], message: str, state: dict[str, Any]) -> APIError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class APIConnectionError(APIError):
    """No answer came: name resolution, refused, reset, TLS."""

    default_retryable = True


class APITimeoutError(APIConnectionError):
    """A limit of ``timeout=`` ran out; the message names it (connect, first token, idle, total …).

    Only a connect limit is retried: past it the vendor may have done, and billed, the work.
    """

    default_retryable = False


class StreamInterruptedError(APIConnectionError):
    """A stream ended without the vendor's end signal; ``partial`` holds what had arrived."""

    default_retryable = False


class APIResponseError(APIError):
    """An answer that nobody can read, or with nothing in it; the message shows its first 200 characters."""


class APIStatusError(APIError):
    """The vendor refused the call."""


class BadRequestError(APIStatusError):
    """The request is wrong (400, 422), or was found wrong before it was sent."""

    default_status = 400


class ContextWindowExceededError(BadRequestError):
    """The messages, or messages and answer together, are longer than the model can take."""


class ContentPolicyViolationError(BadRequestError):
    """The vendor's moderation refused the input or the output."""


class AuthenticationError(APIStatusError):
    """No key, or a key that this host does not accept (401)."""

    default_status = 401


class InsufficientBalanceError(APIStatusError):
    """The account has no money left (402, 403 or 429, by vendor). Never retried."""

    default_status = 402


class PermissionDeniedError(APIStatusError):
    """The key is good, but not for this (403)."""

    default_status = 403


class NotFoundError(APIStatusError):
    """No such model, endpoint or path (404)."""

    default_status = 404


class RateLimitError(APIStatusError):
    """Too many calls or tokens (429); ``retry_after`` in seconds where the vendor says so."""

    default_status = 429
    default_retryable = True


class InternalServerError(APIStatusError):
    """The vendor failed (500 and above)."""

    default_status = 500
    default_retryable = True


class ServiceUnavailableError(InternalServerError):
    """The vendor is overloaded or down for the moment (503)."""

    default_status = 503


#: Names of 0.x and of LiteLLM that mean the same thing.
Timeout = APITimeoutError
APICallError = APIError
OpenAIError = UnionLLMError
InvalidRequestError = BadRequestError

#: HTTP status → class, for refusals whose vendor code says nothing more precise.
STATUS_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientBalanceError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: NotFoundError,
    408: APIStatusError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}


def class_for_status(status: int) -> type[APIStatusError]:
    """The error class of an HTTP status of 300 or above."""
    if status >= 500:
        return STATUS_CLASSES.get(status, InternalServerError)
    return STATUS_CLASSES.get(status, APIStatusError)
