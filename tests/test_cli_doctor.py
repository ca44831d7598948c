"""``unionllm doctor``: what it finds, over real sockets and in made-up environments."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from cli_runs import run_here, set_variables, variables_for
from server import Recorded, Reply, ScriptedServer
from vendors_on_loopback import environment

from unionllm import _registry
from unionllm._protocols.base import Credential
from unionllm.cli._findings import credentials, look_alikes, proxies, value_problem
from unionllm.cli._reaching import clock
from unionllm.testing import VendorServer

KEY = "0123456789abcdef0123456789abcdef.testsecret012345"
TLS = Path(__file__).parent / "tls"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = dict.fromkeys(("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"))
    set_variables(monkeypatch, {**environment(keys=False), **proxies, "SSL_CERT_FILE": None, "SSL_CERT_DIR": None})


def test_a_good_set_up_is_told_step_by_step(
    vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_variables(monkeypatch, {"ZHIPU_API_KEY": KEY})

    url = vendor_server.url("zhipuai")
    ran = run_here(capsys, "doctor", "zhipuai", "--base-url", url, "--live")

    assert (ran.code, ran.err) == (0, "")
    told = [line.split(": ")[0].split() for line in ran.out.splitlines()]
    checks = ["version", "proxy", "key", "address", "DNS", "connection", "answer", "clock", "call"]
    assert [words[-1] for words in told[:-1]] == checks
    assert ran.out.splitlines()[-1] == "Nothing is wrong."
    assert KEY not in ran.out
    assert vendor_server.requests[-1].json["max_tokens"] == 16


def test_a_refused_live_call_fails_with_the_vendors_words(
    vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_variables(monkeypatch, variables_for(vendor_server, "zhipuai"))
    vendor_server.fault("no_balance", vendor="zhipuai")
    # The first request has no key, and takes no answer of the script.
    ran = run_here(capsys, "doctor", "zhipuai", "--live", "--json")

    found = json.loads(ran.out)
    assert ran.code == 1
    assert [finding["check"] for finding in found if finding["state"] == "failed"] == ["call"]
    assert found[-1]["told"].startswith("InsufficientBalanceError: zhipuai")


def test_a_clock_that_is_off_is_told(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def late(request: Recorded) -> Reply:
        return Reply(status=404, headers={"date": formatdate(time.time() - 900, usegmt=True)}, json={})

    server.default(late)
    set_variables(monkeypatch, {"ZHIPU_API_KEY": KEY})

    ran = run_here(capsys, "doctor", "zhipuai", "--base-url", server.url)

    assert ran.code == 1
    assert "failed   zhipuai clock: This machine's clock is 9" in ran.out
    assert "timedatectl set-ntp true" in ran.out
    assert [request.headers.get("authorization") for request in server.requests] == [None]


@pytest.mark.parametrize(
    ("date", "state", "told"),
    [
        ("Wed, 21 Oct 2026 07:28:00 GMT", "ok", "agrees"),
        ("Wed, 21 Oct 2026 07:29:00 GMT", "warning", "60 s behind"),
        ("Wed, 21 Oct 2026 07:20:00 GMT", "failed", "480 s ahead of"),
        ("gestern", "ok", "tells no time"),
        ("", "ok", "tells no time"),
    ],
)
def test_skew_is_measured_against_the_vendors_date(date: str, state: str, told: str) -> None:
    found = clock("acme", date, 1792567680.0)

    assert found.state == state
    assert told in found.told


def test_a_host_that_refuses_is_told_and_nothing_more_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        set_variables(monkeypatch, {"ZHIPU_API_KEY": KEY})
        ran = run_here(capsys, "doctor", "zhipuai", "--base-url", f"http://127.0.0.1:{bound.getsockname()[1]}")

    assert ran.code == 1
    assert "zhipuai connection: No connection to 127.0.0.1" in ran.out
    assert "zhipuai answer" not in ran.out


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    set_variables(monkeypatch, {"ZHIPU_API_KEY": KEY})

    ran = run_here(capsys, "doctor", "zhipuai", "--base-url", "https://no-such-host.invalid/v1")

    assert ran.code == 1
    assert "zhipuai DNS: The name no-such-host.invalid is not known" in ran.out


@contextmanager
def tls_server(count: int) -> Iterator[int]:
    """Shakes hands so many times, and answers nothing; the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(count):
                plain, _ = listener.accept()
                with plain:
                    try:
                        context.wrap_socket(plain, server_side=True).close()
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_certificate_that_is_not_trusted_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_variables(monkeypatch, {"ZHIPU_API_KEY": KEY})
    # One connection for the step before it, one for TLS.
    with tls_server(2) as port:
        ran = run_here(capsys, "doctor", "zhipuai", "--base-url", f"https://localhost:{port}/v1")

    assert ran.code == 1
    assert "zhipuai TLS: The certificate of localhost is not trusted" in ran.out
    assert "SSL_CERT_FILE" in ran.out


def test_only_what_can_be_looked_at_offline_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_variables(monkeypatch, {"MOONSHOT_API_KEY": "sk-0123456789abcdef", "KIMI_KEY": "sk-x"})

    ran = run_here(capsys, "doctor", "--offline")

    assert ran.code == 0
    assert "ok       moonshot key: MOONSHOT_API_KEY is set (19 characters)." in ran.out
    assert "moonshot DNS" not in ran.out


