"""The bridge to LiteLLM loses nothing: every value that LiteLLM gives stands in our answer, under the same name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import litellm_rich as rich
import litellm_vendor
import pytest
from litellm_vendor import KEY, MESSAGES, PIECES, USAGE_PIECE, call_of, piece, run, stream_reply, whole
from server import Pause, Reply, ScriptedServer

from unionllm import ModelResponse, ModelResponseChunk, _litellm, aunionchat, unionchat
from unionllm._litellm_results import Sent, to_response

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop, server = litellm_vendor.isolated, litellm_vendor.one_loop, litellm_vendor.server

#: Route → model, path of the base URL, a whole answer, the same as a stream.
RICH: dict[str, tuple[str, str, dict[str, Any], list[Any]]] = {
    "anthropic": ("claude-x", "", rich.anthropic_whole(), rich.anthropic_events()),
    "deepinfra": ("org/m", "/v1", rich.openai_whole(), rich.openai_events()),
    "gemini": ("gemini-x", "/v1beta", rich.gemini_whole(), [rich.gemini_whole()]),
    "groq": ("m", "/v1", rich.openai_whole(), rich.openai_events()),
    "mistral": ("m", "/v1", rich.openai_whole(), rich.openai_events()),
    "openai": ("gpt-x", "/v1", rich.openai_whole(), rich.openai_events()),
    "openrouter": ("org/m", "/v1", rich.openai_whole(), rich.openai_events()),
}
#: What LiteLLM makes anew for each answer, or writes itself: ids of calls that have none, the time, the name asked for.
INVENTED = ("id", "created", "model", "index")
both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every value in an answer, with the name that it stands under."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, str(key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item, name)
    elif value not in (None, "") and name not in INVENTED:
        yield name, repr(value)


def ask_both(server: ScriptedServer, route: str, **more: Any) -> tuple[Any, Any]:
    """LiteLLM's answer, and ours."""
    model, path, _, _ = RICH[route]
    asked: dict[str, Any] = {"messages": MESSAGES, "api_key": KEY, "max_retries": 0}
    options = {"stream_options": {"include_usage": True}} if more.get("stream") else {}
    base = server.url + path
    theirs = _litellm._load().completion(model=f"{route}/{model}", api_base=base, **asked, **options, **more)
    return theirs, unionchat(provider=route, model=model, base_url=base, **asked, **more)


@pytest.mark.parametrize("route", RICH)
def test_a_whole_answer_has_every_value_of_litellms(server: ScriptedServer, route: str) -> None:
    server.default(json=RICH[route][2])
    theirs, ours = ask_both(server, route)
    assert len(set(leaves(theirs))) > 20
    assert set(leaves(theirs)) - set(leaves(ours)) == set()


@pytest.mark.parametrize("route", RICH)
def test_a_stream_has_every_value_of_litellms(server: ScriptedServer, route: str) -> None:
    server.default(stream_reply(RICH[route][3]))
    theirs, ours = ask_both(server, route, stream=True)
    told, given = list(theirs), list(ours)
    assert len(set(leaves(told))) > 15
    assert set(leaves(told)) - set(leaves(given)) == set()
    assert {type(chunk) for chunk in given} == {ModelResponseChunk}


@pytest.mark.parametrize("route", RICH)
def test_the_answer_of_a_stream_is_the_whole_answer(server: ScriptedServer, route: str) -> None:
    model, path, answer, events = RICH[route]
    asked = {"provider": route, "model": model, "base_url": server.url + path, "api_key": KEY, "messages": MESSAGES}
    server.default(json=answer)
    whole_answer = unionchat(**asked)
    [expected] = whole_answer.choices
    server.default(stream_reply(events))
    stream = unionchat(stream=True, **asked)
    for _ in stream:
        pass
    [choice] = stream.response.choices
    assert choice.finish_reason == expected.finish_reason == "tool_calls"
    assert choice.message.content == expected.message.content == "晴"
    # LiteLLM looks for the thoughts of OpenRouter's streams under another name than this vendor uses.
    assert choice.message.reasoning_content == (None if route == "openrouter" else expected.message.reasoning_content)
    assert stream.response.usage.total_tokens == whole_answer.usage.total_tokens
    calls = [(call.function.name, call.type) for call in choice.message.tool_calls]
    assert calls == [(call.function.name, call.type) for call in expected.message.tool_calls]
    assert [call.index for call in expected.message.tool_calls] == [None] * len(calls)


