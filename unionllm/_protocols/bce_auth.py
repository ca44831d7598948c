"""Baidu's cloud signature (bce-auth-v1), and the bearer token that a signed request buys.

Follows https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb (read 2026-11-23); judged by Baidu's own signer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .._secrets import Headers, Secret
from .._urls import host_of
from .._wire import HttpRequest
from .tokens import Token

#: Where tokens are sold.
IAM = "https://iam.bj.baidubce.com"

#: Seconds that a token is asked for, and that a signature is good for.
_TOKEN_LIFE, _SIGNATURE_LIFE = 43_200, 300


def sign(
    access_key: str,
    secret_key: str,
    *,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    now: float,
    seconds: int = _SIGNATURE_LIFE,
) -> str:
    """The ``Authorization`` header of a request.

    Args:
        headers: all that are to be signed, ``host`` among them.
        now: Unix time in seconds; a header ``x-bce-date`` must tell the same.
        seconds: how long the signature is good.
    """
    prefix = f"bce-auth-v1/{access_key}/{stamp(now)}/{seconds}"
    named = sorted((name.lower(), _escape(value.strip())) for name, value in headers.items())
    text = "\n".join(
        (
            method,
            quote(path, safe="/-_.~"),
            "&".join(sorted(f"{_escape(name)}={_escape(value)}" for name, value in query.items())),
            *(f"{name}:{value}" for name, value in named),
        )
    )
    # The key of the second round is the first one's text, not its bytes.
    signature = _hmac(_hmac(secret_key, prefix), text)
    return f"{prefix}/{';'.join(name for name, _ in named)}/{signature}"


def stamp(now: float) -> str:
    """A time as Baidu writes it."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")


def _hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def token_request(iam: str, access_key: str, secret_key: str, *, now: float, secrets: tuple[str, ...]) -> HttpRequest:
    """The signed request that buys a token.

    Args:
        iam: base URL of the seller.
        now: Unix time in seconds.
        secrets: values that must not be logged.
    """
    url = f"{iam}/v1/BCE-BEARER/token"
    query = {"expireInSeconds": str(_TOKEN_LIFE)}
    signed = {"host": host_of(url), "x-bce-date": stamp(now)}
    authorization = sign(
        access_key, secret_key, method="GET", path=urlsplit(url).path, query=query, headers=signed, now=now
    )
    headers = Headers({**signed, "authorization": authorization, "accept": "application/json"})
    return HttpRequest(
        method="GET",
        url=f"{url}?{urlencode(query)}",
        headers=headers,
        secrets=(*secrets, authorization),
        hides_reply=True,
    )


def read_token(data: Any, now: float) -> Token | None:
    """The token in a reply; None if there is none."""
    value = data.get("token") if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        return None
    try:
        # "Z" is understood from Python 3.11 on.
        ends = datetime.fromisoformat(str(data.get("expireTime")).replace("Z", "+00:00"))
    except ValueError:
        return Token(value=Secret(value), ends=now + _TOKEN_LIFE)
    return Token(value=Secret(value), ends=(ends if ends.tzinfo else ends.replace(tzinfo=timezone.utc)).timestamp())