def test_without_any_key_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "doctor", "--offline")

    assert ran.code == 0
    assert "No provider's key is set" in ran.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--base-url", "http://x"), "needs one provider"),
        (("zhipuai", "--live", "--offline"), "--offline forbids it"),
    ],
)
def test_options_that_do_not_go_together_exit_with_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    ran = run_here(capsys, "doctor", *words)

    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_a_provider_that_is_not_native_is_told_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "doctor", "zhipua", "--offline")

    assert ran.code == 1
    assert "Did you mean 'zhipuai'" in ran.out


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ZHIPUAI_APIKEY", "ZHIPUAI_API_KEY"),
        ("zhipu_api_key", "ZHIPU_API_KEY"),
        ("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"),
        ("QWEN_API_KEY", "DASHSCOPE_API_KEY"),
        ("DEEPSEEK_API_KEYS", "DEEPSEEK_API_KEY"),
        ("OPENAI_API_KEY", None),
        ("XAI_API_KEY", None),
        ("SSH_AUTH_SOCK", None),
        ("GPG_KEY", None),
        ("DEEPSEEK_API_KEY", None),
    ],
)
def test_a_variable_that_nobody_reads_is_told_with_the_one_that_was_meant(name: str, meant: str | None) -> None:
    known = {"ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "DEEPSEEK_API_KEY", "DASHSCOPE_API_KEY", "ZAI_API_KEY"}
    stems = {"qwen": "DASHSCOPE_API_KEY", "deepseek": "DEEPSEEK_API_KEY", "zai": "ZAI_API_KEY"}

    found = list(look_alikes({name: "x", "EMPTY_KEY": ""}, known, stems))

    assert [finding.cure for finding in found] == ([f"Did you mean {meant}? Rename it."] if meant else [])


@pytest.mark.parametrize(
    ("value", "told", "is_certain"),
    [
        ("sk-0123456789", "", True),
        (' "sk-0123456789"', "between quotes", True),
        ("Bearer sk-0123456789", "'Bearer'", True),
        ("$OTHER_KEY", "names a variable", True),
        ("your-api-key", "placeholder", True),
        ("sk-xxxxxxxx", "placeholder", True),
        ("<key>", "placeholder", True),
        ("在此填写密钥", "placeholder", True),
        ("sk-０１２３", "characters that no key has", True),
        ("sk-0123 4567", "a blank", True),
        ("sk-1", "4 characters", False),
        ("pat_0123456789", "does not look like a key of this vendor (sk-…)", False),
    ],
)
def test_what_is_wrong_with_a_key_is_told_without_it(value: str, told: str, is_certain: bool) -> None:
    problem, certain = value_problem(value, Credential(looks_like="sk-…"))

    assert told in problem
    assert bool(problem) == bool(told)
    assert certain == is_certain
    assert value not in problem


def test_the_credentials_that_are_missing_are_those_of_the_set_that_was_begun() -> None:
    found = _registry.find("xunfei")
    assert found is not None

    missing, held = credentials(found.adapter.spec, {"XUNFEI_APP_ID": "01234567"})

    assert (missing.state, missing.told) == ("failed", "No api_key and api_secret.")
    assert "XUNFEI_API_SECRET" in missing.cure
    assert "请在" in missing.cure
    assert held.told == "XUNFEI_APP_ID is set (8 characters)."


def test_two_variables_that_differ_are_told() -> None:
    found = _registry.find("zhipuai")
    assert found is not None

    held, differ = credentials(found.adapter.spec, {"ZHIPU_API_KEY": KEY, "GLM_API_KEY": "other"})

    assert held.state == "ok"
    assert differ.told == "ZHIPU_API_KEY and GLM_API_KEY differ; ZHIPU_API_KEY is the one that counts."


def test_keys_of_the_vendor_server_look_like_the_vendors_own(vendor_server: VendorServer) -> None:
    """The shapes that doctor knows and the vendor server are two readings of the same facts."""
    for name in vendor_server.vendors:
        found = _registry.find(name)
        assert found is not None
        for credential in found.adapter.spec.credentials:
            value = vendor_server.credentials(name).get(credential.name)
            assert value is None or value_problem(value, credential) == ("", True), name


@pytest.mark.parametrize(
    ("given", "has_socks", "state", "told"),
    [
        ({}, False, "ok", "No proxy is set."),
        ({"no": "localhost"}, False, "ok", "No proxy is set."),
        ({"https": "http://me:secret@proxy:8080"}, False, "ok", "https: http://***@proxy:8080."),
        ({"all": "socks://127.0.0.1:1080"}, True, "ok", "all: socks://127.0.0.1:1080."),
        ({"all": "socks://127.0.0.1:1080"}, False, "failed", "the package that speaks SOCKS is not installed"),
    ],
)
def test_proxies_are_told_without_their_passwords(
    given: dict[str, str], has_socks: bool, state: str, told: str
) -> None:
    (found,) = proxies(given, has_socks=has_socks)

    assert found.state == state
    assert told in found.told
    assert "secret" not in found.told


def test_behind_a_proxy_the_answer_is_looked_at_alone(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wants_password(request: Recorded) -> Reply:
        return Reply(status=407, json={})

    server.default(wants_password)
    set_variables(monkeypatch, {"ZHIPU_API_KEY": KEY, "HTTP_PROXY": server.url, "http_proxy": server.url})

    ran = run_here(capsys, "doctor", "zhipuai", "--base-url", "http://zhipuai.example/v1")

    assert ran.code == 1
    assert "zhipuai DNS" not in ran.out
    assert "zhipuai answer: HTTP 407" in ran.out
    assert "The proxy wants a name and a password" in ran.out
