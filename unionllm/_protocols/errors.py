"""A vendor's refusal → our error: find it wherever it hides, name it by table, say what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._log import redact, redact_json
from .._retry import parse_retry_after
from .._urls import host_of
from ..exceptions import (
    APIError,
    APIResponseError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    class_for_status,
)
from .base import ErrorFacts, ErrorRule, ProviderSpec

if TYPE_CHECKING:
    from .._request import ChatRequest

#: Codes and types of OpenAI's own error format, for vendors that copy it.
COMMON_CODES: Mapping[str, ErrorRule] = {
    "invalid_request_error": ErrorRule(cls=BadRequestError),
    "authentication_error": ErrorRule(cls=AuthenticationError),
    "invalid_api_key": ErrorRule(cls=AuthenticationError),
    "permission_error": ErrorRule(cls=PermissionDeniedError),
    "permission_denied": ErrorRule(cls=PermissionDeniedError),
    "not_found_error": ErrorRule(cls=NotFoundError),
    "model_not_found": ErrorRule(cls=NotFoundError),
    "rate_limit_error": ErrorRule(cls=RateLimitError),
    "rate_limit_exceeded": ErrorRule(cls=RateLimitError),
    "insufficient_quota": ErrorRule(cls=InsufficientBalanceError),
    "insufficient_balance": ErrorRule(cls=InsufficientBalanceError),
    "context_length_exceeded": ErrorRule(cls=ContextWindowExceededError),
    "content_filter": ErrorRule(cls=ContentPolicyViolationError),
    "server_error": ErrorRule(cls=InternalServerError),
    "internal_error": ErrorRule(cls=InternalServerError),
    "service_unavailable": ErrorRule(cls=ServiceUnavailableError),
    "overloaded_error": ErrorRule(cls=ServiceUnavailableError),
}

#: Classes that no HTTP status tells: a code that means one of them counts more than the status.
_MORE_THAN_A_STATUS = (InsufficientBalanceError, ContextWindowExceededError, ContentPolicyViolationError)

#: Characters of a vendor's message that are told; all of it is in the error's ``body``.
_LONGEST_MESSAGE = 2000
#: Characters of a code; no vendor has longer ones.
_LONGEST_CODE = 200
#: Characters that are looked through for secrets before an answer is cut to what is shown of it.
_LONGEST = 100_000

_REDIRECT = "A redirect is not followed, because the key would travel with it; check base_url."

_ADVICE: Mapping[type[APIError], str] = {
    AuthenticationError: "Check api_key and base_url.",
    BadRequestError: "Check the parameters and messages of this call.",
    ContextWindowExceededError: "Shorten the messages, lower max_tokens, or take a model with a longer context.",
    ContentPolicyViolationError: "The vendor's moderation refused this text; sending it again will not help.",
    PermissionDeniedError: "The key is known but not allowed to do this; check the account's plan and models.",
    NotFoundError: "Check the model name and base_url.",
    RateLimitError: "Slow down, or raise max_retries to wait longer.",
    ServiceUnavailableError: "The vendor is overloaded; try again later, or give fallbacks=.",
    InternalServerError: "The vendor failed; try again later, or give fallbacks=.",
}


#: Without any of these, nothing is an error.
_ERROR_FIELDS = frozenset({"error", "error_code", "errors", "base_resp", "code", "msgCode"})


def has_error(data: Any) -> bool:
    """Whether a decoded body, or the data of a stream's event, is an error, whatever its HTTP status."""
    if not isinstance(data, dict) or _ERROR_FIELDS.isdisjoint(data):
        return False
    if data.get("error") or data.get("error_code") or data.get("errors"):
        return True
    base = data.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return True
    code = data.get("code", data.get("msgCode"))
    return code not in (None, 0, "0", "", 200) and not data.get("choices") and "choices" not in data


def details(data: Any) -> tuple[str, str, str]:
    """Code, type and message of an error body; "" where it does not say."""
    if not isinstance(data, dict):
        return "", "", str(data or "")
    error = data.get("error") or data.get("base_resp") or data
    if isinstance(data.get("errors"), list) and data["errors"]:
        error = data["errors"][0]
    elif isinstance(data.get("errors"), dict):
        error = data["errors"]
    if not isinstance(error, dict):
        return str(data.get("code") or ""), "", str(error)
    names = ("code", "status_code", "error_code", "http_code", "msgCode")
    code = next((error[name] for name in names if error.get(name)), None) or data.get("error_code") or ""
    message = next(
        (str(error[key]) for key in ("message", "msg", "status_msg", "error_msg", "detail") if error.get(key)), ""
    )
    return str(code), str(error.get("type") or error.get("statusText") or ""), message


