"""Chat completions as OpenAI defined them, played: most vendors are this with facts of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._checks import Check, ListOf, Shape, Text, mapping, text_of, tool_calls_fault, tool_id_fault
from ._exchange import Incoming, Problem, Reply, Streamed, Whole, as_json, encode_json
from ._script import Answer, Asked, Desk, Tokens
from ._vendor import Vendor

#: Where a picture, a video or a file lies.
_ADDRESS = Shape({"url": Text(low=1)})


@dataclass(frozen=True, kw_only=True)
class Model:
    """A family of models, and what it can do."""

    #: Matched against the whole name, case included.
    pattern: str
    #: Parts of a user's message it can read besides text.
    parts: frozenset[str] = frozenset()
    #: "": never; "switch": unless told not to; "on_request": if told to; "always".
    thinks: str = ""
    #: Fields this family adds to, or rules differently from, the vendor's; None: it does not know the field.
    fields: Mapping[str, Check | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Chat:
    """One accepted request."""

    body: Mapping[str, Any]
    model: Model
    asked: Asked
    number: int
    created: int
    request: Incoming

    @property
    def wants_usage(self) -> bool:
        """Whether the stream was asked to end with its usage."""
        return bool(mapping(self.body.get("stream_options")).get("include_usage"))


class OpenAILike(Vendor):
    """A vendor that speaks chat completions. Facts are class attributes; behaviour is an overridden method."""

    chat_path: ClassVar[str] = "/chat/completions"
    #: Base paths the vendor answers under besides ``base``.
    more_bases: ClassVar[tuple[str, ...]] = ()
    models: ClassVar[Sequence[Model]]
    #: Fields with an effect, and what they may hold. ``model``, ``messages`` and ``stream`` are known anyway.
    fields: ClassVar[Mapping[str, Check]] = {}
    #: Fields that are read and have no effect.
    ignored: ClassVar[frozenset[str]] = frozenset()
    #: Whether a field that is in neither is refused.
    refuses_unknown: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"system", "user", "assistant", "tool"})
    #: Roles whose content may be a list of text parts.
    list_roles: ClassVar[frozenset[str]] = frozenset({"system", "user", "assistant", "tool"})
    #: OpenAI's finish reasons that the vendor says in another word.
    finish_words: ClassVar[Mapping[str, str]] = {}
    #: Where a stream has its usage: "finish", "last", "last_on_request", "choice", "every".
    usage_at: ClassVar[str] = "last_on_request"
    repeats_role: ClassVar[bool] = False
    #: Whether tool calls carry an index in a whole answer, too.
    numbers_calls: ClassVar[bool] = False
    #: Members of an error, of those that OpenAI has.
    error_members: ClassVar[tuple[str, ...]] = ("message", "type", "param", "code")
    ends_with_done: ClassVar[bool] = True
    data_prefix: ClassVar[bytes] = b"data: "
    #: Models that embed texts → how many of them one request may hold.
    embeds: ClassVar[Mapping[str, int]] = {}
    reasoning_name: ClassVar[str] = "reasoning_content"

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Check, then play the next answer."""
        if self.embeds and request.path in {base + "/embeddings" for base in (self.base, *self.more_bases)}:
            return self.embed(request, desk)
        chat = self.read(request, desk)
        answer = self.take(desk, chat.asked)
        return self.stream(chat, answer) if chat.asked.stream else self.whole(chat, answer)

    def embed(self, request: Incoming, desk: Desk) -> Reply:
        """Vectors of three numbers: the text's length, its place, and the first character's code point."""
        self.check_auth(request)
        body = self.require_json(request)
        most = self.embeds.get(str(body.get("model")))
        if most is None:
            self.refuse("not_found", f"model {body.get('model')!r} does not exist")
        given = body.get("input")
        texts: Any = [given] if isinstance(given, str) else given
        if fault := ListOf(Text(low=1), low=1, high=most).fault(texts):
            self.refuse("bad_request", f"input {fault}")
        self.take(desk, Asked(model=body["model"], turns=[("user", text) for text in texts]))
        vectors = [[float(len(text)), float(place), float(ord(text[0]))] for place, text in enumerate(texts)]
        rows = [{"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(vectors)]
        tokens = sum(map(len, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return as_json({"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage})

    # Reading a request.

    def read(self, request: Incoming, desk: Desk) -> Chat:
        """The request, if the vendor accepts it. Raises Refusal."""
        self.check_auth(request)
        self.check_route(request)
        body = self.require_json(request)
        model = self.find_model(body.get("model"))
        self.check_fields(body, model)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            self.refuse("bad_request", "messages must be an array that is not empty")
        for number, message in enumerate(messages):
            self.check_message(message, f"messages[{number}]", model)
        if fault := tool_id_fault(messages):
            self.refuse("bad_request", fault)
        self.check_rules(body, model)
        return Chat(
            body=body,
            model=model,
            asked=self.understand(body, model),
            number=desk.make_number(),
            created=int(request.now),
            request=request,
        )

    def check_auth(self, request: Incoming) -> None:
        """Raises Refusal unless the right key came in the way the vendor wants it."""
        self.require_bearer(request)

    def check_route(self, request: Incoming) -> None:
        """Raises Refusal unless method and path are right."""
        if request.path not in {base + self.chat_path for base in (self.base, *self.more_bases)}:
            self.refuse("not_found", f"no such path: {request.path}", status=404)
        if request.method != "POST":
            self.refuse("bad_request", f"method {request.method} is not allowed", status=405)

    def find_model(self, name: Any) -> Model:
        """What the named model can do. Raises Refusal for a model the vendor does not have."""
        if not isinstance(name, str) or not name:
            self.refuse("bad_request", "model is required")
        found = next((model for model in self.models if re.fullmatch(model.pattern, name)), None)
        return found or self.refuse("not_found", f"model {name!r} does not exist")

    def check_fields(self, body: Mapping[str, Any], model: Model) -> None:
        """Raises Refusal for a value, or a field, the vendor refuses. A null counts as not given."""
        rules: dict[str, Check | None] = {**self.fields, **(model.fields or {})}
        for name, value in body.items():
            if name in ("model", "messages") or value is None or name in self.ignored:
                continue
            if name == "stream":
                if not isinstance(value, bool):
                    self.refuse("bad_request", "stream must be a boolean")
            elif rules.get(name) is None:
                if self.refuses_unknown or name in rules:
                    self.refuse("bad_request", f"{name} is not supported")
            elif fault := rules[name].fault(value):  # type: ignore[union-attr]  # None is ruled out above
                self.refuse("bad_request", f"{name} {fault}" if fault[0] != "." else f"{name}{fault}")

    def check_message(self, message: Any, place: str, model: Model) -> None:
        """Raises Refusal for a message the vendor cannot read."""
        if not isinstance(message, dict):
            self.refuse("bad_request", f"{place} must be an object")
        role = message.get("role")
        if not isinstance(role, str) or role not in self.roles:
            self.refuse("bad_request", f"{place}: unknown role {role!r}")
        if role == "tool" and not isinstance(message.get("tool_call_id"), str):
            self.refuse("bad_request", f"{place}: a tool message needs its tool_call_id")
        if message.get("tool_calls") is not None and (fault := tool_calls_fault(message["tool_calls"])):
            self.refuse("bad_request", f"{place}: {fault}")
        self.check_content(message, place, model)

    def check_content(self, message: Mapping[str, Any], place: str, model: Model) -> None:
        """Raises Refusal for content of a kind this role, or this model, does not take."""
        content = message.get("content")
        if isinstance(content, str) or (content is None and message.get("tool_calls")):
            return
        if not isinstance(content, list) or not content:
            self.refuse("bad_request", f"{place}: content must be a string or an array of parts")
        if message["role"] not in self.list_roles:
            self.refuse("bad_request", f"{place}: content of role {message['role']} must be a string")
        known = {"text"} | (model.parts if message["role"] == "user" else set())
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str) or kind not in known:
                self.refuse("bad_request", f"{place}: content of type {kind!r} is not supported by this model")
            if kind == "text" and not isinstance(part.get("text"), str):
                self.refuse("bad_request", f"{place}: a text part needs its text")
            if kind.endswith("_url") and (fault := _ADDRESS.fault(part.get(kind))):
                self.refuse("bad_request", f"{place}: {kind} {fault}")

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """Rules between fields, and on the list of messages as a whole. Raises Refusal."""

    def is_thinking(self, body: Mapping[str, Any], model: Model) -> bool:
        """Whether this request is answered with reasoning."""
        told = mapping(body.get("thinking")).get("type")
        if model.thinks == "switch":
            return told != "disabled"
        return model.thinks == "always" or (model.thinks == "on_request" and told == "enabled")

    def understand(self, body: Mapping[str, Any], model: Model) -> Asked:
        """What the default answer depends on."""
        choice, wanted = body.get("tool_choice"), mapping(body.get("response_format"))
        schema = mapping(wanted.get("json_schema")).get("schema") if wanted.get("type") == "json_schema" else None
        return Asked(
            model=body["model"],
            turns=[(message["role"], text_of(message.get("content"))) for message in body["messages"]],
            tools=body.get("tools") or (),
            forced_tool=choice["function"]["name"] if isinstance(choice, dict) else "*" if choice == "required" else "",
            schema=schema if schema is not None else {} if wanted.get("type") == "json_object" else None,
            thinks=self.is_thinking(body, model),
            stream=body.get("stream") is True,
        )

    # Building a whole reply.

    def whole(self, chat: Chat, answer: Answer) -> Whole:
        """The reply to a call that is not streamed."""
        return as_json(self.whole_body(chat, answer), headers=self.headers(chat))

    def count(self, chat: Chat) -> int:
        """How many answers are given: ``n``, where the vendor knows it."""
        return (chat.body.get("n") or 1) if "n" in self.fields else 1

    def headers(self, chat: Chat) -> dict[str, str]:
        """Headers of every reply, such as the vendor's request id."""
        return {}

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """The body of a whole reply."""
        message = self.message(chat, answer)
        reason = self.finish_word(answer)
        choices = [{"index": index, "finish_reason": reason, "message": message} for index in range(self.count(chat))]
        usage = self.usage(answer.counted(chat.asked))
        return {**self.head(chat), "object": "chat.completion", "choices": choices, "usage": usage}

    def head(self, chat: Chat) -> dict[str, Any]:
        """The members that a whole reply and every event begin with."""
        return {"id": f"{self.name}-{chat.number}", "created": chat.created, "model": chat.body["model"]}

    def message(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """The assistant's message of a whole reply."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.whole_text}
        if answer.reasoning:
            message[self.reasoning_name] = answer.whole_reasoning
        if answer.tool_calls:
            message["tool_calls"] = [
                {
                    **({"index": index} if self.numbers_calls else {}),
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for index, call in enumerate(answer.tool_calls)
            ]
        return message

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """The usage, as the vendor spells it."""
        return {
            **tokens.counts,
            "prompt_tokens_details": {"cached_tokens": tokens.cached},
            "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        }

    def finish_word(self, answer: Answer) -> str:
        """The vendor's own word for the end of this answer."""
        return self.finish_words.get(answer.ending, answer.ending)

    # Building a stream.

    def stream(self, chat: Chat, answer: Answer) -> Streamed:
        """The reply to a streamed call."""
        events = [self.encode_event(event) for event in self.events(chat, answer)]
        if self.ends_with_done:
            events.append(self.data_prefix + b"[DONE]\n\n")
        return Streamed(events=events, headers=self.headers(chat))

    def encode_event(self, event: dict[str, Any] | bytes) -> bytes:
        """One event as bytes; bytes (a comment) stay as they are."""
        return event if isinstance(event, bytes) else self.data_prefix + encode_json(event) + b"\n\n"

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """The events of a stream, its end signal left out."""
        counted = answer.counted(chat.asked)
        for index in range(self.count(chat)):
            for number, delta in enumerate(self.deltas(chat, answer)):
                role = {"role": "assistant"} if number == 0 or self.repeats_role else {}
                event = self.event(chat, {**role, **delta}, index=index)
                yield {**event, "usage": self.usage(counted)} if self.usage_at == "every" else event
            yield self.last_event(chat, answer, counted, index)
        if self.usage_at == "last" or (self.usage_at == "last_on_request" and chat.wants_usage):
            yield {**self.event(chat, {}), "choices": [], "usage": self.usage(counted)}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """The pieces of the answer, in the order the vendor sends them; without roles."""
        yield {"content": ""}
        for piece in answer.reasoning:
            yield {self.reasoning_name: piece}
        for piece in answer.text:
            yield {"content": piece}
        for number, call in enumerate(answer.tool_calls):
            function = {"name": call.name, "arguments": ""}
            yield {"tool_calls": [{"index": number, "id": call.id, "type": "function", "function": function}]}
            for piece in call.pieces:
                yield {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """One event with one choice."""
        choice = {"index": index, "delta": delta, "finish_reason": finish}
        return {**self.head(chat), "object": "chat.completion.chunk", "choices": [choice]}

    def last_event(self, chat: Chat, answer: Answer, tokens: Tokens, index: int) -> dict[str, Any]:
        """The event that carries a choice's finish reason."""
        event = self.event(chat, {}, self.finish_word(answer), index)
        if self.usage_at in ("finish", "every"):
            event["usage"] = self.usage(tokens)
        elif self.usage_at == "choice":
            event["choices"][0]["usage"] = self.usage(tokens)
        return event

    # Errors.

    def encode_problem(self, problem: Problem) -> Whole:
        """OpenAI's error body."""
        return as_json(self.error_body(problem), status=problem.status, headers=problem.headers)

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """``{"error": …}``, as this vendor fills it."""
        error = {"message": problem.message, "type": problem.type, "param": None, "code": problem.code}
        return {"error": {**{name: error[name] for name in self.error_members}, **problem.extra}}

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same body as an event."""
        return self.encode_event(self.error_body(problem))
