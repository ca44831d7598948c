"""Baidu Qianfan: who is calling, by which way, and where. Nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest
from replies import MESSAGES

from unionllm._routes import build_route
from unionllm.exceptions import AuthenticationError, BadRequestError


def routed(environ: dict[str, str] | None = None, **given: Any) -> Any:
    return build_route({"provider": "wenxin", "model": "ernie-5.1", "messages": MESSAGES, **given}, environ or {}).chat


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        (None, "https://qianfan.baidubce.com/v2"),
        ("https://qianfan.baidubce.com", "https://qianfan.baidubce.com/v2"),
        ("https://qianfan.baidubce.com/", "https://qianfan.baidubce.com/v2"),
        ("https://qianfan.baidubce.com/v2/", "https://qianfan.baidubce.com/v2"),
        ("https://qianfan.baidubce.com/v2/chat/completions", "https://qianfan.baidubce.com/v2"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v2"),
        ("http://127.0.0.1:8000/gateway/v1", "http://127.0.0.1:8000/gateway/v1"),
    ],
)
def test_a_bare_host_gets_the_version(base_url: str | None, wanted: str) -> None:
    assert routed(api_key="bce-v3/ALTAK-1/2", base_url=base_url).base_url == wanted
    assert routed({"QIANFAN_CONSOLE_API_BASE_URL": base_url or ""}, api_key="bce-v3/ALTAK-1/2").base_url == wanted


@pytest.mark.parametrize("name", ["ERNIE_API_KEY", "QIANFAN_API_KEY", "QIANFAN_BEARER_TOKEN"])
def test_the_environment_may_hold_the_key(name: str) -> None:
    chat = routed({name: "bce-v3/ALTAK-1/2", "QIANFAN_APP_ID": "app-1"})

    assert dict(chat.credentials) == {"api_key": "bce-v3/ALTAK-1/2", "app_id": "app-1"}


def test_the_environment_may_hold_the_access_key() -> None:
    chat = routed({"QIANFAN_ACCESS_KEY": "ak", "QIANFAN_SECRET_KEY": "sk", "QIANFAN_IAM_BASE_URL": "https://iam.x"})

    assert dict(chat.credentials) == {"access_key": "ak", "secret_key": "sk", "iam_base_url": "https://iam.x"}
    assert chat.params == {}


def test_an_application_packed_into_the_key_wins() -> None:
    chat = routed({"QIANFAN_APP_ID": "app-1"}, api_key="bce-v3/ALTAK-1/2|app-2")

    assert dict(chat.credentials) == {"api_key": "bce-v3/ALTAK-1/2", "app_id": "app-2"}
    assert repr(dict(chat.credentials)) == "{'api_key': '***', 'app_id': '***'}"


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({"client_id": "a", "client_secret": "b"}, {}),
        ({}, {"ERNIE_CLIENT_ID": "a", "ERNIE_CLIENT_SECRET": "b"}),
        ({}, {"QIANFAN_AK": "a", "QIANFAN_SK": "b"}),
        ({"client_id": "a", "client_secret": "b", "base_url": "http://127.0.0.1:1"}, {}),
        ({"client_id": "a", "client_secret": "b", "api_version": "v1"}, {}),
        *(
            ({"client_id": "a", "client_secret": "b", "api_version": "v1", "base_url": f"https://{host}/v2"}, {})
            for host in ("qianfan.baidubce.com", "aip.baidubce.com", "baidubce.com:443")
        ),
    ],
)
def test_a_pair_of_v1_is_told_that_v1_is_closed(given: dict[str, Any], environ: dict[str, str]) -> None:
    with pytest.raises(AuthenticationError, match="closed on 2026-08-31") as caught:
        routed(environ, **given)

    said = str(caught.value)
    assert "bce-v3/ALTAK-" in said
    assert "console.bce.baidu.com" in said
    assert 'api_version="v1"' in said
    assert caught.value.provider == "wenxin"


def test_a_key_of_v1s_shape_is_named_on_baidus_host_alone() -> None:
    key = "abcdefghijABCDEFGHIJ1234"

    with pytest.raises(AuthenticationError, match="shape of V1's") as caught:
        routed(api_key=key)

    assert key not in str(caught.value)
    assert routed(api_key=key, base_url="http://127.0.0.1:8000/v1").credentials["api_key"] == key


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"api_key": "k", "api_version": "v1"}, "client_id="),
        ({"access_key": "a", "secret_key": "s", "api_version": "v1", "base_url": "http://127.0.0.1:1"}, "client_id="),
        ({"api_key": "k", "api_version": "v3"}, "api_version"),
        ({"access_key": "a", "secret_key": "s", "iam_base_url": "iam.bj.baidubce.com"}, "iam_base_url"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequestError, match=says):
        routed(**given)


@pytest.mark.parametrize("name", ["wenxin", "qianfan", "Baidu", "ERNIE", "baidu_v2", "wenxinworkshop"])
def test_it_goes_by_the_names_that_people_type(name: str) -> None:
    assert routed(provider=name, api_key="bce-v3/ALTAK-1/2").provider == "wenxin"
