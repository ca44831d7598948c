"""What any provider must be able to do, in no vendor's format: calls, and what the vendor server answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from unionllm import exceptions

ASK = [{"role": "user", "content": "北京今天天气怎么样？用 JSON 回答。"}]
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Weather(BaseModel):
    """A reply in a shape of the caller's."""

    city: str
    degrees: int


def tool(name: str = "get_weather") -> dict[str, Any]:
    """A function as OpenAI describes it."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": "Weather", "parameters": parameters}}


def call(number: int = 1, name: str = "get_weather", arguments: Any = None) -> dict[str, Any]:
    """A tool call as the script says it."""
    return {"id": f"call_{number}", "name": name, "arguments": {"city": "北京"} if arguments is None else arguments}


def called(*numbers: int, **more: Any) -> dict[str, Any]:
    """An assistant's turn with these calls."""
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"city": "北京"}'},
        }
        for number in numbers
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


def result(number: int) -> dict[str, Any]:
    """What a tool said."""
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": "晴，25 度"}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One call that goes well."""

    name: str
    #: What the vendor's model must be able to do.
    needs: str = "chat"
    call: Mapping[str, Any] = field(default_factory=dict)
    #: Keywords of ``VendorServer.reply``.
    answer: Mapping[str, Any] = field(default_factory=dict)
    finish: str = "stop"

    def __str__(self) -> str:
        return self.name


_SAID = {"text": ["晴，", "25 °C ", "🙂。"], "usage": {"prompt": 12, "completion": 7}}
_TOOLS: dict[str, Any] = {"tools": [tool()]}
_IMAGE = {"type": "image_url", "image_url": {"url": PIXEL}}
_TEXT = {"type": "text", "text": "图里有什么？"}
_JSON = '{"city": "北京", "degrees": 25}'


def _scenario(name: str, needs: str = "chat", finish: str = "stop", answer: Any = None, **call: Any) -> Scenario:
    return Scenario(name=name, needs=needs, finish=finish, call=call, answer=_SAID if answer is None else answer)


def _tools(name: str, answer: Any, **call: Any) -> Scenario:
    finish = "tool_calls" if "tool_calls" in answer else "stop"
    return _scenario(name, needs="tools", finish=finish, answer=answer, **{**_TOOLS, **call})


SCENARIOS: Sequence[Scenario] = (
    _scenario("plain"),
    _scenario("system", messages=[{"role": "system", "content": "简短"}, *ASK]),
    _scenario("developer", messages=[{"role": "developer", "content": "简短"}, *ASK]),
    _scenario("two_systems", messages=[*({"role": "system", "content": word} for word in ("简短", "礼貌")), *ASK]),
    _scenario(
        "turns", messages=[*ASK, {"role": "assistant", "content": "晴"}, {"role": "user", "content": "明天呢？"}]
    ),
    _scenario("text_parts", messages=[{"role": "user", "content": [_TEXT, {"type": "text", "text": "简短"}]}]),
    _scenario("name", messages=[{"role": "user", "content": "你好", "name": "li"}]),
    _scenario("odd_characters", answer={"text": ["a\u2028b", "\u0085c\u2029", "\ufeffd\x7f"]}),
    _scenario("line_ends", answer={"text": ["a\r\n", "\rb\n\n", "data: c\n"]}),
    _scenario("looks_like_an_end", answer={"text": ["[DONE]", "data: [DONE]", "null"]}),
    _scenario("long", answer={"text": ["很长" * 5000, "🙂" * 100]}),
    _scenario("many_pieces", answer={"text": [str(number % 10) for number in range(300)]}),
    _scenario("byte_by_byte", answer={**_SAID, "split": 1}),
    _scenario("seven_bytes", answer={**_SAID, "split": 7}),
    _scenario("empty", answer={"text": "", "usage": {"prompt": 3, "completion": 1}}),
    _scenario("length", answer={**_SAID, "finish_reason": "length"}, finish="length"),
    _scenario("content_filter", answer={**_SAID, "finish_reason": "content_filter"}, finish="content_filter"),
    _scenario(
        "usage", answer={"text": "好", "usage": {"prompt": 900, "completion": 80, "cached": 512, "reasoning": 0}}
    ),
    _scenario("json_object", answer={"text": _JSON}, response_format={"type": "json_object"}),
    _scenario("json_class", answer={"text": _JSON}, response_format=Weather),
    _scenario("sampling", temperature=0.5, top_p=0.8, max_tokens=100),
    _scenario("sampling_high", temperature=2, top_p=1, presence_penalty=2, frequency_penalty=2),
    _scenario("sampling_low", temperature=0, top_p=0, presence_penalty=-2, frequency_penalty=-2),
    _scenario("stop_word", stop="。", seed=7, user="user-1", n=1),
    _scenario("stop_words", stop=["一", "二", "三", "四", "五", "六"]),
    _scenario("long_user", user="u" * 200),
    _scenario("nothing_given", temperature=None, tools=None, stop=None, max_tokens=None),
    _scenario("max_completion_tokens", max_completion_tokens=100),
    _scenario("extra_headers", extra_headers={"X-Test": "1"}),
    _scenario("thinking_on", thinking=True),
    _scenario("thinking_off", thinking=False),
    _scenario("effort_low", reasoning_effort="low"),
    _scenario("effort_max", reasoning_effort="max"),
    _scenario(
        "history_of_another_vendor",
        messages=[*ASK, {"role": "assistant", "content": "晴", "reasoning_content": "想"}, *ASK],
    ),
    _tools("tool", {"tool_calls": [call()]}),
    _tools("tool_with_text", {"text": ["让我", "看看"], "tool_calls": [call()]}),
    _tools("tool_without_arguments", {"tool_calls": [call(arguments={})]}),
    _tools("tool_in_pieces", {"tool_calls": [call(arguments=["{", '"city"', ":", '"北', '京"', "}"])]}),
    _tools("two_tools", {"tool_calls": [call(1), call(2, "get_time")]}, tools=[tool(), tool("get_time")]),
    _tools("tool_unused", _SAID),
    _tools("tool_forced", {"tool_calls": [call()]}, tool_choice="required"),
    _tools(
        "tool_named", {"tool_calls": [call()]}, tool_choice={"type": "function", "function": {"name": "get_weather"}}
    ),
    _tools("tool_forbidden", _SAID, tool_choice="none"),
    _tools("tools_at_once", {"tool_calls": [call()]}, parallel_tool_calls=True),
    _tools("tool_result", _SAID, messages=[*ASK, called(1), result(1)]),
    _tools("two_results", _SAID, messages=[*ASK, called(1, 2), result(1), result(2)]),
    _tools(
        "result_then_question",
        _SAID,
        messages=[*ASK, called(1), result(1), {"role": "assistant", "content": "晴"}, *ASK],
    ),
    _tools("tool_turn_with_thoughts", _SAID, messages=[*ASK, called(1, reasoning_content="先想"), result(1)]),
    _tools(
        "strict_tool", {"tool_calls": [call()]}, tools=[{**tool(), "function": {**tool()["function"], "strict": True}}]
    ),
    _scenario("reasoning", "thinking", answer={**_SAID, "reasoning": ["先", "想一想"]}),
    _scenario("reasoning_byte_by_byte", "thinking", answer={**_SAID, "reasoning": ["先想"], "split": 1}),
    _scenario("reasoning_alone", "thinking", answer={"text": "", "reasoning": "想"}, max_tokens=5),
    _scenario("picture", "image", messages=[{"role": "user", "content": [_TEXT, _IMAGE]}]),
    _scenario("picture_first", "image", messages=[{"role": "user", "content": [_IMAGE, _TEXT]}]),
)

