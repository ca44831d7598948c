"""Chat completions as OpenAI defined them; most vendors are a spec on top of this adapter.

Follows https://platform.openai.com/docs/api-reference/chat (read 2026-11-23).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from .._wire import Flow, HttpReply, HttpRequest, OpenStream
from ..exceptions import BadRequestError
from ..schema import Adaptation, ModelResponse, Usage
from .base import ErrorRule, JSONObject, ProviderSpec, frozen
from .json_http import JSONVendor, encode_body
from .openai_messages import MessageFacts, adapt_messages, refuse_part, take_part
from .openai_parsing import ODD_SHAPES, OpenAIChunkParser, parse_response
from .parameters import Rule, Thinking
from .structured_output import adapt_response_format, is_class, schema_of
from .usage import parse_usage

if TYPE_CHECKING:
    from .._request import ChatRequest

#: Vendors' words for the end of an answer → OpenAI's.
FINISH_REASONS = frozen(
    {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "function_call": "function_call",
        "sensitive": "content_filter",
        "model_context_window_exceeded": "length",
        "max_tokens": "length",
        "normal": "stop",
        "eos": "stop",
        "end_turn": "stop",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAISpec(ProviderSpec):
    """Facts of a vendor that speaks OpenAI's dialect.

    Args:
        rules: what becomes of parameters that the vendor refuses, applied in order, to a call that has any.
        late_rules: the same for what ``thinking`` and ``reasoning_effort`` were translated to.
        thinking: families of models, the first that matches counts.
        messages: what the vendor wants of messages.
        order: what it wants of the list as a whole, as functions of ``arranging``.
        text_only: regular expression of the models (in lower case) that take text alone; None: no model.
        failures: finish reasons that mean "I failed".
        asks_for_usage: whether a stream's usage must be asked for.
        stream_only: regular expression of the models (in lower case) that answer in streams alone; a whole call of
            theirs is streamed and joined. None: no model.
        json_schema_models: regular expression of the models (in lower case) whose ``response_format`` may be a
            json_schema; for others it becomes json_object plus an instruction. None: no model.
        json_object_models: regular expression of the models (in lower case) that know ``response_format`` at all;
            others get the instruction alone.
    """

    rules: tuple[Rule, ...] = ()
    late_rules: tuple[Rule, ...] = ()
    thinking: tuple[Thinking, ...] = (Thinking(never=True),)
    messages: MessageFacts = field(default_factory=MessageFacts)
    order: tuple[Callable[[list[JSONObject]], list[Adaptation]], ...] = ()
    text_only: str | None = None
    failures: Mapping[str, ErrorRule] = field(default_factory=frozen)
    asks_for_usage: bool = True
    json_schema_models: str | None = ""
    json_object_models: str | None = ""
    stream_only: str | None = None


class OpenAICompatible(JSONVendor):
    """An adapter made of a spec; a vendor overrides a method only for what no field can say."""

    spec: OpenAISpec
    #: Path of the call behind the base URL.
    path: ClassVar[str] = "/chat/completions"

    def __init__(self, spec: OpenAISpec) -> None:
        self.spec = spec

    # What the vendor is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if chat.param_policy == "raw":
            wanted: Any = chat.params.get("response_format")
            params = {**chat.params, "response_format": schema_of(wanted)} if is_class(wanted) else dict(chat.params)
            return chat.changed(params=params)
        model = chat.model.lower()
        params = dict(chat.params)
        changes = self.adapt_params(chat, params)
        family = self.family(model)
        for rule in self.spec.rules if params else ():
            changes.extend(rule.apply(params, model))
        changes.extend(family.translate(params))
        for rule in self.spec.late_rules if params else ():
            changes.extend(rule.apply(params, model))
        changes.extend(self.adapt_translated(chat, params))
        messages, message_changes = adapt_messages(
            chat.messages, self.spec.messages, thinks=family.is_on(params), adapt_part=self.part_rule(chat)
        )
        changes.extend(message_changes)
        messages, format_changes = adapt_response_format(
            params,
            messages,
            takes_schema=_is_one_of(self.spec.json_schema_models, model),
            takes_object=_is_one_of(self.spec.json_object_models, model),
        )
        changes.extend(format_changes)
        # Last, since the instruction about the format may have become one more system message.
        changes.extend(self.arrange(chat, messages))
        if chat.param_policy == "strict":
            refuse_changes(self.spec, changes)
        return chat.changed(params=params, messages=tuple(messages), adaptations=tuple(changes))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """What this vendor wants done to parameters before the rules; changes ``params`` in place."""
        return []

    def adapt_translated(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """The same after thinking was translated."""
        return []

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """What this vendor wants of the list as a whole (order, number of system messages); changes it in place."""
        return [change for arrange in self.spec.order for change in arrange(messages)]

    def part_rule(self, chat: ChatRequest) -> Any:
        """How a content part that is not text is sent to this model."""
        blind = self.spec.text_only
        return take_part if blind is None or re.match(blind, chat.model.lower()) is None else refuse_part

    def family(self, model: str) -> Thinking:
        """How that model, named in lower case, thinks."""
        for known in self.spec.thinking:
            if known.matches(model):
                return known
        return Thinking(never=True)

    def thinks(self, model: str) -> bool:
        """See ``Adapter``."""
        return not self.family(model.lower()).never

    def url(self, chat: ChatRequest) -> str:
        """Where the call goes."""
        query = f"?{urlencode(chat.extra_query)}" if chat.extra_query else ""
        return f"{chat.base_url}{self.path}{query}"

    def body(self, chat: ChatRequest) -> JSONObject:
        """The JSON body of the call."""
        body: JSONObject = {"model": chat.model, "messages": list(chat.messages), **chat.params}
        if chat.stream:
            body["stream"] = True
            if self.spec.asks_for_usage:
                options = body.get("stream_options") or {}
                if not isinstance(options, Mapping):
                    raise BadRequestError(f"{self.spec.name}: stream_options={options!r} is no dict.")
                body["stream_options"] = {"include_usage": True, **options}
        return {**body, **chat.extra_body}

    def build_request(self, chat: ChatRequest) -> HttpRequest:
        """The HTTP request of the call."""
        content = encode_body(self.spec, self.body(chat))
        return HttpRequest(url=self.url(chat), headers=self.headers(chat), content=content, secrets=chat.secrets)

    def build_embedding_request(self, chat: ChatRequest, texts: list[str], path: str) -> HttpRequest:
        """The HTTP request that has texts embedded."""
        url = self.url(chat).replace(self.path, path)
        content = encode_body(self.spec, {"model": chat.model, "input": texts, **chat.params, **chat.extra_body})
        return HttpRequest(url=url, headers=self.headers(chat), content=content, secrets=chat.secrets)

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        if self.only_streams(chat):
            return (yield from self.complete_by_stream(chat))
        reply = yield self.build_request(chat)
        return self.to_response(chat, reply)

    def only_streams(self, chat: ChatRequest) -> bool:
        """Whether this call is refused unless it is streamed."""
        return _is_one_of(self.spec.stream_only, chat.model.lower())

    def complete_by_stream(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """The whole answer, streamed and joined."""
        step = OpenStream(
            request=self.build_request(chat.changed(stream=True)), parser=self.chunk_parser(chat), join=True
        )
        response: ModelResponse = yield step
        return response

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest]:
        """See ``Adapter``."""
        yield from ()
        return self.build_request(chat)

    def chunk_parser(self, chat: ChatRequest) -> OpenAIChunkParser:
        """See ``Adapter``."""
        return OpenAIChunkParser(self, chat)

    # What the vendor answered.

    def to_response(self, chat: ChatRequest, reply: HttpReply) -> ModelResponse:
        """A whole reply as an answer, or the error that it is."""
        data = self.read_json(chat, reply)
        data = self.openai_shape(data)
        if not _are_choices(data.get("choices")):
            text = reply.content.decode("utf-8", "replace").strip()
            raise self.unreadable(chat, "the answer holds no choices", text, reply.status)
        try:
            response = parse_response(self, chat, data)
        except ODD_SHAPES:
            response = None
        if response is None:
            text = reply.content.decode("utf-8", "replace")
            raise self.unreadable(chat, "the answer makes no sense", text, reply.status)
        told = self.request_id(reply)
        response.request_id = told or response.request_id
        for choice in response.choices:
            self.check_finish(chat, choice.provider_finish_reason, response)
        return response

    def finish_reason(self, word: str | None) -> str | None:
        """OpenAI's word for a vendor's finish reason; None for a word nobody knows, rather than an invented "stop"."""
        return FINISH_REASONS.get(word or "") if isinstance(word, str) else None

    def ending(self, word: str | None, *, calls: bool) -> str | None:
        """The same for an answer that does, or does not, call tools."""
        return self.finish_reason(word)

    def check_finish(self, chat: ChatRequest, word: str | None, partial: ModelResponse | None = None) -> None:
        """Raise if the vendor's finish reason means that it failed."""
        rule = self.spec.failures.get(word or "")
        if rule is not None:
            raise rule.cls(
                f"{self.spec.name}: the vendor broke the answer off (finish_reason {word!r}). "
                "What had arrived is in .partial; ask again.",
                provider=chat.provider,
                model=chat.model,
                code=word,
                retryable=rule.retryable,
                partial=partial,
            )

    def usage(self, raw: Any) -> Usage | None:
        """Token counts; None when the vendor did not say."""
        return parse_usage(raw)

    def openai_shape(self, data: JSONObject) -> JSONObject:
        """A body or event that is no error in OpenAI's shape, where the vendor has another one."""
        return data

    def own_fields(self, data: JSONObject) -> JSONObject:
        """Fields of an answer that this vendor fills under names of its own, read from a body or event."""
        return {}

    def adjust_choice(self, raw: JSONObject) -> JSONObject:
        """A choice as the vendor sent it, with its oddities set right."""
        return raw

    def adjust_message(self, raw: JSONObject) -> JSONObject:
        """A message or delta as the vendor sent it, with its oddities set right."""
        return raw

    @classmethod
    def reads_plainly(cls) -> bool:
        """Whether none of this vendor's own rules looks at the text of an event."""
        plain = OpenAICompatible  # asked for every stream, and a loop takes five times as long
        return (
            cls.is_error is plain.is_error
            and cls.openai_shape is plain.openai_shape
            and cls.own_fields is plain.own_fields
            and cls.adjust_choice is plain.adjust_choice
            and cls.adjust_message is plain.adjust_message
        )


