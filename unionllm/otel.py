"""Spans and metrics for OpenTelemetry, by its conventions for generative AI. Needs the extra ``otel``.

::

    from unionllm import otel

    otel.instrument()        # every call of this process
    otel.instrument(client)  # the calls of one client

A span covers a call from its first try to the end of its answer: for a stream, to the last chunk. Names follow
https://opentelemetry.io/docs/specs/semconv/gen-ai/ with the attributes of
opentelemetry-semantic-conventions 0.66b2.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import _otel_content, _watch
from .hooks import CallEvent, ErrorEvent, Hooks, RequestEvent, ResponseEvent, RetryEvent

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError('unionllm.otel needs OpenTelemetry: pip install "unionllm[otel]"') from missing

if TYPE_CHECKING:
    from typing_extensions import Self

    from .chat import UnionLLM

__all__ = ["Instrumentation", "instrument"]

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
#: Buckets that the conventions advise, in seconds and in tokens.
_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
_FIRST_CHUNK = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
_TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864]
#: Parameter of a call → attribute.
_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "dimensions": "gen_ai.embeddings.dimension.count",
}


def instrument(
    client: UnionLLM | None = None,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    capture_content: bool | None = None,
) -> Instrumentation:
    """Make a span and metrics of every call.

    Args:
        client: the client whose calls are meant; None: all calls of this process, those of clients too.
        tracer_provider: who takes the spans; None: the global one.
        meter_provider: who takes the metrics; None: the global one.
        capture_content: whether spans hold what was asked and answered. None: only if the environment variable
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` is "true".

    Returns:
        What ends it again: ``.uninstrument()``, or the end of a ``with`` block.
    """
    if capture_content is None:
        capture_content = os.environ.get(_CAPTURE, "").strip().lower() == "true"
    return Instrumentation(_Observer(tracer_provider, meter_provider, captures=capture_content), client)


class Instrumentation:
    """Calls are observed until ``uninstrument`` is called, or the ``with`` block ends."""

    def __init__(self, observer: _Observer, client: UnionLLM | None) -> None:
        self._client = client
        self._hooks = Hooks(
            on_request=observer.on_request,
            on_response=observer.on_response,
            on_retry=observer.on_retry,
            on_error=observer.on_error,
        )
        if client is None:
            _watch.everywhere.append(self._hooks)
        else:
            client._observers = (*client._observers, self._hooks)  # made for this

    def uninstrument(self) -> None:
        """Observe no further calls; those under way are observed to their end."""
        if self._client is not None:
            kept = tuple(hooks for hooks in self._client._observers if hooks is not self._hooks)
            self._client._observers = kept
        elif any(hooks is self._hooks for hooks in _watch.everywhere):
            _watch.everywhere.remove(self._hooks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.uninstrument()


class _Observer:
    """Turns events of calls into spans and metrics."""

    def __init__(self, tracer_provider: Any, meter_provider: Any, *, captures: bool) -> None:
        from . import __version__

        self._tracer = trace.get_tracer("unionllm", __version__, tracer_provider)
        meter = metrics.get_meter("unionllm", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "GenAI operation duration.", **_advice(_SECONDS)
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", **_advice(_TOKENS)
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time to receive the first chunk.",
            **_advice(_FIRST_CHUNK),
        )
        self._captures = captures
        # Reentrant: a stream that is dropped may tell so at any moment of this very thread.
        self._lock = threading.RLock()
        self._spans: dict[int, trace.Span] = {}

    def on_request(self, event: RequestEvent) -> None:
        """The first try begins a span; the current one is its parent."""
        if event.attempt > 1:
            return
        attributes = {**_whom(event), **dict(_request(event))}
        if self._captures and event.messages:
            attributes.update(_otel_content.asked(event.messages))
        span = self._tracer.start_span(_name(event), kind=trace.SpanKind.CLIENT, attributes=attributes)
        with self._lock:
            self._spans[event.call] = span

    def on_retry(self, event: RetryEvent) -> None:
        """A try that failed is an event of the span."""
        with self._lock:
            span = self._spans.get(event.call)
        if span is not None:
            told: dict[str, Any] = {
                "error.type": event.error_type,
                "unionllm.attempt": event.attempt,
                "unionllm.wait": event.wait,
            }
            span.add_event("unionllm.retry", told)

    def on_response(self, event: ResponseEvent) -> None:
        """The answer ends the span."""
        answered = dict(_response(event))
        span = self._take(event)
        if span is not None:
            span.set_attributes(answered)
            if self._captures and event.operation == "chat" and event.response is not None:
                span.set_attributes(_otel_content.answered(event.response))
            span.end()
        self._measure(event, {name: answered[name] for name in ("gen_ai.response.model",) if name in answered})
        self._count(event, answered)

    def on_error(self, event: ErrorEvent) -> None:
        """So does a failure."""
        told = {"error.type": event.error_type}
        span = self._take(event)
        if span is not None:
            span.set_attributes(told)
            if event.time_to_first_chunk is not None:
                span.set_attribute("gen_ai.response.time_to_first_chunk", event.time_to_first_chunk)
            # An error's text may quote what the model was asked, which only those want to see who asked for it.
            described = str(event.error) if self._captures and event.error is not None else event.error_type
            span.set_status(trace.StatusCode.ERROR, described)
            span.end()
        self._measure(event, told)

    def _take(self, event: CallEvent) -> trace.Span | None:
        """The call's span, which tells who has been asked in the end: a fallback is somebody else."""
        with self._lock:
            span = self._spans.pop(event.call, None)
        if span is not None and event.attempt > 1:
            span.update_name(_name(event))
            span.set_attributes(_whom(event))
        return span

    def _measure(self, event: ResponseEvent | ErrorEvent, more: Mapping[str, Any]) -> None:
        attributes = {**_whom(event), **more}
        self._duration.record(event.elapsed, attributes)
        if event.time_to_first_chunk is not None:
            self._first_chunk.record(event.time_to_first_chunk, attributes)

    def _count(self, event: ResponseEvent, answered: Mapping[str, Any]) -> None:
        attributes = _whom(event)
        if "gen_ai.response.model" in answered:
            attributes["gen_ai.response.model"] = answered["gen_ai.response.model"]
        for kind in ("input", "output"):
            count = answered.get(f"gen_ai.usage.{kind}_tokens")
            if count is not None:
                self._tokens.record(count, {**attributes, "gen_ai.token.type": kind})


def _advice(boundaries: list[Any]) -> dict[str, Any]:
    return {"explicit_bucket_boundaries_advisory": boundaries}


def _name(event: CallEvent) -> str:
    return f"{event.operation} {event.model}".strip()


def _whom(event: CallEvent) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gen_ai.operation.name": event.operation,
        "gen_ai.provider.name": event.provider or event.model.partition("/")[0],
        "gen_ai.request.model": event.model,
    }
    if event.host:
        host, _, port = event.host.rpartition(":")
        told.update({"server.address": host, "server.port": int(port)})
    return told


def _request(event: RequestEvent) -> Iterator[tuple[str, Any]]:
    for parameter, attribute in _PARAMETERS.items():
        value = event.params.get(parameter)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield attribute, value
    if event.stream:
        yield "gen_ai.request.stream", True
    choices = event.params.get("n")
    if isinstance(choices, int) and choices != 1:
        yield "gen_ai.request.choice.count", choices
    stop = event.params.get("stop")
    if stop:
        yield "gen_ai.request.stop_sequences", [stop] if isinstance(stop, str) else [str(each) for each in stop]
    if "response_format" in event.params:
        yield "gen_ai.output.type", "json"


def _response(event: ResponseEvent) -> Iterator[tuple[str, Any]]:
    response = event.response
    told = {
        "gen_ai.response.id": getattr(response, "id", None),
        "gen_ai.response.model": getattr(response, "model", None),
        "gen_ai.conversation.id": getattr(response, "conversation_id", None),
        "gen_ai.response.time_to_first_chunk": event.time_to_first_chunk,
        "unionllm.request_id": event.request_id,
    }
    reasons = [choice.finish_reason for choice in getattr(response, "choices", None) or () if choice.finish_reason]
    told["gen_ai.response.finish_reasons"] = reasons or None
    usage = event.usage
    if usage is not None:
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        told["gen_ai.usage.input_tokens"] = usage.prompt_tokens
        told["gen_ai.usage.output_tokens"] = usage.completion_tokens
        told["gen_ai.usage.cache_read.input_tokens"] = prompt.cached_tokens if prompt else None
        told["gen_ai.usage.reasoning.output_tokens"] = completion.reasoning_tokens if completion else None
    yield from ((name, value) for name, value in told.items() if value is not None)
