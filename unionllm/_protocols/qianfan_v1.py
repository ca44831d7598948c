"""Baidu Qianfan's first protocol (V1): the model in the path, the system text beside the turns, errors in HTTP 200.

Baidu closed it on 2026-08-31; private deployments still speak it. Follows
https://ai.baidu.com/ai-doc/WENXINWORKSHOP/Cm2y4d5ha and https://cloud.baidu.com/doc/qianfan/s/rmse4vxp8 (read
2026-11-23).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from .._secrets import Headers, Secret
from .._wire import Flow, HttpReply, HttpRequest
from ..exceptions import (
    APIError,
    AuthenticationError,
    BadRequestError,
)
from ..schema import Adaptation, Context
from . import means
from .base import ErrorFacts, JSONObject
from .errors import masked
from .json_http import parse_json
from .openai_compatible import OpenAICompatible, OpenAISpec, refuse_changes
from .openai_messages import MessageFacts, drop_strict, refuse_part
from .openai_parsing import OpenAIChunkParser
from .parameters import AtMost, Clamp, Drop, PenaltyScore, Rename, Rule, Thinking, adaptation, is_number
from .qianfan_turns import to_turns
from .tokens import Token, TokenCache, account_key

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import ModelResponseChunk

#: The day on which Baidu switched it off.
CLOSED_ON = "2026-08-31"

_ROOT = "/rpc/2.0/"
_CHAT = f"{_ROOT}ai_custom/v1/wenxinworkshop/chat/"

#: Model in lower case → the last part of its path; any other model is its own.
_SUFFIXES = {
    "ernie-4.0-8k": "completions_pro",
    "ernie-bot-4": "completions_pro",
    "ernie-4.0-8k-preview-0518": "completions_adv_pro",
    "ernie-3.5-8k": "completions",
    "ernie-bot": "completions",
    "ernie-bot-turbo": "eb-instant",
    "ernie-lite-8k-0922": "eb-instant",
    "ernie-lite-8k": "ernie-lite-8k",
    "ernie-speed-8k": "ernie_speed",
    "ernie-speed-128k": "ernie-speed-128k",
    "ernie-bot-8k": "ernie_bot_8k",
    "ernie-function-8k": "ernie-func-8k",
    "ernie-character-8k": "ernie-char-8k",
    "ernie-tiny-8k": "ernie-tiny-8k",
    "appbuilder-sdk": "ai_apaas",
}

#: Members of an answer that are told in OpenAI's words.
_READ = frozenset({"result", "function_call", "finish_reason", "is_end", "is_truncated", "sentence_id"})


def found_pages(found: Any) -> JSONObject:
    """The pages of a web search as ``context``."""
    if not isinstance(found, list) or not found:
        return {}
    return {"context": [_page(page) for page in found if isinstance(page, dict)]}


def _page(page: JSONObject) -> Context:
    index, content = page.get("index"), page.get("content")
    known = {"id": None if index is None else str(index), "content": None if content is None else str(content)}
    return Context.build(known, {name: value for name, value in page.items() if name not in ("index", "content")})


class QianfanV1(OpenAICompatible):
    """Translates to and from V1, with a token that client id and secret buy for thirty days."""

    def __init__(self, spec: OpenAISpec) -> None:
        super().__init__(
            replace(
                spec,
                rules=RULES,
                thinking=(Thinking(never=True),),
                messages=MessageFacts(replay="strip"),
                errors=ERRORS,
                asks_for_usage=False,
                json_schema_models=None,
            )
        )
        self._tokens = TokenCache(early=3600)

    # What the vendor is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. Only for deployments of one's own that are named."""
        host = urlsplit(chat.base_url).hostname or ""
        if chat.credentials.get("api_version") != "v1" or f".{host}".endswith(".baidubce.com"):
            raise self._closed()
        chat = chat.changed(base_url=chat.base_url.partition(_ROOT)[0])
        prepared = super().prepare(chat)
        if chat.param_policy == "raw":
            return prepared
        system, turns, changes = to_turns(prepared.messages)
        if chat.param_policy == "strict":
            refuse_changes(self.spec, changes)
        params = dict(prepared.params)
        texts = [text for text in (system, params.get("system")) if text]
        if texts:
            params["system"] = "\n".join(map(str, texts))
        if isinstance(params.get("response_format"), dict):
            params["response_format"] = params["response_format"]["type"]
        return prepared.changed(params=params, messages=tuple(turns), adaptations=(*prepared.adaptations, *changes))

    def _closed(self) -> AuthenticationError:
        return AuthenticationError(
            f"{self.spec.name}: client_id and client_secret are of V1, which Baidu closed on {CLOSED_ON}. Create an "
            f"API key (bce-v3/ALTAK-…) at {self.spec.console} and pass it as api_key=…. For a private deployment that "
            f'still speaks V1, pass api_version="v1" and its base_url=…. V1 接口已于 {CLOSED_ON} 关闭：请在 '
            f"{self.spec.console} 创建 API Key（bce-v3/ 开头），用 api_key 传入。",
            provider=self.spec.name,
        )

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """Tools are functions here, and the choice is one that is named, or none at all."""
        changes = drop_strict(params)
        changes += _take_choice(params)
        tools = params.pop("tools", None)
        if tools:
            params["functions"] = [_function(tool, number) for number, tool in enumerate(tools)]
        return changes

    def part_rule(self, chat: ChatRequest) -> Any:
        """No model of V1 sees."""
        return refuse_part

    def url(self, chat: ChatRequest) -> str:
        """See ``OpenAICompatible``. The token stands in the query, as the protocol has it."""
        suffix = _SUFFIXES.get(chat.model.lower(), chat.model.lower())
        query = urlencode({**chat.extra_query, "access_token": chat.credentials["access_token"]})
        return f"{chat.base_url}{_CHAT}{suffix}?{query}"

    def body(self, chat: ChatRequest) -> JSONObject:
        """See ``OpenAICompatible``."""
        return {name: value for name, value in super().body(chat).items() if name != "model"}

    # The token.

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``."""
        token = yield from self._tokens.get(_account(chat), chat.now, lambda: self._buy(chat))
        return chat.changed(credentials={**chat.credentials, "access_token": token})

    def renew(self, chat: ChatRequest, error: APIError) -> bool:
        """See ``Adapter``. A token may end before its time."""
        if error.code not in ("110", "111"):
            return False
        self._tokens.forget(_account(chat), chat.credentials["access_token"])
        return True

    def _buy(self, chat: ChatRequest) -> Flow[Token]:
        given = {name: chat.credentials[name] for name in ("client_id", "client_secret")}
        reply: HttpReply = yield HttpRequest(
            url=f"{chat.base_url}/oauth/2.0/token?{urlencode({'grant_type': 'client_credentials', **given})}",
            headers=Headers({"content-type": "application/json", "accept": "application/json"}),
            content=b"{}",
            secrets=chat.secrets,
            hides_reply=True,
        )
        token = _read_token(parse_json(reply.content), chat.now)
        if token is None:
            raise self._refused(chat, reply)
        return token

    def _refused(self, chat: ChatRequest, reply: HttpReply) -> APIError:
        data = parse_json(reply.content)
        code = data.get("error") if isinstance(data, dict) else None
        if not isinstance(code, str):
            return no_token(self, chat, reply)
        said = f"{data.get('error_description') or code} ({code})"
        return AuthenticationError(
            f"{self.spec.name}: {masked(said, chat)}. Check client_id and client_secret.",
            provider=chat.provider,
            model=chat.model,
            code=masked(code, chat),
        )

    # What the vendor answered.

    def chunk_parser(self, chat: ChatRequest) -> OpenAIChunkParser:
        """See ``Adapter``."""
        return _Parser(self, chat)

    def openai_shape(self, raw: JSONObject) -> JSONObject:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See ``OpenAICompatible``. A whole body and an event differ in ``is_end`` only."""
        if not isinstance(raw.get("result"), str) and not raw.get("function_call"):
            return raw
        delta: JSONObject = {"role": "assistant", "content": raw.get("result") or ""}
        call = raw.get("function_call")
        if isinstance(call, dict) and call.get("name"):
            function = {"name": call["name"], "arguments": call.get("arguments")}
            delta.update(tool_calls=[{"index": 0, "function": function}], reasoning_content=call.get("thoughts"))
        choice = {"index": 0, "delta": delta, "finish_reason": _ending(raw) if raw.get("is_end", True) else None}
        return {**{name: value for name, value in raw.items() if name not in _READ}, "choices": [choice]}

    def finish_reason(self, word: str | None) -> str | None:
        """See ``OpenAICompatible``."""
        return _ENDINGS.get(word or "") or super().finish_reason(word)

    def own_fields(self, data: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        info = data.get("search_info")
        return found_pages(info.get("search_results")) if isinstance(info, dict) else {}


class _Parser(OpenAIChunkParser):
    """V1 ends with the event that says so; there is no ``[DONE]``."""

    def _chunk(self, data: JSONObject) -> Iterable[ModelResponseChunk]:
        chunks = super()._chunk(data)
        self.is_done = self.has_finished
        return chunks


#: Words for an end that V1 alone has: finish reasons, and marks that stand for one.
_ENDINGS = {
    "function_call": "tool_calls",
    "is_truncated": "length",
    "need_clear_history": "content_filter",
    "is_end": "stop",
}


def _ending(raw: JSONObject) -> str:
    """The finish reason, or the mark that tells as much."""
    word = raw.get("finish_reason")
    if raw.get("is_truncated") and word in (None, "", "normal", "stop"):
        return "is_truncated"
    if isinstance(word, str) and word:
        return word
    if raw.get("need_clear_history"):
        return "need_clear_history"
    return "function_call" if raw.get("function_call") else "is_end"


def _read_token(data: Any, now: float) -> Token | None:
    token, seconds = (data.get("access_token"), data.get("expires_in")) if isinstance(data, dict) else (None, None)
    if not isinstance(token, str) or not token or not is_number(seconds):
        return None
    return Token(value=Secret(token), ends=now + seconds)


def no_token(dialect: OpenAICompatible, chat: ChatRequest, reply: HttpReply) -> APIError:
    """The error for a reply without a token. It may hold one all the same: nothing of it is shown but a refusal."""
    data = parse_json(reply.content)
    return dialect.error(chat, data if dialect.is_error(data) else "no token in the answer", reply=reply)


def _account(chat: ChatRequest) -> str:
    return account_key(chat.base_url, chat.credentials["client_id"], chat.credentials["client_secret"])


# Tools.


def _function(tool: Any, number: int) -> JSONObject:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        raise BadRequestError(f"tools[{number}] is no function; V1 knows nothing else.")
    return {"parameters": {"type": "object", "properties": {}}, **function}


def _take_choice(params: JSONObject) -> list[Adaptation]:
    """``tool_choice`` as V1 takes it: a function by its name. Without tools there is nothing to choose from."""
    choice, tools = params.get("tool_choice"), params.get("tools")
    if choice is None or isinstance(choice, Mapping):
        return []
    if choice == "required" and isinstance(tools, list) and len(tools) == 1:
        params["tool_choice"] = sent = {"type": "function", "function": {"name": tools[0]["function"]["name"]}}
        return [adaptation("tool_choice", "replaced", choice, sent, "only a named function can be required")]
    names = ("tool_choice", "tools") if choice == "none" and "tools" in params else ("tool_choice",)
    reason = "the vendor lets the model choose, or is told a function by its name"
    return [adaptation(name, "dropped", params.pop(name), None, reason) for name in names]


RULES: tuple[Rule, ...] = (
    Rename("max_completion_tokens", "max_output_tokens"),
    Rename("max_tokens", "max_output_tokens"),
    Rename("user", "user_id"),
    Clamp(name="max_output_tokens", low=2),
    Clamp(name="temperature", low=1e-9, high=1),
    Clamp(name="top_p", low=0, high=1),
    PenaltyScore(),
    Clamp(name="penalty_score", low=1, high=2),
    AtMost(name="stop", most=4, length=20),
    Drop(names=("n", "logit_bias", "logprobs", "top_logprobs", "seed", "service_tier", "store")),
    Drop(names=("parallel_tool_calls", "stream_options")),
)

#: What both protocols say when the account has no money, in whatever code.
NO_MONEY = tuple(
    (phrase, means.NO_BALANCE)
    for phrase in ("in arrears", "insufficient balance", "balance is not enough", "欠费", "余额不足")
)


ERRORS = ErrorFacts(
    codes=means.codes(
        {
            means.SERVER: "1 336000",
            means.OVERLOADED: "2 336100",
            means.NOT_FOUND: "3 15 336005",
            means.RATE_LIMIT: "4 18 19 336501 336502",
            means.PERMISSION: "6 336004",
            means.AUTH: "13 14 100 110 111",
            means.BAD_REQUEST: "336001 336002 336003 336101 336104 336105",
            means.CONTEXT: "336007 336103",
            # The limit of a day does not come back within a retry.
            means.QUOTA: "17",
        }
    ),
    texts=NO_MONEY,
    request_id_fields=("id",),
)