def refusal(
    spec: ProviderSpec,
    facts: ErrorFacts,
    chat: ChatRequest,
    *,
    data: Any,
    status: int,
    headers: Mapping[str, str],
    url: str,
    now: float = 0.0,
) -> APIError:
    """The error that a vendor's answer means.

    Args:
        data: the decoded body, or its text when it was no JSON.
        status: HTTP status; below 400 when the vendor hid the error in a success.
        headers: of the reply, names in lower case.
        url: where the answer came from.
        now: when it came, in Unix seconds.
    """
    code, kind, message = details(data)
    written = re.search(facts.code_in_text, message) if facts.code_in_text else None
    code = written[1] if written else code
    rule = _classify(facts, code, kind, message, status)
    # Masked before it is cut: half a secret is not known for one.
    code, kind = redact(code, chat.secrets)[:_LONGEST_CODE], redact(kind, chat.secrets)[:_LONGEST_CODE]
    made = redact(message.strip() or f"HTTP {status} without a word", chat.secrets)
    made = made if len(made) <= _LONGEST_MESSAGE else f"{made[:_LONGEST_MESSAGE]}…"
    said = [f"code {code}"] if code else []
    said += [f"HTTP {status}"] if status >= 300 else []
    request_id = next((headers[name] for name in facts.request_id_headers if headers.get(name)), None)
    if request_id is None and isinstance(data, dict):
        request_id = next((str(data[name]) for name in facts.request_id_fields if data.get(name)), None)
    text = f"{spec.name}: {made}" + (f" ({', '.join(said)})" if said else "")
    advice = _advice(rule.cls, spec, url) if not 300 <= status < 400 else _REDIRECT
    heir = facts.retired.get(chat.model.lower()) if rule.cls is NotFoundError else None
    if heir is not None:
        advice = f"The vendor retired {chat.model}; {heir} took over. 模型 {chat.model} 已下线，请改用 {heir}。"
    return rule.cls(
        " ".join(filter(None, (f"{text.rstrip('.')}.", advice, rule.hint))),
        provider=chat.provider,
        model=chat.model,
        status_code=status if status >= 300 else None,
        code=code or kind or None,
        request_id=redact(str(request_id), chat.secrets) if request_id else None,
        body=redact_json(data, chat.secrets),
        retry_after=parse_retry_after(headers, now or chat.now),
        retryable=rule.retryable,
    )


def _classify(facts: ErrorFacts, code: str, kind: str, message: str, status: int) -> ErrorRule:
    lowered = "" if facts.sure_codes and re.fullmatch(facts.sure_codes, code) else message.lower()
    said = [rule for phrase, rule in facts.texts if phrase in lowered]
    theirs = [facts.codes[word] for word in (code, kind) if word in facts.codes]
    theirs += [rule for pattern, rule in facts.code_patterns if re.fullmatch(pattern, code)]
    common = [COMMON_CODES[word] for word in (code, kind) if word in COMMON_CODES]
    if status >= 300:
        common = [rule for rule in common if rule.cls in _MORE_THAN_A_STATUS]
    own = [facts.statuses[status]] if status in facts.statuses else []
    return next(iter((*said, *theirs, *common, *own)), None) or _by_status(status if status >= 300 else code)


def _by_status(status: int | str) -> ErrorRule:
    if isinstance(status, str) and status.isdecimal() and 400 <= int(status) < 600:
        status = int(status)
    if isinstance(status, str):
        # Nobody knows what it means: not to be tried again blindly.
        return ErrorRule(cls=InternalServerError, retryable=False)
    # 409 is retried only where a vendor's table says that it means "busy".
    return ErrorRule(cls=class_for_status(status), retryable=True if status == 408 else None)


def _advice(cls: type[APIError], spec: ProviderSpec, url: str) -> str:
    region = spec.region_of(url)
    console = (region.console if region else "") or spec.console
    if cls is AuthenticationError and console:
        return key_advice(spec, url, console)
    if cls is InsufficientBalanceError and console:
        return f"The account has no money left; top it up at {console}. 账户余额不足，请到 {console} 充值。"
    return _ADVICE.get(cls, "")


def key_advice(spec: ProviderSpec, url: str, console: str) -> str:
    """What to do about a refused key: which host refused it, and which twin host has keys of its own."""
    host = host_of(url)
    refused = f"{host} refused the key."
    here = spec.region_of(url)
    others: dict[str, str] = {}
    for region in spec.regions:
        # Hosts with one console share their keys.
        if here is not None and host_of(region.base_url) != host and region.console != here.console:
            others.setdefault(host_of(region.base_url), region.name)
    if others:
        twins = " or ".join(f"{twin} (region={name!r})" for twin, name in list(others.items())[:2])
        refused += f" Keys of {host} and of {twins} are not interchangeable."
    return f"{refused} Keys are made at {console}. 密钥无效：请在 {console} 检查密钥和所属平台。"


def masked(text: str, chat: ChatRequest) -> str:
    """The beginning of what somebody answered, which will be shown in part, without the secrets of the call."""
    return redact(text[:_LONGEST], chat.secrets)


def unreadable(
    spec: ProviderSpec, chat: ChatRequest, what: str, text: str, status: int | None = None
) -> APIResponseError:
    """The error for an answer that makes no sense; shows how it starts."""
    # Masked before it is cut: half a secret is not known for one.
    start = masked(text, chat)[:200]
    shown = f"It starts: {start!r}." if start else "It is empty."
    return APIResponseError(
        f"{spec.name}: {what}. {shown} Check base_url; a proxy or gateway may have answered in the vendor's place.",
        provider=chat.provider,
        model=chat.model,
        status_code=status,
        body=start,
    )
