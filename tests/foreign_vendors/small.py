"""Formats that one vendor alone speaks, in little code: Cohere, Ollama, Replicate, NLP Cloud, Petals, Voyage."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from scripts import Recorded, Reply

from .openai_chat import Dialect, OpenAIChat, text_of
from .vendor import ANSWER_TOKENS, PIECES, PROMPT_TOKENS, QUESTION, TEXT, RefusalError, Vendor


class Cohere(Vendor):
    """https://docs.cohere.com/reference/chat and /reference/chat-stream, read 2026-11-29."""

    model = "command-a-03-2025"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        # https://docs.cohere.com/docs/compatibility-api, read 2026-11-29: OpenAI's format, without stream_options.
        path, without = "/compatibility/v1/chat/completions", frozenset({"stream_options"})
        self.compatible = OpenAIChat(key, Dialect(path=path, model=self.model, refuses=without, volunteers=True))

    def answer(self, request: Recorded) -> Reply:
        if request.path == self.compatible.dialect.path:
            reply = self.compatible.answer(request)
            self.answered += 1
            return reply
        self.need_route(request, "/v2/chat")
        self.need_header(request, "authorization", f"Bearer {self.key}")
        body = self.need_json(request)
        self.need_fields(body, {"model", "messages", "stream", "max_tokens", "temperature"})
        asked = [(one["role"], text_of(one["content"])) for one in body["messages"]]
        if body.get("model") != self.model or asked != [("user", QUESTION)]:
            self.refuse(400, "the messages are not what was asked")
        self.answered += 1
        return Reply(chunks=self.events()) if body.get("stream") else Reply(json=self.whole())

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
        return {"id": "chat-1", "finish_reason": "COMPLETE", "message": message, "usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        counts = {"input_tokens": PROMPT_TOKENS, "output_tokens": ANSWER_TOKENS}
        return {"billed_units": counts, "tokens": counts}

    def events(self) -> list[bytes]:
        def event(name: str, **fields: Any) -> bytes:
            return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()

        def content(text: str) -> dict[str, Any]:
            return {"message": {"content": {"text": text}}}

        start = {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}
        return [
            event("message-start", id="chat-1", delta=start),
            event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}}),
            *(event("content-delta", index=0, delta=content(piece)) for piece in PIECES),
            event("content-end", index=0),
            event("message-end", delta={"finish_reason": "COMPLETE", "usage": self.usage()}),
            b"data: [DONE]\n\n",
        ]

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"id": "err-1", "message": refusal.message}


class Ollama(Vendor):
    """https://github.com/ollama/ollama/blob/main/docs/api.md, read 2026-11-29. No key, unless a proxy wants one."""

    model = "llama3"

    def answer(self, request: Recorded) -> Reply:
        self.need_route(request, "/api/generate", "/api/chat", "/api/show")
        if self.key:
            self.need_header(request, "authorization", f"Bearer {self.key}")
        body = request.json  # Ollama does not look at the type
        if self.model not in (body.get("model"), body.get("name")):
            self.refuse(404, f"model '{body.get('model')}' not found")
        if request.path == "/api/show":
            return Reply(json={"template": "{{ .Prompt }}", "capabilities": ["completion"], "model_info": {}})
        is_chat = request.path == "/api/chat"
        asked = text_of(body["messages"][0]["content"]) if is_chat else body.get("prompt", "")
        if QUESTION not in asked:
            self.refuse(400, "the prompt is not what was asked")
        self.answered += 1
        if body.get("stream", True):
            lines = [self.line(piece, is_chat=is_chat) for piece in PIECES]
            return Reply(chunks=[*lines, self.last("", is_chat=is_chat)], content_type="application/x-ndjson")
        return Reply(json=json.loads(self.last(TEXT, is_chat=is_chat)))

    def line(self, text: str, *, is_chat: bool, **more: Any) -> bytes:
        said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if is_chat else {"response": text}
        made = {"model": self.model, "created_at": "2026-11-29T00:00:00.000000Z", **said, "done": False, **more}
        return (json.dumps(made, ensure_ascii=False) + "\n").encode()

    def last(self, text: str, *, is_chat: bool) -> bytes:
        counts = {"prompt_eval_count": PROMPT_TOKENS, "eval_count": ANSWER_TOKENS, "total_duration": 5}
        return self.line(text, is_chat=is_chat, done=True, done_reason="stop", **counts)

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"error": refusal.message}


