"""Tiangong, SkyChat (天工): legacy, kept for old programs; the vendor's pages are gone (read 2026-11-23).

Follows descriptions of 2023 and 2024. v4 answers in JSON or JSON lines, sky-work always streams cards.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._framing import Event
from .._protocols import means
from .._protocols.arranging import merge_system
from .._protocols.base import Adapter, Credential, ErrorFacts, ErrorRule, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_messages import MessageFacts, refuse_part
from .._protocols.openai_parsing import OpenAIChunkParser
from .._protocols.parameters import Clamp, Drop, Rename
from .._secrets import Headers, Secret
from .._wire import ChunkParser, Flow, HttpReply, HttpRequest, WebSocketRequest
from ..exceptions import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    InsufficientBalanceError,
    RateLimitError,
    ServiceUnavailableError,
)
from ..schema import ModelResponse
from ._tiangong_frames import CardParser, LineParser, as_openai, as_theirs, check_silence, sign

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_V4 = "https://sky-api.singularity-ai.com/saas/api/v4"
_WORK = "https://api-maas.singularity-ai.com/sky-work/api/v1"
_WORK_PATH = "/sky-work/api/v1"
#: Names that were used for the endpoint which is told no model.
_WORK_MODELS = ("skychat-3.0", "sky-work")
_WITHDRAWN = (
    "The vendor seems to have withdrawn this API: take another provider, or give fallbacks=. "
    "天工似乎已停止提供此接口，请改用其他厂商。"
)
#: What v4 takes inside ``param``.
_SAMPLING = ["generate_length", "temperature", "top_p", "top_k", "repetition_penalty", "length_penalty", "min_len"]
_UNKNOWN = Drop(
    names=(
        *("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("n", "seed", "stop", "user", "logprobs", "top_logprobs", "logit_bias"),
        *("frequency_penalty", "presence_penalty", "stream_options"),
    )
)
_FINISH = {"1": "stop", "2": "length", "finished": "stop", "timeout": "length", "sensitive": "content_filter"}


class _Signed(OpenAICompatible):
    """What both endpoints share: signatures, messages, and errors in a body of status 200."""

    parser: type[OpenAIChunkParser]

    def chunk_parser(self, chat: ChatRequest) -> OpenAIChunkParser:
        """See ``Adapter``."""
        return self.parser(self, chat)

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``OpenAICompatible``."""
        key, signature = chat.credentials["app_key"], chat.credentials.get("sign") or _signature(chat)
        return Headers({**super().headers(chat), "app_key": key, "timestamp": _stamp(chat), "sign": signature})

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        return refuse_part

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """The vendor's word for the assistant is bot; it has none for tools."""
        for number, message in enumerate(messages):
            if message.get("role") not in ("system", "user", "assistant", "bot") or message.get("tool_calls"):
                raise BadRequestError(
                    f"messages[{number}]: tiangong knows no tools. Leave their calls and results out."
                )
        changes = merge_system(messages)
        messages[:] = [as_theirs(message) for message in messages]
        return changes

    def is_error(self, data: Any) -> bool:
        """See ``OpenAICompatible``."""
        return isinstance(data, dict) and str(data.get("code") or 200) != "200"

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``OpenAICompatible``."""
        if isinstance(data, dict):
            data = {**data, "message": data.get("code_msg"), "request_id": data.get("trace_id")}
        return super().error(chat, data, reply=reply, event=event)

    def finish_reason(self, word: str | None) -> str | None:
        """See ``OpenAICompatible``."""
        return _FINISH.get(word or "")


def _stamp(chat: ChatRequest) -> str:
    return str(int(chat.now))


def _signature(chat: ChatRequest) -> Secret:
    return Secret(sign(chat.credentials["app_key"], chat.credentials["app_secret"], _stamp(chat)))


class Generate(_Signed):
    """The v4 endpoint: sampling values inside ``param``, a header that asks for a stream."""

    path, parser = "/generate", LineParser

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``OpenAICompatible``."""
        return Headers({"stream": "true" if chat.stream else "false", **super().headers(chat)})

    def adapt_translated(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        inner = {name: params.pop(name) for name in _SAMPLING if name in params}
        if inner:
            params["param"] = {**inner, **(params.get("param") or {})}
        return []

    def body(self, chat: ChatRequest) -> JSONObject:
        """See ``OpenAICompatible``."""
        return super().body(chat.changed(stream=False))

    def openai_shape(self, data: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        return as_openai(data, "delta")

    def to_response(self, chat: ChatRequest, reply: HttpReply) -> ModelResponse:
        """See ``OpenAICompatible``."""
        response = super().to_response(chat, reply)
        choice = response.choices[0]
        check_silence(chat, choice.provider_finish_reason, choice.message.content or "")
        return response


class SkyWork(_Signed):
    """The sky-work endpoint: no model, and cards over server-sent events, whether a stream was asked for or not."""

    path, parser = "/chat", CardParser

    def body(self, chat: ChatRequest) -> JSONObject:
        """See ``OpenAICompatible``."""
        body = {"intent": "chat", **super().body(chat.changed(stream=False))}
        del body["model"]
        return body


class Tiangong(Adapter):
    """Chooses between the endpoints."""

    def __init__(self, generate: Generate, work: SkyWork) -> None:
        self.spec = generate.spec
        self._generate = generate
        self._work = work

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        base = re.sub(rf"(?<={_WORK_PATH})/chat$|/generate$", "", chat.base_url)
        if chat.model.lower() in _WORK_MODELS:
            base = _WORK if base == _V4 else re.sub(r"/saas/api/v[34]$", _WORK_PATH, base)
        chat = chat.changed(base_url=base)
        return self._endpoint(chat).prepare(chat)

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. The signature is a credential of this try, and hidden as such."""
        yield from ()
        return chat.changed(credentials={**chat.credentials, "sign": _signature(chat)})

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        return self._endpoint(chat).complete(chat)

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest | WebSocketRequest]:
        """See ``Adapter``."""
        return self._endpoint(chat).open_stream(chat)

    def chunk_parser(self, chat: ChatRequest) -> ChunkParser:
        """See ``Adapter``."""
        return self._endpoint(chat).chunk_parser(chat)

    def _endpoint(self, chat: ChatRequest) -> OpenAICompatible:
        is_work = chat.base_url.endswith(_WORK_PATH) or chat.model.lower() in _WORK_MODELS
        return self._work if is_work else self._generate


_NO_KEY = means.AUTH
_GONE = ErrorRule(cls=ServiceUnavailableError, hint=_WITHDRAWN)
_STATUSES = {401: _NO_KEY, 403: _NO_KEY, 404: _GONE._replace(retryable=False), 502: _GONE, 503: _GONE}
#: No table of codes was ever published; only words tell these apart.
_WORDS = {
    "余额|欠费|balance|quota": InsufficientBalanceError,
    "敏感|sensitive": ContentPolicyViolationError,
    "鉴权|签名|sign check|sign error|invalid sign": AuthenticationError,
    "频|qps|rate limit": RateLimitError,
}

_SPEC = OpenAISpec(
    name="tiangong",
    title="Tiangong, SkyChat (天工, legacy)",
    regions=(Region(name="cn", base_url=_V4, console="https://model-platform.tiangong.cn"),),
    credentials=(
        Credential(name="app_key", env=("TIANGONG_APP_KEY", "SKYCHAT_APP_KEY")),
        Credential(name="app_secret", env=("TIANGONG_APP_SECRET", "SKYCHAT_APP_SECRET")),
    ),
    base_url_env=("TIANGONG_API_BASE",),
    docs="https://model-platform.tiangong.cn",
    rules=(
        Rename("max_tokens", "generate_length"),
        Rename("max_completion_tokens", "generate_length"),
        Clamp(name="generate_length", low=0, high=2048),
        Clamp(name="temperature", low=0, high=1),
        Clamp(name="top_p", low=0.1, high=1),
        Clamp(name="top_k", low=3, high=100),
        Clamp(name="repetition_penalty", low=0.5, high=2),
        Clamp(name="length_penalty", low=0.5, high=1.5),
        Clamp(name="min_len", low=1, high=10),
        _UNKNOWN,
    ),
    messages=MessageFacts(replay="strip"),
    # No model knows response_format.
    json_schema_models=None,
    json_object_models="(?!)",
    when_unreachable=_WITHDRAWN,
    errors=ErrorFacts(
        codes=frozen({str(status): rule for status, rule in _STATUSES.items()}),
        texts=tuple((word, ErrorRule(cls=cls)) for words, cls in _WORDS.items() for word in words.split("|")),
        statuses=frozen(_STATUSES),
    ),
)

adapter = Tiangong(
    Generate(_SPEC),
    SkyWork(
        replace(
            _SPEC,
            stream_only="",
            rules=(
                Rename("max_completion_tokens", "max_tokens"),
                Clamp(name="temperature", low=0, high=1),
                Clamp(name="top_p", low=0, high=1),
                _UNKNOWN,
            ),
        )
    ),
)
