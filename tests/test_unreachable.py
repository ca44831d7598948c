"""A vendor that may be gone: the error of a failed connection says so, for its own host alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from replies import MESSAGES
from server import ScriptedServer

from unionllm import APIConnectionError, aunionchat, unionchat

_CLOSED = "reported to be closing"
#: A port that nobody listens on.
_NOBODY = "http://127.0.0.1:1"


def call(**more: Any) -> dict[str, Any]:
    given = {"provider": "lingyi", "model": "yi-lightning", "messages": MESSAGES, "api_key": "k", "max_retries": 0}
    return {**given, **more}


@pytest.fixture
def through_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call to another machine goes to a proxy on this one, which does not run."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "all_proxy", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", _NOBODY)


@pytest.mark.usefixtures("through_nobody")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("region", ["cn", "intl"])
def test_a_vendor_said_to_be_closing_is_named_when_it_cannot_be_reached(region: str, stream: bool) -> None:
    with pytest.raises(APIConnectionError, match=_CLOSED) as caught:
        unionchat(**call(region=region, stream=stream))
    with pytest.raises(APIConnectionError, match=_CLOSED):
        asyncio.run(aunionchat(**call(region=region, stream=stream)))

    assert "base_url=" in str(caught.value)
    assert "零一万物" in str(caught.value)
    assert str(caught.value).startswith("lingyi: ")
    assert str(caught.value).count(_CLOSED) == 1


@pytest.mark.usefixtures("through_nobody")
def test_other_vendors_say_nothing_of_the_kind() -> None:
    with pytest.raises(APIConnectionError) as caught:
        unionchat(**call(provider="stepfun", model="step-3.7-flash"))

    assert "closing" not in str(caught.value)


def test_a_host_of_ones_own_is_not_said_to_be_closing() -> None:
    with pytest.raises(APIConnectionError) as caught:
        unionchat(**call(base_url=_NOBODY))

    assert "closing" not in str(caught.value)


def test_an_answer_of_any_kind_is_no_missing_connection(server: ScriptedServer) -> None:
    server.reply(status=529, body="")

    with pytest.raises(Exception, match="HTTP 529") as caught:
        unionchat(**call(base_url=server.url))

    assert "closing" not in str(caught.value)
