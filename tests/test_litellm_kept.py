"""The bridge to LiteLLM: what is kept from one call to the next changes none of them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import litellm_vendor
import pytest
from litellm_vendor import KEY, run, whole
from server import ScriptedServer

from unionllm import (
    BadRequestError,
    InternalServerError,
    ModelResponse,
    UnionLLM,
    _litellm,
    _litellm_calls,
    aunionchat,
    unionchat,
)
from unionllm._arguments import arguments
from unionllm._routes import build_route

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop, server = litellm_vendor.isolated, litellm_vendor.one_loop, litellm_vendor.server


def _asking(text: str, **more: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "m", "api_key": KEY, "messages": [{"role": "user", "content": text}], **more}


def test_each_call_has_its_own_messages_key_and_model(server: ScriptedServer) -> None:
    server.default(json=whole())
    client = UnionLLM("openai", model="m", api_key=KEY, base_url=server.url)
    texts, url = iter("abcdefghi"), server.url

    unionchat(**_asking(next(texts), base_url=url))
    unionchat(**_asking(next(texts), base_url=url))
    unionchat(**_asking(next(texts), base_url=url, api_key="sk-another-key"))
    unionchat(**_asking(next(texts), base_url=url, model="n"))
    run(aunionchat(**_asking(next(texts), base_url=url)))
    run(aunionchat(**_asking(next(texts), base_url=url)))
    client.completion(messages=_asking(next(texts))["messages"])
    unionchat(**_asking(next(texts), base_url=url, temperature=0.5))
    unionchat(**_asking(next(texts), base_url=url, temperature=0.5))

    asked = [request.json for request in server.requests]
    assert [body["messages"][0]["content"] for body in asked] == [*"abcdefghi"]
    assert [body["model"] for body in asked] == [*"mmmnmmmmm"]
    assert [body.get("temperature") for body in asked] == [None] * 7 + [0.5] * 2
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == [f"Bearer {'sk-another-key' if number == 2 else KEY}" for number in range(9)]


def test_a_number_is_no_truth_and_a_mapping_can_be_given_each_time(server: ScriptedServer) -> None:
    server.default(json=whole())
    told: list[dict[str, Any]] = [{"max_retries": 1}, {"timeout": 1}, *[{"timeout": {"first_token": 30}}] * 2]
    for options in told:
        unionchat(**_asking("a", base_url=server.url, **options))
    assert len(server.requests) == 4
    with pytest.raises(BadRequestError, match="max_retries=True is not a whole number"):
        unionchat(**_asking("a", base_url=server.url, max_retries=True))
    with pytest.raises(BadRequestError, match="timeout=True is neither seconds"):
        unionchat(**_asking("a", base_url=server.url, timeout=True))
    with pytest.raises(BadRequestError, match="model must be a string, not list") as caught:
        unionchat(**_asking("a", base_url=server.url, model=["m"]))
    assert caught.value.__context__ is None
    assert len(server.requests) == 4


def test_what_the_program_sets_on_litellm_holds_for_the_next_call(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM would try again by itself, beside our own tries."""
    server.default(json={"error": {"message": "down"}}, status=500)
    for retries in (None, 3):
        monkeypatch.setattr(_litellm._load(), "num_retries", retries)
        with pytest.raises(InternalServerError):
            unionchat(**_asking("a", base_url=server.url, max_retries=0))
    assert len(server.requests) == 2


def test_the_second_of_equal_calls_is_not_made_ready_again(server: ScriptedServer) -> None:
    server.default(json=whole())
    hits, backends = _litellm_calls._kept_route.cache_info().hits, set()
    for text in "ab":
        given = _asking(text, base_url=server.url, temperature=0.5)
        unionchat(**given)
        route = build_route(
            arguments(given.pop("model"), given.pop("messages"), given.pop("provider"), False, given), {}
        )
        backends.add(route.backend)
    assert _litellm_calls._kept_route.cache_info().hits == hits + 3
    assert [backend._kept_route() is None for backend in backends] == [False]


class _Text(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


def test_nothing_of_a_call_is_kept_but_where_it_went(server: ScriptedServer) -> None:
    server.default(json=whole())
    texts = [_Text("what nobody is to keep"), _Text("nor that")]
    watched = [weakref.ref(text) for text in texts]
    for text in texts:
        answer = unionchat(**_asking(text, base_url=server.url))
        assert isinstance(answer, ModelResponse)
    del texts, text, answer
    gc.collect()
    ours = [ref for ref in watched if ref() is not None and _is_held_by_us(ref())]
    assert ours == []


def _is_held_by_us(text: Any) -> bool:
    """Whether a request or a route of ours has the message; LiteLLM's logging may have it for a while."""
    holders: list[Any] = [text]
    for _ in range(5):  # the message, the messages, the request or the arguments, the route
        holders = gc.get_referrers(*holders)
        if any(type(each).__module__.startswith("unionllm") for each in holders):
            return True
    return False