def test_everything_in_an_openai_answer_is_where_openai_has_it(server: ScriptedServer) -> None:
    server.default(json=rich.openai_whole())
    _, ours = ask_both(server, "mistral")
    message, choice = ours.choices[0].message, ours.choices[0]
    assert [(call.id, call.function.arguments) for call in message.tool_calls] == [
        (call["id"], call["function"]["arguments"]) for call in rich.CALLS
    ]
    assert message.annotations[0]["url_citation"]["url"] == "https://a.example"
    assert message.images[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert message.refusal == "not quite"
    assert choice.logprobs["content"][0]["top_logprobs"][0]["token"] == "您"
    assert ours.usage.model_dump()["cost_details"] == {"upstream": 0.125}


def test_tool_calls_of_a_stream_keep_their_ids_and_places(server: ScriptedServer) -> None:
    for route in ("openai", "mistral", "anthropic"):
        server.default(stream_reply(RICH[route][3]))
        _, ours = ask_both(server, route, stream=True)
        pieces = [call for chunk in ours for call in chunk.choices[0].delta.tool_calls or ()]
        assert {call.index for call in pieces} == {0, 1}
        made = [
            (call.id, call.function.name, call.function.arguments)
            for call in ours.response.choices[0].message.tool_calls
        ]
        assert made == [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in rich.CALLS]


@both
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_thoughts_of_anthropic_can_be_handed_back_with_their_signature(
    server: ScriptedServer, stream: bool, is_async: bool
) -> None:
    """Anthropic refuses a turn with tool results whose thoughts are missing, in pieces, or without a signature."""
    server.default(stream_reply(rich.anthropic_events()) if stream else Reply(json=rich.anthropic_whole()))
    call = call_of(server, "anthropic", thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4096)

    async def ask(stream: bool, **arguments: Any) -> ModelResponse:
        made = await aunionchat(stream=stream, **arguments)
        if not stream:
            return made
        async for _ in made:
            pass
        return made.response

    def say(stream: bool, **arguments: Any) -> ModelResponse:
        if is_async:
            return run(ask(stream, **arguments))
        made = unionchat(stream=stream, **arguments)
        return (list(made), made.response)[1] if stream else made

    message = say(stream, **call).choices[0].message
    assert message.thinking_blocks == [rich.THINKING, rich.REDACTED]

    results = [{"role": "tool", "tool_call_id": made.id, "content": "晴"} for made in message.tool_calls]
    server.default(json=rich.anthropic_whole())
    say(False, **{**call, "messages": [*MESSAGES, message, *results]})

    [turn] = [turn for turn in server.requests[-1].json["messages"] if turn["role"] == "assistant"]
    assert turn["content"][:2] == [rich.THINKING, rich.REDACTED]
    used = [(block["id"], block["name"]) for block in turn["content"] if block["type"] == "tool_use"]
    assert used == [(made["id"], made["function"]["name"]) for made in rich.CALLS]


def test_all_citations_of_a_stream_are_kept(server: ScriptedServer) -> None:
    events = rich.anthropic_events()
    [cited] = [event for event in events if b"citations_delta" in event]
    at = events.index(cited)
    events.insert(at, cited.replace("天气".encode(), "昨天".encode()))
    server.default(stream_reply(events))
    _, ours = ask_both(server, "anthropic", stream=True)
    list(ours)
    citations = ours.response.choices[0].message.provider_specific_fields["citations"]
    assert [citation["document_title"] for citation in citations] == ["昨天", "天气"]


def test_what_stands_beside_an_ending_is_kept(server: ScriptedServer) -> None:
    end = piece({}, "stop", vendor_top="late")
    end["choices"][0] |= {"logprobs": {"content": [], "refusal": None}, "vendor_choice": "end"}
    server.default(stream_reply([*PIECES[:3], end, USAGE_PIECE, "[DONE]"]))
    for route in ("openai", "mistral"):
        theirs, ours = ask_both(server, route, stream=True)
        assert set(leaves(list(theirs))) - set(leaves(list(ours))) == set()


def test_names_of_ours_that_a_vendor_uses_for_something_else_do_no_harm(server: ScriptedServer) -> None:
    own = {"steps": 5, "chat_id": 7, "outputs": "x", "suggestions": {"a": 1}, "provider": ["p"]}
    server.default(json=whole(**own))
    response = unionchat(**call_of(server, "openrouter"))
    assert response.provider_specific_fields == own
    assert (response.steps, response.chat_id, response.outputs, response.provider) == (None, None, None, "openrouter")


#: An answer with thoughts in its text.
TAGGED = "<think>\n先 < 查\n</think>\n\n晴"


@both
@pytest.mark.parametrize("route", ["mistral", "openai"])
def test_thoughts_in_tags_are_parted_from_the_text_of_streams(
    server: ScriptedServer, route: str, is_async: bool
) -> None:
    """LiteLLM does that in whole answers only."""

    async def read(arguments: dict[str, Any]) -> Any:
        stream = await aunionchat(stream=True, **arguments)
        async for _ in stream:
            pass
        return stream.response

    def say(arguments: dict[str, Any]) -> Any:
        stream = unionchat(stream=True, **arguments)
        return (list(stream), stream.response)[1]

    for parts in (list(TAGGED), [TAGGED], ["<th", "ink>\n先 < ", "查\n</", "think>\n", "\n晴"]):
        deltas = [piece({"role": "assistant", "content": ""}), *(piece({"content": part}) for part in parts)]
        server.default(stream_reply([*deltas, piece({}, "stop"), USAGE_PIECE, "[DONE]"]))
        response = run(read(call_of(server, route))) if is_async else say(call_of(server, route))
        message = response.choices[0].message
        assert (message.reasoning_content, message.content) == ("先 < 查", "晴")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<think>cut off", ("cut off", "")),
        ("<thi", (None, "<thi")),
        (" \n", (None, " \n")),
        ("a <think>b</think>", (None, "a <think>b</think>")),
        ("<think>a <think>b</think> c</think>", ("a <think>b", "c</think>")),
    ],
)
def test_tags_that_are_none_stay_in_the_text_of_streams(
    server: ScriptedServer, text: str, told: tuple[str | None, str]
) -> None:
    deltas = [piece({"content": letter}) for letter in text]
    server.default(stream_reply([*deltas, piece({}, "length"), USAGE_PIECE, "[DONE]"]))
    stream = unionchat(stream=True, **call_of(server, "mistral"))
    last = list(stream)[-1]
    message = stream.response.choices[0].message
    assert (message.reasoning_content, message.content) == told
    assert (last.choices[0].finish_reason, last.usage.total_tokens) == ("length", 7)


