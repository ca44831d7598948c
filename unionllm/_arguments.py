"""What callers give, with what nobody should see hidden, before anything else is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._secrets import CREDENTIAL_NAMES, Headers, Query, Secret

_ADDRESSES = frozenset({"api_base", "base_url", "endpoint_url"})
#: Characters before which a user and a password stand in an address, and behind which a query does.
_MAY_HIDE = frozenset("@?")


def arguments(model: Any, messages: Any, provider: Any, stream: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call in one dict, credentials hidden from whoever prints it."""
    given = _hide_keys(params)
    given |= {"model": model, "messages": messages, "provider": provider, "stream": stream}
    fallbacks = given.get("fallbacks")
    if isinstance(fallbacks, (list, tuple)):
        given["fallbacks"] = [_hide_keys(each) if isinstance(each, Mapping) else each for each in fallbacks]
    return given


def _hide_keys(params: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with keys that do not show in a traceback that prints local variables."""
    hidden = dict(params)
    for name, value in params.items():
        if isinstance(value, str):
            # An address may hold a password, or a signature.
            if name in CREDENTIAL_NAMES or name.isupper() or (name in _ADDRESSES and _MAY_HIDE & set(value)):
                hidden[name] = Secret(value)
        elif name in ("extra_headers", "extra_query") and isinstance(value, Mapping):
            kept = {each: Secret(text) if isinstance(text, str) else text for each, text in value.items()}
            hidden[name] = Headers(kept) if name == "extra_headers" else Query(kept)
    return hidden
