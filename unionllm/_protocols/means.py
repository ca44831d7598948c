"""What a vendor's error code means, by a word each: for the tables of ``ErrorFacts`` and ``failures``."""

from __future__ import annotations

from collections.abc import Mapping

from .. import exceptions
from .base import ErrorRule, frozen

AUTH = ErrorRule(cls=exceptions.AuthenticationError)
BAD_REQUEST = ErrorRule(cls=exceptions.BadRequestError)
CONTEXT = ErrorRule(cls=exceptions.ContextWindowExceededError)
NO_BALANCE = ErrorRule(cls=exceptions.InsufficientBalanceError)
NOT_FOUND = ErrorRule(cls=exceptions.NotFoundError)
OVERLOADED = ErrorRule(cls=exceptions.ServiceUnavailableError)
PERMISSION = ErrorRule(cls=exceptions.PermissionDeniedError)
POLICY = ErrorRule(cls=exceptions.ContentPolicyViolationError)
#: A rate that is tried again, and a quota that is not: it does not come back within a call.
RATE_LIMIT = ErrorRule(cls=exceptions.RateLimitError)
QUOTA = ErrorRule(cls=exceptions.RateLimitError, retryable=False)
SERVER = ErrorRule(cls=exceptions.InternalServerError)
#: The vendor failed in a way that another try does not change.
BROKEN = ErrorRule(cls=exceptions.InternalServerError, retryable=False)


def codes(table: Mapping[ErrorRule, str]) -> Mapping[str, ErrorRule]:
    """A table of codes → meanings, from meanings → codes with blanks between."""
    return frozen({code: rule for rule, words in table.items() for code in words.split()})


def texts(table: Mapping[ErrorRule, str]) -> tuple[tuple[str, ErrorRule], ...]:
    """The same for phrases of ``ErrorFacts.texts``, with ``|`` between them; they are looked for in this order."""
    return tuple((phrase, rule) for rule, phrases in table.items() for phrase in phrases.split("|"))
