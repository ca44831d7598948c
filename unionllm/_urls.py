"""Parts of URLs that may be told to people."""

from __future__ import annotations

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """Host and port, without the user and password that may stand before them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def place_of(url: str) -> str:
    """The URL without user, password and query: the latter may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
