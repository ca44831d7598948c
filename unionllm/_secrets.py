"""What nobody should see, hidden from whoever prints it. Imports nothing, for every program does import it."""

from __future__ import annotations

#: Other spellings of the API key: ``app_key`` and ``apk_key`` stood in older documentation.
KEY_SPELLINGS = ("api_key", "app_key", "apk_key")

#: Arguments that are credentials somewhere. None of them ever travels in a body, whichever provider is called.
CREDENTIAL_NAMES = frozenset(
    {
        *KEY_SPELLINGS,
        "access_key",
        "access_token",
        "api_secret",
        "app_id",
        "app_secret",
        "client_id",
        "client_secret",
        "private_key",
        "secret_key",
        "token",
    }
)


class Secret(str):
    """A credential: a plain string to whoever uses it, ``'***'`` to whoever prints the dict that holds it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Headers(dict[str, str]):
    """Request headers. Their ``repr`` shows names only: values are keys and signatures."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(map(str, self))})"


class Query(Headers):
    """A query. Its ``repr`` shows names only, too: a value may be a signature."""
