"""The bridge to LiteLLM: how it is imported, what is sent, and what comes back whole."""

from __future__ import annotations

import copy
import json
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import litellm_vendor
import pytest
from litellm_vendor import HEADERS, KEY, MESSAGES, ask, run, whole
from server import ScriptedServer

from unionllm import (
    BadRequestError,
    InternalServerError,
    ModelResponse,
    aunionchat,
    unionchat,
)

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop, server = litellm_vendor.isolated, litellm_vendor.one_loop, litellm_vendor.server
ROOT = Path(__file__).parent.parent


def run_script(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter; ``URL`` of a server and the like go in through the environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**kept, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_litellm_is_imported_by_the_first_call_that_needs_it_and_leaves_no_trace(server: ScriptedServer) -> None:
    """No download, no .env, nothing in the environment, nothing on the module, nothing printed."""
    code = """
        import asyncio, os, socket, sys
        before = dict(os.environ)
        hosts = []
        real = socket.getaddrinfo
        socket.getaddrinfo = lambda host, *a, **k: (hosts.append(host), real(host, *a, **k))[1]
        import unionllm
        assert "litellm" not in sys.modules
        ask = dict(model="m", messages=[{"role": "user", "content": "hi"}], max_retries=0, api_key="sk-1234567")
        ask["base_url"] = os.environ["URL"]
        failures = 0
        for provider in ("mistral", "openai", "anthropic", "ollama", "ollama_chat"):
            for more in ({}, {"stream": True}, {"base_url": "http://127.0.0.1:9"}, {"api_key": None}, {"model": ""}):
                call = {**ask, "provider": provider, **more}
                for run in (unionllm.unionchat, lambda **call: asyncio.run(unionllm.aunionchat(**call))):
                    try:
                        answer = run(**call)
                        if run is unionllm.unionchat and call.get("stream"):
                            list(answer)
                    except unionllm.UnionLLMError as error:
                        failures += 1
                        assert "sk-1234567" not in str(error)
        assert failures > 40, failures
        assert "litellm" in sys.modules
        assert dict(os.environ) == before, {k for k in os.environ if os.environ[k] != before.get(k)}
        import litellm
        assert (litellm.drop_params, litellm.api_key, litellm.callbacks) == (False, None, [])
        assert all(host in ("127.0.0.1", b"127.0.0.1") for host in hosts), hosts
    """
    server.reply(json=whole(), path="/chat/completions")
    server.reply(body='{"error": "unexpected"}', path="/api/chat")
    server.default(status=500, body="oops")
    # Whatever base_url says, LiteLLM asks the usual Ollama what the model can do.
    done = run_script(code, URL=server.url, OLLAMA_API_BASE=server.url, MISTRAL_API_KEY="sk-from-environment")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_other_users_of_litellm_keep_its_log(server: ScriptedServer) -> None:
    ask(server, provider="mistral", model="m")
    theirs = logging.getLogger("LiteLLM")
    assert theirs.filter(logging.makeLogRecord({"name": "LiteLLM", "levelno": logging.ERROR, "msg": "x"}))


def test_a_dotenv_file_is_not_read(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MISTRAL_API_KEY=sk-from-a-file\nSTRAY_VARIABLE=1\n")
    code = """
        import os
        os.chdir(os.environ["FOLDER"])
        import unionllm
        try:
            unionllm.unionchat(provider="mistral", model="m", messages=[{"role": "user", "content": "hi"}])
        except unionllm.AuthenticationError:
            print("no key", "STRAY_VARIABLE" in os.environ)
    """
    assert run_script(code, FOLDER=str(tmp_path)).stdout == "no key False\n"


@pytest.mark.parametrize(("version", "reason"), [("1.82.7", "poisoned"), ("1.82.8", "poisoned"), ("1.106.2", "tools")])
def test_bad_versions_of_litellm_are_refused_before_they_are_imported(version: str, reason: str) -> None:
    code = f"""
        import importlib.metadata, sys
        importlib.metadata.version = lambda name: {version!r}
        import unionllm
        try:
            unionllm.unionchat(model="mistral/m", messages=[{{"role": "user", "content": "hi"}}], api_key="k")
        except unionllm.ProviderError as error:
            print(error, "litellm" in sys.modules)
    """
    said = run_script(code).stdout
    assert version in said
    assert reason in said
    assert "litellm>=1.105,!=1.106.*" in said
    assert said.endswith("False\n")


def test_a_missing_litellm_says_how_to_install_it() -> None:
    code = """
        import importlib.metadata
        def missing(name): raise importlib.metadata.PackageNotFoundError(name)
        importlib.metadata.version = missing
        import unionllm
        try:
            unionllm.unionchat(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        except unionllm.ProviderError as error:
            print(error)
    """
    assert "pip install" in run_script(code).stdout


def test_a_query_cannot_be_added_and_would_land_in_the_body(server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match="extra_query"):
        ask(server, provider="mistral", model="m", extra_query={"v": "1"})
    assert server.requests == []


@pytest.mark.parametrize("provider", ["mistral", "openai", "anthropic"])
def test_extra_headers_and_body_fields_reach_the_vendor(server: ScriptedServer, provider: str) -> None:
    answer = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    answer |= {"content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 1, "output_tokens": 1}}
    server.reply(json=answer if provider == "anthropic" else whole())
    ask(server, provider=provider, model="m", extra_headers={"X-Mine": "1"}, extra_body={"mine": 2}, top_k=3)
    [request] = server.requests
    assert request.headers["x-mine"] == "1"
    assert (request.json["mine"], request.json["top_k"]) == (2, 3)


def test_vendor_parameters_pass_through_and_num_ctx_reaches_ollama(server: ScriptedServer) -> None:
    counts = {"prompt_eval_count": 1, "eval_count": 1}
    server.default(json={"model": "llama3", "created_at": "", "response": "hi", "done": True, **counts})
    ask(server, provider="ollama", model="llama3", base_url=server.url, num_ctx=4096, api_key=None, seed=None)
    [request] = [request for request in server.requests if request.path == "/api/generate"]
    assert request.json["options"] == {"num_ctx": 4096}


def test_what_litellm_leaves_out_is_recorded(server: ScriptedServer) -> None:
    response = ask(server, provider="mistral", model="m", logit_bias={"1": 2}, temperature=0.5, num_retries=3)
    changes = {change.parameter: change.action for change in response.adaptations or ()}
    assert changes == {"logit_bias": "dropped", "num_retries": "dropped"}
    assert set(server.requests[0].json) == {"model", "messages", "temperature"}


def test_strict_refuses_what_would_be_left_out(server: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match="logit_bias"):
        ask(server, provider="mistral", model="m", logit_bias={"1": 2}, param_policy="strict")
    assert server.requests == []


def test_a_whole_answer_is_ours_with_everything_the_vendor_said(server: ScriptedServer) -> None:
    call = {"id": "c-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": None, "tool_calls": [call], "reasoning_content": "hm", "vendor_field": 1}
    body = whole(message, citations=["http://x"], system_fingerprint="fp")
    body["choices"][0] |= {"finish_reason": "tool_calls", "native_finish_reason": "TOOLS"}
    server.reply(json=body, headers=HEADERS)

    response = ask(server, provider="mistral", model="m")

    choice = response.choices[0]
    assert type(response) is ModelResponse
    assert (response.id, response.created, response.system_fingerprint) == ("id-1", 5, "fp")
    assert response.model == "vendor-model"
    assert (response.provider, response.request_id, response.adaptations) == ("mistral", "req-1", None)
    assert (choice.finish_reason, choice.provider_finish_reason) == ("tool_calls", "TOOLS")
    assert choice.message.tool_calls[0].function.name == "f"
    assert (choice.message.content, choice.message.reasoning_content) == (None, "hm")
    assert choice.message.provider_specific_fields == {"vendor_field": 1}
    assert response.citations == ["http://x"]
    assert response.service_tier == "default"
    assert response.usage.prompt_tokens_details.cached_tokens == 2
    assert response.usage.completion_tokens_details.reasoning_tokens == 1
    assert response["choices"][0]["message"]["role"] == "assistant"
    json.loads(response.model_dump_json())


def test_what_a_vendor_calls_like_a_field_of_ours_is_set_aside(server: ScriptedServer) -> None:
    """OpenRouter says in "provider" who served the call; DashScope has its request id in the body."""
    server.reply(json=whole(provider="Azure", context={"x": 1}, request_id="req-body"))
    response = ask(server, provider="openrouter", model="org/m")
    assert (response.provider, response.context, response.request_id) == ("openrouter", None, "req-body")
    assert response.provider_specific_fields == {"provider": "Azure", "context": {"x": 1}}


def test_usage_is_none_when_the_vendor_told_none(server: ScriptedServer) -> None:
    """LiteLLM writes zeros."""
    server.reply(json=whole(usage=None))
    assert ask(server, provider="openai", model="m").usage is None


def test_an_async_call_gives_the_same_answer(server: ScriptedServer) -> None:
    arguments = {"provider": "mistral", "model": "m", "messages": MESSAGES, "api_key": KEY, "base_url": server.url}
    assert run(aunionchat(**arguments)) == unionchat(**arguments)


def test_one_event_loop_after_another_can_call(server: ScriptedServer) -> None:
    code = """
        import asyncio, os
        from unionllm import aunionchat
        for model in ("mistral/m", "openai/m") * 2:
            messages = [{"role": "user", "content": "hi"}]
            answer = asyncio.run(aunionchat(model=model, messages=messages, api_key="k-1", base_url=os.environ["URL"]))
            print(answer.choices[0].message.content)
    """
    done = run_script(code, URL=server.url)
    assert (done.stdout.split(), done.stderr) == (["你好!"] * 4, "")


def test_nothing_of_the_callers_is_changed(server: ScriptedServer) -> None:
    given: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "stop": ["x"],
        "extra_headers": {"X-Mine": "1"},
        "extra_body": {"mine": {"deep": 1}},
    }
    before = copy.deepcopy(given)
    for provider in ("mistral", "openai"):
        ask(server, provider=provider, model="m", **given)
    assert given == before


def test_litellm_itself_never_tries_again(server: ScriptedServer) -> None:
    server.default(status=500, json={"error": {"message": "oops"}})
    for provider in ("openai", "mistral", "deepinfra", "anthropic"):
        with pytest.raises(InternalServerError, match="oops"):
            ask(server, provider=provider, model="m", max_retries=0)
    assert len(server.requests) == 4


def test_our_own_retries_are_made_and_counted_once(server: ScriptedServer) -> None:
    server.reply(status=503, headers={"retry-after-ms": "1"}, json={"error": {"message": "busy"}})
    assert ask(server, provider="deepinfra", model="m", max_retries=1).choices[0].message.content == "你好!"
    assert len(server.requests) == 2