def test_tags_beside_thoughts_told_apart_are_text(server: ScriptedServer) -> None:
    deltas = [piece({"reasoning_content": "hm"}), piece({"content": "<think>"}), piece({"content": "x"})]
    server.default(stream_reply([*deltas, piece({}, "stop"), "[DONE]"]))
    stream = unionchat(stream=True, **call_of(server, "mistral"))
    list(stream)
    message = stream.response.choices[0].message
    assert (message.reasoning_content, message.content) == ("hm", "<think>x")


def test_text_behind_the_tags_is_not_held_back(server: ScriptedServer) -> None:
    deltas = [piece({"content": part}) for part in ("<think>hm</think>", "晴")]
    server.default(stream_reply([*deltas, Pause(20)]))
    with unionchat(stream=True, **call_of(server, "mistral")) as stream:
        told = [chunk.choices[0].delta for chunk in itertools.islice(stream, 2)]
    assert [(delta.reasoning_content, delta.content) for delta in told] == [("hm", ""), (None, "晴")]


def test_thoughts_in_tags_of_a_whole_answer_are_parted_on_every_route(server: ScriptedServer) -> None:
    line = {"model": "llama3", "message": {"role": "assistant", "content": TAGGED}, "done": True, "eval_count": 1}
    for route, answer in (("ollama_chat", line), ("mistral", whole({"content": TAGGED}))):
        server.default(json=answer)
        message = unionchat(**call_of(server, route)).choices[0].message
        assert (message.reasoning_content.strip(), message.content.strip()) == ("先 < 查", "晴")


