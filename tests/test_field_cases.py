"""What users of this kind of library suffer from, each shown in a few lines; docs/pains.md names these tests."""

from __future__ import annotations

import gc
import importlib.util
import re
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest
from replies import MESSAGES, USAGE, answer, arguments, stream
from server import ScriptedServer

import unionllm
from unionllm import (
    APIConnectionError,
    APIError,
    APIResponseError,
    BadRequestError,
    InsufficientBalanceError,
    RateLimitError,
    ServiceUnavailableError,
    UnionLLM,
    _litellm,
    _registry,
    unionchat,
)
from unionllm._protocols.openai_messages import MessageFacts, adapt_messages, take_part
from unionllm._proxies import proxy_for
from unionllm.adapters import OpenAICompatible, OpenAISpec, Region

ROOT = Path(unionllm.__file__).parent
_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_RESULT = {"role": "tool", "tool_call_id": "c1", "content": "晴"}
_PIXEL = "data:image/png;base64,iVBORw0KGgo="


def sent(server: ScriptedServer) -> dict[str, Any]:
    body: dict[str, Any] = server.requests[-1].json
    return body


def told(response: Any) -> list[str]:
    return [change.parameter for change in response.adaptations or ()]


@pytest.mark.parametrize(
    ("provider", "model", "filler"), [("deepseek", "deepseek-v4-flash", ""), ("moonshot", "kimi-k2.6", " ")]
)
def test_thoughts_go_back_with_calls_of_tools(server: ScriptedServer, provider: str, model: str, filler: str) -> None:
    message = {"role": "assistant", "content": "", "reasoning_content": "先想", "tool_calls": [_CALL]}
    server.default(json=answer(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}]))
    call = arguments(server, provider=provider, model=model)

    first = unionchat(**call).choices[0].message
    unionchat(**{**call, "messages": [*MESSAGES, first, _RESULT]})
    kept = sent(server)["messages"][1]["reasoning_content"]
    unionchat(**{**call, "messages": [*MESSAGES, {"role": "assistant", "tool_calls": [_CALL]}, _RESULT]})

    assert kept == "先想"
    assert sent(server)["messages"][1]["reasoning_content"] == filler


def test_thoughts_stay_here_where_a_vendor_refuses_them() -> None:
    message = {"role": "assistant", "content": "晴", "reasoning_content": "先想"}

    def adapted(facts: MessageFacts) -> list[dict[str, Any]]:
        return adapt_messages([message], facts, thinks=True, adapt_part=take_part)[0]

    assert adapted(MessageFacts(replay="strip")) == [{"role": "assistant", "content": "晴"}]
    assert adapted(MessageFacts(replay="keep")) == [message]


