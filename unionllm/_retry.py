"""When to try again, and after how long: a pure decision that the transport only obeys."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .exceptions import APIError

#: Seconds. No wait is longer, whatever a vendor asks for.
MAX_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential waits with full jitter, unless the vendor named one.

    Args:
        max_retries: tries after the first one.
        first: upper bound, in seconds, of the first wait; it doubles with each try.
        longest: upper bound of any such wait, in seconds.
        chance: returns a float in [0, 1).
    """

    max_retries: int = 2
    first: float = 0.5
    longest: float = 8.0
    chance: Callable[[], float] = field(default=random.random, repr=False)

    def wait_before_retry(self, tries: int, error: APIError) -> float | None:
        """Seconds to wait before trying again, or None to give up.

        Args:
            tries: how often the call has been tried so far, 1 or more.
            error: what the last try ended with.
        """
        if tries > self.max_retries or not error.retryable:
            return None
        if error.retry_after is not None:
            return min(max(error.retry_after, 0.0), MAX_WAIT)
        return self.chance() * min(self.longest, self.first * 2.0 ** min(tries - 1, 30))


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a vendor asks to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as an HTTP date.

    Args:
        headers: reply headers with lower-case names.
        now: Unix time in seconds, for dates.

    Returns:
        Seconds, uncapped and not negative; None when nothing usable was said.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is None and value.endswith("ms"):
        milliseconds = _number(value[:-2])
        seconds = None if milliseconds is None else milliseconds / 1000
    if seconds is None and value.endswith("s"):
        seconds = _number(value[:-1])
    if seconds is None and value:
        import email.utils  # rarely needed, and it costs a program's first call 4 ms

        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return None if seconds is None else max(seconds, 0.0)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
