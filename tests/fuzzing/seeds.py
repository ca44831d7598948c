"""What fuzzing starts from: valid answers of every provider, out of the transcripts and from the played vendors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from cases import Case, cases
from play import arguments
from sockets import CREDENTIALS, frame

from unionllm import UnionLLMError, unionchat
from unionllm._registry import PROVIDERS
from unionllm.testing import VendorServer, conformance
from unionllm.testing.vendors import VENDORS

#: Nobody listens there, and nobody is asked.
NOWHERE = "http://127.0.0.1:1"

#: Has no answers of its own: a server in this process that speaks OpenAI's dialect.
NOT_FUZZED = frozenset({"local"})

#: Of the played vendors' cases, those whose answers are valid and differ from one another.
_PLAYED = frozenset({"chat", "stream", "tools", "tools_stream", "reasoning", "reasoning_stream", "error_in_stream"})


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, or what the messages of a WebSocket say, a line each."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seed:
    """One call, and what the vendor answered to its requests, in order."""

    provider: str
    name: str
    args: dict[str, Any] = field(repr=False)
    answers: tuple[Answer, ...] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.provider}-{self.name}"


def _of_case(case: Case) -> Seed | None:
    answers = [
        Answer(
            reply["body"].encode() if "body" in reply else json.dumps(reply.get("json")).encode(),
            reply.get("status", 200),
            {name.lower(): value for name, value in reply.get("headers", {}).items()},
        )
        for reply in case.replies
    ]
    if case.sse is not None:
        answers.append(Answer(case.sse))
    args = arguments(case.provider, NOWHERE, case.call)
    return Seed(case.provider, case.name, args, tuple(answers)) if answers else None


class _Recorder(httpx.BaseTransport):
    """Below a caller's own client: keeps what came back."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._inner = httpx.HTTPTransport(verify=False)

    def close(self) -> None:
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        content = response.read()
        response.close()
        self.answers.append(Answer(content, response.status_code, dict(response.headers)))
        return httpx.Response(response.status_code, headers=response.headers, content=content)


def _played() -> Iterable[Seed]:
    recorder = _Recorder()
    with VendorServer() as server, httpx.Client(transport=recorder) as client:
        for vendor in sorted(set(VENDORS) - {"xunfei"}):
            for case in conformance.cases(vendor):
                if case.name in _PLAYED:
                    recorder.answers.clear()
                    yield Seed(vendor, f"played_{case.name}", _ask(server, case, client), tuple(recorder.answers))


def _ask(server: VendorServer, case: conformance.Case, client: httpx.Client) -> dict[str, Any]:
    """Make the call; gives its arguments."""
    case.prepare(server)
    target = case.target(server)
    args = {"provider": target.vendor, "model": target.model, "base_url": target.base_url, "max_retries": 0}
    args.update(target.credentials)
    args.update(case.request)
    try:
        got = unionchat(**args, http_client=client)
        if case.request.get("stream"):
            list(got)
    except UnionLLMError:
        assert case.fails
    return args


def _spark() -> Iterable[Seed]:
    """The WebSocket of one vendor, which the transcripts do not hold."""
    call = {"name": "get_weather", "arguments": '{"city": "北京"}'}
    talks = {
        "text": [frame("你", 0), frame("好", 1, reasoning_content="想"), frame("！", 2)],
        "call": [frame("", 0), frame("", 2, function_call=call, content_type="text")],
        "error": [json.dumps({"header": {"code": 10013, "message": "no", "sid": "cha1", "status": 2}})],
    }
    args = {"provider": "xunfei", "model": "4.0Ultra", "messages": [{"role": "user", "content": "你好"}], **CREDENTIALS}
    for name, talk in talks.items():
        answer = Answer("\n".join(talk).encode(), 101)
        for is_stream in (False, True):
            yield Seed("xunfei", f"{name}_{is_stream}", {**args, "stream": is_stream}, (answer,))


def _compatible(found: Iterable[Seed]) -> Iterable[Seed]:
    """Any server in OpenAI's dialect, after one that speaks it."""
    for seed in found:
        if seed.provider == "deepseek" and seed.name in ("plain", "stream", "tools", "tools_stream", "reasoning"):
            args = {**seed.args, "provider": "openai_compatible", "base_url": NOWHERE}
            yield Seed("openai_compatible", seed.name, args, seed.answers)


@cache
def seeds() -> tuple[Seed, ...]:
    """Every seed; no two of a provider have the same answers."""
    found = [seed for case in cases() if (seed := _of_case(case)) is not None]
    found = [*found, *_played(), *_spark(), *_compatible(found)]
    distinct = {(seed.provider, seed.answers[-1].content, bool(seed.args.get("stream"))): seed for seed in found}
    return tuple(distinct.values())


def providers() -> list[str]:
    """Every provider that is fuzzed."""
    return sorted(set(PROVIDERS) - NOT_FUZZED)