#: Kinds of errors → their classes.
CLASSES: Mapping[str, type[exceptions.APIStatusError]] = {
    "auth": exceptions.AuthenticationError,
    "permission": exceptions.PermissionDeniedError,
    "no_balance": exceptions.InsufficientBalanceError,
    "rate_limit": exceptions.RateLimitError,
    "overloaded": exceptions.ServiceUnavailableError,
    "not_found": exceptions.NotFoundError,
    "bad_request": exceptions.BadRequestError,
    "context": exceptions.ContextWindowExceededError,
    "policy": exceptions.ContentPolicyViolationError,
    "server": exceptions.InternalServerError,
}


@dataclass(frozen=True, kw_only=True)
class Instead:
    """What a vendor's protocol makes of a scenario, and why."""

    finish: str = ""
    #: Calls of tools that come through.
    calls: int | None = None
    why: str


_UNSAID = "the vendor says no finish reason; only max_tokens would tell"
_MODERATED = "moderation is an error with this vendor, not an ending"
_PLATFORM = "an agent platform says that an answer is over, not why"
_AS_ONE = {"length": Instead(finish="stop", why=_PLATFORM), "content_filter": Instead(finish="stop", why=_PLATFORM)}

#: Provider → scenario → what its answer is instead.
DIFFERENT: Mapping[str, Mapping[str, Instead]] = {
    "adp": {"length": Instead(finish="stop", why="the platform says no finish reason but moderation")},
    "xunfei": {
        "length": Instead(finish="stop", why=_UNSAID),
        "content_filter": Instead(finish="stop", why=_MODERATED),
        "two_tools": Instead(calls=1, why="a frame has room for one call"),
    },
    "coze": _AS_ONE,
    "xunfei_http": {
        "length": Instead(finish="stop", why=_UNSAID),
        "content_filter": Instead(finish="stop", why=_MODERATED),
    },
    "dify": _AS_ONE,
    "bailian_app": _AS_ONE,
    "appbuilder": _AS_ONE,
}

#: Provider → kind of error → why it is not tried again, though it is with others.
NOT_RETRIED: Mapping[str, Mapping[str, str]] = {
    "fastgpt": {"server": "most often an app that is not set up; whatever goes wrong has this status"},
}

#: Provider → scenario → what happens instead, and why. ``refused``: a BadRequestError before anything is sent.
OTHERWISE: Mapping[str, Mapping[str, str]] = {}
