"""Forms, with files in them or without, written by httpx."""

from __future__ import annotations

from collections.abc import Mapping


def multipart(fields: Mapping[str, str], name: str, data: bytes, media_type: str) -> tuple[bytes, str]:
    """The body of a form with one file, and its content type.

    Args:
        fields: the other fields.
        name: of the file, which goes into the field ``file``.
        media_type: of the file.
    """
    import httpx

    request = httpx.Request("POST", "http://form", data=dict(fields), files={"file": (name, data, media_type)})
    return request.read(), request.headers["content-type"]


def multipart_fields(fields: Mapping[str, str]) -> tuple[bytes, str]:
    """The body of such a form without a file, and its content type."""
    import httpx

    files = {name: (None, value.encode()) for name, value in fields.items()}
    request = httpx.Request("POST", "http://form", files=files)
    return request.read(), request.headers["content-type"]
