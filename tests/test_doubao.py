"""What the played Ark cannot show: its own hosts, and which key and address belong to which."""

from __future__ import annotations

from typing import Any

import pytest
from replies import MESSAGES, answer
from server import ScriptedServer

from unionllm import AuthenticationError, unionchat
from unionllm._call import NativeBackend
from unionllm._protocols.openai_compatible import OpenAICompatible
from unionllm._routes import build_route

_CN, _INTL = "https://ark.cn-beijing.volces.com/api", "https://ark.ap-southeast.bytepluses.com/api"
_BOTH = {"ARK_API_KEY": "key-of-ark", "BYTEPLUS_API_KEY": "key-of-byteplus"}


def sent(environ: dict[str, str], **given: Any) -> tuple[str, str]:
    """The address and the key that a call would use."""
    route = build_route({"model": "ep-1", "messages": MESSAGES, **given}, environ)
    assert isinstance(route.backend, NativeBackend)
    adapter = route.backend.adapter
    assert isinstance(adapter, OpenAICompatible)
    return adapter.url(route.chat), route.chat.credentials["api_key"]


@pytest.mark.parametrize(
    ("given", "url", "key"),
    [
        ({"provider": "doubao"}, f"{_CN}/v3/chat/completions", "key-of-ark"),
        ({"provider": "Volcengine"}, f"{_CN}/v3/chat/completions", "key-of-ark"),
        ({"provider": "ark", "region": "coding"}, f"{_CN}/coding/v3/chat/completions", "key-of-ark"),
        ({"provider": "byteplus"}, f"{_INTL}/v3/chat/completions", "key-of-byteplus"),
        ({"provider": "modelark", "region": "coding-intl"}, f"{_INTL}/coding/v3/chat/completions", "key-of-byteplus"),
        ({"provider": "doubao", "base_url": f"{_INTL}/v3"}, f"{_INTL}/v3/chat/completions", "key-of-byteplus"),
        ({"provider": "byteplus", "api_key": "k"}, f"{_INTL}/v3/chat/completions", "k"),
        ({"provider": "doubao", "model": "bot-1"}, f"{_CN}/v3/bots/chat/completions", "key-of-ark"),
        (
            {"provider": "doubao", "model": "bot-1", "base_url": f"{_CN}/v3/bots/"},
            f"{_CN}/v3/bots/chat/completions",
            "key-of-ark",
        ),
    ],
)
def test_each_platform_has_its_address_and_its_key(given: dict[str, str], url: str, key: str) -> None:
    assert sent(_BOTH, **given) == (url, key)


def test_a_key_of_ark_serves_byteplus_when_there_is_no_other() -> None:
    assert sent({"ARK_API_KEY": "key-of-ark"}, provider="byteplus")[1] == "key-of-ark"


def test_a_key_of_byteplus_never_goes_to_ark() -> None:
    with pytest.raises(AuthenticationError, match="set ARK_API_KEY or VOLCENGINE_API_KEY") as refused:
        sent({"BYTEPLUS_API_KEY": "key-of-byteplus"}, provider="doubao")
    assert "BYTEPLUS_API_KEY" not in str(refused.value)
    with pytest.raises(AuthenticationError, match="set BYTEPLUS_API_KEY or ARK_API_KEY"):
        sent({}, provider="byteplus")


def test_a_refused_key_is_told_the_twin_once() -> None:
    from unionllm.providers.doubao import adapter

    chat = build_route({"provider": "doubao", "model": "ep-1", "messages": MESSAGES, "api_key": "k"}, {}).chat
    error = adapter.error(chat, {"error": {"code": "AuthenticationError", "message": "The API key is invalid."}})

    assert str(error).count("ark.ap-southeast.bytepluses.com") == 1
    assert "region='intl'" in str(error)


def test_a_bot_behind_a_gateway_is_asked_under_its_path(server: ScriptedServer) -> None:
    server.reply(json=answer())

    unionchat("bot-1", MESSAGES, provider="doubao", api_key="k", base_url=f"{server.url}/gateway")

    assert server.requests[0].path == "/gateway/bots/chat/completions"
