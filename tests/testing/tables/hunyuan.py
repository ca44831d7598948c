"""What clients of TokenHub and of Hunyuan's older endpoint send."""

from __future__ import annotations

from rows import NOW, Call, Refused, Shape, body, refused

from .common import ASK, DETAILED, ROUND, SAID, STRAY, TOOL, WRONG_KEY, plain_events, seen

USUAL = {"model": "hy3", "messages": ASK}
_TURN = [*ASK, {"role": "assistant", "content": "晴"}, *ASK]

ACCEPTED = [
    body(temperature=2, top_p=1, max_tokens=10, tools=[TOOL], tool_choice="required", messages=ROUND),
    body(thinking={"type": "adaptive", "budget_tokens": 1024}),
    body(model="minimax-m3", thinking={"type": "disabled"}),
    body(model="hunyuan-vision", messages=seen()),
    body(model="hunyuan-turbos-latest", enable_enhancement=True, search_info=True, citation=True),
    body(model="hy3-preview", messages=[*ASK, {**_TURN[1], "reasoning_content": ""}, *ASK]),
    Call(base="/coding/v3"),
]

REFUSED = [
    Refused(call=Call(headers=WRONG_KEY), status=401, says="invalid_api_key"),
    refused(404, "model_not_found", model="hy0"),
    refused(400, "temperature", temperature=2.1),
    refused(400, "thinking", thinking={"type": "auto"}),
    refused(400, "thinking", model="minimax-m3", thinking={"type": "enabled"}),
    refused(400, "thinking is not supported", model="hunyuan-turbos-latest", thinking={"type": "enabled"}),
    refused(400, "reasoning_content is required", model="hy3-preview", messages=_TURN),
    refused(400, "image_url", messages=seen()),
    refused(400, "answers no tool call", messages=STRAY),
]

SHAPES = [
    Shape(
        call=body(model="hunyuan-turbos-latest"),
        reply={**SAID, "context": [{"content": "", "title": "天气", "url": "https://a.example"}]},
        whole={
            "id": "hunyuan-1",
            "created": NOW,
            "model": "hunyuan-turbos-latest",
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
            "usage": DETAILED,
            "search_info": {"search_results": [{"index": 1, "title": "天气", "url": "https://a.example"}]},
        },
    ),
    Shape(
        call=body(stream=True, stream_options={"include_usage": True}),
        reply=SAID,
        stream=plain_events("hunyuan", "hy3"),
    ),
]
