"""iFlytek Spark over WebSocket: the signature, the frame, what comes back. The played vendor judges what is sent."""

from __future__ import annotations

import json
import re
import time
from email.utils import formatdate
from typing import Any

import pytest
from server import ScriptedServer
from sockets import CREDENTIALS, MESSAGES, SocketServer, frame
from websockets.sync.server import ServerConnection

from unionllm import unionchat
from unionllm._routes import build_route
from unionllm.exceptions import APIError, AuthenticationError, BadRequestError
from unionllm.testing import VendorServer
from unionllm.testing.vendors import load

NOW = 1_700_000_000
HOST = "wss://spark-api.xf-yun.com"
SYSTEM = {"role": "system", "content": "简短"}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
SEARCH = {"type": "web_search", "web_search": {"enable": True}}


def chat(**call: Any) -> Any:
    """The call as it would be sent."""
    return build_route({"provider": "xunfei", "messages": MESSAGES, **CREDENTIALS, **call}, {}).chat


# What is sent.


def sent(server: VendorServer, **call: Any) -> tuple[dict[str, Any], list[str]]:
    """The frame that the vendor received and accepted, and the names of what was changed."""
    server.clear()
    answer = unionchat(**{**server.arguments("xunfei"), "messages": MESSAGES, "max_retries": 0, **call})
    [request] = server.requests
    assert request.refused == ""
    return request.json, [change.parameter for change in answer.adaptations or ()]


PARAMETERS: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("4.0Ultra", {}, {}, []),
    ("4.0Ultra", {"temperature": 0.5, "top_k": 4, "max_tokens": 2048}, {"temperature": 0.5, "top_k": 4}, []),
    ("4.0Ultra", {"temperature": 0}, {"temperature": 0.01}, ["temperature"]),
    ("4.0Ultra", {"temperature": 1.7}, {"temperature": 1}, ["temperature"]),
    ("spark-x", {"temperature": 1.7}, {"temperature": 1.7}, []),
    ("spark-x", {"temperature": 0}, {"temperature": 0.01}, ["temperature"]),
    ("lite", {"top_k": 9}, {"top_k": 6}, ["top_k"]),
    ("lite", {"max_tokens": 8192}, {"max_tokens": 4096}, ["max_tokens"]),
    ("generalv3.5", {"max_tokens": 9000}, {"max_tokens": 8192}, ["max_tokens"]),
    ("max-32k", {"max_completion_tokens": 9000}, {"max_tokens": 9000}, ["max_completion_tokens"]),
    ("4.0Ultra", {"top_p": 0.5, "presence_penalty": 1, "frequency_penalty": 1}, {}, ["top_p", "presence_penalty"]),
    ("spark-x", {"top_p": 0.5, "presence_penalty": 9}, {"top_p": 0.5, "presence_penalty": 9}, []),
    ("spark-x", {"top_p": 0, "frequency_penalty": 11}, {"top_p": 0.01, "frequency_penalty": 10}, ["top_p"]),
    ("4.0Ultra", {"stop": "a", "n": 2, "seed": 1, "logit_bias": {}}, {}, ["stop", "n", "seed", "logit_bias"]),
    ("4.0Ultra", {"stream_options": {}, "parallel_tool_calls": True}, {}, ["stream_options", "parallel_tool_calls"]),
    ("spark-x", {"thinking": False}, {"thinking": {"type": "disabled"}}, []),
    ("spark-x", {"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}, ["reasoning_effort"]),
    ("4.0Ultra", {"thinking": True}, {}, ["thinking"]),
    ("4.0Ultra", {"chat_id": "c1", "auditing": "default"}, {"chat_id": "c1", "auditing": "default"}, []),
    ("4.0Ultra", {"tools": [SEARCH | {}], "show_ref_label": True}, {"show_ref_label": True, "tools": [SEARCH]}, []),
]


@pytest.mark.parametrize(("model", "call", "wanted", "changed"), PARAMETERS)
def test_parameters_are_put_into_the_frame_and_each_change_is_told(
    model: str, call: dict[str, Any], wanted: dict[str, Any], changed: list[str], vendor_server: VendorServer
) -> None:
    frame, told = sent(vendor_server, model=model, **call)

    assert {**frame["parameter"]["chat"], **wanted, "domain": model} == frame["parameter"]["chat"]
    given = {**call, **wanted}.keys()
    assert frame["parameter"]["chat"].keys() <= {"domain", *given, "max_tokens"}
    assert told[: len(changed)] == changed
    dropped = [name for name in changed if name not in wanted]
    assert not set(dropped) & frame["parameter"]["chat"].keys()


@pytest.mark.parametrize("call", [call for _, call, _, changed in PARAMETERS if changed])
def test_strict_policy_refuses_what_it_would_have_to_change(call: dict[str, Any]) -> None:
    model = next(model for model, given, _, changed in PARAMETERS if given is call and changed)

    with pytest.raises(BadRequestError, match="does not take this request as given"):
        chat(model=model, param_policy="strict", **call)


def test_raw_policy_sends_parameters_untouched() -> None:
    call = {"temperature": 0, "top_p": 3, "stop": ["a"], "response_format": {"type": "json_object"}, "user": "u" * 40}

    made = chat(model="4.0Ultra", param_policy="raw", **call)

    assert dict(made.params) == call
    assert made.adaptations == ()


@pytest.mark.parametrize(
    ("user", "uid", "changed"), [("u1", "u1", []), ("u" * 32, "u" * 32, []), ("u" * 33, "u" * 32, ["user"])]
)
def test_the_user_is_the_uid(user: str, uid: str, changed: list[str], vendor_server: VendorServer) -> None:
    frame, told = sent(vendor_server, model="lite", user=user)

    assert frame["header"]["uid"] == uid
    assert told == changed


def test_functions_stand_without_their_wrapper(vendor_server: VendorServer) -> None:
    frame, told = sent(vendor_server, model="4.0Ultra", tools=[TOOL], tool_choice="auto")

    assert frame["payload"]["functions"] == {"text": [TOOL["function"]]}
    assert told == ["tool_choice"]


def test_without_a_choice_nothing_can_be_called(vendor_server: VendorServer) -> None:
    frame, told = sent(vendor_server, model="4.0Ultra", tools=[TOOL], tool_choice="none")

    assert "functions" not in frame["payload"]
    assert told == ["tools", "tool_choice"]


def test_a_tool_of_another_kind_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"tools\[0\] is of type 'code_interpreter'"):
        chat(model="lite", tools=[{"type": "code_interpreter"}])


