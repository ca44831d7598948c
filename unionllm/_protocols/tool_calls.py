"""Tool calls as OpenAI defined them, whole and in pieces, read the way vendors really write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..schema import Function, ToolCall
from .base import JSONObject

MakeId = Callable[[], str]


def word_of(value: Any) -> str | None:
    """A short text such as an id; None when the vendor said nothing."""
    return None if value is None or value == "" else str(value)


def parse_tool_call(raw: Any, make_id: MakeId) -> ToolCall:
    """One tool call of a whole message; arguments become JSON text, a missing id is made."""
    raw = raw if isinstance(raw, dict) else {}
    function = parse_function(raw.get("function"))
    function.arguments = function.arguments or "{}"
    extra = {name: value for name, value in raw.items() if name not in ("id", "type", "function", "index")}
    known = {
        "id": word_of(raw.get("id")) or f"call_{make_id()}",
        "type": word_of(raw.get("type")) or "function",
        "function": function,
    }
    return ToolCall.build(known, extra)


def parse_function(raw: Any) -> Function:
    raw = raw if isinstance(raw, dict) else {}
    arguments = raw.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    extra = {name: value for name, value in raw.items() if name not in ("name", "arguments")}
    return Function.build({"name": word_of(raw.get("name")), "arguments": arguments}, extra)


class ToolCallIndexes:
    """Which call a piece belongs to, when vendors leave out, repeat or misstate the index."""

    def __init__(self) -> None:
        self._ids: list[str | None] = []
        self._place_of_id: dict[str, int] = {}
        self._places: dict[int, int] = {}
        self._named: set[int] = set()

    def place(self, raw: JSONObject, position: int) -> tuple[int, bool]:
        """Our index of the call, and whether this is its first piece."""
        given, call_id = raw.get("index"), word_of(raw.get("id"))
        if call_id is not None and call_id in self._place_of_id:
            return self._place_of_id[call_id], False
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            known = self._places.get(given)
            # The same index with another id is another call: one vendor numbers every call 0.
            if known is not None and (call_id is None or self._ids[known] is None):
                self._know(known, self._ids[known] or call_id)
                return known, False
            place = self._places[given] = self._new(call_id)
            return place, True
        if call_id is None and self._ids and not (raw.get("function") or {}).get("name"):
            return len(self._ids) - 1, False
        return self._new(call_id), True

    def _new(self, call_id: str | None) -> int:
        self._ids.append(None)
        self._know(len(self._ids) - 1, call_id)
        return len(self._ids) - 1

    def _know(self, place: int, call_id: str | None) -> None:
        self._ids[place] = call_id
        if call_id is not None:
            self._place_of_id.setdefault(call_id, place)

    def piece(self, raw: Any, position: int, make_id: MakeId) -> ToolCall:
        """One piece of one call, as our schema: id, type and name on the first piece only."""
        raw = raw if isinstance(raw, dict) else {}
        place, is_first = self.place(raw, position)
        function = parse_function(raw.get("function"))
        if place in self._named:
            function.name = None
        elif function.name:
            self._named.add(place)
        known: JSONObject = {"index": place, "function": function, "id": None, "type": None}
        if is_first:
            known["id"] = word_of(raw.get("id")) or f"call_{make_id()}"
            self._know(place, known["id"])
            known["type"] = word_of(raw.get("type")) or "function"
        extra = {name: value for name, value in raw.items() if name not in ("id", "type", "function", "index")}
        return ToolCall.build(known, extra)
