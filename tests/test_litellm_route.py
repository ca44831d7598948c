"""The bridge to LiteLLM: where a call goes, and with which key."""

from __future__ import annotations

import contextlib

import httpx
import litellm_vendor
import pytest
from litellm_vendor import KEY, MESSAGES, ask
from server import ScriptedServer

from unionllm import APIError, AuthenticationError, BadRequestError, ProviderError, _litellm, unionchat
from unionllm._litellm_route import PLAIN_CODES

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop, server = litellm_vendor.isolated, litellm_vendor.one_loop, litellm_vendor.server
outside = litellm_vendor.outside


def test_the_list_of_providers_has_those_of_the_json_file_too() -> None:
    names = _litellm.provider_names()
    assert names == sorted(names)
    assert {"mistral", "ollama_chat", "veniceai", "github_copilot", "azure"} <= set(names)
    assert _litellm.knows("Mistral")
    assert _litellm.knows("veniceai")
    assert not _litellm.knows("zhipuai")


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("Mistral/m", ("mistral", "m")),
        ("openrouter/a/b", ("openrouter", "a/b")),
        ("mistral/", None),
        ("mistral", None),
        ("zhipuai/glm-5", None),
    ],
)
def test_a_model_is_split_only_at_a_provider_that_litellm_knows(model: str, parts: tuple[str, str] | None) -> None:
    assert _litellm.split_model(model) == parts


