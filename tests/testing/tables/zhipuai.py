"""docs.bigmodel.cn: api-code, chat completion; docs.z.ai: chat completion."""

from __future__ import annotations

from rows import GONE, NOW, Call, Refused, Shape, body, refused

from .common import ASK, BROKEN, CALLS, DETAILED, NAMED, OPEN, ROUND, SAID, STRAY, TOOL, seen

USUAL = {"model": "glm-4.6", "messages": ASK}
_SEARCH = {"type": "web_search", "web_search": {"enable": True}}

ACCEPTED = [
    body(temperature=1, top_p=0.01, max_tokens=131_072, stop=["a"], do_sample=False, seed=1, user_id="u" * 6),
    body(tools=[TOOL, _SEARCH], tool_choice="auto", tool_stream=True, messages=ROUND),
    body(thinking={"type": "enabled", "clear_thinking": False}, reasoning_effort="low", response_format=None),
    body(model="glm-4.6v", messages=seen()),
    body(model="glm-4.6v", messages=seen("https://example.com/a.mp4", "video_url")),
    Call(base="/api/coding/paas/v4"),
]

REFUSED = [
    Refused(call=Call(headers={"Authorization": "Bearer wrong"}), status=401, says='"1000"'),
    Refused(call=Call(headers={"Authorization": GONE}), status=401, says='"1001"'),
    Refused(call=Call(headers={"Authorization": "Bearer a.b.c"}), status=401, says='"1002"'),
    Refused(call=Call(path="/completions"), status=404, says="no such path"),
    Refused(call=Call(content=b"{"), status=400, says="1210"),
    refused(400, '"1211"', model="glm-9"),
    refused(400, "temperature must be in [0, 1]", temperature=1.1),
    refused(400, "top_p", top_p=0),
    refused(400, "stop", stop=["a", "b"]),
    refused(400, "stop", stop="a"),
    refused(400, "user_id", user_id="u"),
    refused(400, "tool_choice", tools=[TOOL], tool_choice="required"),
    refused(400, "tool_choice", tools=[TOOL], tool_choice=NAMED),
    refused(400, "thinking", thinking={"type": "auto"}),
    refused(400, "thinking", model="glm-5.3", thinking={"type": "disabled"}),
    refused(400, "1214", messages=[{"role": "system", "content": "s"}]),
    refused(400, "'image_url' is not supported", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
    refused(400, "has no tool message", messages=OPEN),
    refused(400, "no JSON", messages=BROKEN),
    refused(400, "unknown role", messages=[{"role": "developer", "content": "d"}]),
]

_HEAD = {"id": "zhipuai-1", "created": NOW, "model": "glm-4.6", "request_id": "zhipuai-1"}
_PAGE = {"content": "晴", "title": "t", "url": "https://example.com"}
_FOUND = {
    "refer": "ref_1",
    "title": "t",
    "link": "https://example.com",
    "content": "晴",
    "media": "",
    "icon": "",
}


def _event(delta: dict[str, object], **more: object) -> dict[str, object]:
    return {**_HEAD, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, **more}]}


_ENDED = {**_event({"content": ""}, finish_reason="stop"), "usage": DETAILED}
_ONE = {"index": 0, "id": "call_1", "type": "function"}

SHAPES = [
    Shape(
        call=body(),
        reply={**SAID, "context": [_PAGE], "finish_reason": "content_filter"},
        whole={
            **_HEAD,
            "object": "chat.completion",
            "choices": [
                {"index": 0, "finish_reason": "sensitive", "message": {"role": "assistant", "content": "hello"}}
            ],
            "usage": DETAILED,
            "web_search": [_FOUND],
        },
    ),
    Shape(
        call=body(stream=True),
        reply={**SAID, "reasoning": ["2"]},
        stream=[
            _event({"content": ""}),
            _event({"reasoning_content": "2"}),
            _event({"content": "he"}),
            _event({"content": "llo"}),
            _ENDED,
            "data: [DONE]",
        ],
    ),
    Shape(
        call=body(stream=True, tools=[TOOL]),
        reply=CALLS,
        stream=[
            _event({"content": ""}),
            _event({"tool_calls": [{**_ONE, "function": {"name": "f", "arguments": '{"a":1}'}}]}),
            {**_event({"content": ""}, finish_reason="tool_calls"), "usage": DETAILED},
            "data: [DONE]",
        ],
    ),
]
