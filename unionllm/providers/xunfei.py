"""iFlytek Spark (讯飞星火) over WebSocket. https://www.xfyun.cn/doc/spark/Web.html, X1ws (read 2026-11-23)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode, urlsplit

from .._protocols.base import Credential, JSONObject, Region, frozen
from .._protocols.json_http import encode_body
from .._protocols.openai_compatible import OpenAISpec
from .._protocols.openai_messages import MessageFacts
from .._protocols.parameters import Clamp, Drop, Rename, adaptation
from .._protocols.spark import COMMON_RULES, ERRORS, OTHER_MODELS, THINKING, Spark, SparkParser
from .._protocols.spark_frames import FrameParser, calls_as_text, sign_url
from .._secrets import Headers, Secret
from .._wire import Flow, HttpRequest, OpenStream, WebSocketRequest
from ..exceptions import BadRequestError
from . import xunfei_http

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse

#: Model → its address below the vendor's host, or on a host of its own.
_ADDRESSES = frozen(
    {
        "4.0Ultra": "/v4.0/chat",
        "generalv3.5": "/v3.5/chat",
        "max-32k": "/chat/max-32k",
        "generalv3": "/v3.1/chat",
        "pro-128k": "/chat/pro-128k",
        "lite": "/v1.1/chat",
        "general": "/v1.1/chat",
        "spark-x": "/v1/x1",
        "x1": "/v1/x1",
        "kjwx": "wss://spark-openapi-n.cn-huabei-1.xf-yun.com/v1.1/chat_kjwx",
        "multilang": "wss://spark-api-n.xf-yun.com/v1.1/chat_multilang",
    }
)
#: What the end of a base URL looks like that names the whole address: ``/v4.0/chat``, ``/chat/max-32k``.
_WHOLE_ADDRESS = re.compile(r"/(v\d+(\.\d+)?|chat)/[\w-]+$")
#: Characters that the vendor takes of a user's id.
_LONGEST_UID = 32


class Xunfei(Spark):
    """Signs a URL for each call, puts the request into one frame, and reads frames as chunks."""

    without_choice = ""

    def __init__(self, spec: OpenAISpec) -> None:
        super().__init__(spec)
        #: For a base URL that begins with http: the vendor takes ``key:secret`` as a bearer token there.
        self._over_http = xunfei_http.SparkHTTP(replace(xunfei_http.adapter.spec, name=spec.name))

    # What the vendor is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if _is_http(chat):
            return self._over_http.prepare(_with_password(chat))
        prepared = super().prepare(chat)
        return prepared.changed(base_url=_address(prepared))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes = super().adapt_params(chat, params)
        user = params.get("user")
        if isinstance(user, str) and len(user) > _LONGEST_UID:
            params["user"] = user[:_LONGEST_UID]
            changes.append(adaptation("user", "clamped", user, params["user"], "the vendor takes 32 characters"))
        return changes

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        return [*calls_as_text(messages), *super().arrange(chat, messages)]

    def frame(self, chat: ChatRequest) -> JSONObject:
        """The one frame that asks."""
        params = dict(chat.params)
        tools = params.pop("tools", None) or []
        functions = [tool["function"] for tool in tools if _is_function(tool)]
        header = {"app_id": chat.credentials["app_id"], "uid": params.pop("user", None)}
        header["patch_id"] = params.pop("patch_id", None)
        told: JSONObject = {"domain": chat.model, **params}
        if len(functions) < len(tools):
            told["tools"] = [tool for tool in tools if not _is_function(tool)]
        payload: JSONObject = {"message": {"text": list(chat.messages)}}
        if functions:
            payload["functions"] = {"text": functions}
        frame = {
            "header": {name: value for name, value in header.items() if value is not None},
            "parameter": {"chat": told},
            "payload": payload,
        }
        return _merged(frame, chat.extra_body)

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. Signed for this try; the signature is a secret like those it was made of."""
        yield from ()
        if _is_http(chat):
            return chat
        given = chat.credentials
        # A caller who says Host reaches the vendor through an address that is not the vendor's, a tunnel's perhaps:
        # the vendor checks the signature against the header that it is sent, so that is what must be signed.
        host = {name.lower(): value for name, value in chat.extra_headers.items()}.get("host", "")
        url = sign_url(chat.base_url, given["api_key"], given["api_secret"], chat.now, host=host)
        quoted = url.partition("authorization=")[2].partition("&")[0]
        authorization = unquote(quoted)
        signature = base64.b64decode(authorization).decode().rpartition('signature="')[2].rstrip('"')
        made = {"url": url, "quoted": quoted, "authorization": authorization, "signature": signature}
        return chat.changed(credentials={**given, **{name: Secret(value) for name, value in made.items()}})

    def build_socket(self, chat: ChatRequest) -> WebSocketRequest:
        """The conversation of the call."""
        more = f"&{urlencode(chat.extra_query)}" if chat.extra_query else ""
        return WebSocketRequest(
            url=Secret(f"{chat.credentials['url']}{more}"),
            headers=Headers({name.lower(): value for name, value in chat.extra_headers.items()}),
            messages=(encode_body(self.spec, self.frame(chat)).decode("utf-8"),),
            secrets=chat.secrets,
        )

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``. The vendor only streams here."""
        if _is_http(chat):
            return (yield from self._over_http.complete(chat))
        response: ModelResponse = yield OpenStream(
            request=self.build_socket(chat), parser=self.chunk_parser(chat), join=True
        )
        return response

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest | WebSocketRequest]:  # type: ignore[override]
        """See ``Adapter``."""
        if _is_http(chat):
            return (yield from self._over_http.open_stream(chat))
        return self.build_socket(chat)

    def chunk_parser(self, chat: ChatRequest) -> SparkParser:
        """See ``Adapter``."""
        return self._over_http.chunk_parser(chat) if _is_http(chat) else FrameParser(self, chat)


def _is_function(tool: Any) -> bool:
    return isinstance(tool, dict) and "function" in tool


def _is_http(chat: ChatRequest) -> bool:
    return chat.base_url.startswith("http")


def _with_password(chat: ChatRequest) -> ChatRequest:
    """The call with what HTTP wants of the same credentials; its parts stay secrets."""
    given = chat.credentials
    password = Secret(f"{given['api_key']}:{given['api_secret']}")
    return chat.changed(credentials={**given, "key": given["api_key"], "api_key": password})


def _address(chat: ChatRequest) -> str:
    """Where the call goes: to the whole address that was given, or below the host by model."""
    if _WHOLE_ADDRESS.search(urlsplit(chat.base_url).path):
        return chat.base_url
    address = _ADDRESSES.get(chat.model)
    if address is None:
        raise BadRequestError(
            f"xunfei knows no address of model {chat.model!r}; it knows {', '.join(_ADDRESSES)}. Give the whole one, "
            "such as base_url='wss://spark-api.xf-yun.com/v4.0/chat', or base_url='https://…/v1' for HTTP."
        )
    if address.startswith("/"):
        return f"{chat.base_url}{address}"
    return address if chat.base_url == adapter.spec.base_url else f"{chat.base_url}{urlsplit(address).path}"


def _merged(base: JSONObject, more: Mapping[str, Any]) -> JSONObject:
    """``base`` with the members of ``more`` put in, level by level."""
    made = dict(base)
    for name, value in more.items():
        old = made.get(name)
        made[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return made


adapter = Xunfei(
    OpenAISpec(
        name="xunfei",
        title="iFlytek Spark (讯飞星火)",
        regions=(Region(name="cn", base_url="wss://spark-api.xf-yun.com", console="https://console.xfyun.cn"),),
        credentials=(
            Credential(name="app_id", env=("XUNFEI_APP_ID", "IFLYTEK_SPARK_APP_ID")),
            Credential(name="api_key", env=("XUNFEI_API_KEY", "IFLYTEK_SPARK_API_KEY")),
            Credential(name="api_secret", env=("XUNFEI_API_SECRET", "IFLYTEK_SPARK_API_SECRET")),
        ),
        base_url_env=("XUNFEI_API_BASE", "IFLYTEK_SPARK_API_URL"),
        schemes=("wss", "ws", "https", "http"),
        docs="https://www.xfyun.cn/doc/spark/Web.html",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Drop(
                names=("top_p", "presence_penalty", "frequency_penalty"),
                reason="over WebSocket only the models that think take it",
                models=OTHER_MODELS,
            ),
            Drop(names=("tool_choice", "stream_options"), reason="there is no place for it in a frame"),
            *COMMON_RULES,
            Clamp(name="temperature", low=0.01, high=1, models=OTHER_MODELS),
            Clamp(name="presence_penalty", low=-2, high=10),
            Clamp(name="frequency_penalty", low=-2, high=10),
        ),
        thinking=THINKING,
        messages=MessageFacts(replay="strip"),
        asks_for_usage=False,
        json_schema_models=None,
        json_object_models=None,
        errors=ERRORS,
    )
)
