"""What adapters share that speak JSON over HTTP with one key in a header: the request, and reading what came back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._secrets import Headers
from .._wire import HttpReply
from ..exceptions import APIError, APIResponseError, BadRequestError
from . import errors
from .base import Adapter, ErrorFacts, JSONObject, ProviderSpec
from .json_text import load_json

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest


class JSONVendor(Adapter):
    """JSON out, JSON or events in, errors by the tables of the spec."""

    def __init__(self, spec: ProviderSpec) -> None:
        self.spec = spec

    def headers(self, chat: ChatRequest) -> Headers:
        """Headers of the call, the key among them."""
        key = chat.credentials.get("api_key")
        headers = Headers({"content-type": "application/json"})
        headers["accept"] = "text/event-stream" if chat.stream else "application/json"
        if key:
            headers["authorization"] = f"Bearer {key}"
        for name, value in chat.extra_headers.items():
            headers[name.lower()] = value
        return headers

    def read_json(self, chat: ChatRequest, reply: HttpReply) -> JSONObject:
        """The object in a whole reply. Raises the error that it is, or APIResponseError for no object at all."""
        data = parse_json(reply.content)
        if reply.status >= 300 or self.is_error(data):
            text = data if data is not None else reply.content.decode("utf-8", "replace")
            raise self.error(chat, text, reply=reply)
        if not isinstance(data, dict):
            text = reply.content.decode("utf-8", "replace").strip()
            raise self.unreadable(chat, "the answer is no JSON object", text, reply.status)
        return data

    def is_error(self, data: Any) -> bool:
        """Whether a decoded body or event is an error."""
        return errors.has_error(data)

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """The error that a body, or an event in a stream, means."""
        status = reply.status if reply is not None else 200
        if reply is not None and status >= 300 and not isinstance(data, (dict, list)):
            data = _first_words(errors.masked(str(data), chat))
        return errors.refusal(
            self.spec,
            self.error_facts(status),
            chat,
            data=data,
            status=status,
            headers=reply.headers if reply is not None else {},
            url=reply.url if reply is not None else chat.base_url,
            now=reply.received_at if reply is not None else chat.now,
        )

    def error_facts(self, status: int) -> ErrorFacts:
        """How the vendor says no with that status."""
        return self.spec.errors

    def request_id(self, reply: HttpReply | None) -> str | None:
        """The vendor's id of a call, from the reply's headers."""
        headers = reply.headers if reply is not None else {}
        return next((headers[name] for name in self.spec.errors.request_id_headers if headers.get(name)), None)

    def unreadable(self, chat: ChatRequest, what: str, text: str, status: int | None = None) -> APIResponseError:
        """The error for an answer that makes no sense."""
        return errors.unreadable(self.spec, chat, what, text, status)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode_body(spec: ProviderSpec, body: JSONObject) -> bytes:
    """The body as JSON.

    Raises:
        BadRequestError: a value that JSON cannot carry.
    """
    try:
        return _encode(body).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestError(
            f"{spec.name}: the request cannot be written as JSON ({error}). "
            "Messages and parameters may hold text, numbers, true, false, null, lists and dicts only."
        ) from None


def parse_json(content: bytes) -> Any:
    """The decoded body, or None when it is no JSON. Blank lines sent to keep a connection alive may precede it."""
    try:
        return load_json(content.decode("utf-8").removeprefix("\ufeff").strip())
    except ValueError:
        return None


def _first_words(text: str) -> str:
    return " ".join(text.split())[:200]
