"""Every played vendor, held against the table that was written from its page: what it takes, refuses and says."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest
from rows import NOW, Call, Refused, Shape, lines, post

from unionllm.testing import VendorServer
from unionllm.testing.vendors import VENDORS, load

TABLES: dict[str, ModuleType] = {name: importlib.import_module(f"tables.{name}") for name in VENDORS}


@pytest.fixture
def server() -> Iterator[VendorServer]:
    """A server whose clock stands still."""
    with VendorServer(clock=lambda: NOW) as running:
        yield running


def ask(server: VendorServer, vendor: str, call: Call) -> httpx.Response:
    """Send a call as the vendor's table does, or as most vendors want it."""
    table = TABLES[vendor]
    own = getattr(table, "ask", None)
    if own is not None:
        answer: httpx.Response = own(server, call)
        return answer
    return post(server, vendor, call, table.USUAL, getattr(load(vendor), "chat_path", ""))


def rows(name: str) -> list[Any]:
    """The rows of all tables, each with its vendor."""
    return [
        pytest.param(vendor, row, id=f"{vendor}-{number}")
        for vendor, table in TABLES.items()
        for number, row in enumerate(getattr(table, name), 1)
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_table_has_something_to_say(vendor: str) -> None:
    table = TABLES[vendor]

    assert len(table.ACCEPTED) > 2
    assert len(table.REFUSED) > 4
    assert any(shape.stream for shape in table.SHAPES)


@pytest.mark.parametrize(("vendor", "call"), rows("ACCEPTED"))
def test_what_the_page_allows_is_accepted(vendor: str, call: Call, server: VendorServer) -> None:
    response = ask(server, vendor, call)

    assert (response.status_code, [request.refused for request in server.refused]) == (200, [])


@pytest.mark.parametrize(("vendor", "row"), rows("REFUSED"))
def test_what_the_page_forbids_is_refused_in_its_words(vendor: str, row: Refused, server: VendorServer) -> None:
    response = ask(server, vendor, row.call)

    assert response.status_code == row.status, response.text
    assert row.says in response.text
    assert len(server.refused) == 1


@pytest.mark.parametrize(("vendor", "shape"), rows("SHAPES"))
def test_a_reply_looks_as_on_the_page(vendor: str, shape: Shape, server: VendorServer) -> None:
    server.reply(**shape.reply)

    response = ask(server, vendor, shape.call)

    if shape.whole is not None:
        assert response.json() == shape.whole
    if shape.stream is not None:
        prefix = getattr(TABLES[vendor], "PREFIX", "data: ")
        assert lines(response, prefix) == list(shape.stream)
