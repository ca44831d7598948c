"""Token counts, wherever a vendor put them → our usage."""

from __future__ import annotations

import math
from typing import Any

from ..schema import CompletionTokensDetails, PromptTokensDetails, Usage
from .base import JSONObject

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def parse_usage(raw: Any) -> Usage | None:
    """Token counts, wherever the vendor put the cached and the reasoning ones. None when it did not say."""
    if not isinstance(raw, dict) or not raw:
        return None
    extra = dict(raw)
    prompt, completion, total = (count_of(extra.pop(name, None)) for name in _COUNTS)
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    known: JSONObject = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    if not extra:  # as most vendors say it
        return Usage.build({**known, "prompt_tokens_details": None, "completion_tokens_details": None})
    cached = first_count(raw.get("cached_tokens"), raw.get("prompt_cache_hit_tokens"))
    known["prompt_tokens_details"] = _details(
        PromptTokensDetails, extra.pop("prompt_tokens_details", None), "cached_tokens", cached
    )
    known["completion_tokens_details"] = _details(
        CompletionTokensDetails,
        extra.pop("completion_tokens_details", None),
        "reasoning_tokens",
        count_of(raw.get("reasoning_tokens")),
    )
    return Usage.build(known, extra)


def count_of(value: Any) -> int | None:
    """A whole number; None for anything else."""
    if type(value) is int:  # nearly all of them
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number and math.isfinite(value) else None


def first_count(*values: Any) -> int | None:
    """The first of them that is a number."""
    for value in values:
        count = count_of(value)
        if count is not None:
            return count
    return None


def _details(cls: Any, raw: Any, name: str, fallback: int | None) -> Any:
    given = dict(raw) if isinstance(raw, dict) else {}
    count = first_count(fallback, given.pop(name, None))
    return None if count is None and not given else cls.build({name: count}, given)
