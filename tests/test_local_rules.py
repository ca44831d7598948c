"""What the model in this process is asked, and what is left out: the real model, or a scripted llama.cpp server."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llamacpp_bench import MODEL
from replies import stream
from server import Reply, ScriptedServer

from unionllm import BadRequestError, unionchat
from unionllm._llamacpp import close_all
from unionllm._routes import build_route

MESSAGES = [{"role": "user", "content": "What is the weather in Paris?"}]
CALL: dict[str, Any] = {"provider": "local", "messages": MESSAGES, "temperature": 0, "max_tokens": 4}
FUNCTION = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": FUNCTION}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}

#: Short enough to take the place of the default model's own template in its file.
TEMPLATE = (
    "{% if tools %}{{ '<|im_start|>system\n' + tools|tojson + '<|im_end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% for c in m.tool_calls or [] %}{{ c.function|tojson }}{% endfor %}{{ m['content'] or '' }}"
    "{{ '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


@pytest.fixture(scope="module")
def tool_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The default model under a chat template that shows it the tools, as a user's own model may have."""
    path = tmp_path_factory.mktemp("model") / "with-tools.gguf"
    data = bytearray(Path(str(MODEL)).read_bytes())
    key = b"tokenizer.chat_template"
    start = data.index(key) + len(key) + struct.calcsize("<I")  # the value's type stands between
    (length,) = struct.unpack_from("<Q", data, start)
    start += struct.calcsize("<Q")
    data[start : start + length] = TEMPLATE.encode().ljust(length)
    path.write_bytes(data)
    yield str(path)
    close_all()


def changed(response: Any) -> list[str]:
    """The parameters that were changed, by name."""
    return [change.parameter for change in response.adaptations or ()]


def test_tools_that_the_model_cannot_be_shown_are_left_out_and_told() -> None:
    """llama.cpp answers as if they had not been given: its prompt has no place for them."""
    response = unionchat(**CALL, tools=TOOLS, tool_choice="auto", parallel_tool_calls=False)
    reading = unionchat(**CALL, tools=TOOLS, stream=True)
    chunks = list(reading)

    assert changed(response) == ["tools", "tool_choice", "parallel_tool_calls"]
    assert response.adaptations is not None
    assert "no place for tools" in str(response.adaptations[0].reason)
    assert changed(chunks[-1]) == changed(reading.response) == ["tools"]


@pytest.mark.parametrize("is_stream", [False, True])
def test_strict_policy_refuses_tools_that_would_be_left_out(is_stream: bool) -> None:
    with pytest.raises(BadRequestError, match=r"tools=.*no place for tools"):
        unionchat(**CALL, tools=TOOLS, param_policy="strict", stream=is_stream)


def test_raw_policy_sends_tools_all_the_same() -> None:
    assert changed(unionchat(**CALL, tools=TOOLS, param_policy="raw")) == []


def test_a_model_that_can_be_shown_tools_is(tool_model: str) -> None:
    without = unionchat(**CALL, model=tool_model)
    response = unionchat(**CALL, model=tool_model, tools=TOOLS, tool_choice="auto", param_policy="strict")

    assert changed(response) == []
    assert response.usage is not None
    assert without.usage is not None
    assert (response.usage.prompt_tokens or 0) > (without.usage.prompt_tokens or 0) + 10


def test_a_single_tool_cannot_be_asked_for() -> None:
    """The server reads the name of a function as "auto"."""
    named = {"type": "function", "function": {"name": "get_weather"}}

    chat = build_route({**CALL, "tools": TOOLS, "tool_choice": named}, {}).chat

    assert chat.params["tool_choice"] == "required"
    assert changed(chat) == ["tool_choice"]


@pytest.mark.parametrize("is_stream", [False, True])
def test_log_probabilities_arrive(is_stream: bool) -> None:
    answer: Any = unionchat(**CALL, logprobs=True, top_logprobs=2, param_policy="strict", stream=is_stream)
    if is_stream:
        list(answer)
        answer = answer.response

    content = answer.choices[0].logprobs["content"]
    assert "".join(token["token"] for token in content) == answer.choices[0].message.content
    assert [len(token["top_logprobs"]) for token in content] == [2] * len(content)


UNUSED = {
    "user": "u",
    "store": True,
    "service_tier": "auto",
    "best_of": 2,
    "metadata": {"a": "b"},
    "verbosity": "low",
    "modalities": ["text"],
    "audio": {"voice": "x"},
    "prediction": {"type": "content", "content": "x"},
    "functions": [FUNCTION],
    "function_call": "auto",
    "web_search_options": {},
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "reasoning_effort": "high",
}


@pytest.mark.parametrize("name", UNUSED)
def test_a_parameter_that_the_server_has_no_use_for_is_left_out_and_told(name: str) -> None:
    chat = build_route({**CALL, name: UNUSED[name]}, {}).chat

    assert name not in chat.params
    assert changed(chat) == [name]
    with pytest.raises(BadRequestError, match=name):
        build_route({**CALL, name: UNUSED[name], "param_policy": "strict"}, {})
    assert build_route({**CALL, name: UNUSED[name], "param_policy": "raw"}, {}).chat.params[name] == UNUSED[name]


def test_parameters_that_are_said_to_be_left_out_make_no_difference() -> None:
    """Each one was seen to be ignored: an answer at temperature 0 is the same with all of them."""
    plain = unionchat(**CALL, param_policy="raw")
    response = unionchat(**CALL, **UNUSED, param_policy="raw")

    assert response.choices[0].message.content == plain.choices[0].message.content


@pytest.mark.parametrize("part", [IMAGE, SOUND], ids=["image", "sound"])
@pytest.mark.parametrize("model", [None, "/nowhere.gguf"])
def test_what_is_no_text_is_refused_before_a_model_is_loaded(part: dict[str, Any], model: str | None) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]

    with pytest.raises(BadRequestError, match=r"messages\[0\]\.content\[1\].*takes text only") as caught:
        unionchat(**{**CALL, "messages": messages}, model=model)

    assert not caught.value.retryable


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_image_sent_all_the_same_is_refused_once_and_for_all(is_stream: bool) -> None:
    """The server says 500, which would be tried again."""
    messages = [{"role": "user", "content": [IMAGE]}]

    with pytest.raises(BadRequestError, match="image input is not supported") as caught:
        unionchat(**{**CALL, "messages": messages}, param_policy="raw", stream=is_stream)

    assert not caught.value.retryable


@pytest.mark.parametrize(
    "props", [Reply(status=404), Reply(json={}), Reply(json={"chat_template_caps": {"supports_tools": True}})]
)
def test_a_server_of_the_callers_own_is_given_images_and_tools(server: ScriptedServer, props: Reply) -> None:
    """It may know more than the one in this process; only its own word keeps tools from it."""
    server.reply(props, path="/props")
    server.reply(sse=stream("你好"))
    messages = [{"role": "user", "content": [IMAGE]}]

    response = unionchat(**{**CALL, "messages": messages}, tools=TOOLS, base_url=f"{server.url}/v1", model="m")

    assert response.choices[0].message.content == "你好"
    assert [request.path for request in server.requests] == ["/props", "/v1/chat/completions"]
    sent = server.requests[1].json
    assert (sent["messages"], sent["tools"], sent["stream"]) == (messages, TOOLS, True)
    assert changed(response) == []