def test_what_is_extra_is_merged_into_the_frame() -> None:
    call = {"extra_body": {"parameter": {"chat": {"new": 1}}, "header": {"res_id": "r"}}, "patch_id": ["p"]}
    made = chat(model="lite", **call)
    from unionllm.providers.xunfei import adapter

    frame = adapter.frame(made)

    assert frame["parameter"]["chat"] == {"domain": "lite", "new": 1}
    assert frame["header"] == {"app_id": CREDENTIALS["app_id"], "patch_id": ["p"], "res_id": "r"}


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"type": "json_object"}, "Answer with one JSON object"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}, "JSON schema"),
        ({"type": "text"}, None),
    ],
)
def test_json_is_asked_for_in_words(wanted: dict[str, Any], text: str | None, vendor_server: VendorServer) -> None:
    for model in ("4.0Ultra", "lite"):
        frame, told = sent(vendor_server, model=model, response_format=wanted)

        said = json.dumps(frame["payload"]["message"], ensure_ascii=False)
        assert text is None or text in said
        assert "response_format" not in frame["parameter"]["chat"]
        assert ("response_format" in told) == bool(text)


def test_an_answer_in_plain_text_is_what_comes_anyway() -> None:
    assert chat(model="4.0Ultra", response_format={"type": "text"}, param_policy="strict").adaptations == ()


# Messages.

CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ],
}
RESULTS = [
    {"role": "tool", "tool_call_id": "1", "content": "晴"},
    {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "12:00"}]},
]
LEGACY_CALL = {"role": "assistant", "content": "查", "function_call": {"name": "f", "arguments": '{"a":1}'}}
LEGACY_RESULT = {"role": "function", "name": "f", "content": "晴"}
HELD = {"role": "assistant", "content": '[call of f] {"a":1}\n[call of g] {}'}
TOLD = {"role": "user", "content": "[result of f] 晴\n[result of g] 12:00"}
FOLDED = {"role": "user", "content": "简短\n\n你好"}


