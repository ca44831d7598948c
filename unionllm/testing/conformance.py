"""Cases that any client of a vendor should pass, against ``VendorServer``: for adapters of other authors, and our own.

    from unionllm.testing import conformance

    @pytest.mark.parametrize("case", conformance.cases("zhipuai"), ids=str)
    def test_my_adapter(case, vendor_server):
        case.check(vendor_server, ask)

``ask`` is yours: it takes a ``Target`` and the arguments of a call in OpenAI's names, makes the call with the client
under test, and returns an ``Outcome``. ``ask_unionchat`` and ``ask_aunionchat`` do it for providers of unionllm, a
plugin's as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ._script import Tokens
from ._server import VendorServer

__all__ = ["CASES", "Ask", "Call", "Case", "Outcome", "Target", "ask_aunionchat", "ask_unionchat", "cases"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to ask, where, with which credentials, for which model."""

    vendor: str
    base_url: str
    credentials: Mapping[str, str]
    model: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One tool call as the client gave it out; ``arguments`` is a JSON text."""

    name: str
    arguments: str
    id: str = ""


@dataclass(kw_only=True)
class Outcome:
    """What the client made of the reply. What it does not tell stays None and is not compared."""

    text: str = ""
    reasoning: str | None = None
    tool_calls: Sequence[Call] = ()
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    #: The name of the exception that ended the call, or "".
    error: str = ""
    #: The HTTP status the exception tells.
    status: int | None = None


Ask: TypeAlias = Callable[[Target, dict[str, Any]], Outcome]

_QUESTION = [{"role": "user", "content": "北京今天天气怎么样？"}]
_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_CALL = {"id": "call_1", "name": "get_weather", "arguments": {"city": "北京"}}
_PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_RESULT = [
    *_QUESTION,
    {
        "role": "assistant",
        "content": "",
        # Some vendors refuse a tool turn whose reasoning does not come back; the others do not mind it.
        "reasoning_content": "先想",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "北京"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "晴，25 度"},
]
_IMAGE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "图里有什么？"},
            {"type": "image_url", "image_url": {"url": _PIXEL}},
        ],
    }
]
_USAGE = {"prompt": 12, "completion": 7}
#: Characters of one to four bytes.
_TEXT = ["晴，", "25 °C ", "ab", "🙂。"]
#: The same with three characters that careless readers take for the end of a line.
_ODD_TEXT = ["晴，", "25 °C\u2028", "a\u0085b\u2029", "🙂。"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call, what the server is told to answer, and what the client has to make of it."""

    vendor: str = ""
    name: str
    #: What the vendor's model must be able to do: ``chat``, ``tools``, ``image`` or ``thinking``.
    needs: str = "chat"
    request: Mapping[str, Any]
    #: Keywords of ``VendorServer.reply``.
    answer: Mapping[str, Any] = field(default_factory=dict)
    #: Keywords of ``VendorServer.fault``; then the call has to fail.
    fault: Mapping[str, Any] = field(default_factory=dict)
    #: Whether wrong credentials are sent; then the vendor has to refuse.
    bad_key: bool = False

    def __str__(self) -> str:
        return f"{self.vendor}-{self.name}"

    @property
    def fails(self) -> bool:
        """Whether the call has to end in an error."""
        return self.bad_key or bool(self.fault)

    def target(self, server: VendorServer) -> Target:
        """Where this case is asked."""
        played = server.vendor(self.vendor)
        credentials = server.credentials(self.vendor)
        if self.bad_key:
            credentials = {name: _spoiled(value) for name, value in credentials.items()}
        model = played.examples[self.needs]
        base_url = server.url(self.vendor, played.example_bases.get(self.needs))
        return Target(vendor=self.vendor, base_url=base_url, credentials=credentials, model=model)

    def prepare(self, server: VendorServer) -> None:
        """Tell the server what to answer."""
        server.clear()
        if self.fault:
            server.fault(vendor=self.vendor, **self.fault)
        elif not self.bad_key:
            server.reply(vendor=self.vendor, usage=_USAGE, **self.answer)

    def check(self, server: VendorServer, ask: Ask) -> Outcome:
        """Make the call with this client. Raises AssertionError where it does not do what it should."""
        self.prepare(server)
        outcome = ask(self.target(server), dict(self.request))
        self.check_outcome(server, outcome)
        return outcome

    def check_outcome(self, server: VendorServer, outcome: Outcome) -> None:
        """Judge what a client made of the call. Raises AssertionError."""
        if self.bad_key:
            _require(bool(server.refused), "the vendor accepted credentials that are wrong")
            _require(bool(outcome.error), "the client reports no error for refused credentials")
            return
        refused = [request.refused for request in server.refused]
        _require(not refused, f"the vendor refuses the request: {refused}")
        _require(server.waiting == 0, "the vendor was not asked for an answer")
        if self.fails:
            _require(bool(outcome.error), f"the client reports no error; it made {outcome} of it")
        else:
            self._check_answer(server, outcome)

    def _check_answer(self, server: VendorServer, outcome: Outcome) -> None:
        _require(not outcome.error, f"the client reports {outcome.error} (status {outcome.status})")
        wanted = "".join(self.answer.get("text", ""))
        _require(outcome.text == wanted, f"the text is {outcome.text!r}, not {wanted!r}")
        thought = "".join(self.answer.get("reasoning", ""))
        if outcome.reasoning is not None:
            _require(outcome.reasoning == thought, f"the reasoning is {outcome.reasoning!r}, not {thought!r}")
        self._check_calls(server, outcome)
        tokens = Tokens(**_USAGE)
        for name, told in (("prompt", outcome.prompt_tokens), ("completion", outcome.completion_tokens)):
            _require(told in (None, getattr(tokens, name)), f"{name} tokens: {told}, not {getattr(tokens, name)}")

    def _check_calls(self, server: VendorServer, outcome: Outcome) -> None:
        scripted = self.answer.get("tool_calls", ())
        wanted = [(call["name"], call["arguments"]) for call in scripted]
        got = [(call.name, json.loads(call.arguments)) for call in outcome.tool_calls]
        _require(got == wanted, f"the tool calls are {got}, not {wanted}")
        if server.vendor(self.vendor).gives_call_ids:
            ids = [call.id for call in outcome.tool_calls]
            _require(ids == [call["id"] for call in scripted], f"the ids of the tool calls are {ids}")


