"""TLS is always verified, by the authorities that the user names; proxies carry calls and learn nothing of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from replies import KEY
from test_secrets_of_vendors import told
from tunnels import HOST, Authority, Proxy, SocksProxy, tls_vendor

from unionllm import APIConnectionError, UnionLLM, aunionchat
from unionllm._network import _tls

pytest.importorskip("cryptography", reason="the extra coze is not installed")

PASSWORD = "planted-password-of-a-proxy"
CALL = {"provider": "deepseek", "model": "m", "messages": [{"role": "user", "content": "x"}], "api_key": KEY}


def ask_sync(base_url: str, **more: Any) -> str:
    with UnionLLM(**CALL, base_url=base_url, max_retries=0, timeout=20, **more) as client:
        texts = list(client.completion(stream=True).text())
        return f"{client.completion().choices[0].message.content}{''.join(texts)}"


def ask_async(base_url: str, **more: Any) -> str:
    async def ask() -> str:
        async with UnionLLM(**CALL, base_url=base_url, max_retries=0, timeout=20, **more) as client:
            texts = [text async for text in (await client.acompletion(stream=True)).text()]
            return f"{(await client.acompletion()).choices[0].message.content}{''.join(texts)}"

    return asyncio.run(ask())


Ask = Callable[..., str]
both = pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy and no authority but what a test sets; certificates are read once a process."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("SSL_CERT")]:
        monkeypatch.delenv(name)
    _tls.cache_clear()
    yield
    _tls.cache_clear()


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the authority, as in a company's network."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.file)


@pytest.fixture
def vendor(authority: Authority) -> Iterator[Any]:
    with tls_vendor(authority.issue("vendor")) as running:
        yield running


# TLS.


@both
def test_a_certificate_of_nobody_known_is_refused_before_the_key_is_sent(vendor: Any, ask: Ask) -> None:
    with pytest.raises(APIConnectionError, match=r"no trusted TLS connection.*SSL_CERT_FILE") as caught:
        ask(f"https://127.0.0.1:{vendor.port}")

    assert not caught.value.retryable
    assert vendor.seen == []


@both
@pytest.mark.usefixtures("trusted")
def test_an_authority_of_the_users_own_is_trusted(vendor: Any, ask: Ask) -> None:
    assert ask(f"https://127.0.0.1:{vendor.port}") == "你好你好"
    assert {headers["authorization"] for headers in vendor.seen} == {f"Bearer {KEY}"}


@both
@pytest.mark.skipif(shutil.which("openssl") is None, reason="names of such files are what openssl rehash makes of them")
def test_a_folder_of_authorities_is_trusted(
    authority: Authority, vendor: Any, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(authority.file, tmp_path / "ours.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], capture_output=True, check=True)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert ask(f"https://127.0.0.1:{vendor.port}") == "你好你好"


@both
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("flaw", [{"host": "another.test"}, {"days": -1}], ids=["another host's", "expired"])
def test_a_certificate_with_a_flaw_is_refused(authority: Authority, ask: Ask, flaw: dict[str, Any]) -> None:
    name = "-".join(map(str, flaw))
    with tls_vendor(authority.issue(name, **flaw)) as vendor:
        with pytest.raises(APIConnectionError, match="no trusted TLS connection"):
            ask(f"https://127.0.0.1:{vendor.port}")
        assert vendor.seen == []


def _context(authority: Authority, certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


def ask_with_own(ask: Ask, url: str, context: ssl.SSLContext) -> str:
    if ask is ask_sync:
        with httpx.Client(verify=context, trust_env=False) as own:
            return ask_sync(url, http_client=own)

    async def call() -> str:
        async with httpx.AsyncClient(verify=context, trust_env=False) as own:
            answer = await aunionchat(**CALL, base_url=url, http_client=own, max_retries=0)
            texts = [
                text async for text in (await aunionchat(**CALL, base_url=url, http_client=own, stream=True)).text()
            ]
            return f"{answer.choices[0].message.content}{''.join(texts)}"

    return asyncio.run(call())


@both
def test_a_client_certificate_is_shown_by_a_client_of_the_callers(authority: Authority, ask: Ask) -> None:
    """A gateway may want to know the machine, too."""
    mine = authority.issue("client")
    with tls_vendor(authority.issue("gateway"), clients=authority.file) as vendor:
        url = f"https://127.0.0.1:{vendor.port}"
        assert ask_with_own(ask, url, _context(authority, mine)) == "你好你好"
        with pytest.raises(APIConnectionError):
            ask_with_own(ask, url, _context(authority, None))

    assert len(vendor.seen) == 2


# Proxies.


@both
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("login", ["", f"user:{PASSWORD}"], ids=["open", "login"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_carries_calls_and_does_not_see_the_key(
    vendor: Any, ask: Ask, login: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(vendor.port, login) as proxy:
        monkeypatch.setenv(name, proxy.url(login))
        assert ask(f"https://{HOST}/v1") == "你好你好"

    assert set(proxy.asked) == {f"{HOST}:443"}
    assert KEY.encode() not in b"".join(proxy.heads)
    assert PASSWORD not in str(vendor.seen)


@both
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
@pytest.mark.parametrize("login", ["", f"user:{PASSWORD}"], ids=["open", "login"])
def test_a_socks_proxy_is_told_the_name_and_carries_calls(
    vendor: Any, ask: Ask, scheme: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``socks://`` is what desktop proxy programs write."""
    pytest.importorskip("socksio", reason="the extra socks is not installed")
    with SocksProxy(vendor.port, login) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url(login, scheme))
        assert ask(f"https://{HOST}/v1") == "你好你好"

    assert set(proxy.asked) == {f"{HOST}:443"}


