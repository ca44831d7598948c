"""Type-checked by test_architecture, never run: what a caller's editor knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

from typing_extensions import assert_type

import unionllm
from unionllm import (
    APIError,
    AsyncBatchRun,
    AsyncStream,
    BatchResult,
    BatchRun,
    Choices,
    Context,
    Cost,
    ModelResponse,
    ModelResponseChunk,
    RateLimitError,
    Stream,
    StreamInterruptedError,
    UnionLLM,
    Usage,
    abatch,
    aunionchat,
    batch,
    unionchat,
)
from unionllm.hooks import RequestEvent

messages = [{"role": "user", "content": "你好"}]


def whether() -> bool:
    return True


def calls() -> None:
    assert_type(unionchat("m", messages), ModelResponse)
    assert_type(unionchat(provider="p", model="m", messages=messages, temperature=0.5), ModelResponse)
    assert_type(unionchat("m", messages, stream=False), ModelResponse)
    assert_type(unionchat("m", messages, stream=None), ModelResponse)
    assert_type(unionchat("m", messages, stream=True), Stream)
    assert_type(unionchat("m", messages, stream=whether()), ModelResponse | Stream)


async def async_calls() -> None:
    assert_type(await aunionchat("m", messages), ModelResponse)
    assert_type(await aunionchat("m", messages, stream=False), ModelResponse)
    assert_type(await aunionchat("m", messages, stream=True), AsyncStream)
    assert_type(await aunionchat("m", messages, stream=whether()), ModelResponse | AsyncStream)


def client_calls() -> None:
    with UnionLLM("p", model="m", api_key="k", timeout=5) as client:
        assert_type(client, UnionLLM)
        assert_type(client.completion(messages=messages), ModelResponse)
        assert_type(client.completion("m", messages, stream=True), Stream)
        assert_type(client.completion("m", messages, stream=whether()), ModelResponse | Stream)
        assert_type(client.chat(messages=messages), ModelResponse)
        assert_type(client.chat("m", messages, stream=True), Stream)
        client.close()


async def async_client_calls() -> None:
    async with UnionLLM(provider="p") as client:
        assert_type(client, UnionLLM)
        assert_type(await client.acompletion(messages=messages), ModelResponse)
        assert_type(await client.acompletion("m", messages, stream=True), AsyncStream)
        assert_type(await client.achat(messages=messages), ModelResponse)
        assert_type(await client.achat("m", messages, stream=True), AsyncStream)
        await client.aclose()


def answers(response: ModelResponse) -> None:
    assert_type(response.choices, list[Choices])
    assert_type(response.choices[0].message.content, str | None)
    assert_type(response.choices[0].finish_reason, str | None)
    assert_type(response.usage, Usage | None)
    assert_type(response.context, list[Context] | None)
    assert_type(response["choices"], Any)
    assert_type(response.to_dict(), dict[str, Any])
    unionchat("m", [*messages, response.choices[0].message])


def streams(stream: Stream) -> None:
    with stream as entered:
        assert_type(entered, Stream)
        for chunk in stream:
            assert_type(chunk, ModelResponseChunk)
            # A chunk is a ModelResponse for 0.x code; its choices hold deltas.
            assert_type(chunk.choices[0].delta.content, str | None)
            assert_type(chunk.usage, Usage | None)
    assert_type(next(stream), ModelResponseChunk)
    assert_type(iter(stream), Iterator[ModelResponseChunk])
    assert_type(stream.text(), Iterator[str])
    assert_type(stream.response, ModelResponse | None)


async def async_streams(stream: AsyncStream) -> None:
    async with stream as entered:
        assert_type(entered, AsyncStream)
        async for chunk in stream:
            assert_type(chunk, ModelResponseChunk)
    assert_type(await anext(stream), ModelResponseChunk)
    assert_type(stream.text(), AsyncIterator[str])
    assert_type(stream.response, ModelResponse | None)


def errors() -> None:
    try:
        unionchat("m", messages)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except StreamInterruptedError as error:
        assert_type(error.partial, ModelResponse | None)
    except unionllm.Timeout as error:
        assert_type(error.message, str)
    except APIError as error:
        assert_type(error.status_code, int | None)
        assert_type(error.llm_provider, str | None)


def tables() -> None:
    assert_type(unionllm.providers(), list[dict[str, Any]])
    assert_type(unionllm.__version__, str)


def bulk() -> None:
    run = batch([{"messages": messages}], provider="p", model="m")
    assert_type(run, BatchRun)
    for result in run:
        assert_type(result, BatchResult)
        assert_type(result.index, int)


async def async_bulk() -> None:
    run = abatch([{"messages": messages}], provider="p", model="m")
    assert_type(run, AsyncBatchRun)
    async for result in run:
        assert_type(result, BatchResult)


def costs(response: ModelResponse) -> None:
    assert_type(response.cost, Cost | None)
    if response.cost is not None:
        assert_type(response.cost.amount, Decimal)
    assert_type(unionllm.sum_costs([response.cost]).amounts, dict[str, Decimal])


def told(event: RequestEvent) -> None:
    unionchat("m", messages, on_request=told)
    assert_type(event.provider, str)
