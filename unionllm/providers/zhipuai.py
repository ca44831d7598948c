"""Zhipu AI, Z.AI, GLM (智谱). API reference: https://docs.z.ai/api-reference/llm/chat-completion (read 2026-11-23)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.base import Credential, EmbeddingFacts, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_media import check_kind, url_of, with_url
from .._protocols.openai_messages import MessageFacts, drop_strict, refuse_part
from .._protocols.parameters import (
    LOW_HIGH_MAX,
    AtMost,
    Clamp,
    Drop,
    Length,
    NoneMeansNoTools,
    Only,
    Rename,
    Thinking,
    adaptation,
)
from .._secrets import Headers, Secret
from .._wire import Flow
from ..exceptions import BadRequestError
from ..schema import Context

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

#: Milliseconds: three minutes, and half a minute for the way.
_TOKEN_LIFE = 210_000

_BOX = re.compile(r"<\|(?:begin|end)_of_box\|>")
_SEES = re.compile(r"glm-(\d[\d.]*v|5\.3-flash)")


class Zhipu(OpenAICompatible):
    """Adds signed tokens, greedy decoding, bare base64, single stop words, and the marks around boxed answers."""

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``OpenAICompatible``. With ``auth="jwt"`` the key itself stays here, and a token made of it travels."""
        headers = super().headers(chat)
        if chat.credentials.get("auth") == "jwt":
            headers["authorization"] = f"Bearer {chat.credentials.get('token') or _token(chat)}"
        return headers

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. A signed token is a credential of this try, and hidden as such."""
        yield from ()
        if chat.credentials.get("auth") != "jwt":
            return chat
        return chat.changed(credentials={**chat.credentials, "token": _token(chat)})

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        if not any(message.get("role") == "user" for message in chat.messages):
            raise BadRequestError(
                "zhipuai needs at least one user message (it answers code 1214 otherwise). Give one in messages."
            )
        changes: list[Adaptation] = []
        if params.get("temperature") == 0:
            # The interval is open at 0 on older models; greedy decoding is a switch of its own.
            params.update(temperature=0.01, do_sample=False)
            changes.append(adaptation("temperature", "replaced", 0, 0.01, "0 means do_sample=false here"))
        return [*changes, *drop_strict(params)]

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        model = chat.model.lower()
        return refuse_part if model.startswith("glm-") and not _SEES.match(model) else _media

    def own_fields(self, data: JSONObject) -> JSONObject:
        """What a web search found is the context of the answer; ``[ref_1]`` in the text names an entry's ``id``."""
        found = data.get("web_search")
        if not isinstance(found, list) or not found:
            return {}
        return {"context": [_passage(entry) for entry in found if isinstance(entry, dict)]}

    def adjust_message(self, raw: JSONObject) -> JSONObject:
        """Vision models mark their final answer with a box that no reader wants to see."""
        content = raw.get("content")
        if isinstance(content, str) and "_of_box|>" in content:
            return {**raw, "content": _BOX.sub("", content)}
        return raw


def _token(chat: ChatRequest) -> Secret:
    return Secret(sign_token(chat.credentials["api_key"], int(chat.now * 1000)))


def sign_token(key: str, now: int) -> str:
    """The HS256 token that stands for a key ``id.secret``.

    Args:
        now: Unix time in milliseconds, as the vendor counts it. The token lives for 210,000 ms.

    Raises:
        BadRequestError: the key has no two halves.
    """
    key_id, dot, secret = key.partition(".")
    if not dot or not secret:
        raise BadRequestError(
            'zhipuai: auth="jwt" needs a key of the form id.secret. Leave auth out to send it as it is.'
        )
    header = {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}
    payload = {"api_key": key_id, "exp": now + _TOKEN_LIFE, "timestamp": now}
    signed = b".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return b".".join((signed, _base64url(signature))).decode("ascii")


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _media(part: JSONObject, where: str) -> JSONObject:
    check_kind(part, where, "zhipuai", ("image_url", "video_url", "file_url"))
    url = url_of(part)
    if url.startswith("data:") and ";base64," in url:
        # The documented form is bare base64; older vision models refuse a data URL.
        return with_url(part, url.partition(";base64,")[2])
    return part


