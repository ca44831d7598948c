"""Where requests go, and through which proxy: addresses are taken apart once, and proxies looked for once.

httpx knows how to read an address, and ``urllib.request`` where systems keep their proxies. Importing the two takes
about 70 ms, which a program's first call would wait for. So they are asked only where there is something to ask.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import httpcore

from ._proxies import LOOPBACK, proxy_for
from ._secrets import Secret

#: How many addresses are remembered, and how many answers to which proxy is theirs.
_KNOWN = 64

#: Whether it is secure → the variables that say what the proxy for an address is.
_PROXY_VARIABLES = tuple(
    tuple(case(f"{name}_proxy") for name in (scheme, "all", "no") for case in (str.lower, str.upper))
    for scheme in ("http", "https")
)
_ALL_VARIABLES = tuple(dict.fromkeys((*_PROXY_VARIABLES[0], *_PROXY_VARIABLES[1])))

#: An address in which there is nothing to normalise or to encode. Of others httpx knows how they are read.
PLAIN = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*|127\.0\.0\.1)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/(?!\.)[A-Za-z0-9._~-]*)*)",
    re.ASCII,
)

_PORTS = {"https": "443", "http": "80"}


class Address:
    """A URL, checked and taken apart once. It shows nothing of itself: it may be signed."""

    __slots__ = ("host", "is_here", "is_secure", "parsed", "target", "text")

    def __init__(self, url: str) -> None:
        scheme, host, port, place, target = take_apart(url)
        self.is_secure = scheme == "https"
        #: Whether it is on this machine, where no proxy leads to.
        self.is_here = host.strip("[]") in LOOPBACK
        self.host = place
        self.text = Secret(f"{scheme}://{place}{target}")
        #: As the asynchronous connections want it, once they have asked.
        self.parsed: Any = None
        self.target = httpcore.URL(scheme=scheme, host=host, port=port, target=target)


def take_apart(url: str) -> tuple[str, str, int | None, str, str]:
    """Scheme, host, port unless it is the scheme's own, host with port, and path with query."""
    plain = PLAIN.fullmatch(url)
    if plain is not None:
        scheme, host, port, path = plain.group("scheme", "host", "port", "path")
        number = None if port in (None, _PORTS[scheme]) else int(port)
        return scheme, host, number, host if number is None else f"{host}:{port}", path or "/"
    import httpx

    odd = httpx.URL(url)
    return (
        odd.scheme,
        odd.raw_host.decode("ascii"),
        odd.port,
        odd.netloc.decode("ascii"),
        odd.raw_path.decode("ascii"),
    )


class Ways:
    """Where requests of one owner go, and through which proxy; both are found out once."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._proxies: dict[tuple[str | None, ...], str | None] = {}

    def address(self, url: str) -> Address:
        """The address of a request."""
        found = self._addresses.get(url)
        if found is None:
            found = Address(url)
            # A query may be a signature, which comes once.
            if "?" not in url:
                self._addresses = {**self._addresses, url: found} if len(self._addresses) < _KNOWN else {url: found}
        return found

    def proxy(self, address: Address) -> str | None:
        """The proxy for it, as the environment says now, or the system's settings said first."""
        if address.is_here:
            return None
        # A proxy may be named with its password, which no traceback is to show.
        # Where systems have settings, a variable for any scheme does away with them all.
        variables = _ALL_VARIABLES if sys.platform in ("darwin", "win32") else _PROXY_VARIABLES[address.is_secure]
        named = [value and Secret(value) for value in map(os.environ.get, variables)]
        seen = (address.host, str(address.is_secure), *named)
        known = self._proxies
        if seen in known:
            return known[seen]
        found = _system_proxy(address.text)
        found = None if found is None else Secret(found)
        # Not emptied: other threads may be reading.
        self._proxies = {**known, seen: found} if len(known) < _KNOWN else {seen: found}
        return found


def _system_proxy(url: str) -> str | None:
    """The proxy for a URL, as the environment says, or the settings of macOS or Windows."""
    # Without such a variable, only these two systems have anything to look for.
    named = [name for name in map(str.lower, os.environ) if name.endswith("_proxy") and name != "no_proxy"]
    if not named and sys.platform not in ("darwin", "win32"):
        return None
    import urllib.request

    proxies = urllib.request.getproxies()
    return proxy_for(url, proxies, lambda host: bool(urllib.request.proxy_bypass(host)))
