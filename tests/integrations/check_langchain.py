"""What ChatUnionLLM does beyond LangChain's standard tests. Over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps, load
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from pydantic import BaseModel
from replies import answer, piece
from server import Pause, ScriptedServer

from unionllm import BadRequestError, RateLimitError, StreamInterruptedError, UnionLLM
from unionllm.integrations._langchain_messages import to_dicts
from unionllm.integrations._langchain_tools import choose_tool, to_tools
from unionllm.integrations.langchain import ChatUnionLLM
from unionllm.testing import VendorServer

KEY = "sk-planted-0123456789abcdef"
#: Seconds that a stream would go on if nobody hung up.
LONG = 60


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 晴"


class Book(BaseModel):
    """A book."""

    title: str
    year: int


def deepseek(vendors: VendorServer, **more: Any) -> ChatUnionLLM:
    return ChatUnionLLM(model="deepseek-v4-flash", **vendors.arguments("deepseek"), **more)


def glm(vendors: VendorServer, **more: Any) -> ChatUnionLLM:
    return ChatUnionLLM(model="glm-4.6", **vendors.arguments("zhipuai"), **more)


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    first, *others = chunks
    return sum(others, first)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_reasoning_is_told_and_goes_back_with_the_tools_results(vendors: VendorServer, is_streamed: bool) -> None:
    """DeepSeek refuses a thinking turn with calls whose reasoning is missing; the played one does, too."""
    model = deepseek(vendors, thinking=True).bind_tools([weather])
    vendors.reply(reasoning="要查一查", tool_calls=[{"name": "weather", "arguments": {"city": "北京"}}])
    vendors.reply(text="北京今天晴")
    asked = HumanMessage("北京天气？")

    called = joined(list(model.stream([asked]))) if is_streamed else model.invoke([asked])
    result = weather.invoke(called.tool_calls[0])
    told = model.invoke([asked, called, result])

    assert called.additional_kwargs["reasoning_content"] == "要查一查"
    assert [block["type"] for block in called.content_blocks] == ["reasoning", "tool_call"]
    assert told.text == "北京今天晴"
    assert vendors.requests[1].json["messages"][1]["reasoning_content"] == "要查一查"
    assert vendors.requests[1].json["messages"][2]["content"] == "北京: 晴"
    assert vendors.refused == []


def test_tokens_and_who_answered_are_told_alike_whole_and_streamed(vendors: VendorServer) -> None:
    usage = {"prompt": 9, "completion": 5, "cached": 4, "reasoning": 3}
    for _ in range(2):
        vendors.reply(text="好", reasoning="想", usage=usage, finish_reason="length")

    whole = glm(vendors).invoke("你好")
    streamed = joined(list(glm(vendors).stream("你好")))

    assert whole.usage_metadata == {
        "input_tokens": 9,
        "output_tokens": 5,
        "total_tokens": 14,
        "input_token_details": {"cache_read": 4},
        "output_token_details": {"reasoning": 3},
    }
    assert streamed.usage_metadata == whole.usage_metadata
    for message in (whole, streamed):
        told = message.response_metadata
        assert (told["provider"], told["model_name"], told["finish_reason"]) == ("zhipuai", "glm-4.6", "length")
        assert told["request_id"]


def test_tokens_that_the_vendor_does_not_count_are_not_invented(server: ScriptedServer) -> None:
    server.reply(json=answer(usage=None))
    model = ChatUnionLLM(provider="openai_compatible", base_url=server.url, api_key=KEY, model="m")

    assert model.invoke("你好").usage_metadata is None


def test_text_and_a_call_in_one_stream_stay_apart(vendors: VendorServer) -> None:
    """LangChain adds up blocks by their index, and its own reading numbers both from 0."""
    model = ChatUnionLLM(model="glm-4.6", output_version="v1", **vendors.arguments("zhipuai")).bind_tools([weather])
    call = {"name": "weather", "arguments": {"city": "北京"}}
    vendors.reply(text="我查一查", reasoning="想", tool_calls=[call, {**call, "id": "call_b"}])

    whole = joined(list(model.stream("天气？")))

    blocks = whole.content_blocks
    assert [block["type"] for block in blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    assert blocks[1]["text"] == "我查一查"
    assert [call["args"] for call in whole.tool_calls] == [{"city": "北京"}] * 2


def test_arguments_that_are_no_json_are_an_invalid_call(vendors: VendorServer) -> None:
    vendors.reply(tool_calls=[{"name": "weather", "arguments": '{"city": '}, {"name": "weather", "arguments": "[1]"}])

    message = glm(vendors).bind_tools([weather]).invoke("天气？")

    assert message.tool_calls == []
    assert [call["args"] for call in message.invalid_tool_calls] == ['{"city": ', "[1]"]
    assert to_dicts([message])[0]["tool_calls"][0]["function"]["arguments"] == '{"city": '


def test_what_was_changed_for_the_vendor_is_told(vendors: VendorServer) -> None:
    vendors.reply(text="好")

    message = glm(vendors).bind_tools([weather], tool_choice="any").invoke("天气？")

    (change,) = message.response_metadata["adaptations"]
    assert (change["parameter"], change["given"], change["sent"]) == ("tool_choice", "required", "auto")


def test_what_an_agent_platform_retrieved_is_told(vendors: VendorServer) -> None:
    vendors.reply(text="七天内可退货", context=[{"content": "退货政策", "id": "1", "score": 0.9}])

    message = ChatUnionLLM(**vendors.arguments("dify")).invoke("怎么退货？")

    assert message.response_metadata["context"][0]["content"] == "退货政策"
    assert message.response_metadata["conversation_id"]


def test_a_stream_that_is_left_early_hangs_up(server: ScriptedServer) -> None:
    server.default(sse=[piece({"role": "assistant", "content": "一"}), piece({"content": "二"}), Pause(LONG)])
    model = ChatUnionLLM(provider="openai_compatible", base_url=server.url, api_key=KEY, model="m")

    for chunk in model.stream("数"):
        assert chunk.text == "一"
        break

    server.wait_until(lambda: server.open_connections == 0)


async def test_an_async_stream_that_is_left_early_hangs_up(server: ScriptedServer) -> None:
    server.default(sse=[piece({"role": "assistant", "content": "一"}), piece({"content": "二"}), Pause(LONG)])
    model = ChatUnionLLM(provider="openai_compatible", base_url=server.url, api_key=KEY, model="m")

    stream = model.astream("数")
    assert (await anext(stream)).text == "一"
    await stream.aclose()

    await asyncio.to_thread(server.wait_until, lambda: server.open_connections == 0)


async def test_a_cancelled_call_hangs_up(server: ScriptedServer) -> None:
    server.default(json=answer(), delay=LONG)
    model = ChatUnionLLM(provider="openai_compatible", base_url=server.url, api_key=KEY, model="m")

    call = asyncio.ensure_future(model.ainvoke("你好"))
    await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    await asyncio.to_thread(server.wait_until, lambda: server.open_connections == 0)


def test_errors_are_those_of_unionllm(vendors: VendorServer) -> None:
    for _ in range(2):
        vendors.fault("rate_limit")
    vendors.fault("cut", text=["一", "二", "三"], after=3)

    with pytest.raises(RateLimitError) as refused:
        glm(vendors, max_retries=0).invoke("你好")
    with pytest.raises(RateLimitError):
        list(glm(vendors, max_retries=0).stream("你好"))
    with pytest.raises(StreamInterruptedError) as broken:
        list(deepseek(vendors).stream("你好"))

    assert refused.value.code == "1302"
    assert broken.value.partial is not None


def test_a_chain_falls_back_to_another_vendor(vendors: VendorServer) -> None:
    vendors.fault("no_balance", vendor="zhipuai")
    vendors.reply(text="好", vendor="deepseek")
    model = glm(vendors).with_fallbacks([deepseek(vendors)], exceptions_to_handle=(Exception,))
    chain = ChatPromptTemplate.from_messages([("system", "简短"), ("user", "{question}")]) | model | StrOutputParser()

    assert chain.invoke({"question": "在吗？"}) == "好"
    assert vendors.requests[1].json["messages"][0] == {"role": "system", "content": "简短"}


class Tracer(BaseCallbackHandler):
    """Notes everything that it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.told.append(repr((args, kwargs)))

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.told.append(f"token {token}")


