"""Which proxy a URL goes through, from the environment. Pure: the environment is an input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from .exceptions import APIConnectionError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def proxy_for(url: str, proxies: Mapping[str, str], bypass: Callable[[str], bool]) -> str | None:
    """The proxy URL for a request, or None to connect directly.

    Args:
        url: where the request goes. A loopback address never goes through a proxy: it would be the proxy's own.
        proxies: scheme → proxy, as ``urllib.request.getproxies()`` gives it; ``all`` counts for every scheme.
        bypass: whether a host is excluded (``NO_PROXY``).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or host in LOOPBACK or bypass(host):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    # Several desktop proxy programs write socks://, which no HTTP library knows; they mean SOCKS 5 with names resolved
    # at the proxy.
    return "socks5h://" + proxy[len("socks://") :] if proxy.startswith("socks://") else proxy


def missing_socks_extra(proxy: str) -> APIConnectionError:
    """The error for a SOCKS proxy without the package that speaks SOCKS."""
    scheme = urlsplit(proxy).scheme
    return APIConnectionError(
        f"the environment sends this call through a {scheme} proxy (ALL_PROXY or HTTPS_PROXY), and the package that "
        "speaks SOCKS is not installed. Run: pip install 'unionllm[socks]' — or name the host in NO_PROXY.",
        retryable=False,
    )
