"""What UnionLLMChat does, asked by llama-index-core's own helpers. Over real sockets."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import pytest
from integrations.conftest import PNG
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel
from replies import piece
from server import Pause, ScriptedServer

from unionllm import APIResponseError, BadRequestError, RateLimitError
from unionllm.integrations._llama_index_messages import to_dicts
from unionllm.integrations.llama_index import UnionLLMChat
from unionllm.testing import VendorServer

#: Seconds that a stream would go on if nobody hung up.
LONG = 60
ASKED = [ChatMessage("你好")]


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


def read_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 晴"


WEATHER = FunctionTool.from_defaults(read_weather, name="weather")


def glm(vendors: VendorServer, **more: Any) -> UnionLLMChat:
    return UnionLLMChat(model="glm-4.6", **vendors.arguments("zhipuai"), **more)


def doubao(vendors: VendorServer, **more: Any) -> UnionLLMChat:
    return UnionLLMChat(model="doubao-seed-2-0-pro-260215", **vendors.arguments("doubao"), **more)


def of_server(server: ScriptedServer) -> UnionLLMChat:
    return UnionLLMChat(provider="openai_compatible", base_url=server.url, api_key="k", model="m")


def test_an_answer_is_told_in_every_way_of_asking(vendors: VendorServer) -> None:
    model = glm(vendors, max_tokens=100)

    async def ask() -> list[str]:
        chats = [part.delta async for part in await model.astream_chat(ASKED)]
        texts = [part.delta async for part in await model.astream_complete("你好")]
        whole = [str((await model.achat(ASKED)).message.content), (await model.acomplete("你好")).text]
        return [*whole, "".join(filter(None, chats)), "".join(filter(None, texts))]

    streamed = list(model.stream_chat(ASKED))
    answers = [model.complete("你好").text, str(model.chat(ASKED).message.content)]
    answers += ["".join(part.delta or "" for part in streamed), list(model.stream_complete("你好"))[-1].text]
    answers += asyncio.run(ask())

    assert answers == ["收到：你好"] * 8
    assert streamed[-1].message.content == "收到：你好"
    assert all(request.json["max_tokens"] == 100 for request in vendors.requests)
    assert (model.metadata.num_output, model.metadata.model_name) == (100, "glm-4.6")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_tokens_reasoning_and_our_own_answer_are_told(vendors: VendorServer, is_streamed: bool) -> None:
    vendors.reply(text="好", reasoning="想", usage={"prompt": 9, "completion": 5, "cached": 4, "reasoning": 3})
    model = glm(vendors)

    told = list(model.stream_chat(ASKED))[-1] if is_streamed else model.chat(ASKED)

    counts = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "cached_tokens": 4, "reasoning_tokens": 3}
    assert told.additional_kwargs == counts
    assert [type(block) for block in told.message.blocks] == [ThinkingBlock, TextBlock]
    assert told.raw is not None
    assert told.raw.usage.prompt_tokens == 9


def test_llama_indexs_counter_counts_the_vendors_tokens(vendors: VendorServer) -> None:
    vendors.reply(text="好", usage={"prompt": 9, "completion": 5})
    counter = TokenCountingHandler(tokenizer=list)

    glm(vendors, callback_manager=CallbackManager([counter])).chat(ASKED)

    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (9, 5)


def test_a_tool_is_called_and_its_result_goes_back(vendors: VendorServer) -> None:
    assert str(doubao(vendors).predict_and_call([WEATHER], "'北京'天气？")) == "北京: 晴"
    asked = asyncio.run(doubao(vendors).apredict_and_call([WEATHER], "'北京'天气？"))
    assert str(asked) == "北京: 晴"
    assert vendors.requests[0].json["tool_choice"] == "auto"
    assert vendors.refused == []


@pytest.mark.filterwarnings("default")  # theirs, about themselves
def test_an_agent_of_llama_indexs_runs(vendors: VendorServer) -> None:
    """Streams, calls the tool, hands the result back with the reasoning, and answers."""
    model = UnionLLMChat(model="deepseek-v4-flash", thinking=True, **vendors.arguments("deepseek"))
    vendors.reply(reasoning="要查", tool_calls=[{"name": "weather", "arguments": {"city": "北京"}}])
    vendors.reply(text="北京今天晴", reasoning="好")
    agent = FunctionAgent(tools=[WEATHER], llm=model, system_prompt="简短")

    async def run() -> str:
        return str(await agent.run("北京天气？"))

    assert asyncio.run(run()) == "北京今天晴"
    roles = [message["role"] for message in vendors.requests[1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert vendors.requests[1].json["messages"][2]["reasoning_content"] == "要查"
    assert vendors.refused == []


def test_of_several_calls_one_is_kept_unless_more_are_allowed(vendors: VendorServer) -> None:
    call = {"name": "weather", "arguments": {"city": "北京"}}
    for _ in range(2):
        vendors.reply(tool_calls=[call, {"name": "weather", "arguments": {"city": "上海"}, "id": "call_b"}])
    model = glm(vendors)

    one = model.chat_with_tools([WEATHER], "天气？", tool_required=True)
    two = model.chat_with_tools([WEATHER], "天气？", allow_parallel_tool_calls=True)

    assert [chosen.tool_kwargs for chosen in model.get_tool_calls_from_response(one)] == [{"city": "北京"}]
    assert len(one.message.additional_kwargs["tool_calls"]) == 1
    assert len(model.get_tool_calls_from_response(two)) == 2


def test_an_answer_without_a_call_is_an_error_if_one_was_wanted(vendors: VendorServer) -> None:
    vendors.reply(text="不查")
    model = glm(vendors)
    told = model.chat_with_tools([WEATHER], "天气？")

    assert model.get_tool_calls_from_response(told, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="calls no tool"):
        model.get_tool_calls_from_response(told)


def test_objects_are_made_with_every_vendor(vendors: VendorServer) -> None:
    prompt = PromptTemplate("A joke about {topic}.")
    by_tool = doubao(vendors, pydantic_program_mode=PydanticProgramMode.FUNCTION)

    assert glm(vendors).structured_predict(Joke, prompt, topic="cats").punchline
    assert asyncio.run(glm(vendors).astructured_predict(Joke, prompt, topic="cats")).setup
    assert by_tool.structured_predict(Joke, prompt, topic="cats") == Joke(setup="例", punchline="例")
    assert asyncio.run(by_tool.astructured_predict(Joke, prompt, topic="cats")).setup == "例"
    *_, last = doubao(vendors).stream_structured_predict(Joke, prompt, topic="cats")
    assert last == Joke(setup="例", punchline="例")
    assert [bool(request.json.get("tools")) for request in vendors.requests] == [False, False, True, True, True]


def test_an_object_that_does_not_fit_is_an_error(vendors: VendorServer) -> None:
    vendors.reply(text="不讲")
    vendors.reply(tool_calls=[{"name": "weather", "arguments": {}}])

    with pytest.raises(APIResponseError, match="Joke"):
        glm(vendors).structured_predict(Joke, PromptTemplate("A joke."))
    with pytest.raises(ValueError, match="no object"):
        doubao(vendors).structured_predict(Joke, PromptTemplate("A joke."))


def test_a_chat_engine_remembers(vendors: VendorServer) -> None:
    engine = SimpleChatEngine.from_defaults(llm=glm(vendors))

    engine.chat("你好")
    assert str(engine.chat("还在吗")) == "收到：还在吗"

    assert [message["role"] for message in vendors.requests[1].json["messages"]] == ["user", "assistant", "user"]


def test_streams_that_are_left_early_hang_up(server: ScriptedServer) -> None:
    server.default(sse=[piece({"role": "assistant", "content": "一"}), piece({"content": "二"}), Pause(LONG)])

    for part in of_server(server).stream_chat(ASKED):
        assert part.delta == "一"
        break
    server.wait_until(lambda: server.open_connections == 0)

    async def leave() -> None:
        stream = await of_server(server).astream_chat(ASKED)
        assert (await anext(stream)).delta == "一"
        await stream.aclose()

    asyncio.run(leave())
    server.wait_until(lambda: server.open_connections == 0)


def test_a_refused_call_raises_our_error(vendors: VendorServer) -> None:
    for _ in range(2):
        vendors.fault("rate_limit")
    model = glm(vendors, max_retries=0)

    with pytest.raises(RateLimitError):
        model.chat(ASKED)
    with pytest.raises(RateLimitError):
        next(model.stream_chat(ASKED))


def test_secrets_are_written_nowhere(vendors: VendorServer) -> None:
    key = vendors.credentials("zhipuai")["api_key"]
    model = glm(vendors, app_secret="other-secret", extra_headers={"x-own": "header-secret"})

    written = [repr(model), str(model), model.to_json(), str(model.to_dict())]

    for secret in (key, "other-secret", "header-secret"):
        assert [text for text in written if secret in text] == []
    assert model.to_dict()["class_name"] == "UnionLLMChat"
    assert UnionLLMChat.from_dict(model.to_dict()).model == "glm-4.6"


def test_a_model_can_be_pickled(vendors: VendorServer) -> None:
    assert pickle.loads(pickle.dumps(glm(vendors))).chat(ASKED).message.content == "收到：你好"


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (ImageBlock(url="https://a.cn/b.png"), {"type": "image_url", "image_url": {"url": "https://a.cn/b.png"}}),
        (VideoBlock(url="https://a.cn/b.mp4"), {"type": "video_url", "video_url": {"url": "https://a.cn/b.mp4"}}),
        (
            AudioBlock(audio=b"RIFF\x01\x02", format="mp3"),
            {"type": "input_audio", "input_audio": {"data": "UklGRgEC", "format": "mp3"}},
        ),
        (
            DocumentBlock(data=b"%PDF-1.4", document_mimetype="application/pdf", title="a.pdf"),
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQ=", "filename": "a.pdf"}},
        ),
    ],
)
def test_blocks_become_openais_parts(block: Any, part: dict[str, Any]) -> None:
    message = ChatMessage(blocks=[TextBlock(text="看"), block])

    assert to_dicts([message])[0]["content"] == [{"type": "text", "text": "看"}, part]


def test_a_picture_on_disk_is_sent_as_data(vendors: VendorServer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    message = ChatMessage(blocks=[ImageBlock(path=tmp_path / "a.png", detail="low"), TextBlock(text="这是什么？")])

    doubao(vendors).chat([message])

    image = vendors.requests[0].json["messages"][0]["content"][0]["image_url"]
    assert image["url"].startswith("data:image/png;base64,iVBOR")
    assert image["detail"] == "low"
    assert vendors.refused == []


def test_roles_and_earlier_answers_are_kept() -> None:
    call = ToolCallBlock(tool_call_id="1", tool_name="weather", tool_kwargs={"city": "北京"})
    sent = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}}
    messages = [
        ChatMessage("x", role=MessageRole.SYSTEM),
        ChatMessage("y", role=MessageRole.MODEL),
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[ThinkingBlock(content="想"), call]),
        ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={"tool_calls": [sent]}),
        ChatMessage("晴", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "1"}),
    ]

    assert to_dicts(messages) == [
        {"role": "system", "content": "x"},
        {"role": "assistant", "content": "y"},
        {"role": "assistant", "content": None, "tool_calls": [sent], "reasoning_content": "想"},
        {"role": "assistant", "content": None, "tool_calls": [sent]},
        {"role": "tool", "content": "晴", "tool_call_id": "1"},
    ]
    with pytest.raises(BadRequestError, match="CachePoint"):
        to_dicts([ChatMessage(blocks=[CachePoint(cache_control=CacheControl(type="ephemeral"))])])
