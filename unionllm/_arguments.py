"""What callers give, with what nobody should see hidden, before anything else is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._secrets import CREDENTIAL_NAMES, Headers, Query, Secret

_ADDRESSES = frozenset({"api_base", "base_url", "endpoint_url"})
#: Arguments of which only the names in them are shown.
_SHOWN_AS_NAMES = {"extra_headers": Headers, "extra_query": Query}
#: All arguments that are not shown, or not as they are, beside those in upper case.
_HIDDEN = CREDENTIAL_NAMES | _ADDRESSES | _SHOWN_AS_NAMES.keys()


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
        if name not in _HIDDEN and not name.isupper():
            continue
        if name in _SHOWN_AS_NAMES:
            if isinstance(value, Mapping):
                kept = {each: Secret(text) if isinstance(text, str) else text for each, text in value.items()}
                hidden[name] = _SHOWN_AS_NAMES[name](kept)
        # An address may hold a password, before an @, or a signature, behind a question mark.
        elif isinstance(value, str) and (name not in _ADDRESSES or "@" in value or "?" in value):
            hidden[name] = Secret(value)
    return hidden
