"""Where calls of vendors with several addresses go; read off the request, since no test may call those hosts."""

from __future__ import annotations

import os
import sys
import urllib.request
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import MESSAGES

from unionllm import AuthenticationError, providers
from unionllm._call import NativeBackend
from unionllm._protocols.openai_compatible import OpenAICompatible
from unionllm._routes import build_route
from unionllm._ways import PLAIN, Address, Ways, take_apart
from unionllm._wire import HttpReply

_STEP, _STEP_INTL = "https://api.stepfun.com", "https://api.stepfun.ai"
_BAICHUAN = "https://api.baichuan-ai.com/v1/chat/completions"


def route(environ: dict[str, str] | None = None, **given: Any) -> tuple[OpenAICompatible, Any]:
    made = build_route({"model": "m", "messages": MESSAGES, "api_key": "k", **given}, environ or {})
    assert isinstance(made.backend, NativeBackend)
    assert isinstance(made.backend.adapter, OpenAICompatible)
    return made.backend.adapter, made.chat


def url(environ: dict[str, str] | None = None, **given: Any) -> str:
    adapter, chat = route(environ, **given)
    return adapter.build_request(chat).url


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({"provider": "stepfun"}, f"{_STEP}/v1"),
        ({"provider": "Jieyue"}, f"{_STEP}/v1"),
        ({"provider": "stepfun-ai"}, f"{_STEP_INTL}/v1"),
        ({"provider": "stepfun", "region": "intl"}, f"{_STEP_INTL}/v1"),
        ({"provider": "stepfun-step-plan"}, f"{_STEP}/step_plan/v1"),
        ({"provider": "stepfun-ai-step-plan"}, f"{_STEP_INTL}/step_plan/v1"),
        ({"provider": "stepfun", "region": "plan-intl"}, f"{_STEP_INTL}/step_plan/v1"),
        ({"provider": "yi", "region": "intl"}, "https://api.01.ai/v1"),
        ({"provider": "zeroone"}, "https://api.lingyiwanwu.com/v1"),
    ],
)
def test_names_and_regions_choose_the_address(given: dict[str, str], base: str) -> None:
    assert url(**given) == f"{base}/chat/completions"


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        ("https://api.baichuan-ai.com", _BAICHUAN),
        ("https://api.baichuan-ai.com/", _BAICHUAN),
        ("https://api.baichuan-ai.com/v1", _BAICHUAN),
        ("https://api.baichuan-ai.com/v1/", _BAICHUAN),
        (_BAICHUAN, _BAICHUAN),
        ("https://gateway.example", "https://gateway.example/chat/completions"),
        ("https://gateway.example/bc/v1", "https://gateway.example/bc/v1/chat/completions"),
    ],
)
def test_baichuans_address_is_taken_in_every_form(base_url: str, wanted: str) -> None:
    assert url(provider="baichuan", base_url=base_url) == wanted
    assert url({"BAICHUAN_API_BASE": base_url}, provider="bc") == wanted


def test_a_refused_key_of_stepfun_names_both_hosts() -> None:
    """The vendor's own words are the same on both."""
    adapter, chat = route(provider="stepfun")
    body = b'{"error":{"message":"Incorrect API key provided","type":"invalid_api_key"}}'
    reply = HttpReply(status=401, headers={}, content=body, url=adapter.url(chat))

    with pytest.raises(AuthenticationError, match=r"api\.stepfun\.com refused the key.*api\.stepfun\.ai"):
        adapter.to_response(chat, reply)


_PARTS = st.lists(st.sampled_from(["", " ", "v1", "chat", "..", ".", "a.b", ".x", "~", "%2F", "%7e", "é", ":", "@"]))
_PLAIN_HOSTS = ["api.deepseek.com", "localhost", "127.0.0.1", "-", "xn--mnchen-3ya.de", "9.example"]
_ODD_HOSTS = [
    "10.0.0.1",
    "1.2.3",
    "[::1]",
    "API.host",
    "a_b.com",
    "münchen.de",
    "u:p@host",
    "a..b",
    "example.9",
    "host.",
]
_HOSTS = st.sampled_from([*_PLAIN_HOSTS, *_ODD_HOSTS])
_PORTS = st.sampled_from(["", ":80", ":443", ":8080", ":", ":0", ":080", ":65536"])
_SCHEMES = st.sampled_from(["http", "https", "HTTP", "ftp"])


@given(scheme=_SCHEMES, host=_HOSTS, port=_PORTS, parts=_PARTS, query=st.booleans())
def test_an_address_is_read_as_httpx_reads_it(scheme: str, host: str, port: str, parts: list[str], query: bool) -> None:
    """Plain ones are read by us, which must make no difference but in what it costs."""
    text = f"{scheme}://{host}{port}/{'/'.join(parts)}{'?sign=x%20y' if query else ''}"
    try:
        theirs = httpx.URL(text)
    except httpx.InvalidURL:
        with pytest.raises(httpx.InvalidURL):
            take_apart(text)
        return

    ours = take_apart(text)

    assert ours[:3] == (theirs.scheme, theirs.raw_host.decode(), theirs.port)
    assert ours[3:] == (theirs.netloc.decode(), theirs.raw_path.decode())


@pytest.mark.parametrize("system", ["darwin", "win32", "linux"])
def test_systems_with_settings_of_their_own_are_asked_for_a_proxy(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "else.where")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://127.0.0.1:9"})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host == "else.where")

    found = [Ways().proxy(Address(f"https://{host}")) for host in ("api.deepseek.com", "else.where")]

    assert found == [None if system == "linux" else "http://127.0.0.1:9", None]


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_a_variable_for_another_scheme_does_away_with_the_systems_proxy(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``getproxies`` asks the system only where the environment names no proxy at all."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "platform", system)
    settings = {"https": "http://127.0.0.1:9"}
    monkeypatch.setattr(urllib.request, "getproxies", lambda: urllib.request.getproxies_environment() or settings)
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda _: False)
    ways, address = Ways(), Address("https://api.deepseek.com")

    before = ways.proxy(address)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:8")
    between = ways.proxy(address)
    monkeypatch.delenv("HTTP_PROXY")

    assert (before, between, ways.proxy(address)) == ("http://127.0.0.1:9", None, "http://127.0.0.1:9")


@pytest.mark.parametrize("entry", [one["base_url"] for one in providers()])
def test_every_vendors_own_address_is_a_plain_one(entry: str) -> None:
    """So that no call to it has to load httpx."""
    assert not entry or "{" in entry or PLAIN.fullmatch(f"{entry.replace('wss:', 'https:')}/chat/completions")
