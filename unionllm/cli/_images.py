"""Images that the person names: a file is read and sent as a data URL, an address is passed on."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ._screen import CommandError

#: First bytes of a file → its type.
_TYPES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
#: No vendor takes more in one request.
_LARGEST = 20 * 1024 * 1024


def image_part(place: str) -> dict[str, Any]:
    """A part of a message's content for a file or an http(s) address.

    Raises:
        CommandError: no such file, or not an image.
    """
    if place.startswith(("http://", "https://", "data:")):
        return {"type": "image_url", "image_url": {"url": place}}
    try:
        content = Path(place).expanduser().read_bytes()
    except OSError as error:
        raise CommandError(f"the image {place!r} cannot be read: {error.strerror}.") from error
    kind = next((kind for start, kind in _TYPES if content.startswith(start)), None)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise CommandError(f"{place!r} is no PNG, JPEG, GIF, WebP or BMP image.")
    if len(content) > _LARGEST:
        raise CommandError(f"the image {place!r} has {len(content) / 2**20:.0f} MB; 20 MB is the most.")
    encoded = base64.b64encode(content).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{encoded}"}}


def user_message(text: str, images: list[str]) -> dict[str, Any]:
    """A message of the user's, with its images before the text."""
    if not images:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [*map(image_part, images), {"type": "text", "text": text}]}
