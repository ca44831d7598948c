"""LiteLLM's exceptions → ours, by what really happened. Pure: imports no LiteLLM, performs no I/O.

LiteLLM's own classes are no guide: the same 403 arrives as ``APIError`` on one route and as ``PermissionDeniedError``
on the next, and a refused connection as ``InternalServerError(500)``. The truth stands in the chain of exceptions
below: the vendor's HTTP reply, or the failure of the network. Only facts are taken from there; the objects themselves
hold the request with its Authorization header, and must not be reachable from our error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ._litellm_results import Sent, request_id_of
from ._log import redact, redact_json
from ._retry import parse_retry_after
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsufficientBalanceError,
    InternalServerError,
    ProviderError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
    UnionLLMError,
    class_for_status,
)

#: Names of exceptions (of httpx, httpcore, aiohttp, botocore, requests, openai and Python) by what they tell, in the
#: order in which they are believed.
_CONNECT_TIMEOUTS = {"ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError", "PoolTimeout"}
_READ_TIMEOUTS = {"ReadTimeout", "WriteTimeout", "ReadTimeoutError", "SocketTimeoutError", "ServerTimeoutError"}
_READ_TIMEOUTS |= {"APITimeoutError", "TimeoutError", "Timeout"}
_TLS = {"SSLError", "SSLCertVerificationError", "ClientConnectorCertificateError", "ClientConnectorSSLError"}
_REFUSED = {"ConnectError", "ClientConnectorError", "ClientConnectorDNSError", "ConnectionRefusedError", "gaierror"}
_REFUSED |= {"EndpointConnectionError", "NewConnectionError", "ProxyError", "ProxyConnectionError"}
_LOST = {"ReadError", "WriteError", "RemoteProtocolError", "ServerDisconnectedError", "ClientPayloadError"}
_LOST |= {"ConnectionResetError", "IncompleteRead", "ClientOSError", "ChunkedEncodingError", "ConnectionClosedError"}
_UNREADABLE = {"JSONDecodeError", "KeyError", "IndexError", "ValidationError", "UnicodeDecodeError"}
_UNREADABLE |= {"APIResponseValidationError", "JSONSchemaValidationError"}

#: LiteLLM's classes and vendors' codes that say more than the status does.
_REFINED: dict[str, type[APIError]] = {
    "ContextWindowExceededError": ContextWindowExceededError,
    "ContentPolicyViolationError": ContentPolicyViolationError,
    "context_length_exceeded": ContextWindowExceededError,
    "content_policy_violation": ContentPolicyViolationError,
    "content_filter": ContentPolicyViolationError,
    "insufficient_quota": InsufficientBalanceError,
    "insufficient_balance": InsufficientBalanceError,
    "billing_error": InsufficientBalanceError,
}
#: Codes of error events inside a stream, which have no status.
_EVENT_CODES: dict[str, type[APIError]] = {
    "authentication_error": AuthenticationError,
    "invalid_request_error": BadRequestError,
    "rate_limit_error": RateLimitError,
    "rate_limit_exceeded": RateLimitError,
    "overloaded_error": ServiceUnavailableError,
    "api_error": InternalServerError,
    "server_error": InternalServerError,
}
#: What LiteLLM writes in front of the vendor's words.
_PREFIX = re.compile(r"^(litellm\.)?\w*(Error|Exception|Timeout)( \w+Error)?(: | - )")
#: What it writes behind them: its own traceback (with paths of this machine), advice on its own classes.
_SUFFIX = re.compile(r"\s*(Traceback \(most recent call last\)|Original exception:|Handle with `litellm).*", re.DOTALL)
_LONGEST = 600
#: What it says after a hundred equal chunks one after another.
_REPEATING = "repeating the same chunk"
_CURE_OF_REPEATING = "If that is right, set litellm.REPEATED_STREAMING_CHUNK_LIMIT higher."
_STATUSES = range(400, 600)
#: LiteLLM's classes whose status means nothing when it is this one.
_CATCH_ALL = {("APIConnectionError", 500), ("MidStreamFallbackError", 500)}


def to_error(
    error: BaseException, sent: Sent, handled: BaseException | None, now: float, *, started: bool
) -> UnionLLMError:
    """Our error for one that came out of LiteLLM. To be raised outside the ``except`` block: then it has no context.

    Args:
        error: what LiteLLM raised.
        sent: the call.
        handled: the exception that the caller was handling when the call was made; the chain below belongs to that.
        now: Unix time in seconds, for a Retry-After date.
        started: whether a stream's first chunk had already been handed out.
    """
    return _Case(error, sent, handled, started).translate(now)


class _Case:
    """One exception of LiteLLM's, with the facts found in its chain."""

    def __init__(self, error: BaseException, sent: Sent, handled: BaseException | None, started: bool) -> None:
        self.sent = sent
        self.started = started
        self.links = list(_chain(error, handled))
        self.names = {type(link).__name__ for link in self.links}
        #: LiteLLM's own error: now and then it trips over it and raises something else.
        self.theirs = next((link for link in self.links if _package(link) == "litellm"), error)
        self.reply = next((reply for link in self.links if (reply := _http_reply(link)) is not None), None)
        self.body = redact_json(_body(self.reply, self.links), sent.secrets)
        self.code = _code(self.body, self.links)

    def translate(self, now: float) -> UnionLLMError:
        name = type(self.theirs).__name__
        if name == "BudgetExceededError":
            return BudgetExceededError(self.words())
        if "LiteLLMUnknownProvider" in self.names:
            return ProviderError(f"LiteLLM cannot chat with provider {self.sent.route!r}. Check provider= and model=.")
        headers = self.headers()
        made = self.classify()
        made.provider, made.model, made.original = self.sent.provider, self.sent.model or None, name
        made.code, made.body = self.code, self.body
        made.request_id = request_id_of(headers)
        made.retry_after = parse_retry_after(headers, now)
        return made

    def classify(self) -> APIError:
        status = self.true_status()
        for name in (*sorted(self.names), self.code or ""):
            if name in _REFINED:
                return self.refusal(_REFINED[name], status)
        if status is not None:
            return self.refusal(class_for_status(status), status)
        return self.network() or self.nonsense() or self.guess()

    def true_status(self) -> int | None:
        """The status of the vendor's HTTP reply, or the one it wrote into an error event."""
        status: int | None = getattr(self.reply, "status_code", None)
        if status is None and self.code is not None and self.code.isdecimal():
            status = int(self.code)
        return status if status in _STATUSES else None

    def network(self) -> APIError | None:
        if self.names & _CONNECT_TIMEOUTS:
            return self.timeout("connect", retryable=True)
        if self.names & _READ_TIMEOUTS:
            return self.timeout(self.sent.limit[0], retryable=False)
        return self.connection()

    def connection(self) -> APIConnectionError | None:
        if self.names & _TLS:
            return APIConnectionError(self.tell("no trusted TLS connection"), retryable=False)
        if self.names & _REFUSED:
            return APIConnectionError(self.tell("no connection", cure="Check base_url, the network and the proxy."))
        if self.names & _LOST and self.started:
            return StreamInterruptedError(self.tell("the answer broke off before it was complete"))
        if self.names & _LOST:
            return APIConnectionError(self.tell("the connection broke off before an answer came"))
        return None

    def timeout(self, limit: str, *, retryable: bool) -> APITimeoutError:
        seconds = self.sent.limit[1]
        after = "" if seconds is None else f" after {seconds:g} s"
        text = f"no answer{after}: the {limit} limit ran out (through LiteLLM one limit serves all waits)"
        return APITimeoutError(self.put(text, "", "Raise it with timeout=."), retryable=retryable)

    def nonsense(self) -> APIError | None:
        """An answer that LiteLLM could not, or would not, read."""
        words = self.words()
        # LiteLLM has no class for an unreadable 200: it raises its 500, and only these words tell the two apart.
        is_unreadable = "invalid response from LLM" in words or "LiteLLM: provider returned" in words
        if is_unreadable or self.names & _UNREADABLE:
            return APIResponseError(self.say("LiteLLM could not read the answer"))
        if _REPEATING in words:
            return StreamInterruptedError(self.say("LiteLLM broke off the stream", cure=_CURE_OF_REPEATING))
        return None

    def guess(self) -> APIError:
        """Nothing below tells; what is left is the code of an error event, and LiteLLM's own status."""
        if self.code in _EVENT_CODES:
            return self.refusal(_EVENT_CODES[self.code], None)
        if any(_is_of(link, "openai", "OpenAIError") for link in self.links):
            return AuthenticationError(self.say("no credentials", cure=self.sent.key_hint()))
        if any(_is_of(link, "openai", "APIError") for link in self.links):
            return self.refusal(InternalServerError, None)  # an error event of an OpenAI-format stream
        status = _own_status(self.links)
        if status is not None:
            return self.refusal(class_for_status(status), status)
        if "MidStreamFallbackError" in self.names:
            return StreamInterruptedError(self.say("the stream broke off"))
        return APIError(self.say("LiteLLM failed on this call"))

    def refusal(self, kind: type[APIError], status: int | None) -> APIError:
        cure = self.sent.key_hint() if kind is AuthenticationError else ""
        what = "the vendor reported an error" if status is None else f"failed with status {status}"
        if self.reply is not None:
            what = f"refused with status {status} by {self.host()}"
        return kind(self.say(what, cure=cure), status_code=status)

    def say(self, what: str, *, cure: str = "") -> str:
        """A message that quotes the vendor, or LiteLLM."""
        return self.put(what, self.words(), cure)

    def tell(self, what: str, *, cure: str = "") -> str:
        """A message that quotes the innermost error: what lies above it says "connection error" and no more."""
        inner = next((str(link) for link in reversed(self.links) if str(link)), "")
        place = f" ({self.host()})" if self.host() else ""
        return self.put(what + place, inner, cure)

    def put(self, what: str, quoted: str, cure: str) -> str:
        end = "" if quoted.endswith((".", "!", "?")) else "."
        text = f"{self.sent.provider}: {what}{': ' if quoted else ''}{quoted}{end} {cure}".rstrip()
        return redact(text, self.sent.secrets)

    def words(self) -> str:
        """What the vendor said, or else what LiteLLM says."""
        said = _message(self.body)
        if not said:
            # The innermost of LiteLLM's layers has the fewest prefixes.
            said = _SUFFIX.sub("", str(getattr(self.theirs, "message", None) or self.theirs)).strip()
            while match := _PREFIX.match(said):
                said = said[match.end() :]
        said = redact(said, self.sent.secrets)
        return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"

    def host(self) -> str:
        """Where the call went, without the rest of the URL: a query may be a credential."""
        reply: Any = self.reply
        try:
            return str(reply.request.url.netloc.decode("ascii"))
        except (AttributeError, RuntimeError, UnicodeDecodeError):  # no reply, or one that has lost its request
            return self.sent.host

    def headers(self) -> dict[str, str]:
        for link in self.links:
            found = getattr(link, "litellm_response_headers", None)
            if found:
                return {str(name).lower(): str(value) for name, value in dict(found).items()}
        found = getattr(self.reply, "headers", None) or {}
        return {str(name).lower(): str(value) for name, value in dict(found).items()}


