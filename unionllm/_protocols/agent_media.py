"""Images and files in messages to agent platforms: what a part holds, whichever of the field's forms it has."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from ..exceptions import BadRequestError
from .base import JSONObject

#: Kinds of parts → what they show; None: the name of the file, or its type, tells.
_KINDS = {
    "image_url": "image",
    "input_image": "image",
    "video_url": "video",
    "audio_url": "audio",
    "input_audio": "audio",
    "file_url": None,
    "input_file": None,
    "file": None,
}
_DOCUMENTS = frozenset(
    {
        *("txt", "md", "markdown", "mdx", "pdf", "html", "htm", "epub", "xml", "json", "yaml", "yml", "log", "csv"),
        *("doc", "docx", "xls", "xlsx", "ppt", "pptx", "eml", "msg"),
    }
)
#: A text of fewer characters is no file in base64, but some other word.
_SHORTEST = 16
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """An image, or another file, of a message.

    Args:
        kind: image, document, audio, video or custom.
        url: where it lies on the web; "" if ``data`` holds it, or if the platform has it as ``file_id``.
    """

    kind: str
    name: str
    url: str = ""
    data: bytes | None = field(default=None, repr=False)
    media_type: str = "application/octet-stream"
    file_id: str = ""


def read_medium(part: JSONObject, where: str) -> Medium:
    """The medium in a content part.

    Raises:
        BadRequestError: the part is of no kind that holds one, or what it holds is neither a web address nor data.
    """
    kind = str(part.get("type"))
    if kind not in _KINDS:
        raise BadRequestError(f"{where} is of type {kind!r}. Beside text there are: {', '.join(_KINDS)}.")
    inner = part.get(kind)
    told: JSONObject = {**part, **inner} if isinstance(inner, dict) else {**part, "url": part.get("url") or inner}
    name = str(told.get("filename") or told.get("name") or "")
    if told.get("file_id"):
        shows = told.get("kind") or _KINDS[kind] or kind_of(name, "")
        return Medium(kind=shows, name=name, file_id=str(told["file_id"]))
    names = ("url", "file_url", "image_url", "file_data", "data")
    found = next((told[key] for key in names if told.get(key) and isinstance(told[key], str)), "")
    if found[:8].lower().startswith(("http://", "https://")):
        name = name or _name_of(found)
        return Medium(kind=_KINDS[kind] or kind_of(name, ""), name=name, url=found)
    media_type, data = _decoded(found, where)
    media_type = media_type or _guess(kind, told, name)
    shows = _KINDS[kind] or kind_of(name, media_type)
    return Medium(kind=shows, name=name or _made_name(shows, media_type), data=data, media_type=media_type)


def kind_of(name: str, media_type: str) -> str:
    """Image, document, audio, video or custom, by the name of a file or its media type."""
    guessed = media_type or mimetypes.guess_type(name)[0] or ""
    first, _, second = guessed.partition("/")
    if first in ("image", "audio", "video"):
        return first
    is_document = name.rpartition(".")[2].lower() in _DOCUMENTS or first == "text" or second in _DOCUMENTS
    return "document" if is_document else "custom"


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _made_name(kind: str, media_type: str) -> str:
    # Not every type has an ending in the standard table: audio/wav has none.
    subtype = media_type.partition("/")[2]
    ending = mimetypes.guess_extension(media_type) or (f".{subtype}" if subtype.isalnum() else "")
    return f"{kind}{ending}"


def _guess(kind: str, told: JSONObject, name: str) -> str:
    """The media type of data that does not tell its own."""
    form = told.get("format")
    if kind == "input_audio" and isinstance(form, str) and _MEDIA_TYPE.fullmatch(f"audio/{form}"):
        return f"audio/{form}"
    usual = "image/png" if _KINDS[kind] == "image" else "application/octet-stream"
    return mimetypes.guess_type(name)[0] or usual


def _decoded(text: str, where: str) -> tuple[str, bytes]:
    """Media type ("" if it does not say) and content of a data URL, or of bare base64."""
    if text.startswith("data:") and "," in text:
        head, _, body = text[5:].partition(",")
        media_type = head.partition(";")[0]
        if media_type and not _MEDIA_TYPE.fullmatch(media_type):
            raise _no_medium(where)
        if head.lower().endswith(";base64"):
            return media_type, _from_base64(unquote(body), where)
        return media_type, unquote_to_bytes(body)
    # A path may be made of the letters of base64; but of files that are sent so, only a JPEG begins like one.
    if len(text) < _SHORTEST or (text.startswith("/") and not text.startswith("/9j/")):
        raise _no_medium(where)
    return "", _from_base64(text, where)


def _from_base64(text: str, where: str) -> bytes:
    try:
        found = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise _no_medium(where)
    return found


def _no_medium(where: str) -> BadRequestError:
    return BadRequestError(
        f"{where} holds neither a web address (https://…) nor data (data:image/png;base64,…). The path of a file is "
        "never opened: read the file, and pass its content as a data URL."
    )


def media_of(message: JSONObject, where: str) -> list[Medium]:
    """The media in a message, in order."""
    content = message.get("content")
    parts: list[Any] = content if isinstance(content, list) else []
    return [
        read_medium(part, f"{where}.content[{place}]") for place, part in enumerate(parts) if part.get("type") != "text"
    ]
