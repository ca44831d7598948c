"""Native calls that differ in their messages alone: what is kept from one to the next changes none of them."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import time
import weakref
from typing import Any

import pytest
from aiohttp.client_proto import ResponseHandler
from replies import KEY, answer, arguments, stream
from server import ScriptedServer

from unionllm import BadRequestError, UnionLLM, aunionchat, unionchat
from unionllm._native_calls import _kept, native_route
from unionllm._protocols.base import Credential
from unionllm._registry import Found
from unionllm._routes import build_route
from unionllm._secrets import Headers
from unionllm._timeouts import Deadline, Timeouts
from unionllm._transport import AsyncTransport, SyncTransport
from unionllm._urls import host_of
from unionllm._wire import Flow, HttpReply, HttpRequest
from unionllm.exceptions import AuthenticationError
from unionllm.providers.deepseek import DeepSeek
from unionllm.providers.deepseek import adapter as deepseek

GIVEN = {"provider": "deepseek", "model": "m", "api_key": KEY, "max_retries": 0, "timeout": 5}
GIVEN |= {"messages": [{"role": "user", "content": "a"}]}


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
    told[0][0].reason = "a caller's own words"
    assert unionchat(**_asking(server, "c", **given)).adaptations == told[1]
    assert server.requests.pop().json["max_tokens"] == 9
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


@pytest.mark.parametrize(
    ("asked", "environ", "host", "key"),
    [
        ({"provider": "zhipuai"}, {"ZHIPU_API_KEY": "k.of-cn"}, "open.bigmodel.cn", "k.of-cn"),
        ({"provider": "zai"}, {"ZHIPU_API_KEY": "k.of-cn"}, "api.z.ai", "k.of-cn"),
        ({"provider": "zhipuai", "region": "intl"}, {"ZHIPU_API_KEY": "k.other"}, "api.z.ai", "k.other"),
        (
            {"provider": "hunyuan", "region": "hunyuan"},
            {"HUNYUAN_API_KEY": "k-1"},
            "api.hunyuan.cloud.tencent.com",
            "k-1",
        ),
        (
            {"provider": "hunyuan", "region": "hunyuan"},
            {"HUNYUAN_API_KEY": "k-2"},
            "api.hunyuan.cloud.tencent.com",
            "k-2",
        ),
    ],
)
def test_the_region_and_its_own_variables_count_in_any_order(
    asked: dict[str, Any], environ: dict[str, str], host: str, key: str
) -> None:
    for _ in range(2):
        chat = build_route({**asked, "model": "m", "messages": [{"role": "user", "content": "a"}]}, environ).chat
        assert (host_of(chat.base_url), chat.credentials["api_key"]) == (host, key)


def test_a_plugins_lists_stay_as_they_are() -> None:
    spec = dataclasses.replace(deepseek.spec, base_url_env=["ACME_BASE"], credentials=(Credential(env=("ACME_KEY",)),))
    found = Found(DeepSeek(spec))
    args = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    for _ in range(2):
        chat = native_route(found, dict(args), ({"role": "user", "content": "a"},), {"ACME_KEY": "k-acme"}).chat
        assert (chat.base_url, chat.credentials) == (spec.base_url, {"api_key": "k-acme"})
    assert spec.base_url_env == ["ACME_BASE"]


def test_a_call_whose_address_holds_a_password_is_not_kept(server: ScriptedServer) -> None:
    server.default(json=answer())
    before = _kept.cache_info().currsize, _kept.cache_info().misses
    for _ in range(2):
        unionchat(**_asking(server, "a", base_url=server.url.replace("//", "//user:pass@"), top_p=0.321))
    assert (_kept.cache_info().currsize, _kept.cache_info().misses) == before
    assert len(server.requests) == 2


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
    paused: list[Any] = []
    pause, resume = ResponseHandler.pause_reading, ResponseHandler.resume_reading
    monkeypatch.setattr(ResponseHandler, "pause_reading", lambda self: (paused.append(1), pause(self)))
    monkeypatch.setattr(
        ResponseHandler,
        "resume_reading",
        lambda self, *given, **named: (resumed.append(1), resume(self, *given, **named)),
    )
    texts = [f"{number}".rjust(size, "x") for number in range(9)]
    server.reply(sse=stream(*texts))

    async def read() -> str:
        text = ""
        async for chunk in await aunionchat(**_asking(server, "a"), stream=True):
            while is_paused and not paused:
                await asyncio.sleep(0.01)  # until as much has arrived as there is room for
            text += chunk.choices[0].delta.content or ""
        return text

    assert asyncio.run(read()) == "".join(texts)
    assert bool(resumed) is is_paused


def test_a_parser_that_was_paused_after_a_chunk_goes_on_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paused by the number of chunks rather than by their size, aiohttp's parser needs more than one call to go on."""
    events = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in stream("a", "b")[:-1])
    begins, ends = events.split(b"\n\n", 1)

    def framed(data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data)

    async def answer_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(framed(begins + b"\n\n"))
        await is_waiting.wait()
        writer.write(framed(b":") * 16_300)
        for _ in range(1_000):
            writer.write(framed(b":"))
            await asyncio.sleep(0.001)
            if paused:  # nothing comes behind the chunk that it is paused at
                break
        may_go_on.set()
        await has_gone_on.wait()
        writer.write(framed(b"\n\n" + ends) + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await reader.read()
        writer.close()
        is_over.set()

    async def read() -> str:
        server = await asyncio.start_server(answer_it, "127.0.0.1", 0)
        text = ""
        given = {**GIVEN, "base_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        async with UnionLLM() as client:
            async for chunk in await client.acompletion(**given, stream=True):
                text += chunk.choices[0].delta.content or ""
                if not is_waiting.is_set():
                    is_waiting.set()
                    await may_go_on.wait()
                    asyncio.get_running_loop().call_later(0.05, has_gone_on.set)
        await is_over.wait()
        server.close()
        return text

    paused: list[Any] = []
    pause = ResponseHandler.pause_reading
    monkeypatch.setattr(ResponseHandler, "pause_reading", lambda self: (paused.append(1), pause(self)))
    is_waiting, may_go_on, has_gone_on, is_over = (asyncio.Event() for _ in range(4))
    assert asyncio.run(read()) == "ab"
    assert paused


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