def _is_one_of(pattern: str | None, model: str) -> bool:
    """Whether a model, named in lower case, is one of those that a pattern describes; None describes no model."""
    return pattern is not None and (not pattern or re.match(pattern, model) is not None)


def _are_choices(choices: Any) -> bool:
    """Whether that is a list with an answer in it."""
    if not isinstance(choices, list) or not choices:
        return False
    answers = [choice.get("message") or choice.get("delta") for choice in choices if isinstance(choice, dict)]
    return bool(answers) and all(isinstance(answer, dict) for answer in answers)


def refuse_changes(spec: ProviderSpec, changes: list[Adaptation]) -> None:
    """What ``param_policy="strict"`` makes of changes.

    Raises:
        BadRequestError: something of the caller's would be changed or left out.
    """
    refused = [change for change in changes if change.action != "added"]
    if refused:
        told = "; ".join(f"{_told(change)}: {change.reason}" for change in refused)
        raise BadRequestError(
            f"{spec.name} does not take this request as given ({told}). "
            'Change it, or let param_policy="adapt" do it, or send it all the same with param_policy="raw".'
        )


def _told(change: Adaptation) -> str:
    """The parameter, with its value where the change holds one that the caller gave."""
    has_value = change.given is not None and change.action != "renamed"
    return f"{change.parameter}={change.given!r}" if has_value else change.parameter
