"""Qwen's two protocols: where calls go, how the native one is read, and the cases of any client in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from replies import KEY, MESSAGES, arguments
from server import ScriptedServer

from unionllm import BadRequestError, Context, unionchat
from unionllm._routes import build_route
from unionllm.exceptions import APIError, AuthenticationError
from unionllm.testing import Problem, VendorServer, conformance
from unionllm.testing.vendors import load

_TEXT = "/api/v1/services/aigc/text-generation/generation"
_MEDIA = "/api/v1/services/aigc/multimodal-generation/generation"
_COMPATIBLE = "/compatible-mode/v1"
_CN = "https://dashscope.aliyuncs.com"
_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_TRANSCRIPTS = Path(__file__).parent / "conformance" / "transcripts" / "qwen"


# The cases of any client, natively.


@pytest.mark.parametrize("client", [conformance.ask_unionchat, conformance.ask_aunionchat], ids=["sync", "async"])
@pytest.mark.parametrize("case", conformance.cases("qwen"), ids=str)
def test_the_native_protocol_passes_the_cases_that_any_client_should(
    case: conformance.Case, client: conformance.Ask, vendor_server: VendorServer
) -> None:
    def natively(target: conformance.Target, request: dict[str, Any]) -> conformance.Outcome:
        return client(replace(target, base_url=vendor_server.url("qwen", "/api/v1")), request)

    outcome = case.check(vendor_server, natively)

    assert bool(outcome.error) == case.fails
    assert {request.path for request in vendor_server.requests} <= {_TEXT, _MEDIA}


def native(server: VendorServer, **changes: Any) -> dict[str, Any]:
    given = {**server.arguments("qwen"), "protocol": "native", "model": "qwen-plus", "messages": MESSAGES}
    return {**given, "max_retries": 0, **changes}


def _class_of(label: str, problem: Problem) -> str:
    """What the table of errors says, a row of which is named after this one."""
    rows = json.loads((_TRANSCRIPTS / "errors.json").read_text("utf-8"))
    name = "400_input_length_native" if label == "length" else f"{problem.status}_{problem.code}_native"
    [found] = [row["class"] for row in rows if row["name"] == name]
    return str(found)


@pytest.mark.parametrize("place", ["status", "in_stream"])
@pytest.mark.parametrize("label", load("qwen").problems)
def test_every_native_error_has_its_class_and_its_status_wherever_it_stands(
    label: str, place: str, vendor_server: VendorServer
) -> None:
    problem = load("qwen").problems[label]
    vendor_server.fault(label, vendor="qwen", place=place, text="一二三")

    with pytest.raises(APIError) as caught:
        list(unionchat(**native(vendor_server, stream=True)))

    assert type(caught.value).__name__ == _class_of(label, problem)
    assert (caught.value.status_code, caught.value.code) == (problem.status, problem.code)
    assert problem.message in str(caught.value)


def test_what_a_search_found_is_the_context_natively(vendor_server: VendorServer) -> None:
    page = {"content": "晴", "title": "t", "url": "https://example.com"}
    wanted = [Context(id="1", title="t", url="https://example.com")]
    for _ in range(2):
        vendor_server.reply(vendor="qwen", text=["晴", "天"], context=[page])

    whole = unionchat(**native(vendor_server, enable_search=True))
    reading = unionchat(**native(vendor_server, enable_search=True, stream=True))
    chunks = list(reading)

    assert whole.context == wanted
    assert [chunk.context for chunk in chunks] == [wanted] * len(chunks)
    assert reading.response is not None
    assert reading.response.context == wanted


def test_text_that_grows_is_given_out_piece_by_piece(vendor_server: VendorServer) -> None:
    vendor_server.reply(vendor="qwen", text=["a", "ab", "b"])
    reading = unionchat(**native(vendor_server, incremental_output=False, stream=True))

    assert "".join(reading.text()) == "aabb"


_MARKED = {"type": "text", "text": "长文", "cache_control": {"type": "ephemeral"}}


def test_a_cache_mark_that_the_endpoint_for_text_refuses_is_told(vendor_server: VendorServer) -> None:
    system = {"role": "system", "content": [_MARKED, {"type": "text", "text": "短文"}]}
    messages = [*MESSAGES, system, {"role": "user", "content": [_MARKED]}]

    answer = unionchat(**native(vendor_server, messages=messages))

    [request] = vendor_server.requests
    assert request.refused == ""
    wanted = [("system", "长文\n短文"), ("user", MESSAGES[0]["content"]), ("user", "长文")]
    assert [(one["role"], one["content"]) for one in request.json["input"]["messages"]] == wanted
    told = [(change.parameter, change.action, change.given) for change in answer.adaptations or ()]
    mark = _MARKED["cache_control"]
    assert told[-2:] == [(f"messages[{number}].content[0].cache_control", "dropped", mark) for number in (0, 2)]
    with pytest.raises(BadRequestError, match="cache_control"):
        unionchat(**native(vendor_server, messages=messages[-1:], param_policy="strict"))


def test_a_cache_mark_goes_along_where_parts_are_taken(vendor_server: VendorServer) -> None:
    answer = unionchat(
        **native(vendor_server, model="qwen3-vl-plus", messages=[{"role": "user", "content": [_MARKED]}])
    )

    [request] = vendor_server.requests
    assert request.refused == ""
    [message] = request.json["input"]["messages"]
    assert message["content"] == [{"text": "长文", "cache_control": {"type": "ephemeral"}}]
    assert answer.adaptations is None


def test_a_model_that_only_streams_is_streamed_and_joined_natively(vendor_server: VendorServer) -> None:
    vendor_server.reply(vendor="qwen", text="晴")

    response = unionchat(**native(vendor_server, model="qwen3-omni-flash"))

    assert response.choices[0].message.content == "晴"
    [request] = vendor_server.requests
    assert (request.path, request.headers["x-dashscope-sse"]) == (_MEDIA, "enable")


# Where calls go.


def located(environ: Mapping[str, str] | None = None, **given: Any) -> str:
    call = {"provider": "qwen", "model": "qwen-plus", "messages": MESSAGES, "api_key": KEY, **given}
    return build_route(call, environ or {}).chat.base_url


@pytest.mark.parametrize(
    ("given", "environ", "wanted"),
    [
        ({}, {}, _CN + _COMPATIBLE),
        ({"provider": "dashscope"}, {}, _CN + _COMPATIBLE),
        ({"provider": "qwencloud"}, {}, f"https://dashscope-intl.aliyuncs.com{_COMPATIBLE}"),
        ({"region": "us"}, {}, f"https://dashscope-us.aliyuncs.com{_COMPATIBLE}"),
        ({"region": "hk", "protocol": "native"}, {}, f"https://cn-hongkong.dashscope.aliyuncs.com{_TEXT}"),
        ({"region": "coding"}, {}, "https://coding.dashscope.aliyuncs.com/v1"),
        ({"base_url": "https://coding.dashscope.aliyuncs.com"}, {}, "https://coding.dashscope.aliyuncs.com/v1"),
        (
            {"region": "eu-central-1", "workspace": "llm-1"},
            {},
            f"https://llm-1.eu-central-1.maas.aliyuncs.com{_COMPATIBLE}",
        ),
        (
            {"region": "cn-beijing", "protocol": "native"},
            {"DASHSCOPE_WORKSPACE_ID": "llm-2"},
            f"https://llm-2.cn-beijing.maas.aliyuncs.com{_TEXT}",
        ),
        ({"region": "cn", "workspace": "llm-1"}, {}, _CN + _COMPATIBLE),
        ({"protocol": "native"}, {}, _CN + _TEXT),
        ({"protocol": "native", "model": "qwen3.5-plus"}, {}, _CN + _MEDIA),
        ({"protocol": "native", "model": "qwen3.8-max"}, {}, _CN + _MEDIA),
        ({"protocol": "native", "model": "glm-5.2"}, {}, _CN + _TEXT),
        ({"base_url": "http://gateway:8"}, {}, f"http://gateway:8{_COMPATIBLE}"),
        ({"base_url": "http://gateway:8/"}, {}, f"http://gateway:8{_COMPATIBLE}"),
        ({"base_url": "http://gateway:8", "protocol": "native"}, {}, f"http://gateway:8{_TEXT}"),
        ({"base_url": "http://gateway/api/v1"}, {}, f"http://gateway{_TEXT}"),
        ({"base_url": f"http://gateway{_MEDIA}"}, {}, f"http://gateway{_TEXT}"),
        ({"base_url": f"http://gateway{_COMPATIBLE}/chat/completions"}, {}, f"http://gateway{_COMPATIBLE}"),
        ({"base_url": "http://gateway/llm"}, {}, "http://gateway/llm"),
        ({"base_url": "http://gateway/llm", "protocol": "native"}, {}, f"http://gateway/llm{_TEXT[7:]}"),
        ({}, {"DASHSCOPE_BASE_URL": "http://gateway/api/v1"}, f"http://gateway{_TEXT}"),
        ({}, {"DASHSCOPE_BASE_URL": f"http://gateway{_COMPATIBLE}"}, f"http://gateway{_COMPATIBLE}"),
        ({}, {"DASHSCOPE_BASE_URL": "http://gateway"}, f"http://gateway{_COMPATIBLE}"),
        ({"protocol": "compatible"}, {"DASHSCOPE_BASE_URL": "http://gateway/api/v1"}, f"http://gateway{_COMPATIBLE}"),
    ],
)
def test_the_address_says_which_protocol_is_meant_and_the_keyword_wins(
    given: dict[str, Any], environ: dict[str, str], wanted: str
) -> None:
    assert located(environ, **given) == wanted


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"protocol": "anthropic"}, "neither"),
        ({"region": "ap-northeast-1"}, "workspace"),
        ({"region": "cn-beijing", "workspace": "evil.example/"}, "workspace"),
        ({"region": "coding", "protocol": "native"}, "no native protocol"),
        ({"region": "mars"}, "no region"),
        ({"tools": [{"type": "function", "function": {"name": "search"}}]}, "named 'search'"),
        ({"stop": ["a", 1]}, "token ids"),
        (
            {"model": "qwen-mt-flash", "messages": [{"role": "system", "content": "s"}, *MESSAGES]},
            "translation_options",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequestError, match=says):
        located(**given)


def test_keys_are_found_under_the_names_of_every_platform() -> None:
    for name in ("DASHSCOPE_API_KEY", "QWENCLOUD_API_KEY", "ALIBABA_CODING_PLAN_API_KEY"):
        chat = build_route({"provider": "qwen", "model": "m", "messages": MESSAGES}, {name: KEY}).chat

        assert chat.credentials == {"api_key": KEY}


@pytest.mark.parametrize("protocol", ["compatible", "native"])
def test_the_workspace_travels_in_a_header_and_nowhere_else(protocol: str, vendor_server: VendorServer) -> None:
    unionchat(**native(vendor_server, protocol=protocol, workspace="llm-1"))

    [request] = vendor_server.requests
    assert request.headers["x-dashscope-workspace"] == "llm-1"
    assert b"llm-1" not in request.body
    assert b"protocol" not in request.body


def test_a_refused_key_is_told_its_host_and_its_shape(server: ScriptedServer) -> None:
    server.reply(status=401, json={"code": "InvalidApiKey", "message": "no"})

    with pytest.raises(AuthenticationError) as caught:
        unionchat(**arguments(server, provider="qwen", model="qwen-plus", api_key="LTAI0123456789"))

    assert "keys start with sk-" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_hosts_of_workspaces_belong_to_their_region() -> None:
    spec = build_route(
        {"provider": "qwen", "model": "m", "messages": MESSAGES, "api_key": KEY}, {}
    ).backend.adapter.spec  # type: ignore[attr-defined]
    hosts = ("llm-1.eu-central-1.maas.aliyuncs.com", "token-plan.cn-beijing.maas.aliyuncs.com", "a.b.maas.aliyuncs.com")

    found = [spec.region_of(f"https://{host}{_COMPATIBLE}") for host in hosts]

    assert [region and region.name for region in found] == ["eu-central-1", "token", None]


# The two endpoints.

_WRONG = {"code": "InvalidParameter", "message": "url error, please check url！", "request_id": "r-0"}


def _event(content: Any, finish: str) -> str:
    choices = [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]
    return "id:1\nevent:result\n:HTTP_STATUS/200\ndata:" + json.dumps({"output": {"choices": choices}}) + "\n\n"


def test_a_stream_at_the_wrong_endpoint_is_asked_for_at_the_other_one(server: ScriptedServer) -> None:
    server.reply(status=400, json=_WRONG)
    server.reply(chunks=[(_event([{"text": "晴"}], "null") + _event([], "stop")).encode()])

    reading = unionchat(**arguments(server, provider="qwen", model="m", protocol="native", stream=True))

    assert "".join(reading.text()) == "晴"
    assert [request.path for request in server.requests] == [_TEXT, _MEDIA]
    assert [request.json["input"]["messages"][0]["content"] for request in server.requests] == [
        "你好",
        [{"text": "你好"}],
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_two_wrong_endpoints_are_an_error(server: ScriptedServer, stream: bool) -> None:
    for _ in range(2):
        server.reply(status=400, json=_WRONG)

    with pytest.raises(BadRequestError, match="url error"):
        unionchat(**arguments(server, provider="qwen", model="qwen3-vl-plus", protocol="native", stream=stream))

    assert [request.path for request in server.requests] == [_MEDIA, _TEXT]


def test_another_refusal_is_not_asked_twice(server: ScriptedServer) -> None:
    server.reply(status=400, json={"code": "InvalidParameter", "message": "temperature"})

    with pytest.raises(BadRequestError, match="temperature"):
        unionchat(**arguments(server, provider="qwen", model="qwen-plus", protocol="native"))

    assert len(server.requests) == 1