@both
@pytest.mark.usefixtures("trusted")
def test_a_proxy_is_no_reason_to_trust_a_certificate(authority: Authority, ask: Ask, monkeypatch: Any) -> None:
    """A proxy that answers in the vendor's place."""
    with tls_vendor(authority.issue("impostor", host="impostor.test")) as impostor, Proxy(impostor.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        with pytest.raises(APIConnectionError, match="no trusted TLS connection"):
            ask(f"https://{HOST}/v1")
        assert impostor.seen == []


@both
@pytest.mark.parametrize("kind", [Proxy, SocksProxy], ids=["http", "socks"])
def test_a_proxy_that_refuses_the_login_is_named_without_the_password(
    vendor: Any, ask: Ask, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kind(vendor.port, "user:another") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url(f"user:{PASSWORD}"))
        with pytest.raises(APIConnectionError, match="proxy") as caught:
            ask(f"https://{HOST}/v1")

    assert PASSWORD not in told(caught.value)
    assert proxy.asked == []


@both
@pytest.mark.parametrize("url", [f"http://user:{PASSWORD}@[::1", f"quic://user:{PASSWORD}@127.0.0.1:1"])
def test_a_proxy_that_is_no_address_is_told_of_without_the_password(
    ask: Ask, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", url)

    with pytest.raises(APIConnectionError, match="proxy named in the environment") as caught:
        ask(f"https://{HOST}/v1")

    assert PASSWORD not in told(caught.value)


@both
@pytest.mark.parametrize("excluded", [HOST, f".{HOST.partition('.')[2]}", "*"])
def test_an_excluded_host_is_not_asked_for_at_the_proxy(
    vendor: Any, ask: Ask, excluded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is known to nobody, so without the proxy there is no answer."""
    with Proxy(vendor.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        monkeypatch.setenv("NO_PROXY", excluded)
        with pytest.raises(APIConnectionError):
            ask(f"https://{HOST}/v1")

    assert proxy.heads == []


def test_certificates_are_files_of_the_tests_own(authority: Authority) -> None:
    assert Path(authority.file).parent == authority.folder
