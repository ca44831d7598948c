"""Who is calling, when a vendor knows several ways to say it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from replies import MESSAGES, answer
from server import ScriptedServer

from unionllm import unionchat
from unionllm._credentials import resolve
from unionllm._protocols.base import Credential, ProviderSpec, Region
from unionllm._request import ChatRequest
from unionllm._secrets import Headers
from unionllm._wire import HttpReply, HttpRequest
from unionllm.exceptions import AuthenticationError

SPEC = ProviderSpec(
    name="acme",
    title="Acme",
    regions=(Region(name="cn", base_url="https://api.acme.example", console="https://console.acme.example"),),
    credentials=(
        Credential(env=("ACME_API_KEY", "ACME_KEY")),
        Credential(name="access_key", env=("ACME_ACCESS_KEY",), required=False),
        Credential(name="secret_key", env=("ACME_SECRET_KEY",), required=False),
        Credential(name="app_id", env=("ACME_APP_ID",), required=False),
    ),
    alternatives=(("access_key", "secret_key"),),
)
PAIR = {"access_key": "ak", "secret_key": "sk"}
PAIR_SET = {"ACME_ACCESS_KEY": "ak", "ACME_SECRET_KEY": "sk"}


def found(given: dict[str, Any], environ: dict[str, str]) -> dict[str, str]:
    return resolve(SPEC, given, environ, host="api.acme.example")


@pytest.mark.parametrize(
    ("given", "environ", "wanted"),
    [
        ({"api_key": "k"}, {}, {"api_key": "k"}),
        ({"app_key": "k"}, {}, {"api_key": "k"}),
        ({}, {"ACME_KEY": "k"}, {"api_key": "k"}),
        (PAIR, {}, PAIR),
        ({}, PAIR_SET, PAIR),
        # An argument counts more than the environment, which may hold both.
        (PAIR, {"ACME_API_KEY": "k"}, PAIR),
        ({"access_key": "ak"}, {"ACME_API_KEY": "k", "ACME_SECRET_KEY": "sk"}, PAIR),
        ({"api_key": "k"}, PAIR_SET, {"api_key": "k"}),
        ({}, {"ACME_API_KEY": "k", **PAIR_SET}, {"api_key": "k"}),
        # Of two ways that arguments speak of, the whole one; else the usual one.
        ({"access_key": "ak", "api_key": "k"}, {}, {"api_key": "k"}),
        ({"api_key": "k", **PAIR}, {}, {"api_key": "k"}),
        ({"api_key": "k", "app_id": "a"}, PAIR_SET, {"api_key": "k", "app_id": "a"}),
        (PAIR, {"ACME_APP_ID": "a"}, {**PAIR, "app_id": "a"}),
    ],
)
def test_one_way_to_say_who_is_calling_is_chosen(
    given: dict[str, Any], environ: dict[str, str], wanted: dict[str, str]
) -> None:
    assert found(given, environ) == wanted


@pytest.mark.parametrize(
    ("given", "environ", "says"),
    [
        ({}, {}, "no api_key for api.acme.example. Pass api_key=…, or set ACME_API_KEY or ACME_KEY"),
        ({}, {"ACME_ACCESS_KEY": "ak"}, "no api_key"),
        ({"access_key": "ak"}, {}, "no secret_key for api.acme.example. Pass secret_key=…, or set ACME_SECRET_KEY"),
        # The environment's key would be a surprise to who names another.
        ({"secret_key": "sk"}, {"ACME_API_KEY": "k"}, "no access_key"),
    ],
)
def test_what_is_missing_belongs_to_the_way_that_was_begun(
    given: dict[str, Any], environ: dict[str, str], says: str
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        found(given, environ)

    assert says in str(caught.value)
    assert "https://console.acme.example" in str(caught.value)


def test_everything_that_is_missing_is_named_at_once() -> None:
    spec = ProviderSpec(
        name="acme",
        title="Acme",
        regions=SPEC.regions,
        credentials=(Credential(name="app_id", env=("ACME_APP_ID",)), Credential(name="api_secret")),
    )

    with pytest.raises(AuthenticationError, match=r"no app_id and api_secret .* or set ACME_APP_ID "):
        resolve(spec, {}, {}, host="api.acme.example")


def test_a_setting_beside_the_key_stays_with_its_provider(server: ScriptedServer) -> None:
    """``auth`` is zhipuai's; a fallback to another vendor must not carry it in its body."""
    server.reply(json={"error": {"message": "no"}}, status=400)
    server.reply(json=answer())

    unionchat(
        provider="zhipuai",
        model="glm-5",
        messages=MESSAGES,
        api_key="id.secret",
        auth="bearer",
        base_url=server.url,
        max_retries=0,
        fallbacks=[{"provider": "deepseek", "model": "m", "api_key": "sk-1", "base_url": server.url}],
    )

    assert "auth" not in server.requests[1].json


def test_facts_that_are_written_as_lists_count_the_same() -> None:
    """What facts come to is remembered, which lists cannot be."""
    lists: Any = {
        "regions": [Region(name="cn", base_url="https://api.acme.example", env=["ACME_CN_KEY"])],  # type: ignore[arg-type]
        "credentials": [Credential(env=["ACME_API_KEY"])],  # type: ignore[arg-type]
    }
    spec = ProviderSpec(name="acme", title="Acme", **lists)

    assert resolve(spec, {}, {"ACME_CN_KEY": "k-cn", "ACME_API_KEY": "k"}, host="api.acme.example") == {
        "api_key": "k-cn"
    }
    assert resolve(spec, {}, {"ACME_CN_KEY": "k-cn", "ACME_API_KEY": "k"}, host="elsewhere.example") == {"api_key": "k"}


def test_nothing_of_a_call_that_could_be_a_secret_is_shown() -> None:
    chat = ChatRequest(
        provider="acme",
        model="m",
        messages=(),
        credentials={"api_key": "k-very-secret"},
        extra_headers={"x-sign": "s-very-secret"},
        extra_query={"token": "t-very-secret"},
        memory={"made": "m-very-secret"},
    )
    request = HttpRequest(
        url="https://api.acme.example/v1?sign=q-very-secret",
        headers=Headers({"authorization": "Bearer a-very-secret"}),
        content=b"b-very-secret",
    )
    reply = HttpReply(
        status=200, headers={"x-echo": "h-very-secret"}, content=b"c-very-secret", url="https://a.example"
    )

    shown = f"{chat!r} {chat} {[chat]} {request!r} {request} {reply!r} {reply} {(reply,)}"

    assert "very-secret" not in shown
    # Error reporters, and encoders with a last resort, walk through a sequence or a mapping without asking its repr.
    for made in (chat, request, reply):
        assert not isinstance(made, (Iterable, Mapping))
        assert "very-secret" not in json.dumps({"made": made}, default=str)
    assert "provider='acme'" in shown
