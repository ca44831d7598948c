"""``unionembed``: batches in order, retries of what is missing alone, and LiteLLM for the rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from server import Recorded, Reply, ScriptedServer

import unionllm
from unionllm import EmbeddingResponse, UnionLLM, aunionembed, exceptions, unionembed
from unionllm._registry import find, native_names
from unionllm.testing import VendorServer
from unionllm.testing.vendors import VENDORS, load

#: Native providers that embed, with a model each that the vendor server plays.
EMBEDDING = [
    (name, next(iter(load(name).embeds)))  # type: ignore[attr-defined]  # of those that have it
    for name in native_names()
    if name in VENDORS and getattr(load(name), "embeds", {})
]

Embed = Callable[..., EmbeddingResponse]


@pytest.fixture(params=["sync", "async", "client", "async client"])
def embed(request: pytest.FixtureRequest) -> Embed:
    def client(**given: Any) -> EmbeddingResponse:
        with UnionLLM() as opened:
            return opened.embed(**given)

    async def async_client(**given: Any) -> EmbeddingResponse:
        async with UnionLLM() as opened:
            return await opened.aembed(**given)

    ways: dict[str, Embed] = {
        "sync": unionembed,
        "async": lambda **given: asyncio.run(aunionembed(**given)),
        "client": client,
        "async client": lambda **given: asyncio.run(async_client(**given)),
    }
    return ways[str(request.param)]


def test_every_provider_that_embeds_is_played() -> None:
    offering = {name for name in native_names() if (found := find(name)) and found.adapter.spec.embeddings is not None}

    assert {name for name, _ in EMBEDDING} == offering & set(VENDORS)
    assert offering


@pytest.mark.parametrize(("provider", "model"), EMBEDDING)
def test_texts_are_sent_in_batches_and_come_back_in_order(
    provider: str, model: str, embed: Embed, vendor_server: VendorServer
) -> None:
    texts = [chr(0x4E00 + number) * (number % 7 + 1) for number in range(150)]
    given = list(texts)

    response = embed(model=model, input=texts, **vendor_server.arguments(provider))

    assert texts == given
    assert [row.index for row in response.data] == list(range(150))
    assert [row.embedding[0] for row in response.data] == [len(text) for text in texts]
    assert [row.embedding[2] for row in response.data] == [ord(text[0]) for text in texts]
    sizes = [len(request.json["input"]) for request in vendor_server.requests]
    limit = load(provider).embeds[model]  # type: ignore[attr-defined]  # see above
    assert sizes == [limit] * (150 // limit) + ([150 % limit] if 150 % limit else [])
    assert vendor_server.refused == []
    assert response.usage is not None
    assert response.usage.prompt_tokens == response.usage.total_tokens == sum(map(len, texts))
    assert (response.provider, response.model) == (provider, model)


def test_one_text_is_a_batch_of_one(vendor_server: VendorServer) -> None:
    response = unionembed(
        "embedding-3", "你好", dimensions=3, extra_body={"x": 1}, **vendor_server.arguments("zhipuai")
    )

    assert response.data[0].embedding == [2.0, 0.0, float(ord("你"))]
    assert vendor_server.requests[0].json == {"model": "embedding-3", "input": ["你好"], "dimensions": 3, "x": 1}
    assert response["data"][0]["index"] == 0
    assert response.to_dict()["object"] == "list"


def test_a_retry_asks_only_for_what_has_not_arrived(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="the first batch")
    vendor_server.fault("rate_limit", retry_after=0.01)

    response = unionembed("embedding-3", ["a"] * 100, **vendor_server.arguments("zhipuai"))

    assert len(response.data) == 100
    assert [len(request.json["input"]) for request in vendor_server.requests] == [64, 36, 36]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"input": None}, "input must be a text"),
        ({"input": []}, "input must be a text"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [1]}, "input[0]"),
        ({"input": "a", "stream": True}, "not streamed"),
    ],
)
def test_what_is_no_input_is_refused_here(given: Any, says: str, vendor_server: VendorServer) -> None:
    with pytest.raises(exceptions.BadRequestError) as caught:
        unionembed("embedding-3", **given, **vendor_server.arguments("zhipuai"))

    assert says in str(caught.value)
    assert vendor_server.requests == []


def test_a_provider_without_embeddings_names_those_that_have_them(vendor_server: VendorServer) -> None:
    with pytest.raises(exceptions.ProviderError, match="zhipuai"):
        unionembed("kimi-k3", "a", **vendor_server.arguments("moonshot"))


@pytest.mark.parametrize(
    ("kind", "cls"),
    [("auth", exceptions.AuthenticationError), ("no_balance", exceptions.InsufficientBalanceError)],
)
def test_errors_are_those_of_a_chat(kind: str, cls: type[Exception], embed: Embed, vendor_server: VendorServer) -> None:
    vendor_server.fault(kind, vendor="zhipuai")

    with pytest.raises(cls):
        embed(model="embedding-3", input="a", **vendor_server.arguments("zhipuai"))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [{"index": 0, "embedding": None}],
        [{"index": 0, "embedding": [1.0]}] * 2,
        ["x"],
    ],
)
def test_vectors_that_do_not_fit_the_texts_are_an_error(data: Any, server: ScriptedServer) -> None:
    server.reply(Reply(json={"data": data}))

    with pytest.raises(exceptions.APIResponseError, match="vectors came back"):
        unionembed("embedding-3", "a", provider="zhipuai", api_key="k", base_url=server.url, max_retries=0)


def test_vectors_in_base64_are_read(server: ScriptedServer) -> None:
    server.reply(Reply(json={"data": [{"index": 0, "embedding": "AACAPwAAAMA="}], "model": "m"}))

    response = unionembed("embedding-3", "a", provider="zhipuai", api_key="k", base_url=server.url)

    assert response.data[0].embedding == [1.0, -2.0]
    assert response.usage is None


def test_fallbacks_serve_embeddings_too(vendor_server: VendorServer) -> None:
    vendor_server.fault("no_balance", vendor="zhipuai")
    first, second = vendor_server.arguments("zhipuai"), vendor_server.arguments("zhipuai")

    response = unionembed("embedding-2", "a", fallbacks=[{**second, "model": "embedding-3"}], **first)

    assert response.model == "embedding-3"


def vectors(request: Recorded) -> Reply:
    """OpenAI's endpoint."""
    given = json.loads(request.body)
    texts = [given["input"]] if isinstance(given["input"], str) else given["input"]
    rows = [{"object": "embedding", "index": n, "embedding": [float(len(text))]} for n, text in enumerate(texts)]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return Reply(json={"object": "list", "model": given["model"], "data": rows, "usage": usage})


