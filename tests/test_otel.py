"""Spans and metrics of OpenTelemetry, collected in memory by its own SDK, over real sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, server_attributes
from replies import USAGE, answer, piece, stream
from server import Cut, Reply, ScriptedServer

import unionllm._otel_content
from unionllm import RateLimitError, StreamInterruptedError, UnionLLM, aunionchat, otel, unionchat, unionembed
from unionllm._watch import everywhere

KEY = "sk-planted-0123456789abcdef"
SECRET_TEXT = "病历：张三"
MESSAGES = [{"role": "user", "content": SECRET_TEXT}]
DETAILED = {
    **USAGE,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
BUSY = Reply(status=429, headers={"retry-after": "0.01"}, json={"error": {"message": SECRET_TEXT}})


class Collected:
    """What was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)

    @property
    def providers(self) -> dict[str, Any]:
        return {"tracer_provider": self.tracers, "meter_provider": self.meters}

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        (only,) = self.spans
        return only

    def points(self) -> dict[str, list[Any]]:
        """Metric → its points."""
        data = self._reader.get_metrics_data()
        metrics = [metric for held in data.resource_metrics[0].scope_metrics for metric in held.metrics] if data else []
        return {metric.name: list(metric.data.data_points) for metric in metrics}


@pytest.fixture
def collected() -> Iterator[Collected]:
    held = Collected()
    with otel.instrument(**held.providers):
        yield held
    assert everywhere == []