def _passage(entry: JSONObject) -> Context:
    refer, content = entry.get("refer"), entry.get("content")
    return Context(id=None if refer is None else str(refer), content=None if content is None else str(content))


_CODES = means.codes(
    {
        means.AUTH: "1000 1001 1002 1003 1004 1111",
        means.PERMISSION: "1100 1110 1112 1120 1121 1220 1309 1311 1313",
        means.NO_BALANCE: "1113",
        means.BAD_REQUEST: "1200 1210 1212 1213 1214 1215 1231",
        means.NOT_FOUND: "1211 1221 1222",
        means.SERVER: "1230 500",
        means.CONTEXT: "1261",
        means.POLICY: "1300 1301",
        means.RATE_LIMIT: "1302 1303",
        means.OVERLOADED: "1234 1305 1312",
        # A day's or a plan's quota does not come back within a retry.
        means.QUOTA: "1304 1308 1310",
    }
)

_CONSOLE = "https://open.bigmodel.cn/usercenter/apikeys"
_INTL_CONSOLE = "https://z.ai/manage-apikey/apikey-list"

adapter = Zhipu(
    OpenAISpec(
        name="zhipuai",
        title="Zhipu AI, GLM (智谱)",
        regions=(
            Region(name="cn", base_url="https://open.bigmodel.cn/api/paas/v4", console=_CONSOLE),
            Region(name="intl", base_url="https://api.z.ai/api/paas/v4", console=_INTL_CONSOLE),
            Region(name="coding", base_url="https://open.bigmodel.cn/api/coding/paas/v4", console=_CONSOLE),
            Region(name="coding-intl", base_url="https://api.z.ai/api/coding/paas/v4", console=_INTL_CONSOLE),
        ),
        credentials=(
            Credential(
                env=("ZHIPU_API_KEY", "ZHIPUAI_API_KEY", "ZAI_API_KEY", "GLM_API_KEY", "BIGMODEL_API_KEY"),
                looks_like="….…",
            ),
            Credential(name="auth", required=False),
        ),
        base_url_env=("ZHIPUAI_BASE_URL", "ZAI_BASE_URL", "ZAI_API_BASE", "ZHIPU_API_BASE"),
        docs="https://docs.bigmodel.cn/cn/api",
        embeddings=EmbeddingFacts(batch=64),
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Rename("user", "user_id"),
            Length(name="user_id", low=6, high=128),
            AtMost(name="stop", most=1),
            Clamp(name="temperature", low=0, high=1),
            Clamp(name="top_p", low=0.01, high=1),
            NoneMeansNoTools(),
            Only(name="tool_choice", values=("auto",), instead="auto", reason="the vendor lets the model choose"),
            Drop(names=("n", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty")),
            Drop(names=("best_of", "parallel_tool_calls", "store", "service_tier")),
            Drop(names=("stream_options",), reason="not needed: usage always comes on the last chunk"),
        ),
        thinking=(
            Thinking(
                models=r"glm-5\.3",
                types=("enabled",),
                efforts=LOW_HIGH_MAX,
                always=True,
                keys=("clear_thinking",),
            ),
            Thinking(
                models=r"glm-5\.2",
                efforts=frozen({**LOW_HIGH_MAX, "minimal": "minimal", "low": "high"}),
                keys=("clear_thinking",),
            ),
            Thinking(models=r"(glm-4\.[5-9]|glm-[5-9])", keys=("clear_thinking",)),
            Thinking(models=r"(glm-[1-4]|charglm|chatglm|emohaa|codegeex)", never=True),
            Thinking(keys=("clear_thinking",)),
        ),
        messages=MessageFacts(),
        asks_for_usage=False,
        errors=ErrorFacts(
            codes=_CODES,
            # No access to a trial, and a file that is too big.
            statuses=frozen({434: means.PERMISSION, 435: means.BAD_REQUEST}),
            request_id_headers=("x-log-id", "x-request-id"),
        ),
        failures=frozen({"network_error": means.OVERLOADED}),
    )
)
