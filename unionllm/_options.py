"""Arguments that mean the same for every provider, checked."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ._addresses import clean_base_url
from ._framing import MAX_EVENT_BYTES
from ._retry import RetryPolicy
from ._secrets import KEY_SPELLINGS, Headers, Query
from .exceptions import BadRequestError
from .schema import new_id

#: Arguments with one meaning for every provider; everything else is a parameter of the model.
OPTIONS = frozenset(
    {
        "api_base",
        "base_url",
        "endpoint_url",
        "extra_body",
        "extra_headers",
        "extra_query",
        "fallbacks",
        "fetch_media",
        "http_client",
        "max_response_bytes",
        "max_retries",
        "messages",
        "model",
        "observers",
        *("on_error", "on_request", "on_response", "on_retry"),
        "param_policy",
        "prices",
        "provider",
        "region",
        "stream",
        "timeout",
    }
)

#: Those of them that are dicts of the caller's own.
_MAPPINGS = ("extra_headers", "extra_query", "extra_body")

#: Arguments that most calls have and no others, and that mostly stay the same from call to call.
STEADY = frozenset({"api_base", "base_url", "max_retries", "model", "param_policy", "provider", "stream", "timeout"})
STEADY |= {"frequency_penalty", "max_completion_tokens", "max_tokens", "n", "presence_penalty", "reasoning_effort"}
STEADY |= {"temperature", "top_p", *KEY_SPELLINGS}

#: How many calls with different ones are remembered, their keys with them.
KEPT = 64


def may_be_kept(args: Mapping[str, Any], steady: frozenset[str] = STEADY) -> bool:
    """Whether a call with these arguments is remembered: they stay the same, and no password stands in an address."""
    if not args.keys() <= steady:
        return False
    url = args.get("base_url") or args.get("api_base") or args.get("endpoint_url")
    return not isinstance(url, str) or not ("@" in url or "?" in url)


def text_of(args: Mapping[str, Any], name: str) -> str:
    """An argument that is a text, without spaces around it; "" when it was not given."""
    value = args.get(name, "")
    if not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string, not {type(value).__name__}.")
    return value.strip()


def common(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a request has from options that mean the same for every provider, checked."""
    policy = args.get("param_policy", "adapt")
    if policy not in ("adapt", "strict", "raw"):
        raise BadRequestError(f"param_policy={policy!r} is none of 'adapt', 'strict', 'raw'.")
    stream = args.get("stream", False)
    if stream not in (True, False):
        raise BadRequestError(f"stream={stream!r} is neither True nor False.")
    made = {
        "extra_headers": Headers(),
        "extra_query": Query(),
        "extra_body": {},
        "stream": bool(stream),
        "param_policy": policy,
        "fetch_media": "fetch_media" in args and _hosts(args["fetch_media"]),
        "now": time.time(),
        "make_id": new_id,
        "memory": {},
    }
    if not args.keys().isdisjoint(_MAPPINGS):
        _fill(made, args)
    return made


def _fill(made: dict[str, Any], args: Mapping[str, Any]) -> None:
    """Put what the caller gives of the three mappings into them, checked."""
    for name in _MAPPINGS:
        if name not in args:
            continue
        if not isinstance(args[name], Mapping):
            raise BadRequestError(f"{name} must be a dict, not {type(args[name]).__name__}.")
        made[name].update(args[name])
    for header, value in made["extra_headers"].items():
        _check_header(header, value)


def _hosts(given: Any) -> bool | frozenset[str]:
    """Whether media may be fetched, or from which hosts."""
    if isinstance(given, (list, tuple, set, frozenset)) and all(isinstance(host, str) for host in given):
        return frozenset(host.strip().lower() for host in given)
    if given not in (None, True, False):
        raise BadRequestError(
            f"fetch_media={given!r} is neither True nor a list of hosts, such as ['cdn.example.com']."
        )
    return bool(given)


def _check_header(name: Any, value: Any) -> None:
    is_name = isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not is_name or not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise BadRequestError(f"extra_headers[{name!r}]: names are letters, digits and dashes, values printable ASCII.")


def retries_of(args: Mapping[str, Any]) -> RetryPolicy:
    """How often, and after how long, a call is tried again."""
    given = args.get("max_retries", 2)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise BadRequestError(f"max_retries={given!r} is not a whole number of 0 or more.")
    return _policy(given)


@functools.lru_cache(maxsize=16)
def _policy(max_retries: int) -> RetryPolicy:
    return RetryPolicy(max_retries=max_retries)


def max_bytes_of(args: Mapping[str, Any]) -> int:
    given = args.get("max_response_bytes", MAX_EVENT_BYTES)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise BadRequestError(f"max_response_bytes={given!r} is not a whole number of bytes, 1 or more.")
    return given


def given_base_url(args: Mapping[str, Any], schemes: Sequence[str] = ("https", "http")) -> str:
    """The caller's base URL, checked; "" when none was given."""
    for name in ("base_url", "api_base", "endpoint_url"):
        value = args.get(name)
        if value:
            return clean_base_url(str(value), name, schemes)
    return ""