@pytest.mark.parametrize(
    ("provider", "model", "sent"),
    [
        ("mistral", "mistral-tiny", "mistral-tiny"),
        ("MISTRAL", "mistral/mistral-tiny", "mistral-tiny"),
        (None, "mistral/mistral-tiny", "mistral-tiny"),
        (None, "Mistral/mistral-tiny", "mistral-tiny"),
        ("openrouter", "anthropic/claude-3.5-sonnet", "anthropic/claude-3.5-sonnet"),
        ("openrouter", "openrouter/anthropic/claude-3.5-sonnet", "anthropic/claude-3.5-sonnet"),
        ("openrouter", "openrouter/auto", "openrouter/auto"),
        (None, "openrouter/auto", "openrouter/auto"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("together_ai", "deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3"),
        ("ai21", "a-new-model", "a-new-model"),
        ("vllm", "org/name", "org/name"),
        ("hosted_vllm", "org/name", "org/name"),
        (None, "veniceai/llama", "llama"),
        (None, "gpt-4o", "gpt-4o"),
    ],
)
def test_the_vendor_gets_its_own_model_id(server: ScriptedServer, provider: str, model: str, sent: str) -> None:
    ask(server, provider=provider, model=model)
    assert server.requests[0].json["model"] == sent


def test_an_azure_deployment_may_have_the_name_of_another_vendors_model(server: ScriptedServer) -> None:
    """As azure/mistral-large-latest LiteLLM would call {base}/chat/completions with OpenAI's header."""
    for arguments in ({"provider": "azure", "model": "mistral-large-latest"}, {"model": "azure/mistral-large-latest"}):
        ask(server, **arguments, base_url=server.url, api_version="2024-02-01")
    for request in server.requests:
        assert request.path == "/openai/deployments/mistral-large-latest/chat/completions"
        assert request.headers["api-key"] == KEY


@pytest.mark.parametrize("model", ["", "  ", "mistral/"])
def test_an_empty_model_is_refused_before_sending(server: ScriptedServer, model: str) -> None:
    with pytest.raises(BadRequestError, match="model"):
        ask(server, provider="mistral", model=model)
    assert server.requests == []


@pytest.mark.parametrize("model", ["my-replicate-model", "a-clarifai-model", "ft:gpt-3.5-turbo:me"])
def test_a_name_that_litellm_would_send_elsewhere_is_refused(outside: ScriptedServer, model: str) -> None:
    """LiteLLM picks Replicate by a part of the model's name, and sends it the key of the provider asked for."""
    with pytest.raises(BadRequestError, match=r"another vendor.*Nothing was sent"):
        unionchat(provider="anthropic", model=model, messages=MESSAGES, api_key=KEY)


def test_such_a_name_is_fine_where_it_does_no_harm(server: ScriptedServer) -> None:
    ask(server, provider="mistral", model="my-replicate-model")
    assert server.requests[0].json["model"] == "my-replicate-model"


def test_unknown_providers_are_named() -> None:
    with pytest.raises(ProviderError, match="'mistrall'"):
        unionchat(provider="mistrall", model="m", messages=MESSAGES)
    with pytest.raises(ProviderError, match=r"no provider for the model 'no-such-model'.*provider="):
        unionchat(model="no-such-model", messages=MESSAGES)
    with pytest.raises(ProviderError, match="cannot chat"):
        unionchat(provider="voyage", model="voyage-3", messages=MESSAGES, api_key=KEY)


@pytest.mark.parametrize("spelling", ["api_key", "app_key", "apk_key"])
def test_every_spelling_of_the_key_is_the_key_and_never_in_the_body(server: ScriptedServer, spelling: str) -> None:
    ask(server, provider="mistral", model="m", **{"api_key": None, spelling: KEY})
    [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in request.body.decode()
    assert "key" not in str(sorted(request.json))


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("mistral", "MISTRAL_API_KEY"),
        ("deepinfra", "DEEPINFRA_API_KEY"),
        ("perplexity", "PERPLEXITYAI_API_KEY"),
        ("ai21", "AI21_API_KEY"),
        ("baseten", "BASETEN_API_KEY"),
        ("dashscope", "DASHSCOPE_API_KEY"),
        ("volcengine", "VOLCENGINE_API_KEY"),
        ("veniceai", "VENICE_AI_API_KEY"),
        ("meta_llama", "LLAMA_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
        ("cohere", "COHERE_API_KEY"),
        ("openrouter", "OPENROUTER_API_KEY"),
        ("replicate", "REPLICATE_API_KEY"),
    ],
)
def test_without_a_key_of_its_own_nothing_is_sent(outside: ScriptedServer, provider: str, variable: str) -> None:
    """LiteLLM would send OPENAI_API_KEY to most of these."""
    with pytest.raises(AuthenticationError) as caught:
        unionchat(model=f"{provider}/m", messages=MESSAGES, max_retries=0)
    assert "api_key=" in str(caught.value)
    assert variable in str(caught.value)
    assert caught.value.status_code == 401


def test_no_provider_of_litellms_gets_the_key_of_openai(server: ScriptedServer) -> None:
    """All OpenAI-format providers, at a host of the caller's, without a key: a placeholder travels, if anything."""
    known = set(_litellm.provider_names())
    compatible = {*_litellm._load().openai_compatible_providers, *_litellm._configured(), "custom_openai", "openai"}
    for name in sorted(compatible & known - {"github_copilot", "chatgpt", "clarifai", "ragflow"}):
        with contextlib.suppress(APIError):
            ask(server, model=f"{name}/m", api_key=None)
    assert len(server.requests) > 60
    for request in server.requests:
        assert "sk-key-of-openai" not in str(request.headers) + request.body.decode()


def test_the_key_from_the_environment_goes_to_its_own_provider(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "sk-key-of-mistral")
    ask(server, model="mistral/m", api_key=None)
    assert server.requests[0].headers["authorization"] == "Bearer sk-key-of-mistral"


def test_the_key_of_openai_goes_to_the_host_named_beside_it(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", f"{server.url}/v1")
    unionchat(model="gpt-4o", messages=MESSAGES)
    assert server.requests[0].headers["authorization"] == "Bearer sk-key-of-openai"


@pytest.mark.parametrize(("key", "sent"), [(KEY, KEY), (None, "EMPTY")])
def test_any_openai_compatible_server_can_be_called(server: ScriptedServer, key: str | None, sent: str) -> None:
    for arguments in ({"custom_llm_provider": "openai"}, {"provider": "openai"}):
        response = ask(server, **arguments, model="org/my-model", api_key=key)
        assert response.choices[0].message.content == "你好!"
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {sent}"
        assert request.json["model"] == "org/my-model"


@pytest.mark.parametrize("provider", ["xinference", "hosted_vllm", "vllm", "lm_studio", "litellm_proxy"])
def test_a_self_hosted_provider_needs_a_host(outside: ScriptedServer, provider: str) -> None:
    """Without one LiteLLM would send the key, and the messages, to api.openai.com."""
    with pytest.raises(BadRequestError, match="base_url="):
        unionchat(provider=provider, model="m", messages=MESSAGES, api_key=KEY)


def test_the_host_of_xinference_may_stand_in_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINFERENCE_API_BASE", f"{server.url}/v1")
    unionchat(provider="xinference", model="m", messages=MESSAGES)
    assert server.requests[0].headers["authorization"] == "Bearer EMPTY"


def test_options_without_effect_on_litellm_are_recorded(server: ScriptedServer) -> None:
    with httpx.Client() as own:
        response = ask(server, provider="openai", model="m", region="intl", http_client=own, fetch_media=True)

    assert [change.parameter for change in response.adaptations or ()] == ["fetch_media", "http_client", "region"]


def test_a_misspelt_prefix_of_a_model_gets_the_nearest_names() -> None:
    with pytest.raises(ProviderError, match=r"Unknown provider 'zhipuia'\. Did you mean 'zhipuai'"):
        unionchat("zhipuia/glm-5", MESSAGES)


def test_litellm_takes_codes_that_it_is_not_asked_about_at_their_word() -> None:
    import litellm

    named = {f"{code}/{name}" for code in PLAIN_CODES for name in (*litellm.model_cost, "org/a-new-model")}
    asked = {model for model in named if not model.endswith("-latest")}
    host, key = "http://127.0.0.1:9/v1", "sk-of-this-call"

    assert len(asked) > 3000
    for is_named in (False, True):
        codes = {model: model.partition("/")[0] if is_named else None for model in asked}
        told = {model: litellm.get_llm_provider(model, code, host, key) for model, code in codes.items()}
        odd = {model: way for model, way in told.items() if f"{way[1]}/{way[0]}" != model or way[3] != host}
        assert not odd
        assert {way[2] for way in told.values()} <= {None, key}


def test_a_code_without_a_model_is_refused_before_anything_is_sent(server: ScriptedServer) -> None:
    with pytest.raises(ProviderError, match="cannot use provider '' with model 'openai'"):
        unionchat("openai", MESSAGES, base_url=server.url, api_key=KEY)
    assert server.requests == []


def test_where_all_calls_go_to_litellms_proxy_it_is_asked_where(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.default(json={"error": {"message": "no such model"}}, status=404)
    models = []
    for name in ("", "True"):
        monkeypatch.setenv("USE_LITELLM_PROXY", name)
        with pytest.raises(APIError) as caught:
            unionchat(provider="openai", model="m", messages=MESSAGES, base_url=server.url, api_key=KEY)
        models.append((caught.value.model, server.requests[-1].json["model"]))
    assert models == [("m", "m"), ("openai/m", "openai/m")]
