"""The JSON texts that vendors send → values that can be handed on: not too deep, and of whole characters."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

#: Levels of lists and objects. Answers have ten; what is deeper than some hundreds cannot be written down again.
MAX_DEPTH = 100


def load_json(text: str, *, constant: Callable[[str], Any] | None = None) -> Any:
    """The value that a JSON text holds. Halves of characters, which no file or terminal takes, become U+FFFD.

    Args:
        text: what a vendor sent.
        constant: what makes a value of ``NaN`` and ``Infinity``.

    Raises:
        ValueError: it is no JSON, or nested more than ``MAX_DEPTH`` deep.
    """
    value = _quickly(text) if constant is None else None
    is_whole = value is not None
    if value is None:
        value = _slowly(text, constant)
    # Both are looked for in the text, which costs next to nothing, before they are looked for in every value.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    if not is_whole and ("\\ud" in text or "\\uD" in text):
        return _of_whole_characters(value)
    return value


def _quickly(text: str) -> Any:
    """The value; None for null, and for what is no JSON to the fast decoder, such as half a character."""
    try:
        return from_json(text)
    except ValueError:
        return None


def _slowly(text: str, constant: Callable[[str], Any] | None) -> Any:
    """The value, whatever Python takes for JSON."""
    try:
        return json.loads(text, parse_constant=constant)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [one for one in level if isinstance(one, (dict, list))]
        if not inner:
            return
        level = [each for one in inner for each in (one.values() if isinstance(one, dict) else one)]
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _of_whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_of_whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {_of_whole_characters(name): _of_whole_characters(one) for name, one in value.items()}
    return value
