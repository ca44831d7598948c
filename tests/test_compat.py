"""Programs written for unionllm 0.1 to 0.3 keep working: names, spellings, environment, and how they read answers."""

from __future__ import annotations

import asyncio
import importlib
import pickle
from typing import Any

import pytest
from replies import KEY, MESSAGES, answer, arguments, piece, stream
from server import ScriptedServer

import unionllm
from unionllm import UnionLLM, unionchat
from unionllm.schema import ModelResponse

#: Provider → a model, and the variable of 0.x that holds its key.
NATIVE = {
    "zhipuai": ("glm-4", "ZHIPU_API_KEY"),
    "moonshot": ("moonshot-v1-8k", "MOONSHOT_API_KEY"),
    "deepseek": ("deepseek-v4-flash", "DEEPSEEK_API_KEY"),
    "stepfun": ("step-3.7-flash", "STEPFUN_API_KEY"),
    "lingyi": ("yi-lightning", "LINGYI_API_KEY"),
    "baichuan": ("Baichuan4-Turbo", "BAICHUAN_API_KEY"),
}

NAMES = {
    "unionllm": "unionchat UnionLLM main utils exceptions models providers",
    "unionllm.main": "UnionLLM unionchat OPENAI_COMPATIBLE_PROVIDERS QWEN_COMPATIBLE_BASE_URL _litellm_provider "
    "ProviderError",
    "unionllm.utils": "ModelResponse Choices StreamingChoices Message Delta Usage Context Function EmbeddingResponse "
    "ChatCompletionMessageToolCall OpenAIObject generate_unique_uid map_finish_reason _generate_id "
    "reformat_object_content check_object_input_support check_vision_input_support check_video_input_support "
    "check_audio_input_support check_file_input_support",
    "unionllm.exceptions": "UnionLLMError ProviderError APICallError AuthenticationError BadRequestError Timeout "
    "RateLimitError ContextWindowExceededError ServiceUnavailableError APIError APIConnectionError OpenAIError "
    "InvalidRequestError BudgetExceededError APIStatusError APITimeoutError",
    "unionllm.models": "ResponseModel",
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in NAMES.items() for name in names.split()]
)
def test_every_name_of_older_releases_can_be_imported(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize("module", ["main", "utils", "exceptions", "models"])
def test_old_modules_hand_out_the_objects_of_today(module: str) -> None:
    old = importlib.import_module(f"unionllm.{module}")

    for name in set(old.__all__) & set(unionllm.__all__):
        assert getattr(old, name) is getattr(unionllm, name)


def test_the_tables_of_older_releases_hold_address_and_variable() -> None:
    from unionllm.main import OPENAI_COMPATIBLE_PROVIDERS, _litellm_provider

    for name, (_, variable) in NATIVE.items():
        address, env = OPENAI_COMPATIBLE_PROVIDERS[name]
        assert address.startswith("https://")
        assert env == variable
        assert not _litellm_provider(name)
    assert _litellm_provider("mistral")


def test_the_helpers_of_older_releases_work() -> None:
    from unionllm.models import ResponseModel
    from unionllm.utils import EmbeddingResponse, generate_unique_uid, map_finish_reason, reformat_object_content

    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]

    assert generate_unique_uid() != generate_unique_uid()
    assert [map_finish_reason(word) for word in ("stop", "sensitive", "eos", "odd")] == [
        "stop",
        "content_filter",
        "stop",
        "odd",
    ]
    assert reformat_object_content(parts) == [{"role": "user", "content": "a\nb"}]
    assert isinstance(parts[0]["content"], list)
    assert EmbeddingResponse().get("data") is None
    assert ResponseModel(choices=[]).to_dict()["choices"] == ResponseModel(choices=[]).get_completions() == []


# The patterns of public applications, compat.md (e).