def of_answer(number: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One chunk of one of several answers."""
    made = piece(delta, finish)
    made["choices"][0]["index"] = number
    return made


@both
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("route", ["openai", "mistral", "deepinfra", "groq"])
def test_each_of_several_answers_has_its_own_ending(
    server: ScriptedServer, route: str, order: tuple[int, int], is_async: bool
) -> None:
    """LiteLLM tells one ending, and it may be that of another answer."""
    ends = [of_answer(0, {}, "stop"), of_answer(1, {}, "length")]
    begun = [of_answer(number, {"role": "assistant", "content": text}) for number, text in enumerate("ab")]
    server.default(stream_reply([*begun, *(ends[number] for number in order), USAGE_PIECE, "[DONE]"]))

    async def read() -> list[ModelResponseChunk]:
        return [chunk async for chunk in await aunionchat(stream=True, n=2, **call_of(server, route))]

    chunks = run(read()) if is_async else list(unionchat(stream=True, n=2, **call_of(server, route)))
    told = [(choice.index, choice.finish_reason) for choice in chunks[-1].choices]
    assert told == [(0, "stop"), (1, "length")]
    text = {choice.index: choice.delta.content for chunk in chunks[:-1] for choice in chunk.choices}
    assert text == {0: "a", 1: "b"}


def test_a_name_that_means_something_else_on_another_level_is_kept_there() -> None:
    choice = {**whole()["choices"][0], "usage": {"total_tokens": 7}}
    reply = _litellm._load().ModelResponse(**whole(choices=[choice]), message="Success")
    response = to_response(reply, Sent(provider="p", route="openai", model="m"))
    assert response["message"] == "Success"
    assert response.choices[0]["usage"] == {"total_tokens": 7}
    assert (response.choices[0].message.content, response.usage.total_tokens) == ("你好!", 7)


def test_usage_that_the_program_tells_itself_may_be_a_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    litellm = _litellm._load()
    details = litellm.types.utils.PromptTokensDetailsWrapper(cached_tokens=2)

    class Mine(litellm.CustomLLM):  # type: ignore[misc,name-defined]
        def completion(self, *_: Any, **given: Any) -> Any:
            reply = given["model_response"]
            reply.choices[0].message.content = "好"
            reply.usage = {"prompt_tokens": 3, "total_tokens": 3, "prompt_tokens_details": details}
            return reply

    own = [{"provider": "mine", "custom_handler": Mine()}]
    monkeypatch.setattr(litellm, "custom_provider_map", own)
    response = unionchat(provider="mine", model="m", messages=MESSAGES)
    assert response.choices[0].message.content == "好"
    assert response.usage is not None
    assert response.usage.model_dump()["prompt_tokens_details"] == {"cached_tokens": 2}

    own[0]["provider"] = "mine_too"
    assert _litellm.knows("mine_too")
