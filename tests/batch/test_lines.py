"""What a line of the input means, and what its hash depends on."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from unionllm import Message
from unionllm._batch.lines import Broken, Defaults, read_line

RUN = Defaults(arguments={"provider": "zhipuai", "model": "glm-4.6", "api_key": "k1", "base_url": "http://a/v4"})
ASKED = [{"role": "user", "content": "你好"}]


def read(raw: Any, defaults: Defaults = RUN) -> Any:
    return read_line(0, raw, defaults)


@pytest.mark.parametrize(
    "raw",
    [
        "你好",
        {"prompt": "你好"},
        {"messages": ASKED},
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": ASKED}},
        {"body": {"messages": ASKED, "model": "glm-4.6", "stream": False, "temperature": None}},
        {"prompt": "你好", "provider": "ZhipuAI"},
        {"prompt": "你好", "provider": "glm"},
    ],
)
def test_every_form_of_one_question_is_the_same_request(raw: Any) -> None:
    line = read(raw)

    assert line.problem == ""
    assert (line.arguments["messages"], line.arguments["model"]) == (ASKED, "glm-4.6")
    assert line.key == read("你好").key


def test_a_line_keeps_its_own_id_and_others_are_numbered() -> None:
    assert read({"custom_id": "a-1", "prompt": "x"}).custom_id == "a-1"
    assert read({"custom_id": 7, "prompt": "x"}).custom_id == "7"
    assert read_line(41, "x", RUN).custom_id == "line-42"


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": "k2"},
        {"base_url": "http://b/v4"},
        {"max_retries": 9, "timeout": 3, "fallbacks": [{"provider": "kimi"}]},
        {"extra_headers": {"x": "1"}, "ZHIPUAI_API_KEY": "k3"},
    ],
)
def test_keys_addresses_and_limits_are_no_part_of_the_hash(arguments: dict[str, Any]) -> None:
    assert read("x", Defaults(arguments={**RUN.arguments, **arguments})).key == read("x").key


@pytest.mark.parametrize(
    "arguments",
    [{"model": "glm-4.5"}, {"temperature": 0.1}, {"provider": "deepseek"}, {"extra_body": {"a": 1}}],
)
def test_whatever_the_vendor_is_asked_is_part_of_the_hash(arguments: dict[str, Any]) -> None:
    assert read("x", Defaults(arguments={**RUN.arguments, **arguments})).key != read("x").key
    assert read("x", Defaults(arguments=RUN.arguments, system="s")).key != read("x").key


def test_the_order_of_names_does_not_matter_to_the_hash() -> None:
    first = {"messages": ASKED, "temperature": 0.1, "top_p": 0.9}

    assert read(first).key == read(dict(reversed(first.items()))).key


def test_a_line_wins_over_the_run_unless_the_run_overrides() -> None:
    raw = {"prompt": "x", "model": "gpt-4o", "temperature": 1}
    override = Defaults(arguments={**RUN.arguments, "temperature": 0.2}, override=True)

    assert read(raw).arguments["model"] == "gpt-4o"
    assert (read(raw, override).arguments["model"], read(raw, override).arguments["temperature"]) == ("glm-4.6", 0.2)


def test_a_system_message_is_for_prompts_only() -> None:
    run = Defaults(arguments=RUN.arguments, system="Be brief.")

    assert [message["role"] for message in read("x", run).arguments["messages"]] == ["system", "user"]
    assert read({"messages": ASKED}, run).arguments["messages"] == ASKED


def test_a_line_for_another_provider_gets_neither_key_nor_address_of_the_runs() -> None:
    arguments = read({"prompt": "x", "provider": "deepseek", "model": "m"}).arguments

    assert not {"api_key", "base_url"} & arguments.keys()


def test_objects_of_ours_and_pydantic_classes_can_be_hashed() -> None:
    class Book(BaseModel):
        title: str

    run = Defaults(arguments={**RUN.arguments, "response_format": Book})

    assert read({"messages": [Message(role="user", content="x")]}, run).key
    assert read("x", run).key != read("x").key


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (5, "not int"),
        (Broken("no JSON: x."), "no JSON"),
        ({}, "no messages"),
        ({"messages": []}, "no messages"),
        ({"prompt": 5}, "prompt must be a string"),
        ({"body": "x"}, "body must be an object"),
        ({"body": {"messages": ASKED}, "method": "GET"}, "POST"),
        ({"body": {"messages": ASKED}, "url": "/v1/embeddings"}, "only /v1/chat/completions"),
        ({"prompt": "x", "base_url": "http://elsewhere"}, "base_url: for the run"),
        ({"prompt": "x", "api_key": "k"}, "api_key: for the run"),
        ({"prompt": "x", "ZHIPUAI_API_KEY": "k"}, "for the run"),
        ({"body": {"messages": ASKED, "stream": True}}, "stream: for the run"),
        ({"prompt": "x", "stop": {1, 2}}, "cannot be written as JSON"),
    ],
)
def test_a_line_that_cannot_be_asked_says_why_and_has_no_hash(raw: Any, said: str) -> None:
    line = read(raw)

    assert said in line.problem
    assert (line.key, dict(line.arguments)) == ("", {})
