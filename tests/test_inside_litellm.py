"""The native providers inside LiteLLM: answers, streams, arguments, errors. Over real sockets."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import litellm_vendor
import pytest
from litellm_vendor import MESSAGES, run
from replies import piece
from server import ScriptedServer

from unionllm import _litellm, _registry, litellm_plugin
from unionllm.testing import VendorServer

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop = litellm_vendor.isolated, litellm_vendor.one_loop

Ask = Callable[..., Any]
#: Played vendors; "local" has a test of its own below.
PLAYED = [name for name in _registry.PROVIDERS if name not in ("local", "openai_compatible")]
USAGE = {"prompt": 5, "completion": 7, "cached": 2, "reasoning": 3}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "name": "weather", "arguments": ['{"city":', ' "北京"}']}


@pytest.fixture(scope="module")
def litellm() -> Any:
    """LiteLLM, with our providers."""
    litellm_plugin.register()
    return _litellm._load()


def asked_sync(litellm: Any, **arguments: Any) -> Any:
    return litellm.completion(**arguments)


def asked_async(litellm: Any, **arguments: Any) -> Any:
    async def ask() -> Any:
        answer = await litellm.acompletion(**arguments)
        return [chunk async for chunk in answer] if arguments.get("stream") else answer

    return run(ask())


@pytest.fixture(params=[asked_sync, asked_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """LiteLLM's call, blocking or in an event loop; a stream comes as what can be iterated."""
    made: Ask = request.param
    return made


def to(server: VendorServer, vendor: str, model: str = "", **arguments: Any) -> dict[str, Any]:
    """A call of that vendor, as LiteLLM takes it."""
    given = {**server.arguments(vendor), **arguments}
    given["api_base"] = given.pop("base_url")
    name = model or server.vendor(vendor).examples["chat"]
    return {"model": f"unionllm/{given.pop('provider')}/{name}", "messages": MESSAGES, **given}


def join(chunks: Any) -> dict[str, Any]:
    """What the chunks of a stream come to."""
    told: dict[str, Any] = {"text": "", "reasoning": "", "arguments": "", "ends": [], "usage": None, "models": set()}
    for chunk in chunks:
        told["models"].add(chunk.model)
        told["usage"] = getattr(chunk, "usage", None) or told["usage"]
        for choice in chunk.choices:
            told["text"] += choice.delta.content or ""
            told["reasoning"] += getattr(choice.delta, "reasoning_content", None) or ""
            for call in choice.delta.tool_calls or ():
                told["arguments"] += call.function.arguments or ""
            if choice.finish_reason:
                told["ends"].append((choice.index, choice.finish_reason))
    return told


@pytest.mark.parametrize("vendor", PLAYED)
def test_every_provider_answers(litellm: Any, ask: Ask, vendor_server: VendorServer, vendor: str) -> None:
    vendor_server.reply(text="晴，25 度")

    answer = ask(litellm, **to(vendor_server, vendor))

    assert type(answer) is litellm.ModelResponse
    assert answer.choices[0].message.content == "晴，25 度"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.provider == vendor
    assert vendor_server.refused == []


@pytest.mark.parametrize("vendor", PLAYED)
def test_every_provider_streams(litellm: Any, ask: Ask, vendor_server: VendorServer, vendor: str) -> None:
    vendor_server.reply(text=["晴，", "25 ", "度"])

    told = join(ask(litellm, **to(vendor_server, vendor), stream=True))

    assert told["text"] == "晴，25 度"
    assert told["ends"] == [(0, "stop")]
    assert len(told["models"]) == 1
    assert vendor_server.refused == []


def test_the_model_of_this_process_answers(litellm: Any, ask: Ask) -> None:
    answer = ask(litellm, model="unionllm/local", messages=MESSAGES, max_tokens=4)

    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 0


def test_thoughts_tools_and_usage_arrive(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", reasoning="想一想", tool_calls=[CALL], usage=USAGE)

    answer = ask(litellm, **to(vendor_server, "zhipuai", "glm-4.6"), tools=[TOOL])

    message = answer.choices[0].message
    assert (message.content, message.reasoning_content) == ("好", "想一想")
    assert message.tool_calls[0].id == "call_1"
    assert message.tool_calls[0].function.name == "weather"
    assert message.tool_calls[0].function.arguments == '{"city": "北京"}'
    assert answer.choices[0].finish_reason == "tool_calls"
    check_usage(answer.usage)


def check_usage(usage: Any) -> None:
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 7, 12)
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert usage.completion_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize("vendor", ["zhipuai", "deepseek", "qwen"])
def test_thoughts_tools_and_usage_arrive_in_a_stream(
    litellm: Any, ask: Ask, vendor_server: VendorServer, vendor: str
) -> None:
    """LiteLLM throws away usage on the chunk that finishes, and what comes after it: an estimate takes its place."""
    vendor_server.reply(text=["好", "的"], reasoning=["想", "一想"], tool_calls=[CALL], usage=USAGE)
    model = {"zhipuai": "glm-4.6", "deepseek": "deepseek-v4-flash", "qwen": "qwen-plus"}[vendor]

    options = {"stream": True, "stream_options": {"include_usage": True}, "tools": [TOOL]}
    told = join(ask(litellm, **to(vendor_server, vendor, model), **options))

    assert (told["text"], told["reasoning"], told["arguments"]) == ("好的", "想一想", '{"city": "北京"}')
    assert told["ends"] == [(0, "tool_calls")]
    check_usage(told["usage"])


