"""Spark's signed URL, and the address that a call goes to."""

from __future__ import annotations

import base64
import hmac
import importlib.util
import re
import subprocess
import sys
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sockets import CREDENTIALS, MESSAGES, SocketServer, frame

from unionllm import unionchat
from unionllm._protocols.spark_frames import sign_url
from unionllm._routes import build_route
from unionllm.exceptions import BadRequestError

NOW = 1_700_000_000
HOST = "wss://spark-api.xf-yun.com"


def signature_of(url: str) -> tuple[dict[str, str], dict[str, str]]:
    """The query of a signed URL, and what its authorization holds."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
    told = base64.b64decode(query["authorization"]).decode()
    return query, dict(re.findall(r'(\w+)="([^"]*)"', told))


# The signature.


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("/v4.0/chat", "RTexVI/Q1dapi7AmigvVUPbsTGEVV9TNNNBtCXShJHk="),
        ("/v3.5/chat", "QnpKlJel/g1qQZuIor+LL2yzlOVAdZ+hiIr3QXL15Cw="),
        ("/v1.1/chat", "ZiAsp+4shg5CISKoowxoUzEjY7QzJK117algx8v2QvE="),
        ("/v1/x1", "iw9EYbjpqRIC72lrV1/WcoyLZneb88fEZFt+qfMFON0="),
    ],
)
def test_the_signature_is_the_one_that_was_worked_out_by_hand(path: str, signature: str) -> None:
    query, told = signature_of(sign_url(HOST + path, "test-api-key", "test-api-secret", NOW))

    assert query["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert query["host"] == "spark-api.xf-yun.com"
    assert told == {
        "api_key": "test-api-key",
        "algorithm": "hmac-sha256",
        "headers": "host date request-line",
        "signature": signature,
    }


def test_the_whole_url_is_the_one_that_was_worked_out_by_hand() -> None:
    assert sign_url(f"{HOST}/v4.0/chat", "test-api-key", "test-api-secret", NOW) == (
        "wss://spark-api.xf-yun.com/v4.0/chat?authorization="
        "YXBpX2tleT0idGVzdC1hcGkta2V5IiwgYWxnb3JpdGhtPSJobWFjLXNoYTI1NiIsIGhlYWRlcnM9Imhvc3QgZGF0ZSByZXF1ZXN0LWxpbmUi"
        "LCBzaWduYXR1cmU9IlJUZXhWSS9RMWRhcGk3QW1pZ3ZWVVBic1RHRVZWOVROTk5CdENYU2hKSGs9Ig%3D%3D"
        "&date=Tue%2C+14+Nov+2023+22%3A13%3A20+GMT&host=spark-api.xf-yun.com"
    )


def test_the_vendors_own_example_comes_out() -> None:
    now = parsedate_to_datetime("Fri, 23 Apr 2021 02:35:47 GMT").timestamp()
    key, secret = "apikeyXXXXXXXXXXXXXXXXXXXXXXXXXX", "apisecretXXXXXXXXXXXXXXXXXXXXXXX"

    _, told = signature_of(sign_url("https://api.xf-yun.com/v1/private/s782b4996", key, secret, now, "POST"))

    assert told["signature"] == "1jwQbIAKmQE7JwIH0IDxiC1pejrlN+VpHXDWOFVy5NM="


@pytest.mark.skipif(not importlib.util.find_spec("sparkai"), reason="spark-ai-python has no wheel for this Python")
@pytest.mark.parametrize("path", ["/v4.0/chat", "/v1/x1"])
def test_the_vendors_client_signs_alike(path: str) -> None:
    """In a process of its own: importing that client sets up logging and warns."""
    program = (
        "import sys; from sparkai.llm.llm import _SparkLLMClient as C; "
        f"print(C._create_url({HOST + path!r}, 'key', 'secret'), file=sys.__stdout__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    query, told = signature_of(done.stdout.strip().splitlines()[-1])

    now = parsedate_to_datetime(query["date"]).timestamp()
    own_query, own_told = signature_of(sign_url(HOST + path, "key", "secret", now))

    assert own_told == told
    assert {**own_query, "authorization": ""} == {**query, "authorization": ""}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("wss://h.example:443/v1/x1", "h.example"),
        ("wss://h.example:8443/v1/x1", "h.example:8443"),
        ("ws://user@h.example:80/v1/x1", "h.example"),
        ("ws://[::1]:9/v1/x1", "[::1]:9"),
    ],
)
def test_the_signed_host_is_what_the_header_says(url: str, host: str) -> None:
    assert signature_of(sign_url(url, "k", "s", NOW))[0]["host"] == host


@pytest.mark.parametrize("name", ["Host", "host"])
def test_a_host_of_the_callers_is_signed_as_it_is_sent(name: str) -> None:
    """For a tunnel: the vendor signs after the header that reaches it, whatever the address is."""
    with SocketServer(lambda connection: connection.send(frame("好", 2))) as server:
        unionchat(**server.arguments(extra_headers={name: "Spark-API.example"}))

    query, told = signature_of(f"ws://h{server.paths[0]}")
    signed = f"host: Spark-API.example\ndate: {query['date']}\nGET /v4.0/chat HTTP/1.1"
    digest = hmac.new(CREDENTIALS["api_secret"].encode(), signed.encode(), "sha256").digest()
    assert (query["host"], server.hosts) == ("Spark-API.example", ["Spark-API.example"])
    assert told["signature"] == base64.b64encode(digest).decode()


# Where a call goes.


def chat(**call: Any) -> Any:
    """The call as it would be sent."""
    return build_route({"provider": "xunfei", "messages": MESSAGES, **CREDENTIALS, **call}, {}).chat


@pytest.mark.parametrize(
    ("model", "base_url", "address", "domain"),
    [
        ("4.0Ultra", None, f"{HOST}/v4.0/chat", "4.0Ultra"),
        ("4.0ultra", None, f"{HOST}/v4.0/chat", "4.0Ultra"),
        ("spark-ultra", None, f"{HOST}/v4.0/chat", "4.0Ultra"),
        ("spark-max", None, f"{HOST}/v3.5/chat", "generalv3.5"),
        ("max-32k", None, f"{HOST}/chat/max-32k", "max-32k"),
        ("spark-pro", None, f"{HOST}/v3.1/chat", "generalv3"),
        ("pro-128k", None, f"{HOST}/chat/pro-128k", "pro-128k"),
        ("spark-lite", None, f"{HOST}/v1.1/chat", "lite"),
        ("general", None, f"{HOST}/v1.1/chat", "general"),
        ("spark-x", None, f"{HOST}/v1/x1", "spark-x"),
        ("kjwx", None, "wss://spark-openapi-n.cn-huabei-1.xf-yun.com/v1.1/chat_kjwx", "kjwx"),
        ("kjwx", "ws://own.example", "ws://own.example/v1.1/chat_kjwx", "kjwx"),
        ("lite", "ws://own.example/spark/", "ws://own.example/spark/v1.1/chat", "lite"),
        ("lite", "wss://own.example/v9.9/chat", "wss://own.example/v9.9/chat", "lite"),
        ("mine", "wss://own.example/chat/mine", "wss://own.example/chat/mine", "mine"),
        ("lite", "WSS://own.example", "wss://own.example/v1.1/chat", "lite"),
        ("lite", "WSS://spark-api.xf-yun.com", f"{HOST}/v1.1/chat", "lite"),
        ("lite", "Https://own.example/v1", "https://own.example/v1", "lite"),
    ],
)
def test_the_address_follows_from_model_and_base_url(
    model: str, base_url: str | None, address: str, domain: str
) -> None:
    made = chat(model=model, base_url=base_url)

    assert (made.base_url, made.model) == (address, domain)


def test_a_model_without_an_address_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequestError, match=r"no address of model 'generalv9'.*4\.0Ultra.*base_url"):
        chat(model="generalv9")


@pytest.mark.parametrize("base_url", ["ftp://x", "spark-api.xf-yun.com", "wss://"])
def test_an_address_of_another_kind_is_refused(base_url: str) -> None:
    with pytest.raises(BadRequestError, match="wss://"):
        chat(model="lite", base_url=base_url)


def test_the_environment_of_the_vendors_client_is_understood() -> None:
    environ = {f"IFLYTEK_SPARK_{name.upper()}": value for name, value in CREDENTIALS.items()}
    environ["IFLYTEK_SPARK_API_URL"] = "wss://own.example/v3.5/chat"

    made = build_route({"provider": "spark", "model": "generalv3.5", "messages": MESSAGES}, environ).chat

    assert made.base_url == "wss://own.example/v3.5/chat"
    assert dict(made.credentials) == CREDENTIALS