@pytest.mark.parametrize(
    ("model", "given", "wanted", "changed"),
    [
        ("4.0Ultra", [SYSTEM, *MESSAGES], [SYSTEM, *MESSAGES], []),
        ("generalv3", [SYSTEM, *MESSAGES], [FOLDED], ["messages"]),
        ("lite", [SYSTEM, *MESSAGES], [FOLDED], ["messages"]),
        ("lite", [{"role": "developer", "content": "简短"}, *MESSAGES], [FOLDED], ["messages[0].role", "messages"]),
        ("4.0Ultra", [*MESSAGES, SYSTEM], [SYSTEM, *MESSAGES], ["messages"]),
        ("4.0Ultra", [{**MESSAGES[0], "name": "li"}], MESSAGES, ["messages[0].name"]),
        (
            "4.0Ultra",
            [*MESSAGES, CALLS, *RESULTS],
            [*MESSAGES, HELD, TOLD],
            ["messages[1].tool_calls", "messages[2].role", "messages[3].role"],
        ),
        (
            "4.0Ultra",
            [*MESSAGES, LEGACY_CALL, LEGACY_RESULT],
            [
                *MESSAGES,
                {"role": "assistant", "content": '查\n[call of f] {"a":1}'},
                {"role": "user", "content": "[result of f] 晴"},
            ],
            ["messages[1].function_call", "messages[2].role"],
        ),
        (
            "4.0Ultra",
            [*MESSAGES, {**CALLS, "function_call": {"name": "h", "arguments": "{}"}}, *RESULTS],
            [*MESSAGES, HELD, TOLD],
            ["messages[1].tool_calls", "messages[1].function_call", "messages[2].role", "messages[3].role"],
        ),
        (
            "4.0Ultra",
            [{"role": "user", "content": [{"type": "text", "text": "你好", "cache_control": {}}]}],
            MESSAGES,
            ["messages[0].content"],
        ),
        (
            "spark-x",
            [*MESSAGES, {"role": "assistant", "content": "好", "reasoning_content": "想"}, *MESSAGES],
            [*MESSAGES, {"role": "assistant", "content": "好"}, *MESSAGES],
            [],
        ),
    ],
)
def test_messages_are_put_as_a_frame_takes_them(
    model: str, given: Any, wanted: Any, changed: list[str], vendor_server: VendorServer
) -> None:
    frame, told = sent(vendor_server, model=model, messages=given)

    assert frame["payload"]["message"]["text"] == wanted
    assert told == changed


def test_an_image_is_refused_before_anything_is_sent() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}

    with pytest.raises(BadRequestError, match=r"messages\[0\]\.content\[0\] is of type 'image_url'.*vision model"):
        chat(model="4.0Ultra", messages=[{"role": "user", "content": [image]}])


# What comes back.


def test_what_a_search_found_is_told(vendor_server: VendorServer) -> None:
    for stream in (False, True):
        page = {"content": "c", "title": "t", "url": "https://a.example"}
        vendor_server.reply(vendor="xunfei", text="好", context=[page])

        got = unionchat(**vendor_server.arguments("xunfei"), model="4.0Ultra", messages=MESSAGES, stream=stream)
        answer = (list(got), got.response)[1] if stream else got

        assert answer.search_results == [{"index": 1, "url": "https://a.example", "title": "t"}]
        assert answer.choices[0].message.tool_calls is None


def test_what_a_search_found_in_several_frames_is_told_once() -> None:
    pages = [{"index": index, "url": f"https://{index}.example"} for index in (1, 2)]
    frames = [json.loads(frame(text, status)) for text, status in (("你", 0), ("", 1), ("好", 2))]
    for told, found in zip(frames, (pages[:1], pages[1:], pages), strict=True):
        told["payload"]["plugins"] = {"text": [{"name": "ifly_search", "content": json.dumps(found)}]}

    def talk(connection: ServerConnection) -> None:
        for told in frames:
            connection.send(json.dumps(told))

    with SocketServer(talk) as server:
        chunks = list(unionchat(**server.arguments(), stream=True))
        answer = unionchat(**server.arguments())

    assert [chunk for chunk in chunks if chunk.model_extra][-1].search_results == pages
    assert answer.search_results == pages


def test_an_answer_that_used_up_its_tokens_is_cut_short(vendor_server: VendorServer) -> None:
    for limit, reason in ((7, "length"), (8, "stop")):
        vendor_server.reply(vendor="xunfei", text="好", usage={"prompt": 3, "completion": 7})

        answer = unionchat(**vendor_server.arguments("xunfei"), model="4.0Ultra", messages=MESSAGES, max_tokens=limit)

        [choice] = answer.choices
        assert (choice.finish_reason, choice.provider_finish_reason) == (reason, None)
        assert (answer.id, answer.model) == (answer.request_id, "4.0Ultra")
        assert answer.id.startswith("cha")
        assert answer.usage is not None
        assert "question_tokens" not in answer.usage


