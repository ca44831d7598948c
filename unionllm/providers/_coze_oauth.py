"""Tokens of an OAuth app of Coze's: a JWT, signed with the app's RSA key, buys one for an hour.

Follows https://docs.coze.com/developer_guides/oauth_jwt (read 2026-11-23).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._protocols.base import JSONObject
from .._protocols.json_http import JSONVendor, encode_body
from .._protocols.tokens import Token, TokenCache, account_key
from .._secrets import Secret
from .._wire import Flow, HttpRequest
from ..exceptions import AuthenticationError, ProviderError

if TYPE_CHECKING:
    from .._request import ChatRequest

_PATH = "/api/permission/oauth2/token"
#: Credentials of an app, all of which it takes.
CREDENTIALS = ("client_id", "private_key", "public_key_id")
#: Seconds for which a token is asked, and for which the JWT holds that buys it.
_TOKEN_SECONDS, _JWT_SECONDS = 3600, 600
#: A time is one after 2001; a smaller number would be a duration.
_LEAST_TIME = 1_000_000_000
#: Not even a time in milliseconds is as large.
_NO_TIME = 1e13


class AppTokens:
    """The tokens of all apps that call."""

    def __init__(self, vendor: JSONVendor) -> None:
        self._vendor = vendor
        self._tokens = TokenCache(early=300)

    def sign_in(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """The call with a token for its key, where it is an app that calls."""
        if not _is_app(chat):
            return chat
        token = yield from self._tokens.get(_account(chat), chat.now, lambda: self._buy(chat))
        return chat.changed(credentials={**chat.credentials, "api_key": token})

    def give_up(self, chat: ChatRequest) -> bool:
        """Forget the token of a call, which was refused; False if it has none."""
        if _is_app(chat):
            self._tokens.forget(_account(chat), chat.credentials["api_key"])
        return _is_app(chat)

    def _buy(self, chat: ChatRequest) -> Flow[Token]:
        name = chat.params.get("session_name")
        jwt = signed(chat.credentials, chat.base_url, now=chat.now, number=chat.make_id(), session_name=name)
        # With the JWT for its key, the call hides it wherever it may come back.
        buyer = chat.changed(stream=False, credentials={**chat.credentials, "api_key": jwt})
        order = {"duration_seconds": _TOKEN_SECONDS, "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
        reply = yield HttpRequest(
            url=f"{chat.base_url}{_PATH}",
            headers=self._vendor.headers(buyer),
            content=encode_body(self._vendor.spec, order),
            secrets=buyer.secrets,
            hides_reply=True,
        )
        token = read_token(self._vendor.read_json(buyer, reply), chat.now)
        if token is None:
            raise self._vendor.unreadable(buyer, "the reply holds no token", "", reply.status)
        return token


def _is_app(chat: ChatRequest) -> bool:
    return "private_key" in chat.credentials


def _account(chat: ChatRequest) -> str:
    given = [chat.credentials[name] for name in CREDENTIALS]
    return account_key(chat.base_url, *given, str(chat.params.get("session_name") or ""))


def signed(
    credentials: Mapping[str, str], base_url: str, *, now: float, number: str, session_name: str | None = None
) -> Secret:
    """The JWT that says who is buying.

    Args:
        credentials: of the app; line breaks of the key may be written as backslash and n, as in a .env file.
        base_url: where the token is bought; its host is the audience.
        now: Unix time in seconds.
        number: what tells this JWT from all others.
        session_name: keeps the end users of one app apart.

    Raises:
        ProviderError: the package that signs is not installed.
        AuthenticationError: the key is none.
    """
    try:
        import jwt
        from cryptography.exceptions import UnsupportedAlgorithm
    except ImportError:
        raise ProviderError(
            'coze: signing with private_key takes packages that are not installed. Run: pip install "unionllm[coze]"'
        ) from None
    claims: dict[str, Any] = {
        "iss": str(credentials["client_id"]),
        "aud": urlsplit(base_url).netloc,
        "iat": int(now),
        "exp": int(now) + _JWT_SECONDS,
        "jti": number,
        **({"session_name": session_name} if session_name else {}),
    }
    key = str(credentials["private_key"]).replace("\\n", "\n")
    made = ""
    # What goes wrong is raised below, where nothing leads back to frames that hold the key.
    with contextlib.suppress(AttributeError, TypeError, ValueError, UnsupportedAlgorithm, jwt.PyJWTError):
        made = jwt.encode(claims, key, algorithm="RS256", headers={"kid": str(credentials["public_key_id"])})
    if not made:
        raise AuthenticationError(
            "coze: private_key is no RSA private key in PEM (-----BEGIN PRIVATE KEY----- and what follows it). Pass "
            "the content of the .pem file that the platform gave out with the app, not its path. "
            "请传入 .pem 私钥文件的内容，而不是路径。"
        )
    return Secret(made)


def read_token(data: JSONObject, now: float) -> Token | None:
    """The token in a reply, or None if there is none."""
    value, ends = data.get("access_token"), data.get("expires_in")
    value = value.strip() if isinstance(value, str) else ""
    if not value or not value.isascii() or not value.isprintable():
        return None  # no header can carry it
    if not isinstance(ends, (int, float)) or isinstance(ends, bool) or not 0 < ends < _NO_TIME:
        ends = _TOKEN_SECONDS
    return Token(value=Secret(value), ends=float(ends) if ends >= _LEAST_TIME else now + ends)
