"""What a table of ``tables/`` is made of: calls that a vendor accepts or refuses, and replies as on its page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from unionllm.testing import VendorServer

#: Stands for a member that is taken out of the body.
GONE = object()
#: The clock of every server that plays a table: 2026-11-22 08:45:57 UTC, in seconds.
NOW = 1_795_337_157


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request: the vendor's usual one with changes."""

    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    #: A base other than the vendor's usual one, and the path below it.
    base: str | None = None
    path: str | None = None
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    #: Sent as it is, in place of a body of JSON.
    content: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A request, and what is said to it: the HTTP status and a part of the body."""

    call: Call
    status: int
    says: str


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A scripted answer, and the bytes it comes in: JSON of a whole reply, or the lines of a stream."""

    call: Call
    reply: Mapping[str, Any]
    whole: Mapping[str, Any] | None = None
    stream: Sequence[Mapping[str, Any] | str] | None = None


def body(**changes: Any) -> Call:
    """A call whose body has these members."""
    return Call(body=changes)


def refused(status: int, says: str, **changes: Any) -> Refused:
    """A call whose body has these members, and is refused."""
    return Refused(call=body(**changes), status=status, says=says)


def changed(usual: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The usual mapping with these members; those that are GONE are left out."""
    return {name: value for name, value in {**usual, **changes}.items() if value is not GONE}


def post(server: VendorServer, vendor: str, call: Call, usual: Mapping[str, Any], path: str) -> httpx.Response:
    """Send a call with a bearer key."""
    headers = {"Authorization": f"Bearer {server.credentials(vendor).get('api_key', '')}"}
    return send(server, vendor, call, usual, path, headers)


def send(
    server: VendorServer,
    vendor: str,
    call: Call,
    usual: Mapping[str, Any],
    path: str,
    headers: Mapping[str, str],
) -> httpx.Response:
    """Send a call with these headers besides its own."""
    content = json.dumps(changed(usual, call.body)).encode() if call.content is None else call.content
    given = {"Content-Type": "application/json", **headers}
    url = server.url(vendor, call.base) + (path if call.path is None else call.path)
    return httpx.request(
        call.method, url, content=content, headers=changed(given, call.headers), params=dict(call.query), timeout=10
    )


def lines(response: httpx.Response, prefix: str = "data: ") -> list[Any]:
    """A stream's lines that are not empty; those that hold JSON objects behind the prefix, as objects."""
    return [
        json.loads(line[len(prefix) :]) if line.startswith(prefix + "{") else line
        for line in response.text.split("\n")
        if line
    ]
