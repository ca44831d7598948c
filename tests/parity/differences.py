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
    "qianfan-wenxin": {
        "extra_parameters.request_source": "the SDK tells its name and version; the page asks for nothing like it",
        "stream": "the SDK says false where we leave it out",
        "messages[2].content": "V1 wants the result of a function as JSON; its SDK hands on what it is given",
    },
    "openai-zhipuai": {
        "messages[0].content[1].image_url.url": "Zhipu takes bare base64, as its own SDK sends it; a data URL is"
        " documented for some of its models only",
    },
}


#: Words for the end of an answer that an SDK hands on as the vendor says them → OpenAI's.
FINISH_WORDS: Mapping[str, str] = {"normal": "stop"}


def accepted(pair: str) -> set[str]:
    """The members that may differ between this client and ours."""
    return {member for start, members in ACCEPTED.items() if pair.startswith(start) for member in members}


def head(request: Received) -> dict[str, Any]:
    """What has to be the same besides the body: where it goes, and how it is authorised."""
    return {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "authorization": request.headers.get("authorization"),
        "type": request.headers.get("content-type", "").partition(";")[0],
    }


def differing(theirs: Received, ours: Received) -> set[str]:
    """The members of the body that differ."""
    left, right = dict(_flat(json.loads(theirs.body))), dict(_flat(json.loads(ours.body)))
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
