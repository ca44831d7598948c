"""What is sent to Qwen in either protocol, and odd answers of the native one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from replies import MESSAGES, answer, arguments, piece
from server import ScriptedServer

from unionllm import BadRequestError, NotFoundError, RateLimitError, unionchat
from unionllm._routes import fallback_args
from unionllm.exceptions import APIError, StreamInterruptedError

_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_MARKED = {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}
_INSTRUCTION = "Answer with one JSON object."


def _event(content: Any, finish: str) -> bytes:
    choices = [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]
    return f"data:{json.dumps({'output': {'choices': choices}})}\n\n".encode()


# Messages and bodies.


def sent(server: ScriptedServer, **changes: Any) -> Any:
    """The body of a call, and its headers."""
    is_native = changes.get("protocol") == "native"
    message = {"role": "assistant", "content": "晴"}
    choices = [{"message": message, "finish_reason": "stop"}]
    server.reply(json={"output": {"choices": choices}, "request_id": "r"} if is_native else answer())
    call = arguments(server, **{"provider": "qwen", "model": "qwen-plus", **changes})
    kept = copy.deepcopy(call)
    unionchat(**call)
    assert call == kept
    return server.requests[-1].json, server.requests[-1].headers


def shown(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def audio(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def test_files_of_the_store_and_sound_go_natively(server: ScriptedServer) -> None:
    messages = shown(
        image("oss://a/b.png"), audio("AAAA"), audio("https://e.x/a.wav"), audio("data:audio/mp3;base64,AA")
    )

    body, headers = sent(server, protocol="native", model="qwen3-vl-plus", messages=messages)

    assert headers["x-dashscope-ossresourceresolve"] == "enable"
    assert body["input"]["messages"][0]["content"] == [
        {"image": "oss://a/b.png"},
        {"audio": "data:audio/wav;base64,AAAA"},
        {"audio": "https://e.x/a.wav"},
        {"audio": "data:audio/mp3;base64,AA"},
    ]


@pytest.mark.parametrize("protocol", ["compatible", "native"])
def test_files_of_this_machine_are_never_opened(protocol: str, server: ScriptedServer, tmp_path: Path) -> None:
    """The vendor's SDK uploads any file whose path equals a part, even a text."""
    secret = tmp_path / "secret.png"
    secret.write_text("do not send this")
    addresses = (str(secret), secret.as_uri(), "secret.png", "")
    parts = [image(address) for address in addresses] + [audio(str(secret)), {"type": "video", "video": [str(secret)]}]

    for part in parts:
        with pytest.raises(BadRequestError, match="never opened"):
            unionchat(
                **arguments(server, provider="qwen", model="qwen3-vl-plus", protocol=protocol, messages=shown(part))
            )
    asked = shown({"type": "text", "text": str(secret)}, image(_PIXEL))
    body, _ = sent(server, protocol=protocol, model="qwen3-vl-plus", messages=asked)

    assert str(secret) in json.dumps(body)
    assert "do not send this" not in json.dumps(body)


def test_extra_body_adds_to_input_and_parameters_natively(server: ScriptedServer) -> None:
    extra = {"parameters": {"seed": 1}, "input": {"prompt": "p"}, "resources": []}

    body, headers = sent(server, protocol="native", extra_body=extra, extra_headers={"X-DashScope-SSE": "no"})

    assert body["parameters"] == {"result_format": "message", "seed": 1}
    assert (body["input"]["prompt"], body["resources"]) == ("p", [])
    assert headers["x-dashscope-sse"] == "no"


def test_parameters_have_the_bounds_of_the_protocol(server: ScriptedServer) -> None:
    given = {"seed": 2**40, "stream_options": {"include_usage": True}, "max_completion_tokens": 9}

    body, _ = sent(server, protocol="native", **given)

    assert body["parameters"] == {"result_format": "message", "seed": 2**40, "max_tokens": 9}


def test_workspace_and_protocol_stay_with_this_vendor() -> None:
    given = {"provider": "qwen", "model": "m", "workspace": "llm-1", "protocol": "native", "temperature": 1}

    assert fallback_args(given, {"provider": "deepseek"}) == {"provider": "deepseek", "model": "m", "temperature": 1}
    assert fallback_args(given, {"model": "n"})["workspace"] == "llm-1"


def test_thinking_asked_for_in_extra_body_is_streamed_too(server: ScriptedServer) -> None:
    body, _ = sent(server, model="qwen3-8b", extra_body={"enable_thinking": True})

    assert (body["stream"], body["enable_thinking"]) == (True, True)


