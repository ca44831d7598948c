"""Fields of messages beyond those that every vendor has: their pieces joined, and odd ones kept out of the way."""

from __future__ import annotations

from typing import Any

#: Optional fields of a message that have a type.
_TYPES: dict[str, type] = {"annotations": list, "refusal": str}
#: Where LiteLLM puts a vendor's own fields.
_NESTED = "provider_specific_fields"


def set_apart(extra: dict[str, Any]) -> dict[str, Any]:
    """The fields, those of a message that have another type than they should under ``vendor_`` and their name."""
    odd = {name for name, kind in _TYPES.items() if extra.get(name) is not None and not isinstance(extra[name], kind)}
    return {f"vendor_{name}" if name in odd else name: value for name, value in extra.items()} if odd else extra


class Extras:
    """Fields of deltas beyond ours: lists, a refusal and sound come in pieces; of others the last value counts.

    Pieces are put together at the end, so that each is touched once, however many there are.
    """

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}
        self._lists: dict[str, list[Any]] = {}
        self._refusal: list[str] = []
        self._sound: dict[str, list[str]] = {}
        self._nested: Extras | None = None

    def add(self, extra: dict[str, Any]) -> None:
        """Take in the fields of one delta."""
        for name, value in extra.items():
            old = self._last.get(name)
            if old and isinstance(old, list) and isinstance(value, list):
                self._lists[name].extend(value)
            elif name == "refusal" and isinstance(value, str):
                self._refusal.append(value)
                self._last[name] = value
            elif name == "audio" and isinstance(value, dict):
                self._add_sound(old if isinstance(old, dict) else None, value)
            elif name == _NESTED and isinstance(value, dict):
                self._nested = self._nested or Extras()
                self._nested.add(value)
                self._last[name] = value
            elif value is not None:
                self._last[name] = value
                if isinstance(value, list):
                    self._lists[name] = list(value)

    def _add_sound(self, old: dict[str, Any] | None, value: dict[str, Any]) -> None:
        """Sound, and what it says, are texts in pieces; the id and the like are not."""
        if old is None:
            self._sound = {"data": [], "transcript": []}
        for name, pieces in self._sound.items():
            if value.get(name):
                pieces.append(f"{value[name]}")
        self._last["audio"] = {**(old or {}), **value}

    def join(self) -> dict[str, Any]:
        """The fields of the whole answer."""
        joined = {name: self._value(name, value) for name, value in self._last.items()}
        if isinstance(joined.get("audio"), dict):
            sound = {name: "".join(pieces) for name, pieces in self._sound.items() if pieces}
            joined["audio"] = {**joined["audio"], **sound}
        return joined

    def _value(self, name: str, last: Any) -> Any:
        if isinstance(last, list):
            return list(self._lists[name])
        if name == _NESTED and isinstance(last, dict) and self._nested is not None:
            return self._nested.join()
        return "".join(self._refusal) if name == "refusal" and isinstance(last, str) else last
