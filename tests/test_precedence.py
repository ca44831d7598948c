"""Which argument counts when two say the same thing, and what never crosses from one provider to another."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from replies import MESSAGES, answer, arguments, piece
from server import Cut, ScriptedServer

from unionllm import APIResponseError, BadRequestError, StreamInterruptedError, UnionLLM, aunionchat, unionchat


def client(server: ScriptedServer, **changes: Any) -> UnionLLM:
    return UnionLLM("deepseek", model="deepseek-v4-flash", **{"api_key": "sk-first", "base_url": server.url, **changes})


def keys(server: ScriptedServer) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


def test_a_fallback_that_names_its_vendor_in_the_model_gets_no_foreign_key(server: ScriptedServer) -> None:
    server.default(status=400, json={"error": {"message": "no"}})

    with pytest.raises(Exception, match="Missing API key"):
        unionchat(
            "zhipuai/glm-5",
            MESSAGES,
            api_key="sk-of-zhipu",
            base_url=server.url,
            max_retries=0,
            fallbacks=[{"model": "kimi/kimi-k3", "base_url": server.url}],
        )

    assert keys(server) == ["Bearer sk-of-zhipu"]


@pytest.mark.parametrize("spelling", ["api_key", "app_key", "apk_key"])
def test_the_calls_key_counts_in_every_spelling(server: ScriptedServer, spelling: str) -> None:
    server.default(json=answer())

    with client(server) as ours:
        ours.completion(messages=MESSAGES, **{spelling: "sk-second"})

    assert keys(server) == ["Bearer sk-second"]


def test_the_calls_address_counts_in_every_spelling(server: ScriptedServer) -> None:
    server.default(json=answer())

    with client(server) as ours:
        ours.completion(messages=MESSAGES, api_base=f"{server.url}/x")

    assert server.requests[0].path == "/x/chat/completions"


@pytest.mark.parametrize("name", ["DeepSeek", "deep-seek"])
def test_another_spelling_of_the_clients_provider_keeps_its_key(server: ScriptedServer, name: str) -> None:
    server.default(json=answer())

    with client(server) as ours:
        ours.completion(messages=MESSAGES, provider=name)

    assert keys(server) == ["Bearer sk-first"]


def test_a_client_may_stream_by_default(server: ScriptedServer) -> None:
    server.default(sse=[piece({"content": "A"}, "stop"), "[DONE]"])

    with client(server, stream=True) as ours:
        stream: Any = ours.completion(messages=MESSAGES)
        assert "".join(stream.text()) == "A"


def test_a_query_in_the_address_is_refused(server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match="extra_query"):
        unionchat(**arguments(server, base_url=f"{server.url}/v1?version=3"))


def test_a_stream_is_not_whole_while_one_of_its_answers_is_not(server: ScriptedServer) -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "B"}}]}
    server.reply(sse=[piece({"content": "A"}, "stop"), other])

    with pytest.raises(StreamInterruptedError):
        list(unionchat(**arguments(server, stream=True)))


@pytest.mark.parametrize("odd", [{"created": 1.5}, {"id": 7}, {"model": 3}])
def test_odd_values_do_not_cost_what_had_arrived(server: ScriptedServer, odd: dict[str, Any]) -> None:
    server.reply(sse=[{**piece({"content": "A"}), **odd}, Cut()])

    with pytest.raises(StreamInterruptedError) as caught:
        list(unionchat(**arguments(server, stream=True)))

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "A"


@pytest.mark.parametrize("choice", [{"index": 0, "finish_reason": "stop"}, {"message": {"tool_calls": 5}}, 5])
def test_an_answer_that_makes_no_sense_is_an_error_of_ours(server: ScriptedServer, choice: Any) -> None:
    server.reply(json={"id": "1", "choices": [choice]})

    with pytest.raises(APIResponseError):
        unionchat(**arguments(server))


@pytest.mark.usefixtures("no_garbage")
def test_ended_event_loops_are_not_kept(server: ScriptedServer) -> None:
    server.default(json=answer())
    loops: list[weakref.ref[Any]] = []

    async def ask() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await aunionchat(**arguments(server))

    for _ in range(3):
        asyncio.run(ask())
    gc.collect()

    assert [loop() for loop in loops] == [None, None, None]
