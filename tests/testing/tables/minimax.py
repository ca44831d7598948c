"""platform.minimax.io/docs: text-chat-openai, chatcompletion_v2, error codes."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, CALLED, COUNTS, OPEN, ROUND, SAID, STRAY, THOUGHT, TOOL, seen

USUAL = {"model": "MiniMax-M3", "messages": ASK}
_NATIVE = "/text/chatcompletion_v2"
_SYSTEM = {"role": "system", "content": "s"}

ACCEPTED = [
    body(temperature=2, top_p=1, max_completion_tokens=10, reasoning_split=True, stop=["a"], seed=1),
    body(model="MiniMax-M2.7", temperature=1, max_tokens=10, response_format={"type": "json_object"}),
    body(tools=[TOOL, {"type": "web_search"}], tool_choice="auto", messages=ROUND),
    body(thinking={"type": "disabled"}, messages=[_SYSTEM, *ASK]),
    body(messages=seen(), n=2),
    Call(path=_NATIVE, body={"mask_sensitive_info": True}),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says="invalid api key (2049)"),
    Refused(call=Call(headers={"Authorization": GONE}, path=_NATIVE), status=200, says='"status_code":1004'),
    Refused(call=Call(path=_NATIVE, body={"temperature": 0}), status=200, says='"choices":null'),
    Refused(call=Call(path="/text/chatcompletion"), status=404, says="no such path"),
    refused(400, "temperature must be in (0, 2] (2013)", temperature=0),
    refused(400, "temperature must be in (0, 1] (2013)", model="MiniMax-M2.7", temperature=1.5),
    refused(400, "top_p", top_p=0),
    refused(400, "thinking", thinking={"type": "enabled"}),
    refused(400, "tool_choice", tools=[TOOL], tool_choice="required"),
    refused(400, "strict", tools=[{"type": "function", "function": {**TOOL["function"], "strict": True}}]),
    refused(400, "only one system message", messages=[_SYSTEM, _SYSTEM, *ASK]),
    refused(400, "more than a system message", messages=[_SYSTEM]),
    refused(400, "does not exist (2013)", model="minimax-m3"),
    refused(400, "'image_url' is not supported", model="MiniMax-M2.7", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
    refused(400, "tool_calls", messages=[*ASK, {**CALLED, "tool_calls": [{"id": "a"}]}]),
]

_HEAD = {"id": "06b00001", "created": NOW, "model": "MiniMax-M3"}
_VERDICT = {
    "input_sensitive": False,
    "output_sensitive": False,
    "input_sensitive_type": 0,
    "output_sensitive_type": 0,
}
_OK = {"base_resp": {"status_code": 0, "status_msg": ""}}
_NAMED = {"role": "assistant", "name": "MiniMax AI"}
_NOTHING = {"total_tokens": 0, "total_characters": 0}
_DETAIL = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0}
_USAGE = {
    "total_characters": 0,
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
_SAID_USAGE = {
    "total_characters": 0,
    **COUNTS,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def _whole(usage: object, **message: object) -> dict[str, object]:
    answer = {**_NAMED, "audio_content": "", **message}
    choices = [{"index": 0, "finish_reason": "stop", "message": answer}]
    return {**_HEAD, "object": "chat.completion", "choices": choices, "usage": usage, **_VERDICT, **_OK}


def _event(delta: dict[str, object] | None, **more: object) -> dict[str, object]:
    choices = [{"index": 0, "delta": delta, **more}]
    return {**_HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": _NOTHING, **_VERDICT}


_SPLIT = {"content": "4", "reasoning_content": "2+2", "reasoning_details": [{**_DETAIL, "text": "2+2"}]}

SHAPES = [
    Shape(call=body(), reply=THOUGHT, whole=_whole(_USAGE, content="<think>\n2+2\n</think>\n\n4")),
    Shape(call=Call(path=_NATIVE, body={"reasoning_split": True}), reply=THOUGHT, whole=_whole(_USAGE, **_SPLIT)),
    Shape(
        call=body(stream=True, reasoning_split=True),
        reply=THOUGHT,
        stream=[
            _event(
                {
                    **_NAMED,
                    "audio_content": "",
                    "reasoning_content": "2+",
                    "reasoning_details": [{**_DETAIL, "text": "2+"}],
                }
            ),
            _event(
                {
                    "name": "MiniMax AI",
                    "audio_content": "",
                    "reasoning_content": "2",
                    "reasoning_details": [{**_DETAIL, "text": "2"}],
                }
            ),
            _event({"name": "MiniMax AI", "content": "4"}),
            _event(None, finish_reason="stop"),
            _whole(_USAGE, **_SPLIT),
        ],
    ),
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=[
            _event({**_NAMED, "content": "he"}),
            _event({"name": "MiniMax AI", "content": "llo"}),
            _event(None, finish_reason="stop"),
            _whole(_SAID_USAGE, content="hello"),
            {**_event(None), "choices": [], "usage": _SAID_USAGE},
        ],
    ),
]
