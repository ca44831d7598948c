"""Vendors whose played model answers the frameworks' own tests sensibly; the wire is as it always is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from unionllm.testing import Answer, Asked, Vendor, VendorServer
from unionllm.testing._script import Desk, build_answer, default_answer, example_of
from unionllm.testing.vendors import load

#: What the model reads out of a question, for the arguments of a tool.
_NUMBER = re.compile(r"\d+")
_QUOTED = re.compile(r"'([^']+)'")
_JOKE = {"setup": "Why did the cat sit on the computer?", "punchline": "To keep an eye on the mouse."}


def sensible(asked: Asked) -> Answer | None:
    """Calls the tool that is offered, unless it has answered; knows one joke; None: what the server says anyway."""
    role, text = asked.turns[-1]
    reasoning = "想一想。" if asked.thinks else ""
    functions = [tool["function"] for tool in asked.tools if "function" in tool]
    named = [function for function in functions if asked.forced_tool in ("", "*", function["name"])]
    if named and role == "user":
        call = {"name": named[0]["name"], "arguments": _arguments(named[0].get("parameters") or {}, text)}
        return build_answer(tool_calls=[call], reasoning=reasoning)
    if asked.schema is not None:
        wanted = example_of(asked.schema) or _JOKE
        return build_answer(text=json.dumps({**wanted, **_JOKE}, ensure_ascii=False), reasoning=reasoning)
    return None


def _arguments(schema: Mapping[str, Any], question: str) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    made: dict[str, Any] = {name: example_of(_first_choice(one)) for name, one in properties.items()}
    numbers, quoted = _NUMBER.findall(question), _QUOTED.findall(question)
    for name, value in made.items():
        if isinstance(value, int) and numbers:
            made[name] = int(numbers.pop(0))
        elif isinstance(value, str) and quoted:
            made[name] = quoted[0]
    return made


def _first_choice(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or the first of several that a value may have."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    return choices[0] if choices else schema


def thoughtful(name: str) -> type[Vendor]:
    """That vendor, with a model that answers sensibly unless it is scripted."""
    played = load(name)

    class Thoughtful(played):  # type: ignore[valid-type, misc]
        def take(self, desk: Desk, asked: Asked) -> Answer:
            answer: Answer = super().take(desk, asked)
            is_scripted = answer != default_answer(asked)
            return answer if is_scripted else sensible(asked) or answer

    return Thoughtful


@contextmanager
def running(*names: str) -> Iterator[VendorServer]:
    """A server that plays these vendors so."""
    with VendorServer(vendors=[thoughtful(name) for name in names]) as server:
        yield server