def test_client_pattern_1_settings_with_upper_case_names_and_dict_access(server: ScriptedServer) -> None:
    server.reply(json=answer())
    settings: dict[str, Any] = {
        "provider": "zhipuai",
        "model": "glm-4",
        "api_base": server.url,
        "ZHIPU_API_KEY": KEY,
        "MOONSHOT_API_KEY": "another",
        "SOME_SETTING": None,
    }

    response = unionchat(messages=MESSAGES, **settings)

    assert response["choices"][0]["message"]["content"] == "你好！"
    assert int(response["usage"]["total_tokens"]) == 5
    [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert set(request.json) == {"model", "messages"}


def test_client_pattern_2_arguments_that_are_none(server: ScriptedServer) -> None:
    server.reply(json=answer())
    given = arguments(server, api_base=None, num_ctx=None, temperature=None)

    unionchat(**given)

    assert set(server.requests[0].json) == {"model", "messages"}


def test_client_pattern_3_the_same_arguments_for_constructor_and_call(server: ScriptedServer) -> None:
    server.default(json=answer())
    given = arguments(server)

    client = UnionLLM(**given)
    assert client.completion(**given).choices[0].message.content == "你好！"
    client.close()
    assert unionchat(**given).choices[0].message.content == "你好！"


def test_client_pattern_4_chat_with_everything_in_the_constructor(server: ScriptedServer) -> None:
    """X13: there was no ``chat``, and ``completion`` wanted the model again."""
    server.default(json=answer())
    llm = UnionLLM(api_key=KEY, model="glm-4", provider="zhipuai", api_base=server.url)

    response = llm.chat(messages=MESSAGES)

    assert hasattr(response, "choices")
    assert llm.completion(messages=MESSAGES).choices == response.choices
    llm.close()


def test_client_pattern_5_stream_false_and_attributes(server: ScriptedServer) -> None:
    server.reply(json=answer())

    ret = unionchat(
        api_key=KEY, provider="DeepSeek".lower(), model="m", messages=MESSAGES, stream=False, base_url=server.url
    )

    assert ret.choices[0].message.content == "你好！"


def test_the_loop_of_the_old_readme_prints_the_text(server: ScriptedServer) -> None:
    server.reply(sse=stream("你", "好"))
    text = ""

    for chunk in unionchat(**arguments(server), stream=True):
        text += getattr(chunk.choices[0].delta, "content", None) or ""

    assert text == "你好"


# Calls.


def test_model_and_messages_may_be_positional(server: ScriptedServer) -> None:
    server.default(json=answer())
    given = arguments(server)
    model, messages = given.pop("model"), given.pop("messages")

    unionchat(model, messages, **given)
    with UnionLLM("deepseek", api_key=KEY, base_url=server.url) as client:
        client.completion(model, messages)
        client.chat(model, messages)

    assert [request.json["model"] for request in server.requests] == [model] * 3


@pytest.mark.parametrize("provider", ["deepseek", "DeepSeek", "DEEPSEEK", " deepseek "])
def test_the_case_of_a_provider_does_not_matter(server: ScriptedServer, provider: str) -> None:
    server.reply(json=answer())

    assert unionchat(**arguments(server, provider=provider)).provider == "deepseek"
    assert UnionLLM(provider=provider).provider == "deepseek"


@pytest.mark.parametrize(
    ("alias", "provider"),
    [("zhipu", "zhipuai"), ("glm", "zhipuai"), ("zai", "zhipuai"), ("kimi", "moonshot"), ("Kimi", "moonshot")],
)
def test_l7_what_people_type_is_understood(server: ScriptedServer, alias: str, provider: str) -> None:
    server.reply(json=answer())

    assert unionchat(**arguments(server, provider=alias, model="m")).provider == provider


@pytest.mark.parametrize("provider", NATIVE)
def test_the_key_is_found_in_the_environment(
    server: ScriptedServer, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply(json=answer())
    monkeypatch.setenv(NATIVE[provider][1], "key-from-environment")

    unionchat(**arguments(server, provider=provider, model=NATIVE[provider][0], api_key=None))

    assert server.requests[0].headers["authorization"] == "Bearer key-from-environment"


@pytest.mark.parametrize("provider", NATIVE)
def test_the_argument_wins_over_the_environment(
    server: ScriptedServer, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply(json=answer())
    monkeypatch.setenv(NATIVE[provider][1], "key-from-environment")

    unionchat(**arguments(server, provider=provider, model=NATIVE[provider][0]))

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("provider", NATIVE)
@pytest.mark.parametrize("spelling", ["api_key", "app_key", "apk_key"])
def test_l1_l2_every_spelling_of_the_key_goes_into_the_header_and_nowhere_else(
    server: ScriptedServer, provider: str, spelling: str
) -> None:
    server.reply(json=answer())

    unionchat(**arguments(server, **{"provider": provider, "model": "m", "api_key": None, spelling: KEY}))

    [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in request.body.decode()
    assert spelling not in request.json
    assert request.query == {}


@pytest.mark.parametrize("provider", NATIVE)
@pytest.mark.parametrize("spelling", ["api_base", "base_url", "endpoint_url"])
def test_o6_every_spelling_of_the_address_works_for_every_provider(
    server: ScriptedServer, provider: str, spelling: str
) -> None:
    server.reply(json=answer())

    unionchat(
        **arguments(server, **{"provider": provider, "model": "m", "base_url": None, spelling: f"{server.url}/v1"})
    )

    assert server.requests[0].path == "/v1/chat/completions"
    assert spelling not in server.requests[0].json


def test_o7_a_call_may_bring_its_own_key(server: ScriptedServer) -> None:
    server.default(json=answer())

    with UnionLLM(**arguments(server), temperature=0.1) as client:
        client.completion(api_key="another-key", model="another", temperature=0.2)
        client.completion()

    first, second = server.requests
    assert first.headers["authorization"] == "Bearer another-key"
    assert (first.json["model"], first.json["temperature"]) == ("another", 0.2)
    assert second.headers["authorization"] == f"Bearer {KEY}"
    assert (second.json["model"], second.json["temperature"]) == ("deepseek-v4-flash", 0.1)


def test_an_answer_survives_a_pickle(server: ScriptedServer) -> None:
    server.reply(json=answer())

    response = unionchat(**arguments(server))

    assert pickle.loads(pickle.dumps(response)) == response
    assert response.choices[0].message in [choice.message for choice in response.choices]
    assert asyncio.iscoroutinefunction(UnionLLM("deepseek").acompletion)


@pytest.mark.parametrize("provider", NATIVE)
def test_the_repr_of_an_answer_is_the_line_that_older_releases_printed(server: ScriptedServer, provider: str) -> None:
    server.reply(json=answer())

    response = unionchat(**arguments(server, provider=provider, model=NATIVE[provider][0]))

    assert repr(response) == (
        "ModelResponse(id='r-1', choices=[Choices(finish_reason='stop', index=0, message=Message(content='你好！', "
        "role='assistant'))], created=1, model='m', object='chat.completion', system_fingerprint=None, "
        "usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5))"
    )


def test_chunks_are_instances_of_the_class_that_older_code_asks_for(server: ScriptedServer) -> None:
    server.reply(sse=[piece({"content": "A"}, "stop"), "[DONE]"])

    for chunk in unionchat(**arguments(server), stream=True):
        assert isinstance(chunk, ModelResponse)
        assert chunk["object"] == "chat.completion.chunk"
