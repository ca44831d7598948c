"""Values of vendors and platforms, whatever they are → values of the types that our schema declares."""

from __future__ import annotations

import json
from typing import Any

from ..schema import Context, Step

#: What is larger is no score, count or time.
_LARGEST = 1e300


def text_or_none(value: Any) -> str | None:
    """A text, whatever the platform made of it; None for nothing."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def tidy_context(one: Context) -> Context:
    """A passage with values of the types that it should have, whatever the platform said."""
    known = vars(one)
    known["score"] = number_or_none(known["score"])
    known["position"] = known["position"] if _is_whole(known["position"]) else None
    known["id"] = known["id"] if _is_whole(known["id"]) else text_or_none(known["id"])
    for name in ("content", "document_id", "document_name", "dataset_id", "dataset_name", "segment_id", "url"):
        known[name] = text_or_none(known[name])
    return one


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def tidy_step(step: Step) -> Step:
    """The same for a step."""
    known = vars(step)
    known["elapsed"] = number_or_none(known["elapsed"])
    for name in ("type", "name", "status", "id"):
        known[name] = text_or_none(known[name])
    for one in known["output"] if isinstance(known["output"], list) else ():
        if isinstance(one, Context):
            tidy_context(one)
    return step


def number_or_none(value: Any) -> float | None:
    """A number, also one that is written as a text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # A whole number may be larger than any float.
    return value if is_number and abs(value) < _LARGEST else None
