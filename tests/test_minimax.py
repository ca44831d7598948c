"""What the played MiniMax cannot show: its own hosts, and a stream that is over and does not end."""

from __future__ import annotations

import time
from typing import Any

import pytest
from replies import MESSAGES, answer, piece
from server import Pause, Reply, ScriptedServer

from unionllm import unionchat
from unionllm._call import NativeBackend
from unionllm._protocols.openai_compatible import OpenAICompatible
from unionllm._routes import build_route
from unionllm.providers.minimax import adapter

_CN, _INTL, _OLD = "https://api.minimaxi.com", "https://api.minimax.io", "https://api.minimax.chat"
_PATH, _NATIVE = "/v1/chat/completions", "/v1/text/chatcompletion_v2"


def address(environ: dict[str, str], **given: Any) -> str:
    """Where a call would go."""
    call = {"provider": "minimax", "model": "MiniMax-M3", "messages": MESSAGES, "api_key": "k", **given}
    route = build_route(call, environ)
    assert isinstance(route.backend, NativeBackend)
    assert isinstance(route.backend.adapter, OpenAICompatible)
    return route.backend.adapter.url(route.chat)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, _CN + _PATH),
        ({"provider": "hailuo"}, _CN + _PATH),
        ({"provider": "MiniMax-CN"}, _CN + _PATH),
        ({"region": "intl"}, _INTL + _PATH),
        ({"region": "old"}, _OLD + _PATH),
        ({"base_url": _INTL}, _INTL + _PATH),
        ({"api_base": f"{_OLD}/v1"}, _OLD + _PATH),
        ({"base_url": _OLD + _NATIVE}, _OLD + _NATIVE),
        ({"endpoint_url": f"{_INTL}{_NATIVE}/"}, _INTL + _NATIVE),
        ({"endpoint_url": _OLD + _NATIVE, "extra_query": {"GroupId": "1"}}, f"{_OLD}{_NATIVE}?GroupId=1"),
        ({"base_url": "https://gateway.example"}, "https://gateway.example/chat/completions"),
    ],
)
def test_a_call_goes_where_it_is_told_to(given: dict[str, Any], url: str) -> None:
    assert address({}, **given) == url


def test_the_environment_may_name_a_host_alone() -> None:
    assert address({"MINIMAX_API_HOST": _INTL}) == _INTL + _PATH


@pytest.mark.parametrize(("region", "twin"), [("cn", "minimax.io"), ("old", "minimax.io"), ("intl", "minimaxi.com")])
def test_a_refused_key_is_told_the_platform_with_other_keys(region: str, twin: str) -> None:
    """The old host is the Chinese platform's too, and its keys are no strangers."""
    call = {"provider": "minimax", "region": region, "model": "MiniMax-M3", "messages": MESSAGES, "api_key": "k"}
    error = adapter.error(build_route(call, {}).chat, {"base_resp": {"status_code": 2049, "status_msg": "invalid"}})

    assert f"and of api.{twin} (" in str(error)


def test_a_stream_ends_with_its_summary_though_the_connection_stays_open(server: ScriptedServer) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    summary = answer(usage=usage)
    text = summary["choices"][0]["message"]["content"]
    server.reply(Reply(sse=[piece({"role": "assistant", "content": text}), piece({}, "stop"), summary, Pause(20)]))
    started = time.monotonic()

    stream = unionchat(
        "MiniMax-M3", MESSAGES, provider="minimax", api_key="k", base_url=server.url, stream=True, timeout=10
    )

    assert list(stream.text()) == [text]
    assert stream.response is not None
    assert stream.response.usage is not None
    assert stream.response.usage.total_tokens == 5
    assert time.monotonic() - started < 5