def _require(holds: bool, otherwise: str) -> None:
    # No `assert`: these checks belong to the product, and `python -O` must not switch them off.
    if not holds:
        raise AssertionError(otherwise)


def _spoiled(value: str) -> str:
    """Another credential of the same shape."""
    return value[:-1] + ("0" if value[-1] != "0" else "1")


def _case(name: str, request: Mapping[str, Any], *, needs: str = "chat", **more: Any) -> Case:
    return Case(name=name, needs=needs, request=request, **more)


_CALLED = {"tool_calls": [_CALL]}
_ASK: dict[str, Any] = {"messages": _QUESTION}
_STREAM: dict[str, Any] = {"messages": _QUESTION, "stream": True}

#: Every case, for no vendor in particular.
CASES: tuple[Case, ...] = (
    _case("chat", _ASK, answer={"text": _TEXT}),
    _case("stream", _STREAM, answer={"text": _TEXT}),
    _case("stream_byte_by_byte", _STREAM, answer={"text": _TEXT, "split": 1}),
    _case("chat_byte_by_byte", _ASK, answer={"text": _TEXT, "split": 1}),
    _case("chat_line_separators", _ASK, answer={"text": _ODD_TEXT}),
    _case("stream_line_separators", _STREAM, answer={"text": _ODD_TEXT, "split": 1}),
    _case("tools", {**_ASK, "tools": [_TOOL]}, needs="tools", answer=_CALLED),
    _case("tools_stream", {**_STREAM, "tools": [_TOOL]}, needs="tools", answer=_CALLED),
    _case("tool_result", {"messages": _RESULT, "tools": [_TOOL]}, needs="tools", answer={"text": "晴"}),
    _case("image", {"messages": _IMAGE}, needs="image", answer={"text": "一个点"}),
    _case("reasoning", _ASK, needs="thinking", answer={"text": "晴", "reasoning": ["先", "想"]}),
    _case("reasoning_stream", _STREAM, needs="thinking", answer={"text": "晴", "reasoning": ["先", "想"]}),
    _case("bad_key", _ASK, bad_key=True),
    _case("bad_key_stream", _STREAM, bad_key=True),
    _case("rate_limit", _ASK, fault={"name": "rate_limit"}),
    _case("rate_limit_stream", _STREAM, fault={"name": "rate_limit"}),
    _case("server_error", _ASK, fault={"name": "server"}),
    _case("error_in_stream", _STREAM, fault={"name": "server", "place": "in_stream", "text": "一二三四五六"}),
    _case("stream_cut", _STREAM, fault={"name": "cut", "text": "一二三四五六"}),
    _case("malformed", _ASK, fault={"name": "malformed"}),
    _case("html_page", _ASK, fault={"name": "html"}),
)


def cases(vendor: str) -> list[Case]:
    """The cases of that vendor: those its models can do. Raises ValueError for a name that is none."""
    from .vendors import VENDORS, load

    if vendor not in VENDORS:
        raise ValueError(f"no vendor {vendor!r}. Known: {', '.join(VENDORS)}")
    examples = load(vendor).examples
    return [replace(case, vendor=vendor) for case in CASES if case.needs in examples]


def ask_unionchat(target: Target, request: dict[str, Any]) -> Outcome:
    """Make the call with ``unionllm.unionchat``: for its own providers and for those of plugins."""
    from unionllm import UnionLLMError, unionchat

    arguments = _arguments(target, request)
    try:
        answer: Any = unionchat(**arguments)
        if request.get("stream"):
            for _ in (stream := answer):
                pass
            answer = stream.response
    except UnionLLMError as error:
        return _failed(error)
    return _answered(answer)


def ask_aunionchat(target: Target, request: dict[str, Any]) -> Outcome:
    """The same with ``unionllm.aunionchat``, in an event loop of its own."""
    return asyncio.run(_ask_aunionchat(target, request))


async def _ask_aunionchat(target: Target, request: dict[str, Any]) -> Outcome:
    from unionllm import UnionLLMError, aunionchat

    try:
        answer: Any = await aunionchat(**_arguments(target, request))
        if request.get("stream"):
            async for _ in (stream := answer):
                pass
            answer = stream.response
    except UnionLLMError as error:
        return _failed(error)
    return _answered(answer)


def _arguments(target: Target, request: dict[str, Any]) -> dict[str, Any]:
    given = {"provider": target.vendor, "base_url": target.base_url, "model": target.model, "max_retries": 0}
    return {**given, **target.credentials, **request}


def _failed(error: Exception) -> Outcome:
    return Outcome(error=type(error).__name__, status=getattr(error, "status_code", None))


def _answered(answer: Any) -> Outcome:
    choice, usage = answer.choices[0], answer.usage
    calls = choice.message.tool_calls or ()
    return Outcome(
        text=choice.message.content or "",
        reasoning=choice.message.reasoning_content or "",
        tool_calls=[Call(name=call.function.name, arguments=call.function.arguments, id=call.id) for call in calls],
        finish_reason=choice.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
    )