def test_secrets_are_shown_to_nobody(vendors: VendorServer) -> None:
    given = vendors.credentials("zhipuai")["api_key"]
    where = {"provider": "zhipuai", "base_url": vendors.url("zhipuai"), "model": "glm-4.6"}
    headers = {"x-own": "header-secret"}
    model = ChatUnionLLM(**where, api_key=given, app_secret="other-secret", extra_headers=headers)
    tracer = Tracer()

    list(model.stream("你好", config={"callbacks": [tracer]}))
    ChatUnionLLM(**where).invoke("你好", config={"callbacks": [tracer]}, api_key=given)

    told = [repr(model), str(model), dumps(model), json.dumps(model._identifying_params), *tracer.told]
    assert any("token 收到" in line for line in told)
    for secret in (given, "other-secret", "header-secret"):
        assert [line for line in told if secret in line] == []
    assert [request.status for request in vendors.requests] == [200, 200]


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_a_model_is_loaded_from_what_was_dumped(vendors: VendorServer) -> None:
    model = ChatUnionLLM(provider="xunfei", model="4.0Ultra", app_id="app-1", api_key="k", api_secret="s", top_k=3)

    dumped = dumps(model)
    loaded = load(
        json.loads(dumped),
        allowed_objects=[ChatUnionLLM],
        valid_namespaces=["unionllm"],
        secrets_map={"XUNFEI_API_KEY": "k", "XUNFEI_APP_ID": "app-1", "XUNFEI_API_SECRET": "s"},
    )

    assert '"app-1"' not in dumped
    assert loaded == model
    assert loaded.model_kwargs == {"top_k": 3}


