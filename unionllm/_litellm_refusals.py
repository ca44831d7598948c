"""Our errors → LiteLLM's own classes, by which its retries, fallbacks and cooldowns decide."""

from __future__ import annotations

import math
from typing import Any

import httpx
import litellm

from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServiceUnavailableError,
    UnionLLMError,
)

#: Ours → the name of theirs; the first that fits. A name that an older LiteLLM lacks is an ``APIError`` there.
_NAMES: tuple[tuple[type[UnionLLMError], str], ...] = (
    (ProviderError, "BadRequestError"),
    (ContextWindowExceededError, "ContextWindowExceededError"),
    (ContentPolicyViolationError, "ContentPolicyViolationError"),
    (BadRequestError, "BadRequestError"),
    (AuthenticationError, "AuthenticationError"),
    (InsufficientBalanceError, "PaymentRequiredError"),
    (PermissionDeniedError, "PermissionDeniedError"),
    (NotFoundError, "NotFoundError"),
    (RateLimitError, "RateLimitError"),
    (ServiceUnavailableError, "ServiceUnavailableError"),
    (InternalServerError, "InternalServerError"),
    (APITimeoutError, "Timeout"),
    (APIConnectionError, "APIConnectionError"),
    (APIResponseError, "InternalServerError"),
)
#: The status that each of them means, whatever the vendor's was: cooldowns and retries go by it.
_STATUSES = {
    "AuthenticationError": 401,
    "PaymentRequiredError": 402,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "Timeout": 408,
    "RateLimitError": 429,
    "ServiceUnavailableError": 503,
    **dict.fromkeys(("BadRequestError", "ContextWindowExceededError", "ContentPolicyViolationError"), 400),
    "APIConnectionError": 500,
}
_URL = "https://docs.litellm.ai/docs"


def to_refusal(error: UnionLLMError, model: str) -> Exception:
    """LiteLLM's error for one of ours, with the time to wait as a header, where LiteLLM looks for it.

    Args:
        error: what our call raised; its message holds no secret.
        model: the model as LiteLLM names it, without its prefix.
    """
    name = next((theirs for ours, theirs in _NAMES if isinstance(error, ours)), "APIError")
    if not hasattr(litellm, name):
        name = "APIError"
    headers = _headers(error)
    response = httpx.Response(_status(error, name), headers=headers, request=httpx.Request("POST", _URL))
    made = _make(name, str(error), model, response)
    made.status_code = response.status_code
    made.litellm_response_headers = headers
    if isinstance(error, APIError):
        made.code, made.request_id = error.code, error.request_id
    return made  # type: ignore[no-any-return]


def _status(error: UnionLLMError, name: str) -> int:
    said = getattr(error, "status_code", None)
    lowest = 500 if name == "InternalServerError" else 400
    return _STATUSES.get(name) or (said if said and said >= lowest else 500)


def _make(name: str, message: str, model: str, response: httpx.Response) -> Any:
    told = {"message": message, "model": model, "llm_provider": "unionllm"}
    if name == "APIError":
        return litellm.APIError(status_code=response.status_code, request=response.request, **told)
    if name == "APIConnectionError":
        return litellm.APIConnectionError(request=response.request, **told)
    if name == "Timeout":
        return litellm.Timeout(headers=dict(response.headers), **told)
    return getattr(litellm, name)(response=response, **told)


def _headers(error: UnionLLMError) -> httpx.Headers:
    told = {}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        told["retry-after"] = str(max(1, math.ceil(seconds)))  # LiteLLM reads whole seconds only
    if (request_id := getattr(error, "request_id", None)) is not None:
        told["x-request-id"] = str(request_id)
    return httpx.Headers(told)
