"""Defects of older releases, one test a number of compat.md (c), judged by the vendor server where a vendor is meant.

The rest stands in test_defects.py; those of the agent platforms (A1, Y1, Y2, G1, Z1, Z2) in test_defects_agents.py.
"""

from __future__ import annotations

import copy
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import replies
from server import ScriptedServer
from sockets import SocketServer

from unionllm import UnionLLM, exceptions, unionchat
from unionllm.schema import Context, ModelResponse, Usage
from unionllm.testing import VendorServer

MESSAGES = [
    {"role": "system", "content": "简短"},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "好"},
    {"role": "user", "content": "再见"},
]


def to(server: VendorServer, provider: str, model: str, **more: Any) -> dict[str, Any]:
    """A call of that provider, tried once."""
    given = {"model": model, "messages": copy.deepcopy(MESSAGES), "max_retries": 0}
    return {**server.arguments(provider), **given, **more}


def wrong_key(server: VendorServer, provider: str) -> dict[str, str]:
    return {name: value[:-1] + "x" for name, value in server.credentials(provider).items()}


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return done.stdout.strip()


# Cross-cutting.


def test_x1_the_import_loads_no_sdk_and_few_modules() -> None:
    code = "import sys; before = len(sys.modules); from unionllm import unionchat; print(len(sys.modules) - before)"

    assert int(run(code)) < 60
    heavy = "httpx pydantic litellm openai zhipuai dashscope qianfan requests aiohttp websockets"
    assert run(f"import sys, unionllm; print([n for n in {heavy.split()} if n in sys.modules])") == "[]"


def test_x2_an_answer_keeps_its_context() -> None:
    answer = ModelResponse(choices=[], context=[Context(id=1, content="一段", score=0.5)])

    assert answer.context is not None
    assert answer.context[0].content == "一段"
    assert answer["context"] is answer.context


def test_x4_every_vendor_has_a_time_limit(vendor_server: VendorServer) -> None:
    for provider, model in (("baichuan", "Baichuan4-Turbo"), ("doubao", "ep-1")):
        vendor_server.fault("slow", seconds=30)
        started = time.monotonic()
        with pytest.raises(exceptions.APITimeoutError):
            unionchat(**to(vendor_server, provider, model, timeout=0.2))
        assert time.monotonic() - started < 10


def test_x5_a_client_keeps_its_connection(server: ScriptedServer) -> None:
    reply = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}
    with UnionLLM(provider="baichuan", model="Baichuan4-Turbo", api_key="k", base_url=server.url) as client:
        for _ in range(5):
            server.reply(json=reply)
            client.completion(messages=MESSAGES)

    assert server.connections == 1


def test_x10_whatever_a_vendor_says_is_one_of_our_errors_with_a_status_of_a_number(vendor_server: VendorServer) -> None:
    vendor_server.fault("bad_request")
    with pytest.raises(exceptions.UnionLLMError) as caught:
        unionchat(**to(vendor_server, "zhipuai", "glm-4.6"))

    assert isinstance(caught.value, exceptions.BadRequestError)
    assert caught.value.status_code == 400


def test_x11_every_error_can_be_made_by_hand() -> None:
    for name in exceptions.__all__:
        cls = getattr(exceptions, name)
        error = cls("m", "p", "x") if issubclass(cls, exceptions.APIError) else cls("m")
        assert isinstance(error, exceptions.UnionLLMError)
    assert exceptions.RateLimitError("m", "p", "x").model == "x"


def test_x12_a_zero_is_a_zero() -> None:
    assert Usage(prompt_tokens=0).prompt_tokens == 0
    assert Usage().completion_tokens is None


def test_x17_nothing_is_printed(vendor_server: VendorServer, capfd: pytest.CaptureFixture[str]) -> None:
    for chunk in unionchat(**to(vendor_server, "zhipuai", "glm-4.6", stream=True)):
        assert chunk.choices

    assert capfd.readouterr() == ("", "")


# Single vendors.


def test_d1_doubao_tells_errors_and_the_end_of_a_stream(vendor_server: VendorServer) -> None:
    with pytest.raises(exceptions.AuthenticationError) as caught:
        unionchat(**{**to(vendor_server, "doubao", "ep-1"), **wrong_key(vendor_server, "doubao")})
    assert caught.value.status_code == 401

    vendor_server.reply(text=["一", "二", "三"], usage={"prompt": 3, "completion": 4})
    chunks = list(unionchat(**to(vendor_server, "doubao", "ep-1", stream=True)))
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0}
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4
    vendor_server.reply(text="一")
    assert unionchat(**to(vendor_server, "doubao", "ep-1")).choices[0].message.content == "一"


