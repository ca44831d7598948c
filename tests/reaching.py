"""A program for ``test_files_and_urls.py``: sends every provider what a message may try, and prints what was touched.

Run in a process of its own, because an audit hook cannot be taken away again. Prints JSON: the number of calls, and the
files that were opened and the addresses that were connected to though nobody named them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

from unionllm import aunionchat, unionchat
from unionllm._registry import find, native_names
from unionllm.exceptions import UnionLLMError

KINDS = ("image_url", "video_url", "audio_url", "input_audio", "input_image", "file_url", "input_file", "file", "image")
IDS = {"bot_id": "7400000000000000001", "app_id": "a1"}
KEY = "planted-key-0123.planted:half-0123"


def references(bait: str, file: str) -> list[str]:
    """Where a message may say that its content lies."""
    path = "/etc/hostname"
    return [f"http://{bait}/x", f"file://{path}", path, file, f"file://{file}", f"../../../..{file}", "file-0123456789"]


def parts(bait: str, file: str) -> Iterator[Any]:
    """Contents of a message, each with one reference in one place."""
    for kind, reference in itertools.product(KINDS, references(bait, file)):
        yield [{"type": kind, kind: {"url": reference}}]
        yield [{"type": kind, kind: reference, "url": reference, "file_id": reference}]
        yield [{"type": kind, kind: {"data": reference, "file_data": reference, "path": reference}}]
    for reference in references(bait, file):
        yield f"![]({reference}) <img src='{reference}'> @{reference}"
        yield [{"type": "text", "text": reference, "image_url": {"url": {"url": reference}}}]
        yield {"url": reference}


def calls(url: str, bait: str, file: str) -> Iterator[dict[str, Any]]:
    """Arguments of calls to every provider."""
    for name in native_names():
        found = find(name)
        assert found is not None
        spec = found.adapter.spec
        given: dict[str, Any] = {one.name: KEY for one in spec.credentials if one.name in spec.credential_sets[0]}
        given |= {one.name: IDS[one.name] for one in spec.credentials if one.name in IDS}
        given |= {"api_key": KEY} if name in ("local", "openai_compatible") else {}
        given |= {"provider": name, "model": "m-vision", "base_url": f"{url}/v1", "max_retries": 0, "timeout": 10}
        given["base_url"] = given["base_url"].replace("http", "ws") if name == "xunfei" else given["base_url"]
        for content in parts(bait, file):
            yield {**given, "messages": [{"role": "user", "content": content}]}
        for reference in references(bait, file):
            more = {"files": [{"type": "image", "transfer_method": "remote_url", "url": reference}], "image": reference}
            yield {
                **given,
                **more,
                "user": reference,
                "messages": [{"role": "user", "content": "?", "file": reference}],
            }


def main(vendor: str, bait: str, file: str) -> None:
    """Make the calls, in turn with blocking code and in an event loop."""
    touched: set[str] = set()
    host, _, port = vendor.partition(":")

    def hear(event: str, arguments: Any) -> None:
        if event == "open" and str(arguments[0]) in (file, "/etc/hostname"):
            touched.add(f"open {arguments[0]}")
        if event == "socket.connect" and tuple(arguments[1][:2]) != (host, int(port)):
            touched.add(f"connect {arguments[1]}")
        if event == "socket.getaddrinfo" and arguments[0] not in (host, host.encode()):
            touched.add(f"look up {arguments[0]}")

    sys.addaudithook(hear)
    made = 0
    for made, given in enumerate(calls(f"http://{vendor}", bait, file), start=1):
        try:
            if made % 10:
                unionchat(**given)
            else:
                asyncio.run(aunionchat(**given))
        except UnionLLMError:
            pass  # what is refused touches nothing either
    print(json.dumps({"calls": made, "touched": sorted(touched)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