def test_raw_calls_are_not_streamed_behind_the_callers_back(server: ScriptedServer) -> None:
    body, _ = sent(server, model="qwen3-8b", enable_thinking=True, param_policy="raw")

    assert body == {"model": "qwen3-8b", "messages": MESSAGES, "enable_thinking": True}


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        (MESSAGES, [{"role": "system", "content": _INSTRUCTION}, *MESSAGES]),
        (
            [{"role": "system", "content": "s"}, *MESSAGES],
            [{"role": "system", "content": f"s\n\n{_INSTRUCTION}"}, *MESSAGES],
        ),
        (
            [{"role": "system", "content": [_MARKED]}, *MESSAGES],
            [{"role": "system", "content": [_MARKED, {"type": "text", "text": _INSTRUCTION}]}, *MESSAGES],
        ),
        ([{"role": "user", "content": "用 Json 回答"}], [{"role": "user", "content": "用 Json 回答"}]),
    ],
)
def test_json_mode_has_its_word_in_the_messages(messages: Any, wanted: Any, server: ScriptedServer) -> None:
    body, _ = sent(server, messages=messages, response_format={"type": "json_object"})

    assert body["messages"] == wanted


def test_a_model_that_always_thinks_has_the_schema_in_words_alone(server: ScriptedServer) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    call = {"model": "qwen3-next-80b-a3b-thinking", "response_format": schema}

    body, _ = sent(server, **call)

    assert "response_format" not in body
    assert "JSON schema" in body["messages"][0]["content"]
    with pytest.raises(BadRequestError, match="response_format"):
        sent(server, **{**call, "response_format": {"type": "json_object"}}, param_policy="strict")


def test_system_messages_become_one_at_the_head(server: ScriptedServer) -> None:
    body, _ = sent(server, messages=[*MESSAGES, {"role": "system", "content": [_MARKED]}])

    # A cache mark is the caller's money: joined into one text, it was lost.
    assert body["messages"] == [{"role": "system", "content": [_MARKED]}, *MESSAGES]


@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("qwen-max-2025-01-25", "qwen3-max"),
        ("qwen-turbo-latest", "qwen-flash"),
        ("qwen-vl-plus", "qwen3-vl-plus"),
        ("qwq-plus", "qwen-plus with thinking=True"),
        ("qvq-max", "qwen3-vl-plus with thinking=True"),
        ("qwen-audio-turbo", "omni"),
        ("qwen2-7b-instruct", "Qwen3"),
    ],
)
def test_a_retired_model_is_told_its_successor(model: str, successor: str, server: ScriptedServer) -> None:
    server.reply(status=404, json={"code": "ModelNotFound", "message": "Model not exist."})

    with pytest.raises(NotFoundError, match=f"retired on .*{successor}"):
        unionchat(**arguments(server, provider="qwen", model=model, protocol="native"))


# Odd answers.


def test_a_native_error_in_a_200_is_that_error(server: ScriptedServer) -> None:
    server.reply(json={"code": "Throttling", "message": "slow down", "request_id": "r-1"})

    with pytest.raises(RateLimitError) as caught:
        unionchat(**arguments(server, provider="qwen", model="qwen-plus", protocol="native"))

    assert caught.value.request_id == "r-1"


@pytest.mark.parametrize(
    "body", [{"message": "broken"}, {"output": None}, {"output": {"choices": [1]}}, {"output": {}}]
)
def test_a_native_answer_without_an_answer_is_an_error(body: Any, server: ScriptedServer) -> None:
    server.reply(json=body)

    with pytest.raises(APIError):
        unionchat(**arguments(server, provider="qwen", model="qwen-plus", protocol="native"))


def test_a_native_stream_without_a_finish_reason_is_broken_off(server: ScriptedServer) -> None:
    server.reply(chunks=[_event("晴", "null")])
    reading = unionchat(**arguments(server, provider="qwen", model="qwen-plus", protocol="native", stream=True))

    with pytest.raises(StreamInterruptedError) as caught:
        list(reading)

    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "晴"


def test_calls_that_grow_are_given_out_piece_by_piece(server: ScriptedServer) -> None:
    def growing(arguments_: str, finish: str) -> bytes:
        calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments_}}]
        message = {"role": "assistant", "content": "", "tool_calls": calls}
        return (
            f"data:{json.dumps({'output': {'choices': [{'message': message, 'finish_reason': finish}]}})}\n\n".encode()
        )

    server.reply(chunks=[growing('{"a"', "null"), growing('{"a":1}', "tool_calls")])
    call = arguments(server, provider="qwen", model="qwen-plus", protocol="native", stream=True)
    reading = unionchat(**call, incremental_output=False)

    pieces = [made.function.arguments for chunk in reading for made in chunk.choices[0].delta.tool_calls or ()]
    assert pieces == ['{"a"', ":1}"]


def test_sound_of_a_model_that_only_streams_is_joined(server: ScriptedServer) -> None:
    events = [piece({"audio": {"data": "AA", "id": "a"}}), piece({"audio": {"data": "BB"}})]
    server.reply(sse=[*events, piece({"audio": {"transcript": "晴"}}), piece({"content": ""}, "stop"), "[DONE]"])

    response = unionchat(
        **arguments(
            server, provider="qwen", model="qwen3-omni-flash", modalities=["text", "audio"], audio={"voice": "x"}
        )
    )

    assert response.choices[0].message.audio == {"data": "AABB", "id": "a", "transcript": "晴"}
