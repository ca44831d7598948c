"""What the code of some pages must do, those about agent platforms and security: ``test_docs.py`` has no room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server import Recorded, Reply
from vendors_on_loopback import TEXT

_ASSISTANT = "/api/v1/openai/c0ffee00c0ffee00c0ffee00c0ffee00/chat/completions"


def runs(run: Callable[..., Any]) -> dict[str, list[list[Any]]]:
    """Page → its blocks → their runs, made by ``run``."""
    asked = ("zhipuai", {"model": "glm-5.2"})
    referenced = {"model": "ragflow", "extra_body": {"reference": True}}
    return {
        "docs/security": [
            [run(prints=("***",), sends=(asked,), answer=repeats_the_key)],
            [run(prints=(TEXT,), sends=(asked,))],
            [run(prints=("169.254.169.254 is none of the hosts that fetch_media= names",), sends=())],
        ],
        "docs/providers/ragflow": [[run(prints=(TEXT,), sends=(("ragflow", referenced),), path=_ASSISTANT)]],
    }


def repeats_the_key(request: Recorded) -> Reply:
    """Refuses a call in Zhipu's words: for the page about security."""
    told = {"message": f"no such key: {request.headers['authorization']}", "code": "1000"}
    return Reply(status=401, json={"error": told})