class Replicate(Vendor):
    """https://replicate.com/docs/reference/http, read 2026-11-29: a prediction is created, then looked at."""

    model = "meta/meta-llama-3-8b-instruct"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.looks: Counter[str] = Counter()
        self.is_streamed = False

    def answer(self, request: Recorded) -> Reply:
        scheme = request.headers.get("authorization", "").partition(" ")[0]
        if scheme not in ("Bearer", "Token"):
            self.refuse(401, "no authentication")
        self.need_header(request, "authorization", f"{scheme} {self.key}")
        if request.path == "/v1/predictions/p1":
            return self.look(request)
        self.need_route(request, f"/v1/models/{self.model}/predictions")
        body = self.need_json(request)
        self.need_fields(body, {"input", "stream", "webhook", "webhook_events_filter"})
        if QUESTION not in str(body.get("input", {}).get("prompt")):
            self.refuse(422, "input: prompt is required")
        self.answered += 1
        self.is_streamed = bool(body.get("stream") or body["input"].get("stream"))
        self.looks.clear()
        return Reply(status=201, json=self.prediction("starting", None))

    def look(self, request: Recorded) -> Reply:
        self.need_route(request, "/v1/predictions/p1", method="GET")
        self.looks["p1"] += 1
        if self.is_streamed and self.looks["p1"] == 1:
            return Reply(json=self.prediction("processing", PIECES[:1]))
        return Reply(json=self.prediction("succeeded", PIECES))

    def prediction(self, status: str, output: list[str] | None) -> dict[str, Any]:
        urls = {
            "get": "https://api.replicate.com/v1/predictions/p1",
            "cancel": "https://api.replicate.com/v1/p1/cancel",
        }
        return {"id": "p1", "model": self.model, "status": status, "output": output, "error": None, "urls": urls}

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"title": "refused", "detail": refusal.message, "status": refusal.status}


class NLPCloud(Vendor):
    """https://docs.nlpcloud.com/#generation, read 2026-11-29."""

    model = "dolphin"

    def answer(self, request: Recorded) -> Reply:
        self.need_route(request, f"/v1/gpu/{self.model}/generation")
        self.need_header(request, "authorization", f"Token {self.key}")
        body = self.need_json(request)
        self.need_fields(body, {"text", "max_length", "temperature", "top_p", "remove_input"})
        if QUESTION not in str(body.get("text")):
            self.refuse(422, "text is not what was asked")
        self.answered += 1
        counts = {"nb_input_tokens": PROMPT_TOKENS, "nb_generated_tokens": ANSWER_TOKENS}
        return Reply(json={"generated_text": TEXT, **counts})

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"detail": refusal.message}


class Petals(Vendor):
    """https://github.com/petals-infra/chat.petals.dev (POST /api/v1/generate), read 2026-11-29: a form, no key."""

    model = "petals-team/StableBeluga2"

    def hub(self, request: Recorded) -> Reply:
        """huggingface.co, where the model's prompt template is."""
        if request.path != f"/{self.model}/raw/main/tokenizer_config.json":
            return Reply(status=404, body="Entry not found")
        template = "{% for one in messages %}### {{ one['role'] }}: {{ one['content'] }}\n{% endfor %}### assistant:"
        return Reply(json={"chat_template": template, "bos_token": "<s>", "eos_token": "</s>"})

    def answer(self, request: Recorded) -> Reply:
        self.need_route(request, "/api/v1/generate")
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("model") != self.model or QUESTION not in form.get("inputs", ""):
            self.refuse(400, "the inputs are not what was asked")
        if not form.get("max_new_tokens") and not form.get("max_length"):
            self.refuse(400, "max_length or max_new_tokens is required")
        self.answered += 1
        return Reply(json={"ok": True, "outputs": TEXT})

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"ok": False, "traceback": refusal.message}


class Voyage(Vendor):
    """https://docs.voyageai.com/reference/embeddings-api, read 2026-11-29."""

    model = "voyage-3"

    def answer(self, request: Recorded) -> Reply:
        self.need_route(request, "/v1/embeddings")
        self.need_header(request, "authorization", f"Bearer {self.key}")
        body = request.json  # a body without a type is taken for JSON
        self.need_fields(body, {"model", "input", "input_type", "truncation", "output_dimension", "encoding_format"})
        if body.get("model") != self.model or body.get("input") != [QUESTION]:
            self.refuse(400, "the input is not what was asked")
        self.answered += 1
        data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
        return Reply(
            json={"object": "list", "data": data, "model": self.model, "usage": {"total_tokens": PROMPT_TOKENS}}
        )

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"detail": refusal.message}