@pytest.fixture
def call(server: ScriptedServer) -> dict[str, Any]:
    return {"provider": "deepseek", "model": "m-1", "messages": MESSAGES, "base_url": server.url, "api_key": KEY}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_whole_call_is_a_span_with_the_names_of_the_conventions(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(json=answer("好", model="m-1-2026", usage=DETAILED))

    unionchat(**call, temperature=0.5, max_tokens=9, stop="完", n=2, param_policy="raw")

    span = collected.span
    host, _, port = server.url.removeprefix("http://").partition(":")
    assert (span.name, span.kind, span.status.status_code) == (
        "chat m-1",
        trace.SpanKind.CLIENT,
        trace.StatusCode.UNSET,
    )
    told = attributes(span)
    assert told.pop("gen_ai.response.id")
    assert told == {
        gen_ai_attributes.GEN_AI_OPERATION_NAME: "chat",
        gen_ai_attributes.GEN_AI_PROVIDER_NAME: "deepseek",
        gen_ai_attributes.GEN_AI_REQUEST_MODEL: "m-1",
        gen_ai_attributes.GEN_AI_REQUEST_TEMPERATURE: 0.5,
        gen_ai_attributes.GEN_AI_REQUEST_MAX_TOKENS: 9,
        gen_ai_attributes.GEN_AI_REQUEST_STOP_SEQUENCES: ("完",),
        gen_ai_attributes.GEN_AI_REQUEST_CHOICE_COUNT: 2,
        gen_ai_attributes.GEN_AI_RESPONSE_MODEL: "m-1-2026",
        gen_ai_attributes.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
        gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS: USAGE["prompt_tokens"],
        gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS: USAGE["completion_tokens"],
        gen_ai_attributes.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 1,
        gen_ai_attributes.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: 2,
        server_attributes.SERVER_ADDRESS: host,
        server_attributes.SERVER_PORT: int(port),
    }


@pytest.mark.parametrize("is_async", [False, True])
def test_a_streamed_call_is_a_span_that_ends_with_its_last_chunk(
    is_async: bool, collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=stream("一", "二"))

    async def read() -> int:
        opened = await aunionchat(**call, stream=True)
        before = len(collected.spans)
        async for _ in opened:
            pass
        return before

    if is_async:
        before = asyncio.run(read())
    else:
        opened = unionchat(**call, stream=True)
        before = len(collected.spans)
        list(opened)

    assert before == 0
    told = attributes(collected.span)
    assert told[gen_ai_attributes.GEN_AI_REQUEST_STREAM] is True
    assert told[gen_ai_attributes.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert told[gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS] == USAGE["completion_tokens"]
    assert told[gen_ai_attributes.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert (collected.span.end_time or 0) > (collected.span.start_time or 0)
    points = collected.points()
    (first,) = points[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK]
    (whole,) = points[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION]
    assert 0 < first.sum <= whole.sum


def test_metrics_have_the_conventions_names_units_and_buckets(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.default(json=answer(model="m-1"))

    unionchat(**call)
    unionchat(**call)

    points = collected.points()
    assert set(points) == {
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION,
        gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE,
    }
    (duration,) = points[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION]
    assert (duration.count, duration.explicit_bounds[0], duration.explicit_bounds[-1]) == (2, 0.01, 81.92)
    tokens = {
        point.attributes[gen_ai_attributes.GEN_AI_TOKEN_TYPE]: point for point in points["gen_ai.client.token.usage"]
    }
    assert {kind: point.sum for kind, point in tokens.items()} == {
        "input": 2 * USAGE["prompt_tokens"],
        "output": 2 * USAGE["completion_tokens"],
    }
    assert tokens["input"].explicit_bounds[-1] == 67108864
    assert tokens["input"].attributes[gen_ai_attributes.GEN_AI_RESPONSE_MODEL] == "m-1"


def test_embeddings_are_spans_too(collected: Collected, server: ScriptedServer) -> None:
    server.reply(json={"model": "embedding-3", "data": [{"index": 0, "embedding": [0.5]}], "usage": USAGE})

    unionembed("embedding-3", "一", provider="zhipuai", api_key=KEY, base_url=server.url, dimensions=256)

    told = attributes(collected.span)
    assert collected.span.name == "embeddings embedding-3"
    assert told[gen_ai_attributes.GEN_AI_OPERATION_NAME] == "embeddings"
    assert told[gen_ai_attributes.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 256
    assert told[gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS] == USAGE["prompt_tokens"]


def test_a_failure_marks_the_span_and_the_duration(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.default(BUSY)

    with pytest.raises(RateLimitError):
        unionchat(**call, max_retries=1)

    span = collected.span
    assert attributes(span)[error_attributes.ERROR_TYPE] == "RateLimitError"
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, "RateLimitError")
    (retry,) = span.events
    assert (retry.name, dict(retry.attributes or {})) == (
        "unionllm.retry",
        {"error.type": "RateLimitError", "unionllm.attempt": 1, "unionllm.wait": 0.01},
    )
    (duration,) = collected.points()[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION]
    assert duration.attributes[error_attributes.ERROR_TYPE] == "RateLimitError"
    assert SECRET_TEXT not in span.to_json(indent=None)


def test_a_stream_that_breaks_marks_the_span(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=[piece({"role": "assistant", "content": "一"}), Cut()])

    with pytest.raises(StreamInterruptedError):
        list(unionchat(**call, stream=True))

    told = attributes(collected.span)
    assert told[error_attributes.ERROR_TYPE] == "StreamInterruptedError"
    assert told[gen_ai_attributes.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0


def test_a_stream_that_is_dropped_unread_ends_its_span(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(sse=stream("一"))

    unionchat(**call, stream=True)

    assert (collected.span.name, collected.span.status.status_code) == ("chat m-1", trace.StatusCode.UNSET)


def test_a_fallback_gives_the_span_the_name_of_who_answered(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.reply(status=402, json={"error": {"message": "no money"}})
    server.reply(json=answer())
    fallback = {"provider": "moonshot", "model": "kimi-k3", "api_key": "sk-2", "base_url": server.url}

    unionchat(**call, fallbacks=[fallback])

    told = attributes(collected.span)
    assert collected.span.name == "chat kimi-k3"
    assert told[gen_ai_attributes.GEN_AI_PROVIDER_NAME] == "moonshot"
    assert told[gen_ai_attributes.GEN_AI_REQUEST_MODEL] == "kimi-k3"


def test_the_current_span_is_the_parent_in_every_thread_and_task(
    collected: Collected, call: dict[str, Any], server: ScriptedServer
) -> None:
    server.default(json=answer())
    tracer = collected.tracers.get_tracer("test")

    def in_thread(name: str) -> None:
        with tracer.start_as_current_span(name):
            unionchat(**call)

    async def in_task(name: str) -> None:
        with tracer.start_as_current_span(name):
            await aunionchat(**call)

    async def in_tasks() -> None:
        await asyncio.gather(*(in_task(f"task-{number}") for number in range(3)))

    threads = [threading.Thread(target=in_thread, args=(f"thread-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(in_tasks())

    outer = {
        span.context.span_id: span.name for span in collected.spans if span.context and not span.name.startswith("chat")
    }
    parents = [outer[span.parent.span_id] for span in collected.spans if span.parent is not None]
    assert sorted(parents) == [*(f"task-{number}" for number in range(3)), *(f"thread-{number}" for number in range(3))]


def test_texts_are_captured_only_when_asked_for(
    call: dict[str, Any], server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.default(json=answer("密文回答"))
    held = [Collected() for _ in range(3)]

    with otel.instrument(**held[0].providers):
        unionchat(**call)
    with otel.instrument(**held[1].providers, capture_content=True):
        unionchat(**call)
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    with otel.instrument(**held[2].providers):
        unionchat(**call)

    silent = held[0].span.to_json(indent=None)
    assert SECRET_TEXT not in json.dumps(json.loads(silent), ensure_ascii=False)
    for each in held[1:]:
        told = attributes(each.span)
        assert json.loads(told[gen_ai_attributes.GEN_AI_INPUT_MESSAGES]) == [
            {"role": "user", "parts": [{"type": "text", "content": SECRET_TEXT}]}
        ]
        assert json.loads(told[gen_ai_attributes.GEN_AI_OUTPUT_MESSAGES]) == [
            {"role": "assistant", "parts": [{"type": "text", "content": "密文回答"}], "finish_reason": "stop"}
        ]
        assert KEY not in each.span.to_json(indent=None)


def test_captured_messages_tell_tools_thoughts_and_pictures_apart() -> None:
    function = {"name": "weather", "arguments": '{"city": "北京"}'}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "看"}, {"type": "image_url", "image_url": {"url": "…"}}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "想",
            "tool_calls": [{"id": "c-1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c-1", "content": "晴"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c-2", "function": {"name": "f", "arguments": "{"}}],
        },
    ]

    told = json.loads(unionllm._otel_content.asked(messages)["gen_ai.input.messages"])

    assert [message["parts"] for message in told] == [
        [{"type": "text", "content": "看"}, {"type": "image_url"}],
        [
            {"type": "reasoning", "content": "想"},
            {"type": "tool_call", "id": "c-1", "name": "weather", "arguments": {"city": "北京"}},
        ],
        [{"type": "tool_call_response", "id": "c-1", "response": "晴"}],
        [{"type": "tool_call", "id": "c-2", "name": "f", "arguments": "{"}],
    ]


def test_one_client_alone_can_be_instrumented(call: dict[str, Any], server: ScriptedServer) -> None:
    server.default(json=answer())
    held = Collected()
    hooked: list[Any] = []

    with UnionLLM(**call, on_response=hooked.append) as client, UnionLLM(**call) as other:
        observed = otel.instrument(client, **held.providers)
        client.chat()
        asyncio.run(client.achat())
        other.chat()
        unionchat(**call)
        observed.uninstrument()
        observed.uninstrument()
        client.chat()

    assert [span.name for span in held.spans] == ["chat m-1", "chat m-1"]
    assert len(hooked) == 3


def test_a_model_of_litellms_is_a_span_of_its_provider(collected: Collected, server: ScriptedServer) -> None:
    server.reply(json=answer())

    unionchat("openai/gpt-4o-mini", MESSAGES, base_url=server.url, api_key=KEY)

    told = attributes(collected.span)
    assert collected.span.name == "chat openai/gpt-4o-mini"
    assert told[gen_ai_attributes.GEN_AI_PROVIDER_NAME] == "openai"
    assert told[gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS] == USAGE["prompt_tokens"]


def test_importing_the_package_loads_no_opentelemetry() -> None:
    program = (
        "import sys, unionllm; from unionllm import UnionLLM; UnionLLM(provider='deepseek'); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')]); "
        "sys.modules['opentelemetry'] = None\n"
        "try:\n    import unionllm.otel\nexcept ModuleNotFoundError as error:\n    print(error)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["[]", 'unionllm.otel needs OpenTelemetry: pip install "unionllm[otel]"'], (
        done.stderr
    )