def _chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The exception and all below it, nearest first, without the one its caller was handling."""
    seen = {id(handled)}
    waiting: list[Any] = [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [getattr(link, "original_exception", None), link.__cause__, link.__context__]


def _package(link: BaseException) -> str:
    return type(link).__module__.partition(".")[0]


def _is_of(link: BaseException, package: str, name: str) -> bool:
    return type(link).__name__ == name and _package(link) == package


def _http_reply(link: BaseException) -> Any:
    """The vendor's real HTTP reply, if this exception holds it; LiteLLM's own classes hold made-up ones."""
    is_real = type(link).__name__ == "HTTPStatusError" or _package(link) == "openai"
    return getattr(link, "response", None) if is_real else None


def _body(reply: Any, links: list[BaseException]) -> Any:
    if reply is not None:
        for read in (reply.json, lambda: reply.text):
            try:
                return read()
            except (ValueError, RuntimeError):  # no JSON; or a stream that was never read
                continue
    bodies = (getattr(link, "body", None) for link in links if _package(link) == "openai")
    return next((body for body in bodies if isinstance(body, (dict, str))), None)


def _code(body: Any, links: list[BaseException]) -> str | None:
    inner = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(inner, dict):
        for name in ("code", "type"):
            if isinstance(inner.get(name), (str, int)) and inner[name] != "error":
                return str(inner[name])
    # An error event that LiteLLM read itself: it takes the vendor's code for a status, whatever it is.
    codes = (getattr(link, "status_code", None) for link in links)
    return next((code for code in codes if isinstance(code, str)), None)


def _message(body: Any) -> str:
    inner = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(inner, dict):
        inner = inner.get("message") or inner.get("detail") or ""
    return inner.strip() if isinstance(inner, str) else ""


def _own_status(links: list[BaseException]) -> int | None:
    """A status that LiteLLM took from somewhere. Its catch-all class always says 500, which means nothing."""
    for link in links:
        status: int | None = getattr(link, "status_code", None)
        is_catch_all = (type(link).__name__, status) in _CATCH_ALL
        if status in _STATUSES and not is_catch_all:
            return status
    return None