def test_a_model_that_only_streams_is_streamed_inside_and_joined(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = Region(name="cn", base_url="https://api.acme.example")
    adapter = OpenAICompatible(OpenAISpec(name="acme", title="Acme", regions=(region,), stream_only="qwq"))
    monkeypatch.setattr(_registry, "_plugins", lambda: {"acme": SimpleNamespace(value="acme", load=lambda: adapter)})
    server.reply(sse=stream("一", "二"))

    response = unionchat(**arguments(server, provider="acme", model="QwQ-32b"))

    assert sent(server)["stream"] is True
    assert response.choices[0].message.content == "一二"
    assert response.object == "chat.completion"
    assert response.usage is not None
    assert response.usage.total_tokens == 5


@pytest.mark.parametrize(
    ("provider", "model", "off", "changed"),
    [
        ("zhipuai", "glm-4.6", {"thinking": {"type": "disabled"}}, []),
        ("zhipuai", "glm-5.3", {}, ["thinking"]),
        ("moonshot", "kimi-k2.6", {"thinking": {"type": "disabled"}}, []),
        ("moonshot", "kimi-k3", {}, ["thinking"]),
        ("deepseek", "deepseek-v4-flash", {"thinking": {"type": "disabled"}}, []),
        ("stepfun", "step-3.7-flash", {"reasoning_effort": "low"}, ["thinking"]),
        ("baichuan", "Baichuan-M3", {}, ["thinking"]),
        ("lingyi", "yi-lightning", {}, []),
    ],
)
def test_one_switch_for_thinking_becomes_each_vendors_own(
    server: ScriptedServer, provider: str, model: str, off: dict[str, Any], changed: list[str]
) -> None:
    """A model that cannot be told not to think is told apart by an adaptation, or refused by the strict policy."""
    server.default(json=answer())
    call = arguments(server, provider=provider, model=model, thinking=False)

    response = unionchat(**call)

    names = ("thinking", "enable_thinking", "reasoning_effort")
    assert {name: value for name, value in sent(server).items() if name in names} == off
    assert told(response) == changed
    if changed:
        with pytest.raises(BadRequestError, match="thinking"):
            unionchat(**call, param_policy="strict")


@pytest.mark.parametrize("model", ["kimi-k2.5", "kimi-k2.6", "kimi-k3"])
def test_sampling_that_is_fixed_is_left_out_and_told(server: ScriptedServer, model: str) -> None:
    server.reply(json=answer())

    response = unionchat(**arguments(server, provider="moonshot", model=model, temperature=0.3, top_p=0.9))

    assert not {"temperature", "top_p"} & set(sent(server))
    assert told(response) == ["temperature", "top_p"]


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens_details": {"cached_tokens": 64}},
        {"cached_tokens": 64},
        {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
    ],
)
def test_cached_tokens_are_found_under_every_name(server: ScriptedServer, counts: dict[str, Any]) -> None:
    server.reply(json=answer(usage={"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101, **counts}))

    usage = unionchat(**arguments(server)).usage

    assert usage is not None
    assert usage.prompt_tokens == 100
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 64


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("sensitive", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("brand_new", None),
    ],
)
def test_a_finish_reason_of_the_vendors_own_is_no_crash_and_stays_readable(
    server: ScriptedServer, word: str, reason: str | None
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "晴"}, "finish_reason": word}
    server.reply(json=answer(choices=[choice]))

    [choice_] = unionchat(**arguments(server, provider="zhipuai", model="glm-4.6")).choices

    assert (choice_.finish_reason, choice_.provider_finish_reason) == (reason, word)


@pytest.mark.parametrize(
    ("provider", "model", "word"),
    [
        ("zhipuai", "glm-4.6", "network_error"),
        ("deepseek", "deepseek-v4-flash", "insufficient_system_resource"),
    ],
)
def test_a_finish_reason_that_means_failure_is_an_error(
    server: ScriptedServer, provider: str, model: str, word: str
) -> None:
    message = {"role": "assistant", "content": "晴，"}
    server.reply(json=answer(choices=[{"index": 0, "message": message, "finish_reason": word}]))

    with pytest.raises(ServiceUnavailableError, match=word) as caught:
        unionchat(**arguments(server, provider=provider, model=model))

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "晴，"


@pytest.mark.parametrize(
    "body",
    [
        {"base_resp": {"status_code": 1027, "status_msg": "output sensitive"}, "choices": None},
        {"error_code": 336003, "error_msg": "the number of messages must be odd"},
        {"error": {"message": "blocked"}},
        {"code": 40001, "message": "quota"},
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_an_error_in_http_200_is_no_answer(server: ScriptedServer, body: dict[str, Any], is_stream: bool) -> None:
    server.reply(json=body)

    with pytest.raises(APIError) as caught:
        unionchat(**arguments(server, stream=is_stream))

    assert any(word in str(caught.value) for word in ("sensitive", "odd", "blocked", "quota"))


def test_choices_that_are_null_are_no_answer(server: ScriptedServer) -> None:
    server.reply(json={"id": "r-1", "choices": None, "usage": USAGE})

    with pytest.raises(APIResponseError, match="holds no choices"):
        unionchat(**arguments(server))


@pytest.mark.parametrize(
    ("code", "cls", "tries"),
    [("1113", InsufficientBalanceError, 1), ("1308", RateLimitError, 1), ("1302", RateLimitError, 3)],
)
def test_a_429_without_money_is_not_tried_again_and_one_for_speed_is(
    server: ScriptedServer, code: str, cls: type[APIError], tries: int
) -> None:
    server.default(status=429, headers={"retry-after": "0"}, json={"error": {"code": code, "message": "m"}})

    with pytest.raises(cls):
        unionchat(**arguments(server, provider="zhipuai", model="glm-4.6", max_retries=2))

    assert len(server.requests) == tries


def test_no_vendor_sdk_is_needed_and_nothing_is_pinned() -> None:
    project = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert block is not None
    needed = re.findall(r'^ +"([a-z-]+)(.*)",$', block[1], re.MULTILINE)

    names = ["aiohttp", "certifi", "httpcore", "httpx", "litellm", "pydantic", "typing-extensions"]
    assert sorted(name for name, _ in needed) == names
    assert [version for _, version in needed if not version.startswith(">=") or "==" in version] == []


def test_the_oldest_versions_that_are_allowed_are_those_that_are_tested() -> None:
    project = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    script = (ROOT.parent / "scripts" / "test_versions").read_text(encoding="utf-8")
    tested = re.search(r"^oldest=\(\n(.*?)^\)", script, re.DOTALL | re.MULTILINE)
    needed = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    extras = re.findall(r"^(?:cli|socks|xunfei|testing) = .*$", project, re.MULTILINE)
    assert tested is not None
    assert needed is not None
    assert len(extras) == 4

    allowed = re.findall(r'"([a-z-]+)>=([\d.]+)', "\n".join([needed[1], *extras]))

    assert re.findall(r"^  ([a-z-]+)==([\d.]+)$", tested[1], re.MULTILINE) == allowed
    assert f"litellm>={dict(allowed)['litellm']}," in _litellm._INSTALL


def test_many_calls_leave_nothing_behind(server: ScriptedServer) -> None:
    server.default(sse=stream("你", "好"))
    client = UnionLLM(**arguments(server))

    def ask() -> None:
        for _ in range(50):
            for _ in client.completion(stream=True):
                pass
        server.requests.clear()
        gc.collect()

    def held() -> int:
        snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"{ROOT}/*")])
        return sum(trace.size for trace in snapshot.traces)

    ask()
    tracemalloc.start(3)
    try:
        ask()
        before = held()
        ask()
        ask()
        grown = held() - before
    finally:
        tracemalloc.stop()
        client.close()

    # One chunk kept for each of these hundred calls would be more.
    assert grown < 20_000