def test_t1_tiangong_tells_errors_and_leaves_the_callers_roles(vendor_server: VendorServer) -> None:
    given = to(vendor_server, "tiangong", "SkyChat-MegaVerse")

    unionchat(**given)

    assert given["messages"] == MESSAGES
    assert [message["role"] for message in vendor_server.requests[0].json["messages"]] == [
        "system",
        "user",
        "bot",
        "user",
    ]
    for stream in (False, True):
        with pytest.raises(exceptions.AuthenticationError):
            unionchat(**{**given, **wrong_key(vendor_server, "tiangong"), "stream": stream})


def test_n1_minimax_tells_errors_in_a_200_and_reads_any_stream(vendor_server: VendorServer) -> None:
    vendor_server.fault("no_balance", vendor="minimax", place="in_200")
    with pytest.raises(exceptions.InsufficientBalanceError):
        unionchat(**to(vendor_server, "minimax", "MiniMax-M3"))

    for _ in range(2):
        vendor_server.reply(text=["一", "二"], usage={"prompt": 3, "completion": 4})
    chunks = list(unionchat(**to(vendor_server, "minimax", "MiniMax-M3", stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "一二"
    usage = unionchat(**to(vendor_server, "minimax", "MiniMax-M3")).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 4)


def test_w1_wenxin_leaves_the_system_message_where_it_stands(vendor_server: VendorServer) -> None:
    given = to(vendor_server, "wenxin", "ernie-5.1")
    for _ in range(2):
        vendor_server.reply(text=["一", "二"])
        answer = unionchat(**given, stream=True)
        assert "".join(answer.text()) == "一二"
        assert vendor_server.requests[-1].json["messages"][0] == MESSAGES[0]
        assert "system" not in vendor_server.requests[-1].json
    assert given["messages"] == MESSAGES

    with pytest.raises(exceptions.AuthenticationError) as caught:
        unionchat(**{**given, **wrong_key(vendor_server, "wenxin")})
    assert caught.value.status_code == 401


def test_f1_spark_checks_certificates_streams_and_knows_every_model(vendor_server: VendorServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls = Path(__file__).parent / "tls"
    context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
    with SocketServer(lambda connection: None, tls=context) as stranger:
        with pytest.raises(exceptions.APIConnectionError, match="TLS"):
            unionchat(**stranger.arguments())
        assert stranger.requests == []

    given = to(vendor_server, "xunfei", "4.0Ultra")
    vendor_server.reply(text=["一", "二"])
    assert [chunk.choices[0].delta.content for chunk in unionchat(**given, stream=True)][:2] == ["一", "二"]
    vendor_server.reply(text="三")
    assert unionchat(**given).choices[0].message.content == "三"

    with pytest.raises(exceptions.AuthenticationError, match="api_key") as caught:
        unionchat(**{**given, "api_key": None})
    assert caught.value.status_code == 401
    vendor_server.fault("rate_limit", vendor="xunfei")
    with pytest.raises(exceptions.RateLimitError):
        unionchat(**given)


# The LiteLLM bridge.

litellms_warnings_are_its_own = pytest.mark.filterwarnings("default")  # not ours to mend


def _litellm(server: ScriptedServer, **more: Any) -> dict[str, Any]:
    given = {"provider": "hosted_vllm", "model": "org/m", "api_key": "sk-test", "base_url": server.url}
    return {**given, "messages": MESSAGES, "max_retries": 0, **more}


def test_l2_apk_key_is_the_key(vendor_server: VendorServer) -> None:
    given = to(vendor_server, "minimax", "MiniMax-M3")
    given["apk_key"] = given.pop("api_key")

    assert unionchat(**given).choices[0].message.content


@litellms_warnings_are_its_own
def test_l3_providers_that_litellm_knows_are_reached(server: ScriptedServer) -> None:
    server.reply(json=replies.answer("a"))

    answer = unionchat(**_litellm(server))

    assert answer.choices[0].message.content == "a"


@litellms_warnings_are_its_own
def test_l4_litellms_own_settings_are_left_alone(server: ScriptedServer) -> None:
    server.reply(json=replies.answer("a"))
    unionchat(**_litellm(server))

    import litellm

    assert litellm.drop_params is False


@litellms_warnings_are_its_own
def test_l5_litellms_errors_are_ours_and_no_banner_is_printed(
    server: ScriptedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.reply(status=401, json={"message": "Unauthorized"})

    with pytest.raises(exceptions.AuthenticationError):
        unionchat(**_litellm(server))

    assert "Give Feedback" not in "".join(capfd.readouterr())


@litellms_warnings_are_its_own
def test_l6_the_model_has_no_prefix(server: ScriptedServer) -> None:
    server.reply(json=replies.answer("a", model="org/m"))

    assert unionchat(**_litellm(server)).model == "org/m"


def test_every_defect_of_the_list_has_a_test_named_after_it() -> None:
    numbers = [f"x{n}" for n in range(1, 18)] + [f"o{n}" for n in range(1, 8)] + [f"l{n}" for n in range(1, 8)]
    numbers += ["d1", "b1", "n1", "w1", "t1", "q1", "f1"]
    texts = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert [number for number in numbers if f"def test_{number}_" not in texts] == []
