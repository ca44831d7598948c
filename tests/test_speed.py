"""What makes calls fast, told by what happens and not by a clock: the clocks are in benchmarks/."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from replies import answer, arguments, stream
from server import ScriptedServer
from test_importing import fresh

from unionllm import UnionLLM, aunionchat, unionchat
from unionllm._protocols.json_text import load_json
from unionllm._templates import template
from unionllm.schema import Delta, ModelResponseChunk, StreamingChoices

HEAD = {"id": "c-1", "created": 7, "model": "m", "provider": "acme", "request_id": None}
KNOWN = {"choices": [StreamingChoices(index=0, delta=Delta(content="你好", role="assistant"))]}
EXTRA = {"vendor_field": [1, {"a": None}]}


def made() -> ModelResponseChunk:
    return template(ModelResponseChunk, HEAD)(copy.deepcopy(KNOWN), copy.deepcopy(EXTRA))


def validated() -> ModelResponseChunk:
    return ModelResponseChunk(**copy.deepcopy({**HEAD, **KNOWN, **EXTRA}))


SEEN: dict[str, Callable[[ModelResponseChunk], Any]] = {
    "itself": lambda chunk: chunk,
    "repr": repr,
    "dump": lambda chunk: chunk.model_dump(),
    "dump of what was set": lambda chunk: chunk.model_dump(exclude_unset=True),
    "JSON": lambda chunk: chunk.model_dump_json(),
    "extras": lambda chunk: chunk.model_extra,
    "names of what was set": lambda chunk: chunk.model_fields_set,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": lambda chunk: pickle.loads(pickle.dumps(chunk)),
    "validated again": lambda chunk: ModelResponseChunk.model_validate(chunk.model_dump()),
    "item": lambda chunk: chunk["choices"][0]["delta"]["content"],
}


@pytest.mark.parametrize("see", SEEN.values(), ids=SEEN)
def test_a_chunk_made_of_a_template_is_one_that_was_validated(see: Callable[[ModelResponseChunk], Any]) -> None:
    assert see(made()) == see(validated())


def test_chunks_of_one_template_share_nothing_that_can_be_changed() -> None:
    make = template(Delta, {"role": "assistant"})
    first, second = make({"content": "a"}, {}), make({"content": "b"}, {})

    first.reasoning_content = "thought"
    first.vendor_field = 1  # type: ignore[attr-defined]

    assert second == Delta(role="assistant", content="b")
    assert second.model_fields_set == {"role", "content"}


def test_a_vendor_field_that_bears_the_name_of_ours_becomes_it_unless_that_is_known() -> None:
    chunk = template(Delta, {})({"content": "ours"}, {"content": "vendor's", "role": "user", "other": 1})

    assert (chunk.content, chunk.role, chunk.model_extra) == ("ours", "user", {"other": 1})


@pytest.mark.parametrize(
    "text", ['{"a": "\\ud83d"}', '{"a": ["\\udc00 \\ud83d"]}'], ids=["first half", "both, swapped"]
)
def test_half_a_character_in_an_escape_is_read(text: str) -> None:
    """One event ends in the first half of an emoji: no JSON to the fast decoder, and no reason to lose the event."""
    assert "\ufffd" in load_json(text)["a"][0]


@pytest.mark.parametrize("text", ["", "{", "nan?", '{"a":1}{', "[" * 100_000])
def test_what_is_no_json_is_refused_by_both_decoders(text: str) -> None:
    with pytest.raises(ValueError):
        load_json(text)


def test_blocking_calls_load_neither_asyncio_nor_what_asynchronous_ones_need() -> None:
    report = fresh("import unionllm._clients, unionllm._stream, unionllm._finish, unionllm.providers.deepseek")

    assert not {"asyncio", "aiohttp", "litellm"} & set(report["modules"])
    assert "httpcore" in report["modules"]


def test_a_hundred_and_twenty_streams_of_one_client_are_open_at_once() -> None:
    """Pools admit a hundred connections by default, and have the next one wait."""
    wanted = 120
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    event = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'

    async def read() -> tuple[int, set[str]]:
        waiting = 0
        all_here = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal waiting
            await reader.readuntil(b"\r\n\r\n")
            waiting += 1
            if waiting == wanted:
                all_here.set()
            await all_here.wait()
            writer.write(head + event + b"data: [DONE]\n\n")
            await writer.drain()
            writer.close()

        served = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=wanted)
        url = f"http://127.0.0.1:{served.sockets[0].getsockname()[1]}"
        asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        async with UnionLLM(provider="deepseek", api_key="k", base_url=url) as client:

            async def text() -> str:
                return "".join([piece async for piece in (await client.acompletion(**asked)).text()])

            texts = await asyncio.gather(*(text() for _ in range(wanted)))
        served.close()
        await served.wait_closed()
        return waiting, set(texts)

    assert asyncio.run(read()) == (wanted, {"x"})


def test_cookies_are_not_kept(server: ScriptedServer) -> None:
    server.default(json=answer(), headers={"set-cookie": "session=1"})

    async def calls() -> None:
        for _ in range(2):
            await aunionchat(**arguments(server))

    asyncio.run(calls())
    unionchat(**arguments(server))

    assert [request.headers.get("cookie") for request in server.requests] == [None] * 3


def test_blocking_and_asynchronous_calls_send_the_same_headers(server: ScriptedServer) -> None:
    server.default(json=answer())

    unionchat(**arguments(server))
    asyncio.run(aunionchat(**arguments(server)))

    sync, asynchronous = (dict(request.headers) for request in server.requests)
    assert sync == asynchronous
    assert sync["host"] == server.url.removeprefix("http://")


def test_a_signed_address_arrives_as_it_was_signed(server: ScriptedServer) -> None:
    """Rewriting %7E as ~, or + as a space, would spoil a signature."""
    server.default(json=answer())
    given = {**arguments(server), "extra_query": {"sign": "a+b/c=%~é"}}

    unionchat(**given)
    asyncio.run(aunionchat(**given))

    assert [request.query for request in server.requests] == [given["extra_query"]] * 2


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_proxy_named_between_two_calls_counts_from_the_next_one(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, is_stream: bool
) -> None:
    server.default(sse=stream("好")) if is_stream else server.default(json=answer())
    given = {**arguments(server), "base_url": "http://vendor.invalid/v1", "stream": is_stream, "max_retries": 0}
    monkeypatch.setenv("http_proxy", server.url)
    first = unionchat(**given)
    assert first is not None
    monkeypatch.delenv("http_proxy")

    with pytest.raises(Exception, match=r"vendor\.invalid"):
        unionchat(**given)

    assert len(server.requests) == 1