def test_both_answers_of_a_stream_tell_why_they_ended(litellm: Any, ask: Ask, server: ScriptedServer) -> None:
    def one(index: int, delta: dict[str, Any], end: str | None = None) -> dict[str, Any]:
        return piece({}, choices=[{"index": index, "delta": delta, "finish_reason": end}])

    said = [one(0, {"role": "assistant", "content": "一"}), one(1, {"role": "assistant", "content": "二"})]
    server.default(sse=[*said, one(0, {}, "stop"), one(1, {}, "length"), "[DONE]"])

    where = {"api_base": f"{server.url}/v1", "api_key": "sk-1", "messages": MESSAGES}
    told = join(ask(litellm, model="unionllm/moonshot/moonshot-v1-8k", n=2, stream=True, **where))

    assert sorted(told["ends"]) == [(0, "stop"), (1, "length")]


def test_what_a_platform_retrieved_arrives(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    for _ in range(2):
        vendor_server.reply(text=["七天", "内"], context=[{"id": 1, "content": "自签收起七天", "score": 0.9}])

    answer = ask(litellm, **to(vendor_server, "dify"), user="u-1")
    chunks = list(ask(litellm, **to(vendor_server, "dify"), user="u-1", stream=True))

    assert answer.context[0]["content"] == "自签收起七天"
    assert answer.conversation_id
    found = [chunk for chunk in chunks if getattr(chunk, "context", None)]
    assert found[-1].context[0]["content"] == "自签收起七天"
    assert all(request.json["user"] == "u-1" for request in vendor_server.requests if request.method == "POST")


def test_arguments_reach_the_vendor(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    tuned = {"temperature": 0.3, "max_completion_tokens": 9, "stop": ["。"], "do_sample": True}
    thinks = {"thinking": {"type": "disabled"}, "allowed_openai_params": ["thinking"]}
    more = {"extra_headers": {"x-trace": "42"}, "extra_body": {"request_id": "order-0001"}, "user": "user-000001"}

    ask(litellm, **to(vendor_server, "zhipuai", "glm-4.6"), **tuned, **thinks, **more, metadata={"team": "a"})

    [request] = vendor_server.requests
    assert request.headers["x-trace"] == "42"
    sent = {name: value for name, value in request.json.items() if name != "messages"}
    assert sent == {
        "model": "glm-4.6",
        "temperature": 0.3,
        "max_tokens": 9,
        "stop": ["。"],
        "do_sample": True,
        "thinking": {"type": "disabled"},
        "request_id": "order-0001",
        "user_id": "user-000001",
    }


def test_images_reach_the_vendor(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    pixel = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()
    parts = [
        {"type": "text", "text": "这是什么？"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}},
    ]
    model = vendor_server.vendor("qwen").examples["image"]

    ask(litellm, **{**to(vendor_server, "qwen", model), "messages": [{"role": "user", "content": parts}]})

    [request] = vendor_server.requests
    assert not request.refused
    assert request.json["messages"][0]["content"][1]["image_url"]["url"].endswith(pixel)


@pytest.mark.parametrize("vendor", ["deepseek", "zhipuai"])
def test_litellms_own_message_can_be_handed_back(
    litellm: Any, ask: Ask, vendor_server: VendorServer, vendor: str
) -> None:
    """DeepSeek refuses tools without the thoughts that led to them; no vendor knows LiteLLM's own fields."""
    model = {"zhipuai": "glm-4.6", "deepseek": "deepseek-v4-flash"}[vendor]
    vendor_server.reply(reasoning="想", tool_calls=[CALL])
    vendor_server.reply(text="25 度")
    call = {**to(vendor_server, vendor, model), "tools": [TOOL]}

    first = ask(litellm, **call).choices[0].message
    result = {"role": "tool", "tool_call_id": "call_1", "content": "25"}
    for said in (first, first.model_dump()):
        ask(litellm, **{**call, "messages": [*MESSAGES, said, result]})

    assert vendor_server.refused == []
    for request in vendor_server.requests[1:]:
        assert request.json["messages"][1]["reasoning_content"] == "想"
        assert set(request.json["messages"][1]) <= {"role", "content", "tool_calls", "reasoning_content"}


ERRORS = {
    "auth": ("AuthenticationError", 401),
    "permission": ("PermissionDeniedError", 403),
    "no_balance": ("PaymentRequiredError", 402),
    "rate_limit": ("RateLimitError", 429),
    "overloaded": ("ServiceUnavailableError", 503),
    "not_found": ("NotFoundError", 404),
    "bad_request": ("BadRequestError", 400),
    "context": ("ContextWindowExceededError", 400),
    "policy": ("ContentPolicyViolationError", 400),
    "server": ("InternalServerError", 500),
    "malformed": ("InternalServerError", 500),
    "html": ("InternalServerError", 502),
    "cut": ("APIConnectionError", 500),
}


def failure(call: Callable[[], Any]) -> Any:
    """The error of a call, with the one below what LiteLLM makes of an error in a stream."""
    with pytest.raises(Exception) as caught:  # which one is what the tests ask
        for _ in call() or ():
            pass
    return getattr(caught.value, "original_exception", None) or caught.value


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_of_litellms_classes(
    litellm: Any, ask: Ask, vendor_server: VendorServer, fault: str, stream: bool
) -> None:
    vendor_server.fault(fault, **({"retry_after": 3} if fault == "rate_limit" else {}))
    call = to(vendor_server, "zhipuai", "glm-4.6")

    error = failure(lambda: ask(litellm, **call, stream=stream))

    name, status = ERRORS[fault]
    assert type(error) is getattr(litellm, name)
    assert error.status_code == status
    assert error.llm_provider == "unionllm"
    assert error.model == "zhipuai/glm-4.6"
    assert "zhipuai: " in str(error)
    # LiteLLM waits as long as this says, and tries again itself.
    assert error.litellm_response_headers.get("retry-after") == ("3" if fault == "rate_limit" else None)
    assert len(vendor_server.requests) == 1
    assert call["api_key"] not in everything(error)


def everything(error: BaseException | None) -> str:
    """All that an error shows, and those below it."""
    if error is None:
        return ""
    below = [error.__cause__, None if error.__suppress_context__ else error.__context__]
    held = {name: value for name, value in vars(error).items() if name not in ("logging_obj",)}
    headers = dict(getattr(getattr(error, "request", None), "headers", {}))
    return f"{error!r} {error} {held} {headers} {''.join(map(everything, below))}"


def test_a_vendors_code_stands_in_the_error(litellm: Any, vendor_server: VendorServer) -> None:
    vendor_server.fault("no_balance")

    error = failure(lambda: litellm.completion(**to(vendor_server, "zhipuai", "glm-4.6")))

    assert error.code == "1113"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_vendor_that_says_nothing_is_a_timeout(
    litellm: Any, ask: Ask, vendor_server: VendorServer, stream: bool
) -> None:
    vendor_server.fault("slow", seconds=5)

    error = failure(lambda: ask(litellm, **to(vendor_server, "zhipuai", "glm-4.6"), timeout=0.2, stream=stream))

    assert type(error) is litellm.Timeout
    assert error.status_code == 408
    assert "first token" in str(error)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_vendor_that_is_not_there_is_a_connection_error(
    litellm: Any, ask: Ask, vendor_server: VendorServer, stream: bool
) -> None:
    with vendor_server.refusing():
        error = failure(lambda: ask(litellm, **to(vendor_server, "zhipuai", "glm-4.6"), stream=stream))

    assert type(error) is litellm.APIConnectionError


def test_a_refused_stream_raises_at_the_call(litellm: Any, vendor_server: VendorServer) -> None:
    vendor_server.fault("rate_limit")

    with pytest.raises(litellm.RateLimitError):
        litellm.completion(**to(vendor_server, "zhipuai", "glm-4.6"), stream=True)


def test_a_stream_that_breaks_off_is_an_error(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    """LiteLLM itself would end it with "stop"."""
    vendor_server.fault("cut", text=["一", "二", "三"], after=3)

    error = failure(lambda: ask(litellm, **to(vendor_server, "zhipuai", "glm-4.6"), stream=True))

    assert type(error) is litellm.APIConnectionError


def test_no_key_is_ever_borrowed(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    """OPENAI_API_KEY is set in these tests."""
    call = to(vendor_server, "moonshot")
    del call["api_key"]

    error = failure(lambda: ask(litellm, **call))

    assert type(error) is litellm.AuthenticationError
    assert "MOONSHOT_API_KEY" in str(error)
    assert vendor_server.requests == []


@pytest.mark.parametrize("model", ["openai/gpt-4o", "moonshoot/kimi-k3", "nothing"])
def test_only_native_providers_are_called(litellm: Any, ask: Ask, model: str) -> None:
    error = failure(lambda: ask(litellm, model=f"unionllm/{model}", messages=MESSAGES, api_key="sk-1"))

    assert type(error) is litellm.BadRequestError
    assert "Unknown provider" in str(error)


def test_bad_arguments_are_bad_requests(litellm: Any, ask: Ask, vendor_server: VendorServer) -> None:
    call = to(vendor_server, "zhipuai", "glm-4.6")

    error = failure(lambda: ask(litellm, **call, param_policy="strict", temperature=1.4))

    assert type(error) is litellm.BadRequestError
    assert vendor_server.requests == []
