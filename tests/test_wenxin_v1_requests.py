"""What a call of Baidu Qianfan's first protocol sends: the path, the parameters, the turns."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from qianfan import CHAT, PAIR, ask_sync, calling, said, session
from replies import MESSAGES
from server import ScriptedServer

from unionllm._protocols.qianfan_turns import to_turns
from unionllm.exceptions import BadRequestError

U, A = {"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}


def sent(server: ScriptedServer, **changes: Any) -> tuple[Any, Any]:
    """The answer, and the body of the call."""
    server.reply(json=session())
    server.reply(json=said())
    given = calling(server, **changes)
    answer = ask_sync(given)
    pair = {name: given[name] for name in PAIR}
    assert server.requests[0].query == {"grant_type": "client_credentials", **pair}
    assert server.requests[1].query == {"access_token": "24.made-up-1"}
    return answer, server.requests[-1].json


@pytest.mark.parametrize(
    ("model", "suffix"),
    [
        ("ERNIE-4.0-8K", "completions_pro"),
        ("ERNIE-Bot-4", "completions_pro"),
        ("ERNIE-3.5-8K", "completions"),
        ("ERNIE-Bot", "completions"),
        ("ERNIE-Bot-turbo", "eb-instant"),
        ("ERNIE-Lite-8K-0922", "eb-instant"),
        ("ERNIE-Lite-8K", "ernie-lite-8k"),
        ("ERNIE-Speed-8K", "ernie_speed"),
        ("ERNIE-Speed-128K", "ernie-speed-128k"),
        ("ERNIE-4.0-8K-Preview-0518", "completions_adv_pro"),
        ("ERNIE-Bot-8K", "ernie_bot_8k"),
        ("ERNIE-Function-8K", "ernie-func-8k"),
        ("ERNIE-Character-8K", "ernie-char-8k"),
        ("ERNIE-Tiny-8K", "ernie-tiny-8k"),
        ("AppBuilder-SDK", "ai_apaas"),
        ("My-Own-Model", "my-own-model"),
    ],
)
def test_the_model_stands_in_the_path(server: ScriptedServer, model: str, suffix: str) -> None:
    _, body = sent(server, model=model)

    assert server.requests[1].path == f"{CHAT}/{suffix}"
    assert "authorization" not in server.requests[1].headers
    assert body == {"messages": MESSAGES}


def test_a_whole_path_as_base_url_is_understood(server: ScriptedServer) -> None:
    sent(server, base_url=f"{server.url}{CHAT}")

    assert [request.path for request in server.requests] == ["/oauth/2.0/token", f"{CHAT}/completions_pro"]


_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
_NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("call", "wanted", "adaptations"),
    [
        ({"temperature": 0.5, "top_p": 0.8}, {"temperature": 0.5, "top_p": 0.8}, []),
        ({"temperature": 0}, {"temperature": 1e-9}, ["temperature"]),
        ({"temperature": 1.5}, {"temperature": 1}, ["temperature"]),
        ({"max_tokens": 64}, {"max_output_tokens": 64}, ["max_tokens"]),
        ({"max_completion_tokens": 1}, {"max_output_tokens": 2}, ["max_completion_tokens", "max_output_tokens"]),
        ({"stop": "END"}, {"stop": ["END"]}, []),
        ({"stop": ["a"] * 5}, {"stop": ["a"] * 4}, ["stop"]),
        ({"presence_penalty": 1}, {"penalty_score": 1.5}, ["presence_penalty"]),
        ({"penalty_score": 1.1, "disable_search": True}, {"penalty_score": 1.1, "disable_search": True}, []),
        ({"user": "u1"}, {"user_id": "u1"}, ["user"]),
        ({"n": 1, "seed": 7, "logprobs": True}, {}, ["n", "logprobs", "seed"]),
        ({"stream_options": {}, "parallel_tool_calls": True}, {}, ["parallel_tool_calls", "stream_options"]),
        ({"response_format": {"type": "json_object"}}, {"response_format": "json_object"}, []),
        ({"thinking": True, "reasoning_effort": "low"}, {}, ["thinking", "reasoning_effort"]),
        ({"tools": [_TOOL]}, {"functions": [_TOOL["function"]]}, []),
        ({"tools": [_TOOL], "tool_choice": _NAMED}, {"functions": [_TOOL["function"]], "tool_choice": _NAMED}, []),
        ({"tools": [_TOOL], "tool_choice": "auto"}, {"functions": [_TOOL["function"]]}, ["tool_choice"]),
        ({"tools": [_TOOL], "tool_choice": "none"}, {}, ["tool_choice", "tools"]),
        (
            {"tools": [_TOOL], "tool_choice": "required"},
            {"functions": [_TOOL["function"]], "tool_choice": _NAMED},
            ["tool_choice"],
        ),
        ({"tools": [_TOOL] * 2, "tool_choice": "required"}, {"functions": [_TOOL["function"]] * 2}, ["tool_choice"]),
        ({"system": "s"}, {"system": "s"}, []),
    ],
)
def test_parameters_are_told_in_v1s_words(
    server: ScriptedServer, call: dict[str, Any], wanted: dict[str, Any], adaptations: list[str]
) -> None:
    answer, body = sent(server, **call)

    assert body == {"messages": MESSAGES, **wanted}
    assert [change.parameter for change in answer.adaptations or ()] == adaptations


@pytest.mark.parametrize(
    "call", [{"max_tokens": 64}, {"messages": [U, U]}, {"tools": [_TOOL], "tool_choice": "auto"}], ids=list
)
def test_strict_policy_refuses_what_it_would_have_to_change(server: ScriptedServer, call: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError, match="does not take this request as given"):
        ask_sync(calling(server, param_policy="strict", **call))


def test_a_schema_is_asked_for_in_words(server: ScriptedServer) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "W", "schema": schema}}

    _, body = sent(server, response_format=wanted)

    assert body["response_format"] == "json_object"
    assert '"integer"' in body["system"]


def test_raw_policy_sends_as_given(server: ScriptedServer) -> None:
    _, body = sent(server, param_policy="raw", max_tokens=5, messages=[{"role": "system", "content": "s"}, U])

    assert body == {"messages": [{"role": "system", "content": "s"}, U], "max_tokens": 5}


@pytest.mark.parametrize("tools", [[{"type": "web_search"}], ["f"]])
def test_a_tool_that_is_no_function_is_refused(server: ScriptedServer, tools: Any) -> None:
    with pytest.raises(BadRequestError):
        ask_sync(calling(server, tools=tools))


# Messages.


def called(*names: str, **more: Any) -> dict[str, Any]:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": n, "arguments": "{}"}} for n in names]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


def result(name: str, content: Any = "25") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{name}", "content": content}


def told(name: str, content: str = "") -> dict[str, Any]:
    return {"role": "assistant", "content": content, "function_call": {"name": name, "arguments": "{}"}}


def gave(name: str, content: str) -> dict[str, Any]:
    return {"role": "function", "name": name, "content": content}


_FILL_USER, _FILL = {"role": "user", "content": "/"}, {"role": "assistant", "content": "/"}


@pytest.mark.parametrize(
    ("messages", "turns", "changes"),
    [
        ([U], [U], 0),
        ([U, A, U], [U, A, U], 0),
        ([U, U], [{"role": "user", "content": "问\n\n问"}], 1),
        ([A, U], [_FILL_USER, A, U], 1),
        ([U, called("f"), result("f")], [U, told("f"), gave("f", '{"result": 25}')], 0),
        ([U, called("f"), result("f", '{"a": 1}')], [U, told("f"), gave("f", '{"a": 1}')], 0),
        ([U, called("f"), result("f", "晴")], [U, told("f"), gave("f", '{"result": "晴"}')], 0),
        ([U, called("f", content="看看"), result("f")], [U, told("f", "看看"), gave("f", '{"result": 25}')], 0),
        ([U, called("f"), result("f"), U], [U, told("f"), gave("f", '{"result": 25}'), _FILL, U], 1),
        (
            [U, called("f", "g"), result("g", "2"), result("f", "1")],
            [U, told("f"), gave("f", '{"result": 1}'), told("g"), gave("g", '{"result": 2}')],
            1,
        ),
        # Vendors number the calls of each turn anew.
        (
            [U, called("f"), result("f", "1"), called("f"), result("f", "2")],
            [U, told("f"), gave("f", '{"result": 1}'), told("f"), gave("f", '{"result": 2}')],
            0,
        ),
        ([{"role": "user", "content": " "}], [_FILL_USER], 0),
        ([U, {"role": "assistant", "content": None}, U], [U, _FILL, U], 0),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [{"role": "user", "content": "a\nb"}],
            0,
        ),
    ],
)
def test_turns_are_put_in_order(messages: list[Any], turns: list[Any], changes: int) -> None:
    given = copy.deepcopy(messages)

    system, made, changed = to_turns(messages)

    assert (system, made, len(changed)) == ("", turns, changes)
    assert messages == given
    assert len(made) % 2 == 1


def test_system_texts_stand_beside_the_turns(server: ScriptedServer) -> None:
    systems = [{"role": "system", "content": "一"}, U, {"role": "developer", "content": "二"}]

    answer, body = sent(server, messages=systems, system="三")

    assert body == {"system": "一\n二\n三", "messages": [U]}
    assert [change.parameter for change in answer.adaptations] == ["messages[2].role"]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([U, A], "last message"),
        ([{"role": "system", "content": "s"}], "last message"),
        ([U, called("f"), result("g")], "tool_call_id='cg'"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}], "text only"),
    ],
)
def test_messages_that_v1_cannot_be_told_are_refused(server: ScriptedServer, messages: Any, says: str) -> None:
    with pytest.raises(BadRequestError, match=says):
        ask_sync(calling(server, messages=messages))
