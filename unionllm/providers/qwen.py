"""Alibaba Cloud Model Studio, Qwen (通义千问, 百炼).

API reference: https://help.aliyun.com/zh/model-studio (read 2026-11-23).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._protocols import dashscope
from .._protocols.base import Adapter, Credential, EmbeddingFacts, Region
from .._protocols.openai_compatible import OpenAISpec
from .._protocols.parameters import Clamp, Drop, Rename, Rule, Thinking
from .._wire import ChunkParser, Flow, HttpRequest, WebSocketRequest
from ..exceptions import BadRequestError
from ._qwen_rules import ModelStudio

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import ModelResponse

_COMPATIBLE, _NATIVE = "/compatible-mode/v1", "/api/v1"
_PROTOCOLS = {None: "", "compatible": _COMPATIBLE, "openai": _COMPATIBLE, "native": _NATIVE}
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Native(dashscope.DashScope, ModelStudio):
    """The same rules in the native protocol."""


class Qwen(Adapter):
    """Two protocols of one vendor: the address says which, or the caller's ``protocol=``."""

    spec: OpenAISpec

    def __init__(self, spec: OpenAISpec, native_rules: tuple[Rule, ...]) -> None:
        self.spec = spec  # pyright: ignore[reportIncompatibleVariableOverride]  # never assigned again
        self._compatible = ModelStudio(spec)
        self._native = Native(replace(spec, rules=native_rules))

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        chat = self._located(chat)
        return self._speaker(chat).prepare(chat)

    def _speaker(self, chat: ChatRequest) -> ModelStudio:
        return self._native if dashscope.is_native(chat) else self._compatible

    def _located(self, chat: ChatRequest) -> ChatRequest:
        """The call with its address whole: the workspace's host, the protocol's path, and natively the model's."""
        params = dict(chat.params)
        protocol, workspace = params.pop("protocol", None), chat.credentials.get("workspace", "")
        if protocol not in _PROTOCOLS:
            raise BadRequestError(f'protocol={protocol!r} is neither "compatible" nor "native".')
        if workspace and not _WORKSPACE.fullmatch(workspace):
            raise BadRequestError("workspace: an id has up to 64 letters, digits, dashes and underscores, no more.")
        if "{workspace}" in chat.base_url and not workspace:
            raise BadRequestError(
                "This region is served on hosts of single workspaces: pass workspace=… or set DASHSCOPE_WORKSPACE_ID. "
                f"Its id stands in the console, {self.spec.console}."
            )
        url = self._base(chat.base_url.replace("{workspace}", workspace), _PROTOCOLS[protocol])
        if url.endswith(_NATIVE) or _PROTOCOLS[protocol] == _NATIVE:
            url = dashscope.endpoint(url, chat)
        return chat.changed(params=params, base_url=url)

    def _base(self, url: str, wanted: str) -> str:
        """The base URL, which may have been given as a bare host, with an endpoint, or for the other protocol."""
        url = url.removesuffix(dashscope.TEXT).removesuffix(dashscope.MEDIA)
        region = self.spec.region_of(url)
        if urlsplit(url).path in ("", "/"):
            url += urlsplit((region or self.spec).base_url).path
        for path in (_COMPATIBLE, _NATIVE):
            if wanted and url.endswith(path):
                return url.removesuffix(path) + wanted
        if wanted == _NATIVE and region is not None:
            raise BadRequestError(f"region {region.name!r} has no native protocol. Leave protocol= out.")
        return url

    def for_embeddings(self, chat: ChatRequest) -> tuple[Adapter, ChatRequest]:
        """See ``Adapter``. Texts are embedded by the compatible protocol alone."""
        return self._compatible, chat.changed(base_url=self._base(chat.base_url, _COMPATIBLE))

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``."""
        return self._speaker(chat).make_ready(chat)

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        return self._speaker(chat).complete(chat)

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest | WebSocketRequest]:
        """See ``Adapter``."""
        return self._speaker(chat).open_stream(chat)

    def stream(self, chat: ChatRequest) -> Flow[Any]:
        """See ``Adapter``."""
        return self._speaker(chat).stream(chat)

    def chunk_parser(self, chat: ChatRequest) -> ChunkParser:
        """See ``Adapter``."""
        return self._speaker(chat).chunk_parser(chat)

    def thinks(self, model: str) -> bool:
        """See ``Adapter``."""
        return self._compatible.thinks(model)


#: Families that have no switch: these never think, those always do.
_PLAIN = r"qwen3-coder|qwen-(long|mt|vl-ocr|plus-character)|qwen(1\.5|2)|.*-instruct"
_ALWAYS = r"qwq|qvq|.*-thinking"

_RULES: tuple[Rule, ...] = (
    Rename("max_completion_tokens", "max_tokens"),
    # 2 itself is refused, and so is 0 for the other one.
    Clamp(name="temperature", low=0, high=1.99),
    Clamp(name="top_p", low=0.001, high=1),
    Clamp(name="n", low=1, high=4),
    Clamp(name="presence_penalty", low=-2, high=2),
    Clamp(name="top_logprobs", low=0, high=5),
    Drop(names=("frequency_penalty",), reason="the vendor knows repetition_penalty (above 0, 1 is neutral) instead"),
    Drop(names=("user", "logit_bias", "metadata", "service_tier", "store", "best_of")),
    Drop(names=("enable_thinking", "thinking_budget"), models=_PLAIN, reason="this model does not think"),
    Drop(names=("enable_thinking",), models=_ALWAYS, reason="this model always thinks"),
)

_CN, _INTL = "https://bailian.console.aliyun.com", "https://modelstudio.console.alibabacloud.com"


def _region(name: str, host: str, console: str, path: str = _COMPATIBLE) -> Region:
    return Region(name=name, base_url=f"https://{host}{path}", console=console)


adapter = Qwen(
    OpenAISpec(
        name="qwen",
        title="Alibaba Cloud Model Studio, Qwen (通义千问)",
        regions=(
            _region("cn", "dashscope.aliyuncs.com", _CN),
            _region("intl", "dashscope-intl.aliyuncs.com", _INTL),
            _region("us", "dashscope-us.aliyuncs.com", _INTL),
            _region("hk", "cn-hongkong.dashscope.aliyuncs.com", _INTL),
            _region("coding", "coding.dashscope.aliyuncs.com", _CN, "/v1"),
            _region("coding-intl", "coding-intl.dashscope.aliyuncs.com", _INTL, "/v1"),
            _region("token", "token-plan.cn-beijing.maas.aliyuncs.com", _CN),
            _region("token-intl", "token-plan.ap-southeast-1.maas.aliyuncs.com", _INTL),
            # Hosts of single workspaces, by the vendor's own names.
            _region("cn-beijing", "{workspace}.cn-beijing.maas.aliyuncs.com", _CN),
            _region("ap-southeast-1", "{workspace}.ap-southeast-1.maas.aliyuncs.com", _INTL),
            _region("us-east-1", "{workspace}.us-east-1.maas.aliyuncs.com", _INTL),
            _region("cn-hongkong", "{workspace}.cn-hongkong.maas.aliyuncs.com", _INTL),
            _region("eu-central-1", "{workspace}.eu-central-1.maas.aliyuncs.com", _INTL),
            _region("ap-northeast-1", "{workspace}.ap-northeast-1.maas.aliyuncs.com", _INTL),
        ),
        credentials=(
            Credential(
                env=(
                    "DASHSCOPE_API_KEY",
                    "QWENCLOUD_API_KEY",
                    "QWEN_AI_PLATFORM_API_KEY",
                    "ALIBABA_CODING_PLAN_API_KEY",
                    "ALIBABA_TOKEN_PLAN_API_KEY",
                ),
                looks_like="sk-…",
            ),
            Credential(name="workspace", env=("DASHSCOPE_WORKSPACE_ID", "DASHSCOPE_WORKSPACE"), required=False),
        ),
        base_url_env=(
            "DASHSCOPE_BASE_URL",
            "DASHSCOPE_COMPATIBLE_BASE_URL",
            "DASHSCOPE_HTTP_BASE_URL",
            "DASHSCOPE_API_BASE",
        ),
        docs="https://help.aliyun.com/zh/model-studio",
        embeddings=EmbeddingFacts(batch=10, batches=((r"text-embedding-v[12]", 25),)),
        rules=(*_RULES, Clamp(name="seed", low=0, high=2**31 - 1)),
        thinking=(
            Thinking(models=_ALWAYS, types=(), always=True),
            Thinking(models=_PLAIN, never=True),
            # Open weights think unless told not to, the vendor's own only when told to.
            Thinking(models=r"qwen3-\d[\d.]*b", flag="enable_thinking", budget="thinking_budget"),
            Thinking(flag="enable_thinking", budget="thinking_budget", on_by_default=False),
        ),
        json_schema_models=r"qwen3\.[5-9]",
        stream_only=rf".*omni|{_ALWAYS}",
        errors=dashscope.ERRORS,
    ),
    native_rules=(
        *_RULES,
        Clamp(name="seed", low=0, high=2**63 - 1),
        Drop(names=("stream_options",), reason="not needed: usage comes with every event"),
    ),
)
