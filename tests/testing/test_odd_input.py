"""Whatever stands where something else belongs is refused in the vendor's words: a played vendor never breaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rows import NOW
from test_strictness import TABLES, ask

from unionllm.testing import Incoming, Refusal, Vendor, VendorServer
from unionllm.testing._script import Desk, Script
from unionllm.testing.vendors import VENDORS, load

_ODD: tuple[Any, ...] = (None, True, 0, -1.5, "", "x", [], [None], [[]], [{}], ["x"], {}, {"x": None}, {"type": []})


def spy(name: str) -> tuple[type[Vendor], list[Incoming]]:
    """The played vendor, and the requests it has accepted."""
    seen: list[Incoming] = []

    class Spy(load(name)):  # type: ignore[misc]  # one class a vendor, found by its name
        def answer(self, request: Incoming, desk: Desk) -> Any:
            reply = super().answer(request, desk)
            seen.append(request)
            return reply

    return Spy, seen


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member, at every depth."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield (*path, name)
        yield from places(member, (*path, name))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The same body with another value there."""
    changed = copy.deepcopy(body)
    target = changed
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return changed


@pytest.mark.parametrize("name", VENDORS)
def test_no_value_breaks_a_played_vendor(name: str) -> None:
    played, seen = spy(name)
    tried, broken = 0, []
    with VendorServer(vendors=[played], clock=lambda: NOW) as server:
        for call in TABLES[name].ACCEPTED:
            ask(server, name, call)
        vendor = server.vendor(name)
    for request in list(seen):
        if not isinstance(request.json, dict):
            continue
        for path in places(request.json):
            for value in _ODD:
                body = put(request.json, path, value)
                try:
                    vendor.answer(replace(request, body=json.dumps(body).encode()), Desk(Script(), name))
                except Refusal:
                    pass
                except Exception as error:  # what a bug of a check raises
                    broken.append(f"{path} = {value!r}: {type(error).__name__}: {error}")
                tried += 1

    assert broken == []
    assert tried > 100


@pytest.mark.parametrize("name", VENDORS)
def test_a_body_that_is_no_object_is_refused(name: str) -> None:
    played, seen = spy(name)
    with VendorServer(vendors=[played], clock=lambda: NOW) as server:
        ask(server, name, TABLES[name].ACCEPTED[0])
        vendor = server.vendor(name)

    for body in (b"", b"{", b"null", b"[]", b'"x"', b"\xff", b"[" * 2000):
        with pytest.raises(Refusal):
            vendor.answer(replace(seen[0], body=body), Desk(Script(), name))
