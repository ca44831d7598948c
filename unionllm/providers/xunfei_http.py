"""iFlytek Spark (讯飞星火) over HTTP. https://www.xfyun.cn/doc/spark/X1http.html and HTTP调用文档 (read 2026-11-23)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._protocols.arranging import modern_calls
from .._protocols.base import Credential, JSONObject, Region
from .._protocols.openai_compatible import OpenAISpec
from .._protocols.openai_messages import MessageFacts
from .._protocols.parameters import Clamp, Drop, Only, Rename, adaptation
from .._protocols.spark import (
    COMMON_RULES,
    ERRORS,
    NOT_X2_5,
    OTHER_MODELS,
    THINKING,
    X1_AND_X2,
    X2_5,
    Spark,
    SparkParser,
)
from .._secrets import Secret
from ..exceptions import BadRequestError

if TYPE_CHECKING:
    from .._request import ChatRequest
    from .._wire import HttpReply
    from ..schema import Adaptation, ModelResponse

_HOST = "https://spark-api-open.xf-yun.com"
_VERSIONS = ("v1", "v2", "x2")
#: Members of every body and event that say only that all is well.
_ENVELOPE = frozenset({"code", "message", "sid"})


class SparkHTTP(Spark):
    """Adds the base URL by model, a list of tool calls, and the fields that the vendor leaves out."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. ``version="x2"`` picks X2, which has the name of X1.5 on another path."""
        params = dict(chat.params)
        version = params.pop("version", None)
        if version not in (None, *_VERSIONS):
            raise BadRequestError(f"version={version!r} is none of {', '.join(_VERSIONS)}.")
        is_default = self.spec.region_of(chat.base_url) is not None
        if is_default and (version or chat.base_url in (_HOST, self.spec.base_url)):
            is_x = re.match(r"(spark-x|x1)$", chat.model.lower())
            chat = chat.changed(base_url=f"{_HOST}/{version or ('v2' if is_x else 'v1')}")
        halves = chat.credentials["api_key"].split(":")  # a password is a key and a secret
        secrets = {f"half_{number}": Secret(half) for number, half in enumerate(halves) if half}
        prepared = super().prepare(chat.changed(params=params, credentials={**chat.credentials, **secrets}))
        if version is None or is_default:
            return prepared
        change = adaptation("version", "dropped", version, None, "base_url names the version")
        return prepared.changed(adaptations=(change, *prepared.adaptations))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes = super().adapt_params(chat, params)
        if not params.get("tools") or "tool_calls_switch" in params or not re.match(OTHER_MODELS, chat.model.lower()):
            return changes
        params["tool_calls_switch"] = True
        reason = "without it a call comes alone, and further ones are lost"
        return [*changes, adaptation("tool_calls_switch", "added", None, True, reason)]

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        return [*modern_calls(messages), *super().arrange(chat, messages)]

    def chunk_parser(self, chat: ChatRequest) -> SparkParser:
        """See ``Adapter``."""
        return SparkParser(self, chat)

    def to_response(self, chat: ChatRequest, reply: HttpReply) -> ModelResponse:
        """See ``OpenAICompatible``."""
        response = super().to_response(chat, reply)
        for choice in response.choices:
            if choice.provider_finish_reason is None:
                has_calls = bool(choice.message.tool_calls)
                choice.finish_reason = self.told_ending(chat, response.usage, has_calls=has_calls)
        return response

    def openai_shape(self, data: JSONObject) -> JSONObject:
        """Without the envelope, whose ``sid`` is the id, and with what a search found under a name of its own."""
        made = {name: value for name, value in data.items() if name not in _ENVELOPE}
        if data.get("sid"):
            made = {"id": data["sid"], "request_id": data["sid"], **made}
        choices: Any = data.get("choices")
        found: list[Any] = []
        for number, choice in enumerate(choices if isinstance(choices, list) else ()):
            for part in ("delta", "message"):
                told: Any = choice.get(part) if isinstance(choice, dict) else None
                if isinstance(told, dict) and told.get("role") == "tool":
                    # An X model tells its references first, as if they were calls of a tool.
                    pages = told.get("tool_calls") or []
                    found += pages if isinstance(pages, list) else [pages]
                    rest = {name: value for name, value in told.items() if name != "tool_calls"}
                    made["choices"] = list(made["choices"])
                    made["choices"][number] = {**choice, part: {"content": "", **rest, "role": "assistant"}}
        if found:
            made["search_results"] = found
        return made


adapter = SparkHTTP(
    OpenAISpec(
        name="xunfei_http",
        title="iFlytek Spark over HTTP (讯飞星火)",
        regions=(Region(name="cn", base_url=f"{_HOST}/v1", console="https://console.xfyun.cn"),),
        credentials=(Credential(env=("XUNFEI_HTTP_API_KEY",)),),
        base_url_env=("XUNFEI_HTTP_API_BASE",),
        docs="https://www.xfyun.cn/doc/spark/X1http.html",
        rules=(
            Rename("max_completion_tokens", "max_tokens", models=NOT_X2_5),
            Drop(names=("temperature", "top_p"), reason="this model's sampling is fixed", models=X2_5),
            Drop(names=("presence_penalty", "frequency_penalty"), reason="without effect here", models=X2_5),
            *COMMON_RULES,
            Clamp(name="temperature", low=0, high=2),
            Clamp(name="presence_penalty", low=-2, high=2),
            Clamp(name="frequency_penalty", low=-2, high=2),
            Only(
                name="tool_choice",
                values=("auto",),
                instead="auto",
                models=X1_AND_X2,
                reason="this model chooses its tools itself",
            ),
        ),
        thinking=THINKING,
        messages=MessageFacts(replay="strip"),
        asks_for_usage=False,
        json_schema_models=None,
        errors=ERRORS,
    )
)
