"""Content parts that are no text: their kinds, where they lie, and fetching what a vendor takes as data only."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .._urls import place_of
from .._wire import Flow, HttpReply, HttpRequest
from ..exceptions import BadRequestError
from .base import JSONObject

if TYPE_CHECKING:
    from .._request import ChatRequest

#: What ``fetch_media`` fetches.
_MEDIA = ("image_url", "video_url")


def check_kind(part: JSONObject, where: str, vendor: str, kinds: Sequence[str]) -> JSONObject:
    """The part, if it is one of the kinds that a vendor takes beside text.

    Raises:
        BadRequestError: it is another one; the message names the known ones.
    """
    if part.get("type") not in kinds:
        known = f"{', '.join(('text', *kinds[:-1]))} and {kinds[-1]}"
        raise BadRequestError(f"{where}: {vendor} takes {known} parts, not {part.get('type')!r}.")
    return part


def url_of(part: JSONObject) -> str:
    """Where a part's content lies: a web address, a data URL, or a vendor's own."""
    media = part.get(str(part.get("type")))
    return str(media.get("url", "") if isinstance(media, dict) else media or "")


def with_url(part: JSONObject, url: str) -> JSONObject:
    """The part with its content elsewhere."""
    kind = str(part["type"])
    media = part.get(kind)
    return {**part, kind: {**media, "url": url} if isinstance(media, dict) else {"url": url}}


def is_web_address(url: str) -> bool:
    """Whether that could be fetched."""
    return url.startswith(("http://", "https://"))


def may_fetch(allowed: bool | frozenset[str], url: str) -> bool:
    """Whether the caller wants this address fetched.

    Args:
        allowed: what the caller said: yes to all addresses, or the hosts that media may come from.
    """
    if not is_web_address(url) or isinstance(allowed, bool):
        return bool(allowed) and is_web_address(url)
    # Nothing but a host and a port: where a user or a backslash stands, readers of URLs differ about the host.
    host = re.fullmatch(r"https?://([a-z0-9.-]+)(?::[0-9]+)?(?:[/?#].*)?", url, re.IGNORECASE | re.DOTALL)
    return host is not None and host[1].lower() in allowed


def fetch_media(chat: ChatRequest) -> Flow[ChatRequest]:
    """The call with its images and videos from the web put in as data; each address is fetched once.

    Nothing of the call goes along: no key, no header. A redirect is not followed, and what is larger than a body may be
    is given up.
    """
    fetched: dict[str, str] = {}
    for part in _media_parts(chat.messages):
        url = url_of(part)
        if may_fetch(chat.fetch_media, url) and url not in fetched:
            reply: HttpReply = yield HttpRequest(method="GET", url=url)
            fetched[url] = _data_url(url, reply)
    return chat.changed(messages=tuple(_inline(message, fetched) for message in chat.messages)) if fetched else chat


def _is_media(part: JSONObject) -> bool:
    return part.get("type") in _MEDIA


def _media_parts(messages: Iterable[JSONObject]) -> Iterable[JSONObject]:
    for message in messages:
        content = message.get("content")
        yield from filter(_is_media, content if isinstance(content, list) else ())


def _data_url(url: str, reply: HttpReply) -> str:
    if reply.status != 200 or not reply.content:
        raise BadRequestError(f"the media at {place_of(url)} could not be fetched (HTTP {reply.status}).")
    kind = reply.headers.get("content-type", "").partition(";")[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(reply.content).decode('ascii')}"


def _inline(message: JSONObject, fetched: dict[str, str]) -> JSONObject:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = [
        with_url(part, fetched[url_of(part)]) if _is_media(part) and url_of(part) in fetched else part
        for part in content
    ]
    return {**message, "content": parts}
