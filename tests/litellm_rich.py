"""Answers with everything in them, in the formats of several vendors that are reached through LiteLLM."""

from __future__ import annotations

import base64
import json
from typing import Any

from litellm_vendor import USAGE, piece, whole

PNG = base64.b64encode(b"\x89PNG picture").decode()
_CITED = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0}}
_IMAGE = {"type": "image_url", "index": 0, "image_url": {"url": f"data:image/png;base64,{PNG}"}}
_WORD: dict[str, Any] = {"token": "你", "logprob": -0.25, "bytes": [228], "top_logprobs": []}
_LOGPROBS = {
    "content": [{**_WORD, "top_logprobs": [{"token": "您", "logprob": -1.5, "bytes": [230]}]}],
    "refusal": None,
}
_COUNTED = {**USAGE, "prompt_cache_hit_tokens": 2, "cost_details": {"upstream": 0.125}}
#: Two calls of tools.
CALLS = [
    {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}},
    {"id": "call-2", "type": "function", "function": {"name": "time", "arguments": "{}"}},
]
TOLD = {
    "content": "晴",
    "reasoning_content": "先查天气",
    "tool_calls": CALLS,
    "annotations": [_CITED],
    "images": [_IMAGE],
    "refusal": "not quite",
    "vendor_message_field": {"deep": ["x", 7]},
}


def openai_whole() -> dict[str, Any]:
    """An answer in OpenAI's format."""
    made = whole(TOLD, usage=_COUNTED, system_fingerprint="fp-1", citations=["https://c.example"], vendor_top={"a": 11})
    made["choices"][0] |= {"finish_reason": "tool_calls", "logprobs": _LOGPROBS, "vendor_choice_field": "seen"}
    return made


def openai_events() -> list[Any]:
    """The same as a stream."""
    first, second = ({"index": number, **call} for number, call in enumerate(CALLS))
    begun = {**first, "function": {"name": "weather", "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": part}} for part in ('{"city": ', '"北京"}')]
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "reasoning_content": "先查"},
        {"reasoning_content": "天气"},
        {"content": "晴", "vendor_delta_field": {"deep": 7}},
        {"annotations": [_CITED]},
        {"images": [_IMAGE]},
        {"tool_calls": [begun]},
        *({"tool_calls": [part]} for part in rest),
        {"tool_calls": [second]},
    ]
    events = [piece(delta, system_fingerprint="fp-1", vendor_top={"a": 11}) for delta in deltas]
    events[2]["choices"][0]["logprobs"] = _LOGPROBS
    end = piece({}, "tool_calls", citations=["https://c.example"])
    end["choices"][0]["vendor_choice_field"] = "seen"
    return [*events, end, {**piece({}), "choices": [], "usage": _COUNTED}, "[DONE]"]


THINKING = {"type": "thinking", "thinking": "先查天气", "signature": "sig-of-the-thought"}
REDACTED = {"type": "redacted_thinking", "data": "sealed-thought"}
_USED = {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1}
_TOOLS = [{"type": "tool_use", "id": call["id"], "name": call["function"]["name"]} for call in CALLS]
_PLACE = {"type": "char_location", "cited_text": "晴", "document_index": 0, "document_title": "天气"}
_PLACE |= {"start_char_index": 0, "end_char_index": 1}


def anthropic_whole() -> dict[str, Any]:
    """An answer in Anthropic's format."""
    tools = [
        {**tool, "input": json.loads(CALLS[number]["function"]["arguments"])} for number, tool in enumerate(_TOOLS)
    ]
    text = {"type": "text", "text": "晴", "citations": [_PLACE]}
    made = {"id": "m-1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "tool_use"}
    return {**made, "content": [THINKING, REDACTED, text, *tools], "usage": _USED}


def anthropic_events() -> list[bytes]:
    """The same as a stream."""
    start = {"id": "m-1", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                *({"type": "thinking_delta", "thinking": part} for part in ("先查", "天气")),
                {"type": "signature_delta", "signature": THINKING["signature"]},
            ],
        ),
        (REDACTED, []),
        (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": "晴"}, {"type": "citations_delta", "citation": _PLACE}],
        ),
        *(
            ({**tool, "input": {}}, [{"type": "input_json_delta", "partial_json": CALLS[n]["function"]["arguments"]}])
            for n, tool in enumerate(_TOOLS)
        ),
    ]
    events = [_event("message_start", message={**start, "usage": {**_USED, "output_tokens": 1}})]
    for index, (block, deltas) in enumerate(blocks):
        events.append(_event("content_block_start", index=index, content_block=block))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    return [*events, _event("message_delta", delta=end, usage={"output_tokens": 4}), _event("message_stop")]


def _event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()


def gemini_whole() -> dict[str, Any]:
    """An answer in Gemini's format, or the whole of a stream of one event."""
    call = {"functionCall": {"name": "weather", "args": {"city": "北京"}}, "thoughtSignature": "c2ln"}
    parts = [{"text": "先查天气", "thought": True}, {"text": "晴"}, call]
    parts.append({"inlineData": {"mimeType": "image/png", "data": PNG}})
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP", "avgLogprobs": -0.5}
    chunk = {"web": {"uri": "https://a.example", "title": "A"}}
    candidate["groundingMetadata"] = {"webSearchQueries": ["天气"], "groundingChunks": [chunk]}
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 12, "thoughtsTokenCount": 5}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-x", "responseId": "g-1"}
