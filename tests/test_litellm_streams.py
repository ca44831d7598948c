"""The bridge to LiteLLM: streams, their endings, and what closes them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from typing import Any

import litellm_vendor
import pytest
from foreign_vendors.aws import frame
from litellm_vendor import ANTHROPIC_ERROR, KEY, PIECES, STREAMS, USAGE_PIECE, call_of, piece, run, stream_reply
from server import Cut, Pause, ScriptedServer

from unionllm import (
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    ModelResponseChunk,
    RateLimitError,
    StreamInterruptedError,
    aunionchat,
    unionchat,
)
from unionllm._request import ChatRequest

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop = litellm_vendor.isolated, litellm_vendor.one_loop
OLLAMA = ("ollama", "ollama_chat")


def serve(server: ScriptedServer, route: str, events: list[Any], **fields: Any) -> None:
    """Stream these events; Ollama is also asked what its model can do."""
    server.default(json={})
    path = {"ollama": "/api/generate", "ollama_chat": "/api/chat"}.get(route)
    server.reply(stream_reply(events, **fields), path=path)
    if route in OLLAMA:
        server.default(status=404, json={"error": "not found"})


def collect(arguments: dict[str, Any], *, is_async: bool) -> list[ModelResponseChunk]:
    """All chunks of a stream."""
    if not is_async:
        return list(unionchat(stream=True, **arguments))

    async def read() -> list[ModelResponseChunk]:
        return [chunk async for chunk in await aunionchat(stream=True, **arguments)]

    return run(read())


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
every_route = pytest.mark.parametrize("route", sorted(STREAMS))


@both
@every_route
def test_a_stream_has_a_role_one_id_one_model_and_one_last_chunk(
    server: ScriptedServer, route: str, is_async: bool
) -> None:
    serve(server, route, STREAMS[route][2])
    chunks = collect(call_of(server, route), is_async=is_async)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "你好"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == len({chunk.model for chunk in chunks}) == 1
    assert chunks[0].model == {"anthropic": "claude-x", "ollama": "llama3", "ollama_chat": "llama3"}.get(
        route, "vendor-model"
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 4)
    assert chunks[0].request_id == "req-1"
    assert {chunk.provider for chunk in chunks} == {route}


def test_vendor_fields_of_a_stream_are_kept(server: ScriptedServer) -> None:
    events = [{**event, "service_tier": "flex"} if isinstance(event, dict) else event for event in PIECES]
    events[1] = {**events[1], "citations": ["http://x"]}
    serve(server, "openai", events)
    stream = unionchat(stream=True, **call_of(server, "openai"))
    chunks = list(stream)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "stop"]
    assert chunks[1].citations == ["http://x"]
    assert (stream.response.service_tier, stream.response.citations) == ("flex", ["http://x"])


def test_usage_is_asked_for_beside_the_callers_own_stream_options(server: ScriptedServer) -> None:
    serve(server, "openai", PIECES)
    options = {"include_obfuscation": False}
    collect(call_of(server, "openai", stream_options=options), is_async=False)
    assert server.requests[0].json["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert options == {"include_obfuscation": False}


@pytest.mark.parametrize("route", ["mistral", "anthropic"])
def test_strict_does_not_refuse_what_we_ask_for_ourselves(server: ScriptedServer, route: str) -> None:
    serve(server, route, STREAMS[route][2])
    assert collect(call_of(server, route, param_policy="strict"), is_async=False)


def test_usage_details_of_the_vendor_survive_and_none_is_invented(server: ScriptedServer) -> None:
    serve(server, "mistral", PIECES)
    usage = collect(call_of(server, "mistral"), is_async=False)[-1].usage
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert usage.completion_tokens_details.reasoning_tokens == 1
    serve(server, "ollama", STREAMS["ollama"][2])
    usage = collect(call_of(server, "ollama"), is_async=False)[-1].usage
    assert (usage.prompt_tokens_details, usage.completion_tokens_details) == (None, None)


@both
def test_usage_that_the_vendor_did_not_tell_is_none(server: ScriptedServer, is_async: bool) -> None:
    """LiteLLM estimates it, with nothing to tell the estimate from the truth."""
    serve(server, "openai", [*PIECES[:4], "[DONE]"])
    last = collect(call_of(server, "openai"), is_async=is_async)[-1]
    assert (last.choices[0].finish_reason, last.usage) == ("stop", None)


@both
def test_text_in_the_last_event_of_the_vendor_is_not_lost(server: ScriptedServer, is_async: bool) -> None:
    serve(server, "mistral", [piece({"content": "你"}), piece({"content": "好"}, "length"), "[DONE]"])
    chunks = collect(call_of(server, "mistral"), is_async=is_async)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["你", "好", None]
    assert chunks[-1].choices[0].finish_reason == "length"


def test_tool_calls_and_reasoning_arrive_in_pieces(server: ScriptedServer) -> None:
    call = {"index": 0, "id": "c-1", "type": "function", "function": {"name": "f", "arguments": ""}}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "reasoning_content": "hm"},
        {"tool_calls": [call]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ]
    serve(server, "openai", [*map(piece, deltas), piece({}, "tool_calls"), USAGE_PIECE, "[DONE]"])
    stream = unionchat(stream=True, **call_of(server, "openai"))
    list(stream)
    [choice] = stream.response.choices
    assert choice.message.reasoning_content == "hm"
    [made] = choice.message.tool_calls
    assert (made.id, made.function.name, made.function.arguments) == ("c-1", "f", '{"a":1}')
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)


def test_what_was_left_out_is_recorded_on_a_stream_too(server: ScriptedServer) -> None:
    serve(server, "mistral", PIECES)
    stream = unionchat(stream=True, **call_of(server, "mistral", logit_bias={"1": 1}))
    list(stream)
    assert [change.parameter for change in stream.response.adaptations] == ["logit_bias"]


def test_a_chunk_is_handed_out_when_it_arrives(server: ScriptedServer) -> None:
    serve(server, "mistral", [*PIECES[:2], Pause(1), *PIECES[2:]])
    started = time.monotonic()
    stream = unionchat(stream=True, **call_of(server, "mistral"))
    next(stream)
    assert next(stream).choices[0].delta.content == "你"
    assert time.monotonic() - started < 1
    stream.close()


@both
@every_route
def test_a_stream_without_an_ending_is_an_error(server: ScriptedServer, route: str, is_async: bool) -> None:
    """LiteLLM would end it with "stop"."""
    events, whole = STREAMS[route][2:]
    serve(server, route, events[:whole])
    with pytest.raises(StreamInterruptedError) as caught:
        collect(call_of(server, route), is_async=is_async)
    assert caught.value.partial.choices[0].message.content == "你好"
    assert caught.value.partial.choices[0].finish_reason is None


@both
@every_route
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_stream_that_is_cut_is_an_error(server: ScriptedServer, route: str, reset: bool, is_async: bool) -> None:
    events, whole = STREAMS[route][2:]
    serve(server, route, [*events[:whole], Cut(reset=reset)])
    with pytest.raises(StreamInterruptedError) as caught:
        collect(call_of(server, route), is_async=is_async)
    assert caught.value.original == "MidStreamFallbackError"
    # A reset may overtake the last bytes.
    assert reset or caught.value.partial.choices[0].message.content == "你好"


@both
def test_a_cut_after_the_vendors_ending_loses_nothing(server: ScriptedServer, is_async: bool) -> None:
    serve(server, "mistral", [*PIECES[:4], Cut()])
    last = collect(call_of(server, "mistral"), is_async=is_async)[-1]
    assert (last.choices[0].finish_reason, last.usage) == ("stop", None)


@pytest.mark.parametrize("route", ["sagemaker", "gemini"])
def test_where_litellm_does_not_remember_the_ending_no_stream_is_called_cut(server: ScriptedServer, route: str) -> None:
    """A whole answer must not be an error; "stop" is not invented where LiteLLM has no reason for it at all."""
    text = [frame("PayloadPart", b'data:{"token":{"text":"hi"}}\n\n', b"application/octet-stream")]
    parts = {"content": {"role": "model", "parts": [{"text": "hi"}]}, "index": 0, "finishReason": "MAX_TOKENS"}
    events: list[Any] = text if route == "sagemaker" else [{"candidates": [parts]}]
    server.reply(stream_reply(events))
    keys = {"aws_access_key_id": "AKIA0", "aws_secret_access_key": KEY, "aws_region_name": "eu-west-1"}
    more = keys if route == "sagemaker" else {}
    arguments = call_of(server, "mistral", provider=route, model="m", base_url=server.url, **more)
    chunks = collect(arguments, is_async=False)
    assert chunks[0].choices[0].delta.content == "hi"
    assert chunks[-1].choices[0].finish_reason == {"sagemaker": None, "gemini": "length"}[route]


@both
@pytest.mark.parametrize("route", ["openai", "mistral", "groq"])
def test_an_error_event_is_the_error_it_would_be_outside(server: ScriptedServer, route: str, is_async: bool) -> None:
    event = {"error": {"message": "slow down", "code": 429}}
    serve(server, route, [*PIECES[:3], event])
    with pytest.raises(RateLimitError, match="slow down") as caught:
        collect(call_of(server, route), is_async=is_async)
    assert caught.value.status_code == 429
    assert caught.value.partial.choices[0].message.content == "你好"


@both
def test_an_overloaded_vendor_says_so_in_the_stream(server: ScriptedServer, is_async: bool) -> None:
    serve(server, "anthropic", [*STREAMS["anthropic"][2][:4], ANTHROPIC_ERROR])
    with pytest.raises(InternalServerError, match="Overloaded"):
        collect(call_of(server, "anthropic"), is_async=is_async)


@pytest.mark.parametrize("route", OLLAMA)
def test_an_error_line_of_ollama_is_an_error(server: ScriptedServer, route: str) -> None:
    serve(server, route, [*STREAMS[route][2][:2], b'{"error": "model runner has stopped"}\n'])
    with pytest.raises(APIError, match="model runner has stopped"):
        collect(call_of(server, route), is_async=False)


@both
@every_route
def test_an_answer_with_nothing_in_it_is_raised_at_the_call(server: ScriptedServer, route: str, is_async: bool) -> None:
    serve(server, route, [])
    with pytest.raises(APIResponseError):
        collect(call_of(server, route), is_async=is_async)


@pytest.mark.parametrize("route", ["openai", "mistral", "anthropic"])
def test_a_refused_stream_is_raised_at_the_call(server: ScriptedServer, route: str) -> None:
    server.reply(status=401, json={"error": {"message": "bad key"}})
    with pytest.raises(AuthenticationError, match="bad key"):
        unionchat(stream=True, **call_of(server, route))


@both
def test_silence_in_a_stream_ends_with_the_limit(server: ScriptedServer, is_async: bool) -> None:
    serve(server, "mistral", PIECES[:2], stall=5)
    with pytest.raises(APITimeoutError) as caught:
        collect(call_of(server, "mistral", timeout=0.3), is_async=is_async)
    assert "0.3 s" in str(caught.value)
    assert caught.value.partial.choices[0].message.content == "你"


@both
def test_the_total_limit_holds_for_a_stream_that_keeps_talking(server: ScriptedServer, is_async: bool) -> None:
    pieces = [step for index in range(100) for step in (piece({"content": str(index)}), Pause(0.05))]
    serve(server, "mistral", pieces)
    started = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"total limit of 0\.5 s"):
        collect(call_of(server, "mistral", timeout={"total": 0.5}), is_async=is_async)
    assert time.monotonic() - started < 2
    server.wait_for_disconnect()


def endless(route: str) -> list[Any]:
    """Two events of text and then silence, on a connection that stays open."""
    events, whole = STREAMS[route][2:]
    return [*events[: whole - 1], Pause(20)]


@every_route
@pytest.mark.parametrize("how", ["close", "break", "with"])
def test_leaving_a_stream_closes_the_connection(server: ScriptedServer, route: str, how: str) -> None:
    serve(server, route, endless(route))
    stream = unionchat(stream=True, **call_of(server, route))
    if how == "close":
        next(stream)
        stream.close()
    elif how == "break":
        for _ in stream:
            break
    else:
        with stream:
            next(stream)
    assert server.wait_for_disconnect() < 1
    assert list(itertools.islice(stream, 1)) == []


@every_route
@pytest.mark.parametrize("how", ["aclose", "break", "cancel"])
def test_leaving_an_async_stream_closes_the_connection(server: ScriptedServer, route: str, how: str) -> None:
    serve(server, route, endless(route))

    async def read() -> None:
        stream = await aunionchat(stream=True, **call_of(server, route))
        if how == "aclose":
            await anext(stream)
            await stream.aclose()
        elif how == "break":
            async for _ in stream:
                break
        else:

            async def drain() -> None:
                async for _ in stream:
                    pass

            task = asyncio.create_task(drain())
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert await asyncio.to_thread(server.wait_for_disconnect) < 1

    run(read())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("route", ["openai", "mistral", "anthropic"])
def test_a_cancelled_call_closes_the_connection(server: ScriptedServer, route: str, stream: bool) -> None:
    server.reply(delay=20, json={})

    async def read() -> None:
        task = asyncio.create_task(aunionchat(stream=stream, **call_of(server, route)))
        await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 1, 5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await asyncio.to_thread(server.wait_for_disconnect) < 1

    run(read())


def test_connections_that_stay_open_keep_nothing_of_the_calls_that_are_over(server: ScriptedServer) -> None:
    """What an event loop keeps for a socket or a timer holds the context in which it was made."""
    server.default(json=litellm_vendor.whole())

    async def main() -> list[str]:
        await asyncio.gather(*(aunionchat(**call_of(server, "openai", user=f"caller {n}")) for n in range(5)))
        gc.collect()
        chats = [each for each in gc.get_objects() if isinstance(each, ChatRequest)]
        # Other tests may keep calls of theirs.
        return [chat.params["user"] for chat in chats if "user" in chat.params]

    assert run(main()) == []
