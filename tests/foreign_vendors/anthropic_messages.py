"""Anthropic's Messages: https://docs.anthropic.com/en/api/messages and /messages-streaming, read 2026-11-29."""

from __future__ import annotations

import json
from typing import Any

from scripts import Recorded, Reply

from .openai_chat import text_of
from .vendor import ANSWER_TOKENS, PIECES, PROMPT_TOKENS, QUESTION, TEXT, RefusalError, Vendor

MODEL = "claude-sonnet-4-5"
_FIELDS = {"model", "messages", "max_tokens", "stream", "system", "temperature", "metadata"}


class AnthropicMessages(Vendor):
    def answer(self, request: Recorded) -> Reply:
        self.need_route(request, "/v1/messages")
        if "x-api-key" in request.headers:
            self.need_header(request, "x-api-key", self.key)
        else:  # as its own client writes it since its second version
            self.need_header(request, "authorization", f"Bearer {self.key}")
        if not request.headers.get("anthropic-version"):
            self.refuse(400, "anthropic-version: header is required")
        body = self.need_json(request)
        self.need_fields(body, _FIELDS)
        if body.get("model") != MODEL:
            self.refuse(404, f"model: {body.get('model')}")
        if not isinstance(body.get("max_tokens"), int):
            self.refuse(400, "max_tokens: Field required")
        if [(one["role"], text_of(one["content"])) for one in body["messages"]] != [("user", QUESTION)]:
            self.refuse(400, "the messages are not what was asked")
        self.answered += 1
        return Reply(chunks=list(_events())) if body.get("stream") else Reply(json=_whole())

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        kind = {401: "authentication_error", 404: "not_found_error"}.get(refusal.status, "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req-1"}


def _message(**fields: Any) -> dict[str, Any]:
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    return {**made, "stop_reason": None, "stop_sequence": None, **fields}


def _whole() -> dict[str, Any]:
    usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": ANSWER_TOKENS}
    return _message(content=[{"type": "text", "text": TEXT}], stop_reason="end_turn", usage=usage)


def _events() -> list[bytes]:
    def event(name: str, **fields: Any) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()

    start = _message(usage={"input_tokens": PROMPT_TOKENS, "output_tokens": 1})
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        event("message_start", message=start),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in PIECES),
        event("content_block_stop", index=0),
        event("message_delta", delta=ending, usage={"output_tokens": ANSWER_TOKENS}),
        event("message_stop"),
    ]
