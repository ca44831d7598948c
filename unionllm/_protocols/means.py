"""What a vendor's error code means, by a word each: for the tables of ``ErrorFacts`` and ``failures``."""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import (
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
)
from .base import ErrorRule, frozen

AUTH = ErrorRule(cls=AuthenticationError)
BAD_REQUEST = ErrorRule(cls=BadRequestError)
CONTEXT = ErrorRule(cls=ContextWindowExceededError)
NO_BALANCE = ErrorRule(cls=InsufficientBalanceError)
NOT_FOUND = ErrorRule(cls=NotFoundError)
OVERLOADED = ErrorRule(cls=ServiceUnavailableError)
PERMISSION = ErrorRule(cls=PermissionDeniedError)
POLICY = ErrorRule(cls=ContentPolicyViolationError)
#: A rate that is tried again, and a quota that is not: it does not come back within a call.
RATE_LIMIT = ErrorRule(cls=RateLimitError)
QUOTA = ErrorRule(cls=RateLimitError, retryable=False)
SERVER = ErrorRule(cls=InternalServerError)
#: The vendor failed in a way that another try does not change.
BROKEN = ErrorRule(cls=InternalServerError, retryable=False)


def codes(table: Mapping[ErrorRule, str]) -> Mapping[str, ErrorRule]:
    """A table of codes → meanings, from meanings → codes with blanks between."""
    return frozen({code: rule for rule, words in table.items() for code in words.split()})