CLASSES = {
    "InternalServerError": "10000 10001 10002 10009 10010 10011 10012 10017 10222",
    "BadRequestError": "10003 10004 10005 10163",
    "RateLimitError": "10006 10007 11201 11202 11203",
    "ServiceUnavailableError": "10008 10110",
    "ContentPolicyViolationError": "10013 10014 10019 10021 10022",
    "PermissionDeniedError": "10015 10016 11200",
    "AuthenticationError": "10313 unauthorized unverified unequal date",
    "ContextWindowExceededError": "10907",
    "InsufficientBalanceError": "used_up",
    "NotFoundError": "path",
}


def test_the_table_has_every_code_of_the_vendor() -> None:
    told = {label.replace("_", " ") for labels in CLASSES.values() for label in labels.split()}

    assert set(load("xunfei").problems) - told == {"invalid user"}  # which is said over HTTP


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("label", "cls"), [(label, cls) for cls, labels in CLASSES.items() for label in labels.split()]
)
def test_a_code_of_the_vendors_means_its_class(label: str, cls: str, stream: bool, vendor_server: VendorServer) -> None:
    problem = load("xunfei").problems[label.replace("_", " ")]
    vendor_server.fault(label.replace("_", " "), vendor="xunfei")

    with pytest.raises(APIError) as caught:
        unionchat(**vendor_server.arguments("xunfei"), model="lite", messages=MESSAGES, max_retries=0, stream=stream)

    assert type(caught.value).__name__ == cls
    assert caught.value.code == (str(problem.code) or None)
    assert caught.value.retryable == (cls in ("RateLimitError", "ServiceUnavailableError", "InternalServerError"))


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_wrong_clock_is_called_one(seconds: int) -> None:
    """The vendor calls it a signature that cannot be verified, with status 403."""
    with VendorServer(clock=lambda: time.time() + seconds) as server, pytest.raises(AuthenticationError) as caught:
        unionchat(**server.arguments("xunfei"), model="lite", messages=MESSAGES, max_retries=0)

    assert caught.value.status_code == 403
    assert "The clock of this machine is off" in str(caught.value)
    assert "allows 300 s" in str(caught.value)
    assert "时钟" in str(caught.value)


@pytest.mark.parametrize(("seconds", "told"), [(3600, "off by 3600 s (slow)"), (-3600, "off by 3600 s (fast)")])
def test_how_far_the_clock_is_off_follows_from_the_reply(seconds: int, told: str, server: ScriptedServer) -> None:
    date = formatdate(time.time() + seconds, usegmt=True)
    message = load("xunfei").problems["date"].message
    server.reply(status=403, json={"message": message}, headers={"date": date})
    given = {"provider": "xunfei", "model": "lite", "messages": MESSAGES, "max_retries": 0, **CREDENTIALS}

    with pytest.raises(AuthenticationError) as caught:
        unionchat(**given, base_url=server.url.replace("http", "ws"))

    assert re.sub(r"(359\d|3601) s", "3600 s", str(caught.value)).count(told) == 1


# The same credentials over HTTP.


@pytest.mark.parametrize("stream", [False, True])
def test_an_http_address_is_spoken_to_over_http(stream: bool, vendor_server: VendorServer) -> None:
    password = vendor_server.credentials("xunfei_http")["api_key"]
    key, secret = password.split(":")
    given = {"provider": "xunfei", "app_id": "0a1b2c3d", "api_key": key, "api_secret": secret}

    got = unionchat(
        **given,
        base_url=vendor_server.url("xunfei_http"),
        model="spark-max",
        messages=[SYSTEM, *MESSAGES],
        tools=[TOOL],
        stream=stream,
    )
    answer = (list(got), got.response)[1] if stream else got

    [request] = vendor_server.requests
    assert (request.path, request.refused) == ("/v1/chat/completions", "")
    assert request.json["model"] == "generalv3.5"
    assert answer.provider == "xunfei"
    assert [change.parameter for change in answer.adaptations] == ["model", "tool_calls_switch"]


def test_a_refusal_over_http_names_the_provider_and_shows_no_part_of_the_password(vendor_server: VendorServer) -> None:
    vendor_server.fault("auth", vendor="xunfei_http", message=f"bad {CREDENTIALS['api_key']}")

    with pytest.raises(AuthenticationError) as caught:
        unionchat(
            provider="xunfei",
            **CREDENTIALS,
            base_url=vendor_server.url("xunfei_http"),
            model="lite",
            messages=MESSAGES,
        )

    assert str(caught.value).startswith("xunfei: ")
    assert not [secret for secret in CREDENTIALS.values() if secret in f"{caught.value} {caught.value.body}"]
