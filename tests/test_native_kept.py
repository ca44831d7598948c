"""Native calls that differ in their messages alone: what is kept from one to the next changes none of them."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import Any

import pytest
from aiohttp.client_proto import ResponseHandler
from replies import KEY, answer, arguments, stream
from server import ScriptedServer

from unionllm import BadRequestError, UnionLLM, aunionchat, unionchat
from unionllm._native_calls import _kept
from unionllm._secrets import Headers
from unionllm._timeouts import Deadline, Timeouts
from unionllm._transport import AsyncTransport, SyncTransport
from unionllm._wire import Flow, HttpReply, HttpRequest
from unionllm.exceptions import AuthenticationError


def _asking(server: ScriptedServer, text: str, **changes: Any) -> dict[str, Any]:
    return arguments(server, messages=[{"role": "user", "content": text}], **changes)


def test_each_call_has_its_own_messages_key_model_and_parameters(server: ScriptedServer) -> None:
    server.default(json=answer())
    client = UnionLLM("deepseek", api_key=KEY, base_url=server.url, model="deepseek-v4-flash", max_retries=0, timeout=5)

    unionchat(**_asking(server, "a"))
    unionchat(**_asking(server, "b"))
    unionchat(**_asking(server, "c", api_key="sk-another-key-0123456789"))
    unionchat(**_asking(server, "d", model="deepseek-v4-pro"))
    asyncio.run(aunionchat(**_asking(server, "e", temperature=0.5)))
    asyncio.run(aunionchat(**_asking(server, "f", temperature=0.5)))
    with client:
        client.completion(messages=[{"role": "user", "content": "g"}])
    unionchat(**_asking(server, "h", temperature=0.25))

    asked = [request.json for request in server.requests]
    assert [body["messages"][0]["content"] for body in asked] == [*"abcdefgh"]
    assert [body["model"] for body in asked] == [
        "deepseek-v4-pro" if at == 3 else "deepseek-v4-flash" for at in range(8)
    ]
    assert [body.get("temperature") for body in asked] == [None, None, None, None, 0.5, 0.5, None, 0.25]
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == [f"Bearer {'sk-another-key-0123456789' if at == 2 else KEY}" for at in range(8)]


def test_what_is_changed_for_the_vendor_is_told_every_time(server: ScriptedServer) -> None:
    server.default(json=answer())
    given = {"max_completion_tokens": 9, "temperature": 3, "app_secret": "not-of-this-vendor"}

    told = [unionchat(**_asking(server, text, **given)).adaptations for text in "ab"]

    assert told[0] is not None
    assert sorted(change.parameter for change in told[0]) == ["app_secret", "max_completion_tokens", "temperature"]
    assert told[1] == told[0]
    assert [(body["max_tokens"], body["temperature"]) for body in (each.json for each in server.requests)] == [
        (9, 2)
    ] * 2
    with pytest.raises(BadRequestError, match="app_secret= has no effect here"):
        unionchat(**_asking(server, "c", app_secret="x", param_policy="strict"))


def test_the_environment_of_the_next_call_counts(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.default(json=answer())
    given = _asking(server, "a", api_key=None, base_url=None)
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    for path, key in (("one", "sk-of-the-first-0123456789"), ("two", "sk-of-the-second-0123456789")):
        monkeypatch.setenv("DEEPSEEK_API_BASE", f"{server.url}/{path}")
        monkeypatch.setenv("DEEPSEEK_API_KEY", key)
        unionchat(**given)
        unionchat(**given)
    unionchat(**given, DEEPSEEK_API_KEY="sk-of-one-call-0123456789")
    monkeypatch.delenv("DEEPSEEK_API_KEY")
    with pytest.raises(AuthenticationError, match="Missing API key"):
        unionchat(**given)

    assert [request.path.split("/")[1] for request in server.requests] == ["one", "one", "two", "two", "two"]
    keys = [request.headers["authorization"].split("-")[3] for request in server.requests]
    assert keys == ["first", "first", "second", "second", "call"]


def test_a_number_is_no_truth_and_a_mapping_can_be_given_each_time(server: ScriptedServer) -> None:
    server.default(json=answer())
    told: list[dict[str, Any]] = [{"max_retries": 1}, {"timeout": 1}, *[{"timeout": {"first_token": 30}}] * 2]
    for options in told:
        unionchat(**_asking(server, "a", **options))
    assert len(server.requests) == 4
    with pytest.raises(BadRequestError, match="max_retries=True is not a whole number"):
        unionchat(**_asking(server, "a", max_retries=True))
    with pytest.raises(BadRequestError, match="timeout=True is neither seconds"):
        unionchat(**_asking(server, "a", timeout=True))
    with pytest.raises(BadRequestError, match="model must be a string, not list") as caught:
        unionchat(**_asking(server, "a", model=["m"]))
    assert caught.value.__context__ is None
    assert len(server.requests) == 4


def test_the_second_of_equal_calls_is_not_made_ready_again(server: ScriptedServer) -> None:
    server.default(json=answer())
    before = _kept.cache_info()
    for text in "abc":
        unionchat(**_asking(server, text, top_p=0.123))
    after = _kept.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)


class _Text(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


def test_nothing_of_a_call_is_kept_but_where_it_went(server: ScriptedServer) -> None:
    server.default(json=answer())
    texts = [_Text("what nobody is to keep"), _Text("nor that")]
    watched = [weakref.ref(text) for text in texts]
    for text in texts:
        unionchat(**_asking(server, text))
    del texts, text
    gc.collect()
    assert [ref() for ref in watched] == [None, None]


@pytest.mark.parametrize(("size", "is_paused"), [(1, False), (300_000, True)])
def test_reading_is_resumed_where_it_was_paused_and_nowhere_else(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, size: int, is_paused: bool
) -> None:
    """aiohttp resumes after every piece that was read: its parser and its transport are asked for nothing."""
    resumed: list[Any] = []
    theirs = ResponseHandler.resume_reading

    def resume(self: Any, *given: Any) -> None:
        resumed.append(self)
        theirs(self, *given)

    monkeypatch.setattr(ResponseHandler, "resume_reading", resume)
    texts = [f"{number}".rjust(size, "x") for number in range(9)]
    server.reply(sse=stream(*texts))

    async def read() -> str:
        text = ""
        async for chunk in await aunionchat(**_asking(server, "a"), stream=True):
            if not text:
                await asyncio.sleep(0.1)  # so that all the rest arrives, or as much of it as there is room for
            text += chunk.choices[0].delta.content or ""
        return text

    assert asyncio.run(read()) == "".join(texts)
    assert bool(resumed) is is_paused


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain", "accept": "text/html", "x-own": "1"}])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_has_no_headers_but_its_own(
    server: ScriptedServer, method: str, content: bytes | None, headers: dict[str, str]
) -> None:
    server.default(json={})

    def flow() -> Flow[HttpReply]:
        reply: HttpReply = yield HttpRequest(url=server.url, method=method, content=content, headers=Headers(headers))
        return reply

    async def ask() -> None:
        transport = AsyncTransport()
        await transport.run(flow(), Deadline(Timeouts(), time.monotonic))
        await transport.close()

    asyncio.run(ask())
    transport = SyncTransport()
    transport.run(flow(), Deadline(Timeouts(), time.monotonic))
    transport.close()

    in_a_loop, blocking = (request.headers for request in server.requests)
    assert in_a_loop == blocking
    length = {} if content is None and method == "GET" else {"content-length": str(len(content or b""))}
    ours = {"host": server.url.partition("//")[2], "accept-encoding": "gzip, deflate", "user-agent": "unionllm"}
    assert in_a_loop == {**ours, **headers, **length}
