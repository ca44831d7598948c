"""Baidu's two ways to a token: an access key that signs (bce-auth-v1), and V1's client id and secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from .._exchange import Incoming

BEARER_PATH = "/v1/BCE-BEARER/token"
OAUTH_PATH = "/oauth/2.0/token"
_HEADER = re.compile(r"bce-auth-v1/([^/]+)/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/(\d{1,9})/([^/]*)/([0-9a-f]{64})")


def signature_fault(request: Incoming, access_key: str, secret_key: str) -> str:
    """What is wrong with the ``Authorization: bce-auth-v1/…`` of a request; "" if nothing is."""
    parts = _HEADER.fullmatch(request.headers.get("authorization", ""))
    if parts is None:
        return "the authorization must be bce-auth-v1/{key}/{time}/{seconds}/{headers}/{signature}"
    key, stamp, seconds, names, signature = parts.groups()
    if key != access_key:
        return "the access key does not exist"
    if request.headers.get("x-bce-date", stamp) != stamp:
        return "x-bce-date is not the time of the signature"
    try:
        at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return "the time of the signature is none"
    if not -300 <= request.now - at <= int(seconds):
        return "the signature is expired, or its time lies ahead"
    if "host" not in names.split(";"):
        return "the header host must be signed"
    prefix = f"bce-auth-v1/{key}/{stamp}/{seconds}"
    signing = hmac.new(secret_key.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    # Whoever keeps this server below a path of its own signs with it or, as Baidu's SDK does, without.
    for path in {request.path, request.signed_path}:
        text = _canonical(request, path, names.split(";"))
        if hmac.compare_digest(hmac.new(signing.encode(), text.encode(), hashlib.sha256).hexdigest(), signature):
            return ""
    return "the signature does not match"


def _canonical(request: Incoming, path: str, names: list[str]) -> str:
    query = "&".join(sorted(f"{_escape(name)}={_escape(value)}" for name, value in request.query.items()))
    headers = sorted(f"{name}:{_escape(request.headers.get(name, '').strip())}" for name in names)
    return "\n".join([request.method, quote(path, safe="/-_.~"), query, *headers])


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")


def bearer_reply(number: int, now: float, seconds: int) -> dict[str, str]:
    """A token that an access key buys, and how long it lasts."""
    start = datetime.fromtimestamp(now, timezone.utc)
    times = {"createTime": _stamp(start), "expireTime": _stamp(start + timedelta(seconds=seconds))}
    return {"userId": "test-user", "token": f"bce-v3/TOKEN-{number:08d}/made-up", "status": "enable", **times}


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def oauth_fault(query: Mapping[str, str], client_id: str, client_secret: str) -> dict[str, str] | None:
    """What V1 says to a client id or secret that it does not know."""
    if query.get("grant_type") != "client_credentials":
        return {"error": "unsupported_grant_type", "error_description": "The grant_type is not supported"}
    if query.get("client_id") != client_id:
        return {"error": "invalid_client", "error_description": "unknown client id"}
    if query.get("client_secret") != client_secret:
        return {"error": "invalid_client", "error_description": "Client authentication failed"}
    return None


def oauth_reply(number: int) -> dict[str, str | int]:
    """V1's token, for thirty days."""
    return {
        "access_token": f"24.made-up-{number:08d}.2592000",
        "expires_in": 2_592_000,
        "refresh_token": f"25.made-up-{number:08d}",
        "scope": "public ai_custom_all",
        "session_key": "",
        "session_secret": "",
    }