class Book(pydantic.BaseModel):
    title: str
    year: int


@pytest.mark.parametrize(
    ("provider", "model", "kind"),
    [
        ("moonshot", "kimi-k3", "json_schema"),
        ("deepseek", "deepseek-v4-flash", "json_object"),
        ("baichuan", "Baichuan4", "json_object"),
        ("baichuan", "Baichuan-M3", None),
    ],
)
def test_a_schema_climbs_down_to_what_the_vendor_takes_and_is_checked_here(
    server: ScriptedServer, provider: str, model: str, kind: str | None
) -> None:
    server.reply(json=answer('```json\n{"title": "西游记", "year": 1592}\n```'))
    server.reply(json=answer('{"title": "西游记", "year": "old"}'))
    call = arguments(server, provider=provider, model=model, response_format=Book)

    response = unionchat(**call)
    with pytest.raises(APIResponseError, match=r"no Book.*year"):
        unionchat(**call)

    body = sent(server)
    assert response.parsed == Book(title="西游记", year=1592)
    assert body.get("response_format", {}).get("type") == kind
    assert ("JSON schema" in body["messages"][0]["content"]) == (kind != "json_schema")


@pytest.mark.parametrize(
    ("provider", "model", "wanted"),
    [
        ("zhipuai", "glm-4.6v", "iVBORw0KGgo="),
        ("moonshot", "kimi-k2.6", _PIXEL),
        ("stepfun", "step-3.7-flash", _PIXEL),
    ],
)
def test_one_picture_is_sent_as_each_vendor_wants_it(
    server: ScriptedServer, provider: str, model: str, wanted: str
) -> None:
    server.reply(json=answer())
    part = {"type": "image_url", "image_url": {"url": _PIXEL}}

    unionchat(**arguments(server, provider=provider, model=model, messages=[{"role": "user", "content": [part]}]))

    assert sent(server)["messages"][0]["content"] == [{"type": "image_url", "image_url": {"url": wanted}}]


def test_a_socks_proxy_of_a_desktop_program_is_understood() -> None:
    proxies = {"all": "socks://127.0.0.1:7890"}

    assert proxy_for("https://api.example/v1", proxies, lambda host: False) == "socks5h://127.0.0.1:7890"


def test_a_socks_proxy_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "socksio" else find(name, *rest)
    )

    with pytest.raises(APIConnectionError, match=r"unionllm\[socks\]"):
        unionchat(provider="deepseek", model="deepseek-v4-flash", messages=MESSAGES, api_key="k", max_retries=0)
