"""The bridge to LiteLLM: what LiteLLM does behind one's back, and what it must not do in our calls."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
from pathlib import Path
from typing import Any

import litellm_vendor
import pytest
from litellm_vendor import KEY, MESSAGES, PIECES, STREAMS, USAGE_PIECE, ask, call_of, piece, run, stream_reply, whole
from server import Cut, Reply, ScriptedServer
from test_litellm_bridge import run_script

from unionllm import (
    APIConnectionError,
    APIError,
    InternalServerError,
    StreamInterruptedError,
    _litellm,
    aunionchat,
    unionchat,
)

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop, server = litellm_vendor.isolated, litellm_vendor.one_loop, litellm_vendor.server
outside = litellm_vendor.outside

AWS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI", "aws_region_name": "us-east-1"}
AWS_SECRETS = ("AKIAEXAMPLE", "wJalrXUtnFEMI", "session-1")
CLAUDE = "anthropic.claude-3-sonnet-20240229-v1:0"
#: Route → model, path of the base URL, further arguments.
ROUTES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "anthropic": ("claude-x", "", {}),
    "azure": ("dep", "", {"api_version": "2024-02-01"}),
    "azure_ai": ("m", "", {}),
    "bedrock": (CLAUDE, "", {**AWS, "api_key": None}),
    "cerebras": ("m", "/v1", {}),
    "cloudflare": ("m", "", {}),
    "cohere": ("m", "", {}),
    "dashscope": ("m", "/v1", {}),
    "databricks": ("m", "", {}),
    "deepinfra": ("org/m", "/v1", {}),
    "deepseek": ("m", "/v1", {}),
    "fireworks_ai": ("m", "/v1", {}),
    "gemini": ("gemini-x", "/v1beta", {}),
    "groq": ("m", "/v1", {}),
    "hosted_vllm": ("m", "/v1", {}),
    "huggingface": ("org/m", "", {}),
    "mistral": ("m", "/v1", {}),
    "moonshot": ("m", "/v1", {}),
    "ollama": ("llama3", "", {}),
    "ollama_chat": ("llama3", "", {}),
    "openai": ("m", "/v1", {}),
    "openrouter": ("org/m", "/v1", {}),
    "perplexity": ("m", "/v1", {}),
    "together_ai": ("org/m", "/v1", {}),
    "volcengine": ("m", "/v1", {}),
    "watsonx": ("ibm/m", "", {"project_id": "p", "token": "t-1"}),
    "xai": ("m", "/v1", {}),
    "xinference": ("m", "/v1", {}),
    "zai": ("m", "/v1", {}),
}
both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def arguments_of(server: ScriptedServer, route: str, **more: Any) -> dict[str, Any]:
    """A call that LiteLLM makes, even where we have an adapter of our own."""
    model, path, own = ROUTES[route]
    asked = {"model": f"{route}/{model}", "messages": MESSAGES, "api_key": KEY, "base_url": server.url + path}
    return {**asked, **own, **more}


def fail(arguments: dict[str, Any], *, is_async: bool) -> APIError:
    """The error that a call ends with."""

    async def acall() -> None:
        answer = await aunionchat(**arguments)
        if arguments["stream"]:
            async for _ in answer:
                pass

    with pytest.raises(APIError) as caught:
        run(acall()) if is_async else list(unionchat(**arguments))
    return caught.value


@both
@streamed
@pytest.mark.parametrize("route", ROUTES)
def test_litellm_sends_each_request_once(server: ScriptedServer, route: str, stream: bool, is_async: bool) -> None:
    """It, or the package openai below it, would send it three times on some of these."""
    for status in (500, 429):
        server.default(status=status, headers={"retry-after-ms": "1"}, json={"error": {"message": "oops"}})
        before = len(server.requests)
        error = fail(arguments_of(server, route, stream=stream, max_retries=0), is_async=is_async)
        assert error.status_code == status
        assert len(server.requests) - before == 1


@both
@streamed
@pytest.mark.parametrize("route", ["anthropic", "azure", "bedrock", "gemini", "mistral", "moonshot", "openai"])
def test_our_retries_are_all_there_are(server: ScriptedServer, route: str, stream: bool, is_async: bool) -> None:
    server.default(status=503, headers={"retry-after-ms": "1"}, json={"error": {"message": "busy"}})
    error = fail(arguments_of(server, route, stream=stream, max_retries=2, num_retries=5), is_async=is_async)
    assert isinstance(error, InternalServerError)
    assert len(server.requests) == 3


@both
@streamed
@pytest.mark.parametrize("route", ["anthropic", "azure", "gemini", "mistral", "moonshot", "openai"])
def test_a_connection_that_breaks_is_not_opened_again(
    server: ScriptedServer, route: str, stream: bool, is_async: bool
) -> None:
    server.default(chunks=[Cut()])
    error = fail(arguments_of(server, route, stream=stream, max_retries=0), is_async=is_async)
    assert type(error) is APIConnectionError
    assert len(server.requests) == 1


def _state(litellm: Any) -> dict[str, Any]:
    """What a program could have set on LiteLLM. Lists and dicts by value: something may have been put into them."""
    made = {}
    for name, value in vars(litellm).items():
        is_plain = isinstance(value, (str, int, float, list, dict, set, tuple, type(None)))
        if not name.startswith("_") and is_plain and name not in ("model_cost", "model_list"):
            made[name] = copy.copy(value) if isinstance(value, (list, dict, set)) else value
    return made


@pytest.fixture
def own_settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """LiteLLM, set up by a program that uses it for itself, too."""
    litellm = _litellm._load()
    heard: list[Any] = []
    settings = {
        "drop_params": False,
        "num_retries": 4,
        "request_timeout": 77.0,
        "modify_params": False,
        "success_callback": [lambda *given: heard.append(given)],
        "suppress_debug_info": False,
        "set_verbose": False,
        "headers": {"X-Team": "1"},
        "disable_hf_tokenizer_download": False,
    }
    for name, value in settings.items():
        monkeypatch.setattr(litellm, name, value, raising=False)
    return litellm


def test_settings_of_the_program_stay_as_they_are(server: ScriptedServer, own_settings: Any) -> None:
    unionchat(**call_of(server, "mistral"))  # so that everything that LiteLLM loads late is loaded
    before, environment = _state(own_settings), dict(os.environ)
    assert before["num_retries"] == 4
    for route, stream, status in itertools.product(("mistral", "openai", "ollama"), (False, True), (200, 401)):
        reply = stream_reply(STREAMS[route][2], status=status) if stream else Reply(json=whole(), status=status)
        server.default(reply)
        with contextlib.suppress(APIError):
            list(unionchat(stream=stream, logit_bias={"1": 1}, **call_of(server, route)))
    after = _state(own_settings)
    assert {name for name in before if after.get(name) != before[name]} == set()
    assert after.keys() == before.keys()
    assert dict(os.environ) == environment


@both
@streamed
@pytest.mark.parametrize("route", ["anthropic", "mistral", "openai"])
def test_retries_that_the_program_set_for_its_own_calls_are_not_made_in_ours(
    server: ScriptedServer, own_settings: Any, route: str, stream: bool, is_async: bool
) -> None:
    server.default(status=500, json={"error": {"message": "oops"}})
    error = fail(arguments_of(server, route, stream=stream, max_retries=0), is_async=is_async)
    assert error.status_code == 500
    assert "model_group" not in server.requests[0].body.decode()
    assert len(server.requests) == 1
    assert own_settings.num_retries == 4


def test_a_key_that_the_program_set_for_everything_is_used(
    server: ScriptedServer, own_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_settings, "api_key", "sk-set-by-the-program")
    ask(server, provider="mistral", model="m", api_key=None)
    ask(server, provider="mistral", model="m")
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer sk-set-by-the-program", f"Bearer {KEY}"]


def test_litellms_advice_is_printed_for_who_wants_its_log(server: ScriptedServer) -> None:
    """And for nobody else: see tests/test_litellm_bridge.py."""
    server.default(status=400, json={"error": {"message": "no"}})
    code = """
        import os, unionllm
        ask = dict(model="mistral/m", messages=[{"role": "user", "content": "hi"}], api_key="sk-1234567")
        try:
            unionllm.unionchat(**ask, base_url=os.environ["URL"])
        except unionllm.BadRequestError:
            print("refused")
    """
    said = run_script(code, URL=server.url, LITELLM_LOG="ERROR").stdout
    assert "Give Feedback" in said
    assert said.endswith("refused\n")


@pytest.mark.parametrize("model", ["meta-llama/llama-3-8b", "llama-2-70b", "my-replicate-llama-3"])
def test_no_tokenizer_is_looked_for_anywhere(server: ScriptedServer, outside: ScriptedServer, model: str) -> None:
    """Counting the tokens of a stream, LiteLLM would ask huggingface.co, for minutes behind a firewall."""
    for events in (PIECES, [*PIECES[:4], "[DONE]"]):
        server.default(stream_reply(events))
        for route in ("openai", "mistral"):
            stream = unionchat(stream=True, **call_of(server, route, model=model))
            assert "".join(stream.text()) == "你好"


def test_a_stream_of_a_llama_opens_no_connection_but_its_own(server: ScriptedServer) -> None:
    """From the first import on: neither a price list, nor a tokenizer, nor anything else."""
    server.default(stream_reply([*PIECES[:4], "[DONE]"]))
    code = """
        import os, socket
        places = set()
        connect = socket.socket.connect
        def watched(self, address):
            places.add(address[0])
            return connect(self, address)
        socket.socket.connect = watched
        real = socket.getaddrinfo
        socket.getaddrinfo = lambda host, *a, **k: (places.add(str(host)), real(host, *a, **k))[1]
        import unionllm
        for provider in ("openai", "mistral", "together_ai", "deepinfra"):
            for model in ("meta-llama/llama-3-70b", "org/llama-2"):
                call = dict(provider=provider, model=model, api_key="sk-1234567", base_url=os.environ["URL"])
                list(unionllm.unionchat(stream=True, messages=[{"role": "user", "content": "hi"}], **call))
        print(places)
    """
    done = run_script(code, URL=server.url)
    assert (done.stdout, done.stderr) == ("{'127.0.0.1'}\n", "")


def test_a_hundred_equal_chunks_end_a_stream_with_all_that_came(server: ScriptedServer) -> None:
    """LiteLLM takes them for a model that repeats itself, and calls that a 500 of the vendor's."""
    server.default(stream_reply([*[piece({"content": "again "})] * 150, piece({}, "stop"), USAGE_PIECE, "[DONE]"]))
    stream = unionchat(stream=True, **call_of(server, "openai"))
    with pytest.raises(StreamInterruptedError, match=r"repeating.*REPEATED_STREAMING_CHUNK_LIMIT") as caught:
        list(stream)
    assert caught.value.status_code is None
    assert caught.value.partial.choices[0].message.content.startswith("again again ")


