"""Each defect of older releases that concerns the providers of today, named after its number in compat.md (c).

X1, X2, X12 and X17 stand in test_importing, test_schema and test_secrets; O6, O7, L1, L2 and L7 in test_compat; X10
and X11 in test_exceptions; X4 in test_stream_faults; X5 in test_connections.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from typing import Any

import pytest
from replies import MESSAGES, USAGE, answer, arguments, piece
from server import ScriptedServer, Send, encode_event

from unionllm import UnionLLM, aunionchat, unionchat
from unionllm.exceptions import (
    APIError,
    AuthenticationError,
    InsufficientBalanceError,
    ServiceUnavailableError,
    StreamInterruptedError,
    UnionLLMError,
)

NATIVE = {
    "qwen": "qwen-plus",
    "zhipuai": "glm-4",
    "moonshot": "moonshot-v1-8k",
    "deepseek": "deepseek-v4-flash",
    "stepfun": "step-1o-turbo-vision",
    "lingyi": "yi-lightning",
    "baichuan": "Baichuan4-Turbo",
}
every_provider = pytest.mark.parametrize("provider", NATIVE)


def to(server: ScriptedServer, provider: str, **changes: Any) -> dict[str, Any]:
    return arguments(server, **{"provider": provider, "model": NATIVE[provider], **changes})


def own_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("scripted-server")}


@every_provider
def test_x3_async_is_async_and_its_stream_an_async_iterator(server: ScriptedServer, provider: str) -> None:
    server.reply(sse=[piece({"content": "A"}, "stop"), "[DONE]"])

    async def read() -> list[str]:
        before = own_threads()
        async with UnionLLM(**to(server, provider)) as client:
            reading = await client.acompletion(stream=True)
            texts = [text async for text in reading.text()]
        assert own_threads() == before
        return texts

    assert "".join(asyncio.run(read())) == "A"


@every_provider
def test_x6_text_is_not_held_back(server: ScriptedServer, provider: str) -> None:
    seen = threading.Semaphore(0)

    def script(send: Send) -> None:
        for text in "一二三":
            send(encode_event(piece({"content": text})))
            assert seen.acquire(timeout=5)
        send(encode_event(piece({}, "stop")) + encode_event("[DONE]"))

    server.reply(events=script)
    texts = []
    for text in unionchat(**to(server, provider), stream=True).text():
        texts.append(text)
        seen.release()

    assert texts == ["一", "二", "三"]


@every_provider
def test_x7_every_vendor_is_tried_equally_often(server: ScriptedServer, provider: str) -> None:
    server.default(json={"error": {"message": "busy"}}, status=503, headers={"retry-after": "0"})

    with pytest.raises(ServiceUnavailableError):
        unionchat(**to(server, provider, max_retries=3))

    assert len(server.requests) == 4


HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "1"},
    {"role": "user", "content": "q"},
]


@every_provider
@pytest.mark.parametrize("is_stream", [False, True])
def test_x8_nothing_of_the_callers_is_changed(server: ScriptedServer, provider: str, is_stream: bool) -> None:
    server.default(json=answer())
    given = to(
        server,
        provider,
        messages=copy.deepcopy(HISTORY),
        tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}],
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        stop=["a", "b"],
        extra_body={"a": {"b": 1}},
        extra_headers={"X-A": "b"},
        thinking={"type": "enabled", "budget_tokens": 5},
        fallbacks=[{"model": "other"}],
        timeout={"idle": 5},
    )
    before = copy.deepcopy(given)

    for _ in range(2):
        unionchat(**given, stream=is_stream)

    assert given == before
    assert server.requests[0].body == server.requests[1].body


@every_provider
def test_x9_unknown_parameters_reach_the_vendor(server: ScriptedServer, provider: str) -> None:
    server.reply(json=answer())

    unionchat(**to(server, provider, brand_new_parameter={"a": [1]}, top_p=0.5))

    assert server.requests[0].json["brand_new_parameter"] == {"a": [1]}


@every_provider
def test_x9_what_is_left_out_is_told(server: ScriptedServer, provider: str) -> None:
    server.reply(json=answer())

    response = unionchat(**to(server, provider, logit_bias={"1": 2}, best_of=3, seed=4))

    body = server.requests[0].json
    told = {change.parameter for change in response.adaptations or ()}
    assert {name for name in ("logit_bias", "best_of", "seed") if name not in body} <= told
    assert "best_of" in told


@every_provider
def test_x9_strict_refuses_and_raw_sends_what_adapt_would_leave_out(server: ScriptedServer, provider: str) -> None:
    server.reply(json=answer())

    with pytest.raises(UnionLLMError, match="best_of"):
        unionchat(**to(server, provider, best_of=3, param_policy="strict"))
    assert server.requests == []
    unionchat(**to(server, provider, best_of=3, param_policy="raw"))

    assert server.requests[0].json["best_of"] == 3


@every_provider
def test_x13_the_constructors_model_is_enough_and_chat_is_the_same_call(server: ScriptedServer, provider: str) -> None:
    server.default(json=answer())

    with UnionLLM(**to(server, provider, messages=None)) as client:
        client.completion(messages=MESSAGES)
        client.chat(messages=MESSAGES)

    assert [request.json["model"] for request in server.requests] == [NATIVE[provider]] * 2


def test_x14_a_file_without_text_is_not_lost(server: ScriptedServer) -> None:
    server.reply(json=answer())
    part = {"type": "file_url", "file_url": {"url": "https://files.example/a.pdf"}}

    unionchat(**to(server, "zhipuai", model="glm-4.6v", messages=[{"role": "user", "content": [part]}]))

    assert server.requests[0].json["messages"][0]["content"] == [part]


@every_provider
def test_x14_lists_of_text_alone_are_joined(server: ScriptedServer, provider: str) -> None:
    server.reply(json=answer())
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    unionchat(**to(server, provider, messages=[{"role": "user", "content": parts}]))

    assert server.requests[0].json["messages"] == [{"role": "user", "content": "a\nb"}]


@every_provider
@pytest.mark.parametrize("is_stream", [None, True])
def test_x15_none_means_not_given(server: ScriptedServer, provider: str, is_stream: Any) -> None:
    server.reply(json=answer())
    names = "temperature top_p max_tokens tools tool_choice stop n user seed response_format thinking reasoning_effort"
    options = (
        "region timeout max_retries fallbacks extra_headers extra_query extra_body http_client param_policy api_base"
    )

    unionchat(**{**to(server, provider), **dict.fromkeys(f"{names} {options}".split())}, stream=is_stream)

    assert set(server.requests[0].json) <= {"model", "messages", "stream", "stream_options"}
    assert b"null" not in server.requests[0].body


@every_provider
def test_x16_a_refused_key_is_an_error_in_a_stream_too(server: ScriptedServer, provider: str) -> None:
    server.default(json={"error": {"message": "who are you"}}, status=401)

    with pytest.raises(AuthenticationError, match="who are you"):
        unionchat(**to(server, provider), stream=True)
    with pytest.raises(AuthenticationError, match="who are you"):
        asyncio.run(aunionchat(**to(server, provider), stream=True))


@every_provider
def test_o1_text_that_comes_with_the_finish_reason_is_kept(server: ScriptedServer, provider: str) -> None:
    server.reply(sse=[piece({"content": "A"}), piece({"content": "B"}, "stop"), "[DONE]"])

    reading = unionchat(**to(server, provider), stream=True)

    assert list(reading.text()) == ["A", "B"]
    assert reading.response is not None
    assert reading.response.choices[0].finish_reason == "stop"


@every_provider
def test_o2_every_chunk_names_the_model(server: ScriptedServer, provider: str) -> None:
    server.reply(
        sse=[piece({"content": "A"}), {"choices": [{"delta": {"content": "B"}, "finish_reason": "stop"}]}, "[DONE]"]
    )

    chunks = list(unionchat(**to(server, provider), stream=True))

    assert {(chunk.id, chunk.model) for chunk in chunks} == {("r-1", "m")}


@every_provider
@pytest.mark.parametrize("where", ["choice", "last chunk", "chunk of its own"])
def test_o3_usage_is_found_wherever_it_stands(server: ScriptedServer, provider: str, where: str) -> None:
    end = piece({}, "stop")
    if where == "choice":
        end["choices"][0]["usage"] = USAGE
    if where == "last chunk":
        end["usage"] = USAGE
    extra = [piece({}, choices=[], usage=USAGE)] if where == "chunk of its own" else []
    server.reply(sse=[piece({"content": "A"}), end, *extra, "[DONE]"])

    chunks = list(unionchat(**to(server, provider), stream=True))

    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


@every_provider
def test_o4_an_error_in_mid_stream_has_a_class_and_a_status(server: ScriptedServer, provider: str) -> None:
    server.reply(sse=[piece({"content": "A"}), {"error": {"message": "m", "code": "overloaded_error"}}])
    server.reply(sse=[piece({"content": "A"})])

    with pytest.raises(ServiceUnavailableError) as failed:
        list(unionchat(**to(server, provider), stream=True))
    with pytest.raises(StreamInterruptedError) as cut:
        list(unionchat(**to(server, provider), stream=True))

    assert failed.value.status_code == 503
    assert cut.value.partial is not None


@every_provider
def test_o5_an_answer_without_usage_has_none(server: ScriptedServer, provider: str) -> None:
    body = answer()
    del body["usage"]
    server.reply(json=body)

    response = unionchat(**to(server, provider))

    assert response.usage is None
    assert response.choices[0].message.content == "你好！"


@pytest.mark.parametrize(
    ("status", "kind", "cls"),
    [(401, "invalid_api_key", AuthenticationError), (429, "insufficient_quota", InsufficientBalanceError)],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_b1_a_refusal_of_baichuan_keeps_its_status(
    server: ScriptedServer, status: int, kind: str, cls: type[APIError], is_stream: bool
) -> None:
    server.reply(status=status, json={"error": {"type": kind, "message": "m"}})

    with pytest.raises(cls) as caught:
        unionchat(**to(server, "baichuan", stream=is_stream))

    assert (caught.value.status_code, caught.value.code) == (status, kind)


def test_b1_calls_of_tools_and_the_end_come_through_and_nothing_follows(server: ScriptedServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    server.reply(json=answer(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}]))
    delta = {"role": "assistant", "tool_calls": [{"index": 0, **call}]}
    server.reply(sse=[piece({"content": "A"}), piece(delta, "tool_calls", usage=USAGE), "[DONE]"])

    whole = unionchat(**to(server, "baichuan"))
    chunks = list(reading := unionchat(**to(server, "baichuan"), stream=True))

    assert reading.response is not None
    for response in (whole, reading.response):
        [choice] = response.choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls is not None
        assert [(made.id, made.function.name) for made in choice.message.tool_calls] == [("c1", "f")]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, "tool_calls"]


@every_provider
def test_an_answers_message_can_be_handed_back(server: ScriptedServer, provider: str) -> None:
    server.default(json=answer())

    first = unionchat(**to(server, provider))
    messages = [*MESSAGES, first.choices[0].message, {"role": "user", "content": "再"}]
    unionchat(**to(server, provider, messages=messages))

    sent = server.requests[1].json["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == "你好！"


def test_q1_the_vendors_own_parameters_arrive_and_the_native_protocol_streams(server: ScriptedServer) -> None:
    server.reply(json=answer())
    choices = [{"message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}]
    server.reply(sse=[{"output": {"choices": choices}, "request_id": "r-1"}])
    own = {"enable_thinking": False, "top_k": 3, "enable_search": True}

    unionchat(**to(server, "qwen", **own))
    with UnionLLM(**to(server, "qwen", protocol="native")) as client:
        text = "".join(client.completion(stream=True).text())

    assert text == "A"
    compatible, native = server.requests
    assert {name: compatible.json[name] for name in own} == own
    assert native.json["input"]["messages"] == MESSAGES
