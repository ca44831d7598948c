"""Requests as they came in: read from the socket for the vendor, and kept in the log without their secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ._exchange import Incoming, Upload
from ._vendor import Vendor

_MASK = "***"
#: Names under which vendors take tokens and signatures in a query or in a header of their own.
_SECRET_NAMES = ("access_token", "client_id", "client_secret", "authorization", "app_key", "sign")


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request in the server's log. Credentials are masked as ``***``, in headers, query and body alike."""

    vendor: str
    method: str
    #: Below the vendor's own address.
    path: str
    query: Mapping[str, str]
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes
    #: The HTTP status it was answered with; 0 as long as it is not answered.
    status: int = 0
    #: Why the vendor refused it: code and text; "" if it did not.
    refused: str = ""
    #: ``time.monotonic()`` when the whole request was there.
    received_at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError if it is none."""
        return json.loads(self.body)


async def read_request(request: web.Request, now: float) -> Incoming:
    """The whole request as the vendor named in its path sees it."""
    path = request.raw_path.partition("?")[0]
    form: dict[str, str | Upload] = {}
    body = b""
    if request.content_type.startswith("multipart/"):
        # A form that cannot be read is one without fields: what that means, the vendor says.
        with suppress(ValueError):
            form = {name: _field(value) for name, value in (await request.post()).items()}
    else:
        body = await request.read()
    return Incoming(
        method=request.method,
        path=path[len(request.match_info["vendor"]) + 1 :],
        signed_path=path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        form=form,
        now=now,
    )


def _field(value: str | bytes | bytearray | web.FileField) -> str | Upload:
    if isinstance(value, web.FileField):
        return Upload(name=value.filename, media_type=value.content_type, data=value.file.read())
    return value if isinstance(value, str) else value.decode()


def record(vendor: Vendor, incoming: Incoming, status: int, refused: str) -> Received:
    """The request for the log, with ``***`` for every credential of the vendor and for any token that came."""
    secrets = [value for value in vendor.credentials.values() if value]
    # A key that was refused is a secret too: it may be right elsewhere.
    secrets += [incoming.bearer] if incoming.bearer else []
    own = {**incoming.headers, "authorization": ""} if incoming.bearer else incoming.headers
    secrets += [found for name in _SECRET_NAMES for found in (incoming.query.get(name), own.get(name)) if found]
    secrets += vendor.secrets_in(incoming)
    return Received(
        vendor=vendor.name,
        method=incoming.method,
        path=incoming.path,
        query={name: _masked(value, secrets) for name, value in incoming.query.items()},
        headers={name: _masked(value, secrets) for name, value in incoming.headers.items()},
        body=_masked(incoming.body.decode("utf-8", "replace"), secrets).encode(),
        status=status,
        refused=_masked(refused, secrets),
    )


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text
