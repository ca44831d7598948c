"""An answer as it is journalled, and as the user gets it. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..exceptions import APIError, APIStatusError

if TYPE_CHECKING:
    from ..schema import ModelResponse

#: Error code of an input line that cannot be asked.
INVALID_LINE = "invalid_line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one request.

    Args:
        key: the hash of the request; "" for a line that could not be asked.
        status: the HTTP status; None where no vendor answered.
        request_id: the vendor's id of the call.
        tokens: what the vendor counted in all; 0 where it did not say.
        cost: what the call cost; None where that is not known.
        currency: of ``cost``.
        body: JSON text: the answer, or ``{"error": …}`` of a refusal.
        error: code and message where no vendor answered.
    """

    key: str
    is_ok: bool
    status: int | None = None
    request_id: str | None = None
    tokens: int = 0
    cost: float | None = None
    currency: str | None = None
    body: bytes = field(default=b"null", repr=False)
    error: dict[str, Any] | None = None


def entry_of_response(key: str, response: ModelResponse, cost: float | None, currency: str | None) -> Entry:
    """The entry of an answer that cost so much."""
    return Entry(
        key=key,
        is_ok=True,
        status=200,
        request_id=response.request_id,
        tokens=tokens_of(response),
        cost=cost,
        currency=None if cost is None else currency,
        body=response.model_dump_json().encode(),
    )


def tokens_of(response: ModelResponse) -> int:
    """The tokens of an answer as its vendor counted them; 0 where it did not."""
    usage = response.usage
    if usage is None:
        return 0
    return usage.total_tokens or (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)


class Purse:
    """Costs of one job, in the currency of the first one: amounts of two currencies cannot be added."""

    def __init__(self) -> None:
        self.currency: str | None = None

    def cost_of(self, response: ModelResponse) -> float | None:
        """What an answer cost; None where that is not known, or is money of another currency."""
        cost = response.cost
        if cost is None:
            return None
        self.currency = self.currency or cost.currency
        return float(cost.amount) if cost.currency == self.currency else None


def entry_of_error(key: str, error: Exception) -> Entry:
    """The entry of a failure; refusals of a vendor have a status, as OpenAI's batch has them."""
    code = getattr(error, "code", None)
    told = {"code": code or type(error).__name__, "message": str(error), "type": type(error).__name__}
    request_id = error.request_id if isinstance(error, APIError) else None
    if isinstance(error, APIStatusError):
        body = dump_json({"error": told}).encode()
        return Entry(key=key, is_ok=False, status=error.status_code, request_id=request_id, body=body)
    return Entry(key=key, is_ok=False, request_id=request_id, error=told)


def entry_of_problem(problem: str) -> Entry:
    """The entry of a line that cannot be asked."""
    return Entry(key="", is_ok=False, error={"code": INVALID_LINE, "message": problem, "type": "BadRequestError"})


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What became of one line of the input.

    Args:
        index: the line's place in the input, from 0.
        custom_id: the line's own; ``line-1``, ``line-2`` … for lines without one.
        is_stored: answered from the journal, in this run or an earlier one, without a call of its own.
    """

    index: int
    custom_id: str
    entry: Entry = field(repr=False)
    is_stored: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether there is an answer."""
        return self.entry.is_ok

    @cached_property
    def response(self) -> ModelResponse | None:
        """The answer, as ``unionchat`` gives it; None if there is none."""
        if not self.entry.is_ok:
            return None
        from ..schema import ModelResponse

        return ModelResponse.model_validate_json(self.entry.body)

    @property
    def text(self) -> str | None:
        """The answer's text; None if there is none."""
        response = self.response
        return response.choices[0].message.content if response is not None and response.choices else None

    @cached_property
    def error(self) -> dict[str, Any] | None:
        """``code``, ``message`` and ``type`` (a class of ``unionllm.exceptions``) of a failure; None without one."""
        if self.entry.is_ok:
            return None
        return self.entry.error or dict(json.loads(self.entry.body)["error"])

    @property
    def status_code(self) -> int | None:
        """The HTTP status of the vendor's last answer; None if it gave none."""
        return self.entry.status

    @property
    def tokens(self) -> int:
        """Tokens in all, as the vendor counted them; 0 where it did not."""
        return self.entry.tokens

    @property
    def cost(self) -> float | None:
        """What the answer cost; None where that is not known."""
        return self.entry.cost

    def to_json(self) -> bytes:
        """The line of OpenAI's batch output, without its end of line."""
        entry = self.entry
        response = b"null"
        if entry.status is not None:
            told = f'{{"status_code":{entry.status},"request_id":{dump_json(entry.request_id)},"body":'
            response = b"%b%b}" % (told.encode(), entry.body)
        name = entry.key or f"line_{self.index + 1}"
        head = f'{{"id":"batch_req_{name}","custom_id":{dump_json(self.custom_id)},"response":'
        return b'%b%b,"error":%b}' % (head.encode(), response, dump_json(entry.error).encode())

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return dict(json.loads(self.to_json()))


def dump_json(value: Any) -> str:
    """JSON text that can be written as UTF-8: half of a surrogate pair, which JSON may hold, stays an escape."""
    if value is None:
        return "null"
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() or _is_utf8(text) else json.dumps(value, separators=(",", ":"))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
