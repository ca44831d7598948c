"""Agent platforms: apps that people built there, asked for an answer. What their adapters have in common.

The answer comes from an app, not from a model, so most of OpenAI's parameters have nothing to act on; the platform
keeps conversations itself, retrieves passages, and runs tools of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from .._join import Joiner
from .._multipart import multipart
from .._reader import StreamReader
from .._secrets import Headers
from .._wire import Flow, HttpReply, HttpRequest, OpenStream
from ..exceptions import APIResponseError, BadRequestError
from . import means
from .agent_media import Medium, read_medium
from .agent_turns import question_alone, with_text_after
from .base import ErrorFacts, JSONObject, ProviderSpec, frozen
from .errors import COMMON_CODES
from .json_http import JSONVendor, encode_body
from .openai_compatible import refuse_changes
from .parameters import adaptation
from .structured_output import instruction_for, is_class

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse, ModelResponseChunk
    from .agent_parsing import AgentParser

#: OpenAI's parameters, and those of thinking: an app has its own settings in their place.
OF_MODELS = frozenset(
    {
        *("audio", "best_of", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
        *("max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "reasoning_effort", "safety_identifier", "seed", "service_tier"),
        *("stop", "store", "stream_options", "temperature", "thinking", "tool_choice", "tools", "top_k"),
        *("top_logprobs", "top_p", "verbosity", "web_search_options"),
    }
)
#: Spellings of ``user``, which tells the platform's end users apart.
_USERS = ("user_id", "end_user_id", "visitor_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec(ProviderSpec):
    """Facts of a platform.

    Args:
        takes: of OpenAI's parameters, those that the platform knows.
        placeholders: words, besides the provider's name, that people give as a model though there is none to name.
        uploads: path below the base URL where files are left; None: the platform takes web addresses alone.
    """

    shares: frozenset[str] | None = OF_MODELS | {"user", "response_format"}
    takes: frozenset[str] = frozenset()
    placeholders: frozenset[str] = frozenset()
    uploads: str | None = None


class Agent(JSONVendor):
    """One platform. A subclass says where a call goes, its body, and how its answers are read."""

    spec: AgentSpec
    parser: ClassVar[type[AgentParser]]

    def error_facts(self, status: int) -> ErrorFacts:
        """See ``JSONVendor``. A code that nobody knows, with a status that says all is well, is laid to the caller."""
        facts = self.spec.errors
        if status >= 300:
            return facts
        unknown = (r"(?![45]\d\d$).+", means.BAD_REQUEST)
        codes = frozen({**COMMON_CODES, **facts.codes})
        return facts._replace(codes=codes, code_patterns=(*facts.code_patterns, unknown))

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        params = dict(chat.params)
        changes = _one_user(params)
        if chat.param_policy != "raw":
            changes += self._without_model_settings(params)
        messages, turn_changes = self.turns(chat.changed(params=params), list(chat.messages), params)
        changes += turn_changes
        if chat.param_policy != "raw" or is_class(params.get("response_format")):
            messages, format_changes = _with_format(params, messages)
            changes += format_changes
        changes += self.adapt(chat, params, messages)
        for number, message in enumerate(messages):
            self._check_parts(message, f"messages[{number}]")
        if chat.param_policy == "strict":
            refuse_changes(self.spec, changes)
        return chat.changed(params=params, messages=tuple(messages), adaptations=tuple(changes))

    def _without_model_settings(self, params: JSONObject) -> list[Adaptation]:
        reason = "an app's settings are made at the platform; a call cannot change them"
        names = [name for name in params if name in OF_MODELS and name not in self.spec.takes]
        return [adaptation(name, "dropped", params.pop(name), None, reason) for name in names]

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """The messages that are sent, and what becomes of the others. ``params`` may be changed in place."""
        return question_alone(self.spec.name, messages, params)

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """What else this platform wants done to a request; changes both in place."""
        return []

    def _check_parts(self, message: JSONObject, where: str) -> None:
        content = message.get("content")
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") != "text":
                self.check_medium(read_medium(part, f"{where}.content[{place}]"), f"{where}.content[{place}]")

    def check_medium(self, medium: Medium, where: str) -> None:
        """Refuse a medium that the platform does not take.

        Raises:
            BadRequestError: says what it does take.
        """
        if medium.data is not None and self.spec.uploads is None:
            raise BadRequestError(
                f"{where}: {self.spec.name} takes images and files by web address only. Put the file where the "
                "platform can fetch it, and pass its https:// address."
            )

    def names_app(self, chat: ChatRequest) -> bool:
        """Whether the caller's ``model`` may be the id of an app: whether it is no placeholder."""
        model = chat.model.lower()
        return bool(model) and model != self.spec.name and model not in self.spec.placeholders

    def url(self, chat: ChatRequest, path: str, **query: str) -> str:
        """An address below the base URL. The caller's ``extra_query`` goes with it."""
        asked = {**query, **chat.extra_query}
        try:
            return f"{chat.base_url}{path}" + (f"?{urlencode(asked)}" if asked else "")
        except UnicodeError as error:
            raise BadRequestError(f"{self.spec.name}: an id or a query is no text ({error}).") from None

    def request(self, chat: ChatRequest, path: str, body: Any, **query: str) -> HttpRequest:
        """A request with a JSON body."""
        content = encode_body(self.spec, body)
        return HttpRequest(
            url=self.url(chat, path, **query), headers=self.headers(chat), content=content, secrets=chat.secrets
        )

    def get(self, chat: ChatRequest, path: str, **query: str) -> HttpRequest:
        """A request without a body."""
        headers = Headers({**self.headers(chat), "accept": "application/json"})
        headers.pop("content-type", None)
        return HttpRequest(method="GET", url=self.url(chat, path, **query), headers=headers, secrets=chat.secrets)

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """The request that asks for the answer.

        Platforms that want several requests override ``complete`` and ``open_stream`` instead.
        """
        raise NotImplementedError

    # Files.

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. Data in messages is left at the platform, if it takes any; the parts then hold its id."""
        if self.spec.uploads is None:
            return chat
        # What one try has left there serves the next one too.
        known: dict[bytes, str] = chat.memory.setdefault("files", {})
        messages = []
        for number, message in enumerate(chat.messages):
            content = message.get("content")
            if not isinstance(content, list):
                messages.append(message)
                continue
            parts = []
            for place, part in enumerate(content):
                where = f"messages[{number}].content[{place}]"
                parts.append((yield from self._left_at_platform(chat, part, where, known)))
            messages.append({**message, "content": parts})
        return chat.changed(messages=tuple(messages))

    def _left_at_platform(
        self, chat: ChatRequest, part: JSONObject, where: str, known: dict[bytes, str]
    ) -> Flow[JSONObject]:
        medium = None if part.get("type") == "text" else read_medium(part, where)
        if medium is None or not self.is_left(medium):
            return part
        what = medium.url.encode() if medium.data is None else medium.data
        if what not in known:
            known[what] = yield from self.upload(chat, medium)
        return {"type": "file", "kind": medium.kind, "filename": medium.name, "file_id": known[what]}

    def is_left(self, medium: Medium) -> bool:
        """Whether a medium is left at the platform before the question is asked."""
        return medium.data is not None

    def upload(self, chat: ChatRequest, medium: Medium) -> Flow[str]:
        """Leave a file at the platform. Returns its id."""
        body, content_type = self.upload_form(chat, medium)
        headers = Headers({**self.headers(chat), "content-type": content_type, "accept": "application/json"})
        reply = yield HttpRequest(
            url=self.url(chat, self.spec.uploads or ""), headers=headers, content=body, secrets=chat.secrets
        )
        data = self.read_json(chat, reply)
        found = self.uploaded_id(data)
        if not found:
            raise self.unreadable(chat, "the file was taken, but no id was given", str(data), reply.status)
        return found

    def upload_form(self, chat: ChatRequest, medium: Medium) -> tuple[bytes, str]:
        """The form that a file is left with, and its content type."""
        try:
            return multipart(self.upload_fields(chat), medium.name, medium.data or b"", medium.media_type)
        except ValueError as error:
            raise BadRequestError(f"{self.spec.name}: a file's name, or the user, is no text ({error}).") from None

    def upload_fields(self, chat: ChatRequest) -> dict[str, str]:
        """Fields of the form beside the file."""
        return {}

    def uploaded_id(self, data: JSONObject) -> str:
        """The id of a file, in the reply to its upload."""
        return str(data.get("id") or "")

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        reply = yield self.chat_request(chat)
        return self.to_response(chat, reply)

    def complete_by_stream(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """The whole answer, streamed and joined."""
        streamed = chat.changed(stream=True)
        request = yield from self.open_stream(streamed)
        response: ModelResponse = yield OpenStream(request=request, parser=self.chunk_parser(streamed), join=True)
        return response

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest]:
        """See ``Adapter``."""
        yield from ()
        return self.chat_request(chat)

    def chunk_parser(self, chat: ChatRequest) -> AgentParser:
        """See ``Adapter``."""
        return self.parser(self, chat)

    def thinks(self, model: str) -> bool:
        """See ``Adapter``. An app may search, call tools and run whole flows before its first word."""
        return True

    def to_response(self, chat: ChatRequest, reply: HttpReply) -> ModelResponse:
        """A whole reply as an answer, or the error that it is."""
        parser = self.chunk_parser(chat)
        if not reply.headers.get("content-type", "").startswith("text/event-stream") or reply.status >= 300:
            parser.start(reply)
            return join(parser.read_body(reply))
        # Some gateways stream whatever was asked for.
        reader = StreamReader(parser, reply.status, reply.headers, reply.url)
        chunks = [*reader.feed(reply.content), *(() if reader.is_done else reader.end())]
        if reader.failure is not None:
            raise reader.failure
        return join(chunks)


def given_list(name: str, params: JSONObject) -> list[Any]:
    """A parameter that holds several things; a text is one of them.

    Raises:
        BadRequestError: it is no list.
    """
    given = params.get(name)
    if given is None or isinstance(given, str):
        return [given] if given else []
    if not isinstance(given, (list, tuple)):
        raise BadRequestError(f"{name}={given!r} must be a list.")
    return list(given)


def _one_user(params: JSONObject) -> list[Adaptation]:
    """One ``user`` out of its spellings, and ids as the texts that they are. Changes ``params`` in place."""
    changes = []
    for name in _USERS:
        given = params.pop(name, None)
        if given is not None and params.setdefault("user", given) != given:
            changes.append(adaptation(name, "dropped", given, None, "user is given too, and means the same"))
    for name in ("user", "conversation_id"):
        if params.get(name) is not None:
            params[name] = str(params[name])
    return changes


def join(chunks: Iterable[ModelResponseChunk]) -> ModelResponse:
    """Chunks as one answer."""
    joiner = Joiner()
    for chunk in chunks:
        joiner.add(chunk)
    response = joiner.response()
    if response is None:
        raise APIResponseError("the answer is empty.")
    return response


def _with_format(params: JSONObject, messages: list[JSONObject]) -> tuple[list[JSONObject], list[Adaptation]]:
    """``response_format`` as an instruction at the end of the question: no platform knows the parameter."""
    wanted = params.pop("response_format", None)
    instruction = instruction_for(wanted)
    if not instruction:
        return messages, []
    reason = "the platform does not know it; what is wanted stands at the end of the question"
    change = adaptation("response_format", "replaced", str(wanted), None, reason)
    return [*messages[:-1], with_text_after(instruction, messages[-1])], [change]
