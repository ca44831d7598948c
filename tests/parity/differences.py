"""Where our request may differ from the official client's, each with its reason. Whatever is not here must be equal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from unionllm.testing import Received

#: Pair's beginning → member of the body → why.
ACCEPTED: Mapping[str, Mapping[str, str]] = {
    "zhipuai-zhipuai": {
        "response_format": "the SDK sends null for what was not given; we leave it out",
        "thinking": "the SDK sends null for what was not given; we leave it out",
    },
    "openai-zhipuai": {
        "messages[0].content[1].image_url.url": "Zhipu takes bare base64, as its own SDK sends it; a data URL is"
        " documented for some of its models only",
    },
    "openai-xunfei_http": {
        "messages[1].reasoning_content": "the vendor's page knows no thoughts in a history; we leave them out",
    },
    "sparkai-xunfei": {
        "header.uid": "the SDK always sends the same made-up user; we send the caller's",
        "parameter.chat.temperature": "the SDK sends a default of its own; we leave it to the vendor",
        "parameter.chat.top_k": "the SDK sends a default of its own; we leave it to the vendor",
        "parameter.chat.max_tokens": "the SDK sends a default of its own; we leave it to the vendor",
    },
}


def accepted(pair: str) -> set[str]:
    """The members that may differ between this client and ours."""
    return {member for start, members in ACCEPTED.items() if pair.startswith(start) for member in members}


def head(request: Received) -> dict[str, Any]:
    """What has to be the same besides the body: where it goes, and how it is authorised."""
    return {
        "method": request.method,
        "path": request.path,
        # A signed URL has the date of its moment; the server has checked it.
        "query": {name: value for name, value in request.query.items() if name != "date"},
        "authorization": request.headers.get("authorization"),
        "type": request.headers.get("content-type", "").partition(";")[0],
    }


def differing(theirs: Received, ours: Received) -> set[str]:
    """The members of the body that differ."""
    # A WebSocket refused in its handshake has had no body yet.
    left, right = (dict(_flat(json.loads(request.body or b"null"))) for request in (theirs, ours))
    missing = object()
    return {name for name in left.keys() | right.keys() if left.get(name, missing) != right.get(name, missing)}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{place}[{number}]")
    else:
        yield place, value
