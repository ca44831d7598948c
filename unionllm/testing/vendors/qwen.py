"""Alibaba Cloud Model Studio, played after help.aliyun.com/zh/model-studio, both protocols (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from .._checks import Check, ListOf, OneOf, Shape, Text, mapping
from .._exchange import Incoming, Problem, Refusal, Reply, Streamed, as_json
from .._openai import Chat, Model, OpenAILike
from .._script import Answer, Desk
from . import _qwen_native as native
from ._qwen_facts import FIELDS, KINDS, MODELS, PROBLEMS, STREAM_ONLY

_NATIVE = "/api/v1"
_STREAM_ONLY = "parameter.enable_thinking must be set to false for non-streaming calls"
_NO_STREAM = "This model only support stream mode, please enable the stream parameter to access the model."


class Played(OpenAILike):
    """The compatible endpoint, and the native one; the last event of the former tells the usage on request."""

    name = "qwen"
    base = "/compatible-mode/v1"
    test_credentials = {"api_key": "sk-0123456789abcdef0123456789abcdef"}
    problems = PROBLEMS
    kinds = KINDS
    examples = {
        "chat": "qwen-plus",
        "tools": "qwen-plus",
        "image": "qwen3-vl-plus",
        "thinking": "qwen3-max",
    }
    models = MODELS
    fields: ClassVar[Mapping[str, Check]] = {
        **FIELDS,
        "stream_options": Shape({"include_usage?": OneOf(True, False)}),
        "modalities": ListOf(OneOf("text", "audio"), low=1),
        "audio": Shape({"voice": Text(low=1), "format": OneOf("wav")}),
    }
    ignored = frozenset({"user", "max_completion_tokens", "reasoning_effort", "logit_bias"})
    embeds: ClassVar[Mapping[str, int]] = {"text-embedding-v4": 10, "text-embedding-v3": 10, "text-embedding-v2": 25}
    list_roles = frozenset({"system", "user", "assistant", "tool"})

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Either protocol, by the path; the refusals of the native one are flat."""
        if not request.path.startswith(_NATIVE):
            return super().answer(request, desk)
        try:
            return self._answer_natively(request, desk)
        except Refusal as refusal:
            raise Refusal(refusal.problem, refusal.place, native.encode_problem) from None

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """Models that only stream, thinking that only streams, JSON mode's word, and one answer with tools."""
        streams = body.get("stream") is True
        self._check_rules(body, body["messages"], model, streams)
        if body.get("stream_options") is not None and not streams:
            self.refuse("bad_request", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")

    def _check_rules(self, given: Mapping[str, Any], messages: Any, model: Model, streams: bool) -> None:
        thinks = self.is_thinking(given, model)
        if not streams and re.fullmatch(STREAM_ONLY, str(given.get("model"))):
            self.refuse("bad_request", _NO_STREAM)
        if thinks and not streams and model.thinks == "switch":
            self.refuse("bad_request", _STREAM_ONLY)
        kind = (given.get("response_format") or {}).get("type")
        if kind == "json_object" and "json" not in str(messages).lower():
            self.refuse("bad_request", "'messages' must contain the word 'json' in some form")
        if kind == "json_object" and thinks:
            self.refuse("bad_request", "Json mode response is not supported when enable_thinking is true")
        if (given.get("n") or 1) > 1 and given.get("tools"):
            self.refuse("bad_request", "n must be 1 when tools are given")
        self._check_oddities(given, thinks)
        if thinks and isinstance(given.get("tool_choice"), dict):
            self.refuse("bad_request", "tool_choice cannot name a function in thinking mode")

    def _check_oddities(self, given: Mapping[str, Any], thinks: bool) -> None:
        """Several answers only without thinking, no tool named search, no stop list of words and token ids."""
        if (given.get("n") or 1) > 1 and thinks:
            self.refuse("bad_request", "n must be 1 in thinking mode")
        if any(tool["function"]["name"] == "search" for tool in given.get("tools") or ()):
            self.refuse("bad_request", "a tool cannot be named search")
        stop = given.get("stop")
        if isinstance(stop, list) and len({isinstance(word, str) for word in stop}) > 1:
            self.refuse("bad_request", "stop cannot hold both words and token ids")

    def is_thinking(self, body: Mapping[str, Any], model: Model) -> bool:
        """``enable_thinking`` is the switch."""
        told = body.get("enable_thinking")
        return told is not False and (model.thinks == "switch" or (model.thinks == "on_request" and told is True))

    def head(self, chat: Chat) -> dict[str, Any]:
        """With a fingerprint of nothing."""
        return {**super().head(chat), "id": f"chatcmpl-{chat.number}", "system_fingerprint": None}

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """Ordinary events say that there is no usage yet."""
        for event in super().events(chat, answer):
            yield {"usage": None, **event} if isinstance(event, dict) else event

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """The text is null while the model thinks or calls; later pieces of a call have an empty id."""
        for delta in super().deltas(chat, answer):
            for call in delta.get("tool_calls", ()):
                call.setdefault("id", "")
                call.setdefault("type", "function")
            yield {"content": None, **delta}

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """The compatible endpoint has codes of its own."""
        code = problem.extra.get("compatible", problem.code)
        error = {"code": code, "message": problem.message, "param": None, "type": problem.type or code}
        return {"error": error, "request_id": "r-0"}

    # The native protocol.

    def _answer_natively(self, request: Incoming, desk: Desk) -> Reply:
        self.check_auth(request)
        if request.method != "POST" or request.path not in (_NATIVE + native.TEXT_PATH, _NATIVE + native.MEDIA_PATH):
            self.refuse("InvalidURL", status=404)
        body = self.require_json(request)
        model = self.find_model(body.get("model"))
        if fault := native.route_fault(request.path, body["model"]):
            self.refuse("bad_request", fault)
        is_media = request.path.endswith(native.MEDIA_PATH)
        messages: Any = mapping(body.get("input")).get("messages")
        if fault := native.messages_fault(messages, is_media, model):
            self.refuse("bad_request", fault)
        given = mapping(body.get("parameters"))
        self._check_parameters(given, model)
        streams = native.wants_stream(request)
        self._check_rules({**given, "model": body["model"]}, messages, model, streams)
        asked = native.understand(body["model"], messages, given, self.is_thinking(given, model))
        if asked.thinks and streams and given.get("incremental_output") is False:
            self.refuse("bad_request", "incremental_output must be true in thinking mode")
        answer = self.take(desk, replace(asked, stream=streams))
        counts = native.usage(answer.counted(asked), is_media)
        number = desk.make_number()
        if streams:
            told = given.get("incremental_output")
            # Unasked, some families send increments and the others the whole text so far.
            grows = not (asked.thinks or re.fullmatch(native.INCREMENTAL, asked.model)) if told is None else not told
            return self._stream_natively(answer, counts, number, is_media, grows)
        if given.get("result_format") == "text":
            return as_json(native.text_body(answer, counts, number))
        message = native.whole_message(answer, is_media)
        return as_json(native.body(message, answer.ending, answer, counts, number))

    def _check_parameters(self, given: Mapping[str, Any], model: Model) -> None:
        rules = {**native.PARAMETERS, **(model.fields or {})}
        if given.get("result_format") == "text" and given.get("tools"):
            self.refuse("bad_request", "tools need the result_format message")
        for name, value in given.items():
            check = rules.get(name)
            if name in rules and check is None:
                self.refuse("bad_request", f"parameters.{name} is not supported")
            if check is not None and value is not None and (fault := check.fault(value)):
                self.refuse("bad_request", f"parameters.{name} {fault}")

    def _stream_natively(
        self, answer: Answer, counts: Mapping[str, Any], number: int, is_media: bool, grows: bool
    ) -> Streamed:
        empty = {"role": "assistant", "content": native.content_of("", is_media)}
        messages = [*native.pieces(answer, is_media), empty]
        if grows:
            messages = list(native.grown(messages, is_media))
        events = []
        for place, message in enumerate(messages, 1):
            finish = answer.ending if place == len(messages) else "null"
            events.append(native.event(place, native.body(message, finish, answer, counts, number)))
        return Streamed(events=events, encode_error=native.encode_error)
