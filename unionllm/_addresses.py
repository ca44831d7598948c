"""Base URLs as callers give them, checked."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from ._secrets import Secret
from .exceptions import BadRequestError


def clean_base_url(value: str, name: str, schemes: Sequence[str] = ("https", "http")) -> str:
    """The part of a URL before the path of the call, its scheme in lower case: RFC 3986 makes no difference, others do.

    Raises:
        BadRequestError: it has no scheme or no host.
    """
    value = Secret(value.strip())
    # A password may stand in it, or a signature: such a one is kept nowhere.
    clean = _clean if "@" in value or "?" in value else _clean_once
    return clean(value, name, tuple(schemes))


def _clean(value: str, name: str, schemes: tuple[str, ...]) -> str:
    problem = _problem(value, name, schemes)
    if problem:
        raise BadRequestError(problem)
    parts = urlsplit(value)
    url = f"{parts.scheme}:{value.partition(':')[2]}".rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return Secret(url) if parts.password else url


_clean_once = functools.lru_cache(maxsize=64)(_clean)


def _problem(url: str, name: str, schemes: Sequence[str]) -> str:
    """What is wrong with an address, or ""; told without the secrets that may stand in it."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        has_query = bool(parts.query)
    except ValueError:  # brackets without an end, a port that is no number
        is_address = has_query = False
    if not is_address:
        shown = re.sub(r"//[^/]*@", "//***@", url.partition("?")[0])
        return f"{name}={shown!r} is no address: write it with its scheme, such as {schemes[0]}://{shown or 'host/v1'}."
    told = f"{name} has a query: pass what stands after its question mark as extra_query={{…}}."
    return told if has_query else ""
