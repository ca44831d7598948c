"""What a field of a request may hold, as data. Each check says what is wrong with a value, or "" when nothing is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Check(Protocol):
    """One field's rule."""

    def fault(self, value: Any) -> str:
        """What is wrong, in words that fit behind the field's name; "" for nothing."""
        ...


@dataclass(frozen=True)
class Number:
    """A number between two bounds; ``above`` and ``below`` leave the bound itself out."""

    low: float = float("-inf")
    high: float = float("inf")
    above: bool = False
    below: bool = False

    def fault(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "must be a number"
        is_low = value <= self.low if self.above else value < self.low
        is_high = value >= self.high if self.below else value > self.high
        left, right = "(" if self.above else "[", ")" if self.below else "]"
        return f"must be in {left}{self.low:g}, {self.high:g}{right}" if is_low or is_high else ""


@dataclass(frozen=True)
class Integer:
    """A whole number between two bounds, both allowed."""

    low: float = float("-inf")
    high: float = float("inf")

    def fault(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int):
            return "must be an integer"
        return "" if self.low <= value <= self.high else f"must be in [{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class Text:
    """A string: of so many characters, matching a pattern as a whole."""

    low: int = 0
    high: float = float("inf")
    pattern: str = ""

    def fault(self, value: Any) -> str:
        if not isinstance(value, str):
            return "must be a string"
        if not self.low <= len(value) <= self.high:
            return f"must have {self.low} to {self.high:g} characters"
        return "must match " + self.pattern if self.pattern and not re.fullmatch(self.pattern, value) else ""


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def fault(self, value: Any) -> str:
        return "" if isinstance(value, bool) else "must be a boolean"


class OneOf:
    """One of these values and no other."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def fault(self, value: Any) -> str:
        # `True in (1,)` holds in Python and on no vendor's server.
        is_there = any(type(one) is type(value) and one == value for one in self.values)
        return "" if is_there else "must be one of " + ", ".join(json.dumps(one) for one in self.values)


class Fixed:
    """A value that the model insists on: anything else is refused. Numbers compare as numbers."""

    def __init__(self, value: float) -> None:
        self.value = value

    def fault(self, value: Any) -> str:
        return "" if value == self.value and not isinstance(value, bool) else f"must be {self.value:g}"


@dataclass(frozen=True)
class ListOf:
    """A list of so many items, each of which passes the check."""

    item: Check
    low: int = 0
    high: float = float("inf")

    def fault(self, value: Any) -> str:
        if not isinstance(value, list):
            return "must be an array"
        if not self.low <= len(value) <= self.high:
            return f"must have {self.low} to {self.high:g} items"
        return next((fault for one in value if (fault := self.item.fault(one))), "")


class Either:
    """Any of several checks; the first one's words are given."""

    def __init__(self, *checks: Check) -> None:
        self.checks = checks

    def fault(self, value: Any) -> str:
        faults = [check.fault(value) for check in self.checks]
        return "" if "" in faults else faults[0]


class Shape:
    """An object whose members pass their checks; a name with "?" may be missing or null; others pass if ``is_open``."""

    def __init__(self, members: Mapping[str, Check], *, is_open: bool = True) -> None:
        self.members = {name.removesuffix("?"): check for name, check in members.items()}
        self.required = [name for name in members if not name.endswith("?")]
        self.is_open = is_open

    def fault(self, value: Any) -> str:
        if not isinstance(value, Mapping):
            return "must be an object"
        missing = [name for name in self.required if name not in value]
        if missing:
            return f"lacks {', '.join(missing)}"
        unknown = [] if self.is_open else [name for name in value if name not in self.members]
        if unknown:
            return f"has the unknown member {unknown[0]}"
        for name, check in self.members.items():
            is_given = name in value and (value[name] is not None or name in self.required)
            if is_given and (fault := check.fault(value[name])):
                return f".{name} {fault}"
        return ""


class Anything:
    """Whatever is given."""

    def fault(self, value: Any) -> str:
        return ""


class Nothing:
    """A field that the vendor refuses whatever it holds."""

    def __init__(self, why: str = "is not supported") -> None:
        self.why = why

    def fault(self, value: Any) -> str:
        return self.why


def function_tool(name_pattern: str = r"[a-zA-Z0-9_-]{1,64}", more: Mapping[str, Check] | None = None) -> Shape:
    """OpenAI's function tool; ``more`` are further members that its ``function`` may have."""
    parameters = Shape({"type?": OneOf("object")})
    members: dict[str, Check] = {"name": Text(pattern=name_pattern), "description?": Text(), "parameters?": parameters}
    return Shape({"type": OneOf("function"), "function": Shape({**members, **(more or {})})})


#: A tool choice that names one function.
NAMED_TOOL = Shape({"type": OneOf("function"), "function": Shape({"name": Text(low=1)})})


def tool_id_fault(messages: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong with the order of tool calls and their results: each is answered, once, right behind the call."""
    open_ids: list[str] = []
    for number, message in enumerate(messages):
        if message.get("role") == "tool":
            given = message.get("tool_call_id")
            if given not in open_ids:
                return f"messages[{number}]: tool_call_id {given!r} answers no tool call of the message before"
            open_ids.remove(given)
            continue
        if open_ids:
            return f"messages[{number}]: the tool call {open_ids[0]!r} has no tool message behind it"
        open_ids = [call.get("id", "") for call in message.get("tool_calls") or ()]
    return f"the tool call {open_ids[0]!r} has no tool message behind it" if open_ids else ""


def tool_calls_fault(calls: Any) -> str:
    """What is wrong with the ``tool_calls`` of an assistant's message."""
    check = ListOf(
        Shape(
            {
                "id": Text(low=1),
                "type": OneOf("function"),
                "function": Shape({"name": Text(low=1), "arguments": Text()}),
            }
        ),
        low=1,
    )
    if fault := check.fault(calls):
        return f"tool_calls{fault}" if fault.startswith(".") else f"tool_calls {fault}"
    for call in calls:
        try:
            json.loads(call["function"]["arguments"])
        except ValueError:
            return f"tool_calls: the arguments of {call['id']!r} are no JSON"
    return ""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else one without members: for what nobody has checked yet."""
    return value if isinstance(value, Mapping) else {}


def text_of(content: Any, names: Sequence[str] = ("text",)) -> str:
    """The text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(
        str(part.get(name)) for part in parts if isinstance(part, Mapping) for name in names if name in part
    )
