"""The numbers that the vendors' pages work out, fed to the server's checks: a right signature passes, others fail.

The tables sign by code of their own; these do not: what is compared with was printed by someone else.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from unionllm.testing import Incoming, Refusal
from unionllm.testing.vendors import load
from unionllm.testing.vendors._wenxin_auth import signature_fault

_BAIDU = Incoming(
    method="GET",
    path="/v1/BCE-BEARER/token",
    signed_path="/v1/BCE-BEARER/token",
    query={"expireInSeconds": "43200"},
    headers={
        "host": "iam.bj.baidubce.com",
        "x-bce-date": "2023-11-14T22:13:20Z",
        "authorization": "bce-auth-v1/test-ak/2023-11-14T22:13:20Z/300/host;x-bce-date/"
        "0916d86ad6e65f32a0e969c7bcf54263c56b3b533b28df49bc70489045fad905",
    },
    now=1_700_000_000,
)


def test_baidus_worked_example_is_accepted() -> None:
    assert signature_fault(_BAIDU, "test-ak", "test-sk") == ""
    assert signature_fault(_BAIDU, "test-ak", "test-sk2") == "the signature does not match"
    assert "expired" in signature_fault(replace(_BAIDU, now=_BAIDU.now + 301), "test-ak", "test-sk")


_SPARK = (
    "YXBpX2tleT0idGVzdC1hcGkta2V5IiwgYWxnb3JpdGhtPSJobWFjLXNoYTI1NiIsIGhlYWRlcnM9Imhvc3QgZGF0ZSByZXF1ZXN0LWxpbmUi"
    "LCBzaWduYXR1cmU9IlJUZXhWSS9RMWRhcGk3QW1pZ3ZWVVBic1RHRVZWOVROTk5CdENYU2hKSGs9Ig=="
)


def test_sparks_worked_example_is_accepted() -> None:
    vendor = load("xunfei")({"api_key": "test-api-key", "api_secret": "test-api-secret"})
    host = "spark-api.xf-yun.com"
    request = Incoming(
        method="GET",
        path="/v4.0/chat",
        signed_path="/v4.0/chat",
        query={"authorization": _SPARK, "date": "Tue, 14 Nov 2023 22:13:20 GMT", "host": host},
        headers={"host": host},
        now=1_700_000_000,
    )

    vendor.open_socket(request)
    with pytest.raises(Refusal, match="does not match"):
        vendor.open_socket(replace(request, path="/v3.5/chat", signed_path="/v3.5/chat"))
    with pytest.raises(Refusal, match="valid date"):
        vendor.open_socket(replace(request, now=1_700_000_301))


def test_tiangongs_worked_example_is_accepted() -> None:
    vendor = load("tiangong")({"app_key": "test-app-key", "app_secret": "test-app-secret"})
    headers = {"app_key": "test-app-key", "timestamp": "1700000000", "sign": "588eec69bdaa714fcff616ea47fe1c1e"}
    request = Incoming(
        method="POST", path="/nowhere", signed_path="/nowhere", query={}, headers=headers, now=1_700_000_000
    )

    for wrong, says in ((headers, "404"), ({**headers, "timestamp": "1700000001"}, "401")):
        with pytest.raises(Refusal, match=says):
            vendor.answer(replace(request, headers=wrong), None)  # type: ignore[arg-type]  # refused before it is used


_ZHIPU = (
    "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04iLCJ0eXAiOiJKV1QifQ"
    ".eyJhcGlfa2V5IjoiaWQiLCJleHAiOjE3MDAwMDAyMTAwMDAsInRpbWVzdGFtcCI6MTcwMDAwMDAwMDAwMH0"
    ".3xmhuFabRzo6ZbQKUmg6S6HK1YGNVUWBLEKrpXHh4p0"
)


def test_zhipus_worked_example_is_accepted() -> None:
    vendor = load("zhipuai")({"api_key": "id.secret"})
    request = Incoming(
        method="POST",
        path="/nowhere",
        signed_path="/nowhere",
        query={},
        headers={"authorization": f"Bearer {_ZHIPU}"},
        now=1_700_000_000,
    )

    # With the right signature it is the path that is refused, until the token is over; before its time it is not one.
    for seconds, says in ((0, "no such path"), (170, "no such path"), (-1000, "1002"), (300, "1003")):
        with pytest.raises(Refusal, match=says):
            vendor.answer(replace(request, now=1_700_000_000 + seconds), None)  # type: ignore[arg-type]  # refused before it is used
    with pytest.raises(Refusal, match="1000"):
        load("zhipuai")({"api_key": "id.other"}).answer(request, None)  # type: ignore[arg-type]  # as above