def test_equal_short_chunks_are_no_repetition(server: ScriptedServer) -> None:
    server.default(stream_reply([*[piece({"content": "\n"})] * 150, piece({"content": "a"}), piece({}, "stop")]))
    stream = unionchat(stream=True, **call_of(server, "openai"))
    assert "".join(stream.text()) == "\n" * 150 + "a"


@pytest.mark.parametrize(("package", "version"), [("1.82.7", "1.82.7"), ("1.82.8", "1.82.8")])
def test_no_line_of_a_poisoned_release_runs(tmp_path: Path, package: str, version: str) -> None:
    """A litellm of that version stands first on the path; it leaves a trace if it is imported."""
    (tmp_path / f"litellm-{package}.dist-info").mkdir()
    (tmp_path / f"litellm-{package}.dist-info" / "METADATA").write_text(f"Name: litellm\nVersion: {version}\n")
    (tmp_path / "litellm").mkdir()
    (tmp_path / "litellm" / "__init__.py").write_text("print('stolen')\n")
    code = """
        import os, sys
        sys.path.insert(0, os.environ["FOLDER"])
        import unionllm
        calls = dict(messages=[{"role": "user", "content": "hi"}], api_key="k"), dict(input="x", api_key="k")
        for work, call in zip((unionllm.unionchat, unionllm.unionembed), calls):
            try:
                work(model="mistral/m", **call)
            except unionllm.ProviderError as error:
                print(error, "litellm" in sys.modules)
    """
    done = run_script(code, FOLDER=str(tmp_path))
    refused = f"LiteLLM {version} is a poisoned upload"
    assert [line.startswith(refused) for line in done.stdout.splitlines()] == [True, True]
    assert "stolen" not in done.stdout + done.stderr
    assert done.stdout.count("False") == 2


CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "你好!"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
    "metrics": {"latencyMs": 1},
}


@both
@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        ({**AWS, "aws_session_token": "session-1", "api_key": None}, "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"),
        ({"aws_region_name": "us-east-1"}, f"Bearer {KEY}"),
    ],
)
def test_credentials_of_bedrock_sign_the_request_and_are_in_no_body(
    server: ScriptedServer, credentials: dict[str, Any], header: str, is_async: bool
) -> None:
    server.default(json=CONVERSE)
    asked = {"provider": "bedrock", "model": CLAUDE, "messages": MESSAGES, "api_key": KEY, "base_url": server.url}
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/p-1"
    call = {**asked, **credentials, "max_retries": 0, "model_id": arn}
    response = run(aunionchat(**call)) if is_async else unionchat(**call)
    [request] = server.requests
    assert response.choices[0].message.content == "你好!"
    assert response.usage.total_tokens == 7
    assert request.headers["authorization"].startswith(header)
    assert request.headers.get("x-amz-security-token") == credentials.get("aws_session_token")
    assert "application-inference-profile" in request.path
    told = request.body.decode() + request.path
    assert not [secret for secret in (KEY, *AWS_SECRETS) if secret in told]
    assert "aws_" not in told
    assert "model_id" not in request.body.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        {"custom_llm_provider": "openai", "model": "a/b/c"},
        {"custom_llm_provider": "OpenAI", "model": "a/b/c"},
        {"provider": "hosted_vllm", "model": "a/b/c"},
        {"provider": "hosted_vllm", "model": "hosted_vllm/a/b/c"},
        {"model": "hosted_vllm/a/b/c"},
    ],
)
def test_keywords_of_a_provider_and_slashes_of_a_model_arrive_as_they_are(
    server: ScriptedServer, arguments: dict[str, Any]
) -> None:
    nested = {"deep": [1, {"deeper": None}]}
    ask(server, **arguments, vendor_option=nested, guided_json={"type": "object"}, min_p=0.5)
    [request] = server.requests
    assert request.json["model"] == "a/b/c"
    assert request.json["vendor_option"] == nested
    assert (request.json["guided_json"], request.json["min_p"]) == ({"type": "object"}, 0.5)
    ours = {"provider", "app_key", "api_key", "custom_llm_provider", "max_retries", "timeout", "base_url", "api_base"}
    assert not ours & request.json.keys()


def test_credentials_of_vertex_are_in_no_body_and_in_no_error(outside: ScriptedServer, server: ScriptedServer) -> None:
    """They are LiteLLM's to read: it says here that they are not a key of Google's."""
    secret = '{"type": "service_account", "private_key": "-----secret-of-google-----"}'
    call = {"provider": "vertex_ai", "model": "gemini-x", "vertex_credentials": secret, "vertex_project": "p"}
    with pytest.raises(APIError) as caught:
        unionchat(**call, messages=MESSAGES, base_url=server.url, max_retries=0)
    assert "secret-of-google" not in str(caught.value) + repr(caught.value.__dict__)
    assert server.requests == []
