"""Baidu Qianfan (百度千帆). API reference: https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb (read 2026-11-23)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._protocols import means, qianfan_errors, qianfan_v1
from .._protocols.arranging import merge_neighbours, merge_system
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.bce_auth import IAM, read_token, token_request
from .._protocols.json_http import parse_json
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_media import check_kind, is_web_address
from .._protocols.openai_messages import refuse_part
from .._protocols.openai_parsing import OpenAIChunkParser
from .._protocols.parameters import AtMost, Clamp, Drop, PenaltyScore, Thinking, adaptation
from .._protocols.tokens import Token, TokenCache, account_key
from .._secrets import Headers, Secret
from .._wire import Flow, HttpReply, HttpRequest
from ..exceptions import (
    APIError,
    AuthenticationError,
    BadRequestError,
)

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse

#: Older families: turns in strict order; temperatures to 1 and two tokens at least; from before today's protocol.
_STRICT, _OLD, _OF_V1 = r"ernie-(?!5)", r"ernie-(?!5|x1)", r"ernie-(?!4\.5|5|x1)"
#: All of Baidu's own but those that know OpenAI's two penalties.
_ONE_PENALTY = r"ernie-(?!5\.[01](?!-thinking))"
_BLIND = r"ernie-(?!5|.*-vl)"
#: The shape of a key of the first protocol; today's begin with bce-v3/.
_KEY_OF_V1 = re.compile(r"[A-Za-z0-9]{24}")


class Wenxin(OpenAICompatible):
    """Adds tokens that an access key buys, application ids, safety flags, and V1 for those who ask for it."""

    def __init__(self, spec: OpenAISpec, first: qianfan_v1.QianfanV1) -> None:
        super().__init__(spec)
        self._first = first
        self._tokens = TokenCache(early=300)

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        return self._first.prepare(chat) if _is_v1(chat) else super().prepare(self._read_account(chat))

    def _read_account(self, chat: ChatRequest) -> ChatRequest:
        """The call with its credentials taken apart, and with the version behind a bare host."""
        credentials, name = dict(chat.credentials), self.spec.name
        if credentials.get("api_version", "v2") != "v2":
            raise BadRequestError(
                f'{name}: api_version is "v2", or "v1" together with client_id=, client_secret= and base_url=.'
            )
        if "access_key" in credentials and not is_web_address(credentials.get("iam_base_url", IAM)):
            raise BadRequestError(f"{name}: iam_base_url is no address; leave it out, or write it with its https://.")
        key, bar, app_id = credentials.get("api_key", "").partition("|")
        if bar:
            credentials.update(api_key=Secret(key), app_id=Secret(app_id))
        if _KEY_OF_V1.fullmatch(key) and self.spec.region_of(chat.base_url):
            raise AuthenticationError(
                f"{name}: this api_key has the shape of V1's (24 letters and digits), which Baidu closed on "
                f"{qianfan_v1.CLOSED_ON}. Create one that begins with bce-v3/ at {self.spec.console}. "
                f"V1 已关闭：请在 {self.spec.console} 创建 bce-v3/ 开头的新密钥。",
                provider=name,
            )
        base_url = chat.base_url if urlsplit(chat.base_url).path else f"{chat.base_url}/v2"
        return chat.changed(credentials=credentials, base_url=base_url)

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        if params.get("max_tokens") is None or params.get("max_completion_tokens") is None:
            return []
        reason = "max_completion_tokens is given too, and wins"
        return [adaptation("max_tokens", "dropped", params.pop("max_tokens"), None, reason)]

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes = merge_system(messages)
        return [*changes, *merge_neighbours(messages)] if re.match(_STRICT, chat.model.lower()) else changes

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        return refuse_part if re.match(_BLIND, chat.model.lower()) else _take_media

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``OpenAICompatible``."""
        app_id = chat.credentials.get("app_id")
        return Headers({**({"appid": app_id} if app_id else {}), **super().headers(chat)})

    # Tokens.

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. An access key buys a token, which then is the key."""
        if _is_v1(chat):
            return (yield from self._first.make_ready(chat))
        if "access_key" not in chat.credentials:
            return chat
        token = yield from self._tokens.get(account_key(*_account(chat)), chat.now, lambda: self._buy(chat))
        return chat.changed(credentials={**chat.credentials, "api_key": token})

    def renew(self, chat: ChatRequest, error: APIError) -> bool:
        """See ``Adapter``."""
        if _is_v1(chat):
            return self._first.renew(chat, error)
        if is_refused := "access_key" in chat.credentials and error.code == "invalid_iam_token":
            self._tokens.forget(account_key(*_account(chat)), chat.credentials["api_key"])
        return is_refused

    def _buy(self, chat: ChatRequest) -> Flow[Token]:
        request = token_request(*_account(chat), now=chat.now, secrets=chat.secrets)
        reply: HttpReply = yield request
        token = read_token(parse_json(reply.content), chat.now) if reply.status < 300 else None
        if token is None:
            signature = Secret(request.headers["authorization"])
            buyer = chat.changed(credentials={**chat.credentials, "signature": signature})
            raise qianfan_v1.no_token(self, buyer, reply)
        return token

    # The first protocol.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        return self._first.complete(chat) if _is_v1(chat) else super().complete(chat)

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest]:
        """See ``Adapter``."""
        return self._first.open_stream(chat) if _is_v1(chat) else super().open_stream(chat)

    def chunk_parser(self, chat: ChatRequest) -> OpenAIChunkParser:
        """See ``Adapter``."""
        return self._first.chunk_parser(chat) if _is_v1(chat) else super().chunk_parser(chat)

    # What the vendor answered.

    def adjust_choice(self, raw: JSONObject) -> JSONObject:
        """A flag is a hit of the safety rules, and the reason for an end without another one."""
        flag = raw.get("flag")
        return {**raw, "finish_reason": f"flag {flag}"} if flag and not raw.get("finish_reason") else raw

    def finish_reason(self, word: str | None) -> str | None:
        """See ``OpenAICompatible``."""
        if isinstance(word, str) and word.startswith("flag "):
            return "content_filter"
        return "tool_calls" if word == "function_call" else super().finish_reason(word)

    def own_fields(self, data: JSONObject) -> JSONObject:
        """What a web search found is the context of the answer."""
        return qianfan_v1.found_pages(data.get("search_results"))


def _is_v1(chat: ChatRequest) -> bool:
    return "client_id" in chat.credentials


def _account(chat: ChatRequest) -> tuple[str, str, str]:
    """Where tokens are sold, and the pair that buys them."""
    given = chat.credentials
    return given.get("iam_base_url", IAM).rstrip("/"), given["access_key"], given["secret_key"]


def _take_media(part: JSONObject, where: str) -> JSONObject:
    check_kind(part, where, "wenxin", ("image_url", "video_url"))
    return part


_CONSOLE = "https://console.bce.baidu.com/iam/#/iam/apikey/list"
_BY_FLAG = Thinking(flag="enable_thinking", budget="thinking_budget", on_by_default=False)

_SPEC = OpenAISpec(
    name="wenxin",
    title="Baidu Qianfan, ERNIE (百度千帆, 文心)",
    regions=(Region(name="cn", base_url="https://qianfan.baidubce.com/v2", console=_CONSOLE),),
    credentials=(
        Credential(env=("ERNIE_API_KEY", "QIANFAN_API_KEY", "QIANFAN_BEARER_TOKEN"), looks_like="bce-v3/…"),
        Credential(name="app_id", env=("QIANFAN_APP_ID",), required=False),
        Credential(name="access_key", env=("QIANFAN_ACCESS_KEY",), required=False),
        Credential(name="secret_key", env=("QIANFAN_SECRET_KEY",), required=False),
        Credential(name="iam_base_url", env=("QIANFAN_IAM_BASE_URL",), required=False),
        Credential(name="client_id", env=("ERNIE_CLIENT_ID", "QIANFAN_AK"), required=False),
        Credential(name="client_secret", env=("ERNIE_CLIENT_SECRET", "QIANFAN_SK"), required=False),
        Credential(name="api_version", required=False),
    ),
    alternatives=(("access_key", "secret_key"), ("client_id", "client_secret")),
    docs="https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb",
    base_url_env=("QIANFAN_CONSOLE_API_BASE_URL",),
    rules=(
        Drop(names=("temperature",), reason="this model refuses it", models="ernie-5.5-flash-preview"),
        Clamp(name="temperature", low=1e-9, high=1, models=_OLD),
        Clamp(name="temperature", low=0, high=1.99),
        Clamp(name="top_p", low=0, high=1),
        Clamp(name="max_tokens", low=2, models=_OLD),
        Clamp(name="max_completion_tokens", low=2, models=_OLD),
        AtMost(name="stop", most=4, length=20),
        PenaltyScore(models=_ONE_PENALTY),
        Clamp(name="penalty_score", low=1, high=2),
        Clamp(name="presence_penalty", low=-2, high=2),
        Clamp(name="frequency_penalty", low=-2, high=2),
        Drop(names=("n", "logit_bias", "service_tier", "store")),
        Drop(names=("logprobs", "top_logprobs"), models="ernie-"),
        Drop(names=("seed",), models=_OF_V1),
    ),
    thinking=(
        _BY_FLAG._replace(models=r"ernie-5\.0-thinking", always=True),
        Thinking(models=r"ernie-x1", types=(), always=True),
        Thinking(models=r"ernie-(?!5\.[01])", never=True),
        _BY_FLAG,
    ),
    errors=ErrorFacts(
        # Some gateways answer with codes of the first protocol.
        codes=frozen({**qianfan_v1.ERRORS.codes, **qianfan_errors.CODES}),
        texts=qianfan_errors.TEXTS,
        statuses=frozen({405: means.BAD_REQUEST}),
        request_id_fields=("request_id", "id"),
    ),
)

adapter = Wenxin(_SPEC, qianfan_v1.QianfanV1(_SPEC))