def test_the_key_is_read_from_the_environment_when_a_call_is_made(
    vendors: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ChatUnionLLM(provider="zhipuai", base_url=vendors.url("zhipuai"), model="glm-4.6")
    monkeypatch.setenv("ZHIPUAI_API_KEY", vendors.credentials("zhipuai")["api_key"])

    assert model.invoke("你好").text == "收到：你好"


def test_a_client_of_ones_own_is_used(vendors: VendorServer) -> None:
    with UnionLLM(**vendors.arguments("zhipuai"), model="glm-4.6", temperature=0.5) as client:
        assert ChatUnionLLM(client=client).invoke("你好").text == "收到：你好"

    assert vendors.requests[0].json["temperature"] == 0.5


@pytest.mark.parametrize(
    ("given", "provider"),
    [
        ({"provider": "zhipuai", "model": "glm-4.6"}, "zhipuai"),
        ({"model": "mistral/mistral-small"}, "mistral"),
        ({"model": "gpt-4o"}, "unionllm"),
        ({"provider": "openrouter", "model": "anthropic/claude"}, "openrouter"),
    ],
)
def test_traces_name_the_vendor(given: dict[str, str], provider: str) -> None:
    assert ChatUnionLLM(**given)._get_ls_params()["ls_provider"] == provider


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_raw_answer_that_does_not_fit_is_told_not_raised(vendors: VendorServer, method: Any) -> None:
    vendors.reply(text="对不起", tool_calls=[{"name": "Book", "arguments": {"title": "西游记"}}])
    model = glm(vendors).with_structured_output(Book, method=method, include_raw=True)

    told = model.invoke("一本书")

    assert isinstance(told["raw"], AIMessage)
    assert (told["parsed"], told["parsing_error"] is not None) == (None, True)


def test_an_unknown_method_is_refused(vendors: VendorServer) -> None:
    with pytest.raises(ValueError, match="'json_schema', 'function_calling', 'json_mode'"):
        glm(vendors).with_structured_output(Book, method="xml")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, None),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        (False, "none"),
        ("auto", "auto"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_choices_of_tools_are_said_in_openais_words(given: Any, sent: Any) -> None:
    assert choose_tool(given) == sent


def test_tools_of_a_vendors_own_are_sent_as_they_are() -> None:
    search = {"type": "web_search", "web_search": {"enable": True}}

    own, function = to_tools([search, weather], strict=None)

    assert own == search
    assert function["function"]["name"] == "weather"


PNG = "iVBORw0KGgo="
BLOCKS = [
    ({"type": "image", "url": "https://a/b.png"}, {"type": "image_url", "image_url": {"url": "https://a/b.png"}}),
    (
        {"type": "image", "base64": PNG, "mime_type": "image/jpeg"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PNG}"}},
    ),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ),
    (
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ),
    ({"type": "image", "file_id": "ms://1"}, {"type": "image_url", "image_url": {"url": "ms://1"}}),
    ({"type": "image_url", "image_url": "https://a/b"}, {"type": "image_url", "image_url": {"url": "https://a/b"}}),
    ({"type": "video", "url": "https://a/b.mp4"}, {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}}),
    (
        {"type": "audio", "base64": "UklG", "mime_type": "audio/mpeg"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
    ),
    (
        {"type": "file", "base64": "JVBE", "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
    ),
    ({"type": "file", "file_id": "f-1"}, {"type": "file", "file": {"file_id": "f-1"}}),
    ({"type": "non_standard", "value": {"type": "ref", "ref": "1"}}, {"type": "ref", "ref": "1"}),
    ({"type": "vendor_part", "x": 1}, {"type": "vendor_part", "x": 1}),
]


@pytest.mark.parametrize(("block", "part"), BLOCKS)
def test_blocks_become_openais_parts(block: dict[str, Any], part: dict[str, Any]) -> None:
    given = HumanMessage([{"type": "text", "text": "看"}, block])

    assert to_dicts([given])[0]["content"] == [{"type": "text", "text": "看"}, part]


def test_roles_names_and_earlier_answers_are_kept() -> None:
    thought = {"type": "thinking", "thinking": "想", "signature": "x"}
    messages = [
        SystemMessage([{"type": "text", "text": "简"}, "短"]),
        SystemMessage("x", additional_kwargs={"__openai_role__": "developer"}),
        ChatMessage("y", role="critic"),
        HumanMessage("你好", name="amy"),
        AIMessage([thought, {"type": "text", "text": "好"}]),
        ToolMessage([{"type": "text", "text": "结果"}], tool_call_id="1"),
    ]

    assert to_dicts(messages) == [
        {"role": "system", "content": "简短"},
        {"role": "developer", "content": "x"},
        {"role": "critic", "content": "y"},
        {"role": "user", "content": "你好", "name": "amy"},
        {"role": "assistant", "content": "好", "reasoning_content": "想"},
        {"role": "tool", "tool_call_id": "1", "content": "结果"},
    ]
    with pytest.raises(BadRequestError, match="RemoveMessage"):
        to_dicts([RemoveMessage(id="1")])