def test_everyone_else_is_reached_through_litellm(server: ScriptedServer, embed: Embed) -> None:
    server.default(vectors)

    response = embed(
        provider="openai",
        model="text-embedding-3-small",
        input=["a", "bb"],
        api_key="sk-test",
        base_url=server.url,
    )

    assert [row.embedding for row in response.data] == [[1.0], [2.0]]
    assert response.usage is not None
    assert response.usage.prompt_tokens == 3
    assert response.provider == "openai"
    assert server.requests[0].headers["authorization"] == "Bearer sk-test"
    assert server.requests[0].path == "/embeddings"
    assert json.loads(server.requests[0].body)["input"] == ["a", "bb"]


def test_an_error_through_litellm_is_one_of_ours(server: ScriptedServer, embed: Embed) -> None:
    server.default(lambda _: Reply(status=401, json={"error": {"message": "no", "type": "auth", "code": "bad_key"}}))

    with pytest.raises(exceptions.AuthenticationError) as caught:
        embed(
            provider="openai",
            model="text-embedding-3-small",
            input="a",
            api_key="sk-secret-0123",
            base_url=server.url,
            max_retries=0,
        )

    assert "sk-secret-0123" not in str(caught.value)


def test_the_names_are_there() -> None:
    assert unionllm.unionembed is unionembed
    assert unionllm.EmbeddingResponse is EmbeddingResponse
