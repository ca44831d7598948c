"""Tokens that other credentials buy and that last for hours: kept until shortly before their end, bought by one call
however many want one at the same time.

There is neither a lock nor an event: calls wait for each other by ``Wait`` steps, which every driver performs in its
own way. So threads and event loops share one token, no loop is ever blocked, and nobody waits for a thread that a fork
has left behind.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from .._fork import process_id
from .._secrets import Secret
from .._wire import Flow, Wait
from ..exceptions import APIError

#: Seconds between two looks at whether another call has bought the token.
_LOOK_AGAIN = 0.02
#: Seconds after which the other call is given up: whoever left it behind did not even close it.
_LONGEST = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token; ``ends`` in Unix seconds."""

    value: Secret = field(repr=False)
    ends: float


class _Purchase:
    """A call that is buying a token, and how that failed; whoever waits for it fails alike."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: APIError | None = None


class TokenCache:
    """The tokens of one vendor's accounts.

    Args:
        early: seconds before its end at which a token is replaced.
    """

    def __init__(self, *, early: float) -> None:
        self._early = early
        self._tokens: dict[str, Token] = {}
        self._purchases: dict[tuple[int, str], _Purchase] = {}

    def get(self, key: str, now: float, buy: Callable[[], Flow[Token]]) -> Flow[Secret]:
        """The token of an account, bought if there is none or if it ends soon.

        Args:
            key: whose token it is; made by ``account_key``.
            now: Unix time in seconds.
            buy: the flow that buys one. Its error is everybody's who waits for it.
        """
        place = (process_id(), key)
        waited = 0.0
        while True:
            token = self._tokens.get(key)
            if token is not None and self._is_fresh(token, now):
                return token.value
            # Of all that come here at once, setdefault lets one through.
            purchase = self._purchases.setdefault(place, own := _Purchase())
            if purchase is own:
                return (yield from self._buy(place, own, now, buy))
            if token is not None and now < token.ends:
                return token.value  # it still holds while another call buys the next
            if waited >= _LONGEST:
                waited = 0.0
                self._leave(place, purchase)
                continue
            yield Wait(seconds=_LOOK_AGAIN)
            waited += _LOOK_AGAIN
            if purchase.error is not None:
                raise copy.copy(purchase.error)

    def forget(self, key: str, value: str) -> None:
        """The vendor refuses that token, though it should still hold. One bought since then is kept."""
        token = self._tokens.get(key)
        if token is not None and token.value == value:
            self._tokens.pop(key, None)

    def _is_fresh(self, token: Token, now: float) -> bool:
        return now < token.ends - self._early

    def _buy(
        self, place: tuple[int, str], purchase: _Purchase, now: float, buy: Callable[[], Flow[Token]]
    ) -> Flow[Secret]:
        key = place[1]
        try:
            token = self._tokens.get(key)
            # It may have been bought between our look at the tokens and our turn.
            if token is None or not self._is_fresh(token, now):
                token = yield from buy()
                self._keep(key, token, now)
            return token.value
        except APIError as error:
            old = self._tokens.get(key)
            if old is not None and now < old.ends:
                return old.value
            # A copy has no traceback, which would hold the frames of this call, and with them its credentials.
            purchase.error = copy.copy(error)
            raise
        finally:
            self._leave(place, purchase)

    def _keep(self, key: str, token: Token, now: float) -> None:
        for known, old in list(self._tokens.items()):
            if old.ends <= now:
                self._tokens.pop(known, None)
        self._tokens[key] = token

    def _leave(self, place: tuple[int, str], purchase: _Purchase) -> None:
        if self._purchases.get(place) is purchase:
            self._purchases.pop(place, None)


def account_key(*parts: str) -> str:
    """A name for an account: where tokens are bought, and every credential that it takes.

    All of them, or whoever knows the name of a key without its secret could use the token that another has bought. As a
    digest, so that the table holds no secret but the tokens.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()
