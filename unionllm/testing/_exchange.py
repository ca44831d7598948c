"""What the server and a vendor say to each other: requests received, replies to play, refusals. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

#: Meanings of an error that every vendor has a body of its own for.
KINDS = (
    "auth",
    "permission",
    "no_balance",
    "rate_limit",
    "overloaded",
    "not_found",
    "bad_request",
    "context",
    "policy",
    "server",
)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file of a multipart form."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One request as a vendor sees it. Header names are in lower case; of repeated query names the last counts."""

    method: str
    #: Below the vendor's own address: ``/api/paas/v4/chat/completions``.
    path: str
    #: As the client wrote it, the vendor's name in front included: what a signature covers.
    signed_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    #: Fields and files of a multipart form.
    form: Mapping[str, str | Upload] = field(default_factory=dict)
    #: The server's clock, in Unix seconds.
    now: float

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None if it is none, or nested too deeply to be read."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return None

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def bearer(self) -> str:
        """The token of ``Authorization: Bearer …``, or ""."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a vendor says when it refuses: its HTTP status and its own code, type and text."""

    status: int = 400
    code: str | int = ""
    message: str = ""
    type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Further members of the vendor's body.
    extra: Mapping[str, Any] = field(default_factory=dict)


def typed(status: int, kind: str, message: str) -> Problem:
    """What vendors say that name a type and no code."""
    return Problem(status=status, type=kind, message=message)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A reply whose body is sent at once."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A reply in events: each is written by itself. On a WebSocket each is the text of one message."""

    events: Sequence[bytes]
    status: int = 200
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: An error in this stream's own protocol; None: the vendor's usual one.
    encode_error: Callable[[Problem], bytes] | None = None


class Refusal(Exception):  # noqa: N818  # what the vendor says, not a fault of ours
    """Raised by a vendor's checks: the request is answered with this problem, and no scripted answer is used up.

    ``encode`` puts it into the words of the protocol that was spoken, where a vendor has several.
    """

    def __init__(
        self, problem: Problem, place: str = "status", encode: Callable[[Problem], Whole] | None = None
    ) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.message}")
        self.problem = problem
        self.place = place
        self.encode = encode


Reply: TypeAlias = Whole | Streamed


def encode_json(data: Any) -> bytes:
    """JSON as vendors write it: compact, in UTF-8, nothing escaped that need not be."""
    # A client may send half of a surrogate pair, and the echo of it has no UTF-8.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _refuse_constant(word: str) -> None:
    """NaN and Infinity are no JSON, though Python reads them."""
    raise ValueError(word)


def as_json(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Whole:
    """A whole reply that holds this JSON."""
    return Whole(body=encode_json(data), status=status, headers=headers or {})
