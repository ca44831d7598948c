"""docs.siliconflow.cn, and what clients send."""

from __future__ import annotations

from rows import NOW, Call, Refused, Shape, body, refused

from .common import ASK, CALLED, DETAILED, RESULT, SAID, STRAY, TOOL, WRONG_KEY, seen

_MODEL = "deepseek-ai/DeepSeek-V3.2"
USUAL = {"model": _MODEL, "messages": ASK}
_SYSTEM = {"role": "system", "content": "s"}
_TWO_CALLS = {**CALLED, "tool_calls": [*CALLED["tool_calls"], {**CALLED["tool_calls"][0], "id": "call_2"}]}
_RESULTS = [*ASK, _TWO_CALLS, RESULT, {**RESULT, "tool_call_id": "call_2"}]

ACCEPTED = [
    body(temperature=1, top_p=0.7, top_k=50, min_p=0.05, max_tokens=4096, n=1),
    body(model="Pro/deepseek-ai/DeepSeek-V3.2", enable_thinking=True, thinking_budget=128),
    body(messages=_RESULTS, tools=[TOOL]),
    body(model="Qwen/Qwen2.5-VL-72B-Instruct", messages=seen()),
    body(messages=[_SYSTEM, *ASK]),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says='"message":"Api key is invalid"'),
    refused(400, '"code":20012', model="DeepSeek-V3.2"),
    refused(400, "thinking_budget must be in [128, 32768]", thinking_budget=127),
    refused(400, "enable_thinking must be a boolean", enable_thinking="yes"),
    refused(400, "two messages of role user", messages=[*ASK, *ASK]),
    refused(400, "two messages of role system", messages=[_SYSTEM, _SYSTEM, *ASK]),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

_HEAD = {"id": "siliconflow-1", "created": NOW, "model": _MODEL, "object": "chat.completion.chunk"}


def _event(delta: object, finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_HEAD, "choices": [choice], "usage": DETAILED}


SHAPES = [
    Shape(
        call=body(stream=True),
        reply=SAID,
        stream=[
            _event({"role": "assistant", "content": ""}),
            _event({"content": "he"}),
            _event({"content": "llo"}),
            _event({}, "stop"),
            "data: [DONE]",
        ],
    ),
]
