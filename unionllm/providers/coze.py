"""Coze (扣子), its two clouds, and coze-studio on a server of one's own: bots and chatflows, by the third version of
its API.

API reference: https://docs.coze.com/developer_guides/chat_v3 (read 2026-11-23). A whole answer is created, polled and
listed; a stream is one request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .._protocols.agents import Agent, AgentSpec, join
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region
from .._protocols.openai_messages import text_of
from .._protocols.openai_parsing import ODD_SHAPES
from .._protocols.parameters import adaptation
from .._retry import MAX_WAIT
from .._wire import Flow, HttpReply, HttpRequest, Wait
from ..exceptions import APIConnectionError, APIError, APITimeoutError, AuthenticationError
from . import _coze_messages, _coze_oauth
from ._coze_errors import ERRORS
from ._coze_events import ENDED, CozeParser, status_of

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse, ModelResponseChunk

_CHAT, _FLOW = "/v3/chat", "/v1/workflows/chat"
#: Arguments of ours, or such as stand elsewhere than in the body.
_OURS = frozenset(
    {"chat_id", "conversation_id", "poll_interval", "poll_timeout", "session_name", "suggestions", "user"}
)
#: Who is asked, which the environment may tell as well as a call; no secret.
_WHO = ("bot_id", "app_id")
#: Seconds between two polls, part of them before the first one, and seconds after which nobody asks any more.
_INTERVAL, _FIRST, _LONGEST = 1.0, 0.05, 600.0
#: How often one thing is asked of a chat that has begun.
_TRIES = 4


class Coze(Agent):
    """Bots, and chatflows where ``workflow_id`` is given."""

    parser = CozeParser

    def __init__(self, spec: AgentSpec) -> None:
        super().__init__(spec)
        self._tokens = _coze_oauth.AppTokens(self)

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        credentials = dict(chat.credentials)
        who = {name: str(credentials.pop(name)) for name in _WHO if name in credentials}
        base_url = chat.base_url.removesuffix("/v3").rstrip("/")
        params = {**chat.params, **who}
        _coze_messages.check_settings(self.spec.name, params)
        return super().prepare(chat.changed(credentials=credentials, params=params, base_url=base_url))

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """See ``Agent``."""
        return _coze_messages.turns(self.spec.name, messages, params)

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``."""
        if _coze_messages.hands_in_results(messages):
            reason = "results of tools go to a chat that has begun, with all that it was begun with"
            unused = [name for name in params if name not in _OURS and name not in _WHO]
            return [adaptation(name, "dropped", params.pop(name), None, reason) for name in unused]
        is_flow = bool(params.get("workflow_id"))
        _coze_messages.check_request(self.spec.name, params, messages, is_flow=is_flow)
        unheard = {"chat_id": "it is for results of tools; a question begins a chat of its own"}
        if is_flow:
            unheard["user"] = "a chatflow has no field for it"
        given = [name for name in unheard if name in params]
        return [adaptation(name, "dropped", params.pop(name), None, unheard[name]) for name in given]

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``."""
        given = chat.params
        query = {name: str(given[name]) for name in ("conversation_id", "chat_id") if given.get(name)}
        if _coze_messages.hands_in_results(chat.messages):
            outputs = [
                {"tool_call_id": message["tool_call_id"], "output": text_of(message.get("content"))}
                for message in chat.messages
            ]
            body: JSONObject = {"tool_outputs": outputs, "stream": chat.stream}
            return self.request(chat, f"{_CHAT}/submit_tool_outputs", {**body, **chat.extra_body}, **query)
        body = {name: value for name, value in given.items() if name not in _OURS}
        body["additional_messages"] = _coze_messages.to_coze(chat.messages)
        if given.get("workflow_id"):
            return self.request(chat, _FLOW, {**body, **query, **chat.extra_body})
        usual = {"user_id": str(given.get("user", "unionllm")), "stream": chat.stream, "auto_save_history": True}
        body.pop("app_id", None)
        return self.request(chat, _CHAT, {**usual, **body, **chat.extra_body}, **query)

    def uploaded_id(self, data: JSONObject) -> str:
        """See ``Agent``."""
        told = data.get("data")
        return str(told.get("id") or "") if isinstance(told, dict) else ""

    # Tokens.

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. The key of an OAuth app buys a token, which then is the key."""
        ready = yield from self._tokens.sign_in(chat)
        return (yield from super().make_ready(ready))

    def renew(self, chat: ChatRequest, error: APIError) -> bool:
        """See ``Adapter``. Where a chat has begun, ``partial`` tells its ids: it is not begun again."""
        return isinstance(error, AuthenticationError) and error.partial is None and self._tokens.give_up(chat)

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``. What is not saved cannot be polled, and chatflows only stream."""
        if chat.params.get("workflow_id") or chat.params.get("auto_save_history") is False:
            return (yield from self._streamed(chat))
        parser = CozeParser(self, chat)
        reply: HttpReply = yield self.chat_request(chat)
        parser.start(reply)
        created = self._part(chat, reply, dict)
        try:
            chunks = yield from self._follow(chat, parser, created, reply.received_at)
        except APIError as error:
            # The bot has run, perhaps with its tools: that is not done twice.
            error.retryable, error.partial = False, parser.so_far()
            raise
        return join(chunks)

    def _streamed(self, chat: ChatRequest) -> Flow[ModelResponse]:
        try:
            return (yield from self.complete_by_stream(chat))
        except APIError as error:
            if error.partial is not None:
                error.retryable = False
            raise

    def _follow(
        self, chat: ChatRequest, parser: CozeParser, run: JSONObject, began: float
    ) -> Flow[Iterable[ModelResponseChunk]]:
        """Poll a chat to its end, and read what it said."""
        interval = float(chat.params.get("poll_interval", _INTERVAL))
        wait = interval * _FIRST
        parser.read_run({**run, "status": "created"})  # its ids
        query = {"conversation_id": str(run["conversation_id"]), "chat_id": str(run["id"])}
        while status_of(run) not in ENDED:
            yield Wait(seconds=wait)
            wait = interval
            reply, chat = yield from self._look(chat, "retrieve", query, interval)
            run = self._part(chat, reply, dict)
            if status_of(run) not in ENDED and reply.received_at - began > chat.params.get("poll_timeout", _LONGEST):
                raise APITimeoutError(
                    f"coze: the chat still runs after {reply.received_at - began:.0f} s. Its ids are in .partial; "
                    "allow more with poll_timeout= (seconds), or take stream=True."
                )
        ending = list(parser.read_run(run))
        if parser.calls_for_tools:
            return [*ending, *parser.end()]
        reply, chat = yield from self._look(chat, "message/list", query, interval)
        messages = self._part(chat, reply, list, may_lack="cancel" in status_of(run))
        try:
            return [*parser.read_messages(messages), *ending, *parser.end()]
        except ODD_SHAPES:
            pass
        raise self.unreadable(chat, "the messages make no sense", str(messages), reply.status)

    def _look(
        self, chat: ChatRequest, what: str, query: dict[str, str], interval: float
    ) -> Flow[tuple[HttpReply, ChatRequest]]:
        """What the platform says of a chat that has begun, and the call with the token that it was asked with.

        Asking changes nothing, so it is done again if it fails, and with a new token if one has run out meanwhile.
        """
        tries = 0
        while True:
            tries += 1
            try:
                reply: HttpReply = yield self.get(chat, f"{_CHAT}/{what}", **query)
                self.read_json(chat, reply)
                return reply, chat
            except APIError as error:
                if isinstance(error, AuthenticationError) and tries < _TRIES and self._tokens.give_up(chat):
                    chat = yield from self._tokens.sign_in(chat)
                    continue
                if tries == _TRIES or not (error.retryable or isinstance(error, APIConnectionError)):
                    raise
                wait = min(error.retry_after or interval, MAX_WAIT)
            yield Wait(seconds=wait)

    def _part(self, chat: ChatRequest, reply: HttpReply, kind: type[Any], *, may_lack: bool = False) -> Any:
        """What a reply is about; the list of a chat that was canceled may be missing."""
        data: Any = self.read_json(chat, reply).get("data")
        if data is None and may_lack:
            return []
        lacks = kind is dict and isinstance(data, dict) and not (data.get("id") and data.get("conversation_id"))
        if not isinstance(data, kind) or lacks:
            text = reply.content.decode("utf-8", "replace")
            raise self.unreadable(chat, "the answer makes no sense", text, reply.status)
        return data

    # What the platform answered.

    def error_facts(self, status: int) -> ErrorFacts:
        """See ``JSONVendor``. A code that nobody knows most often comes from what a bot ran, not from the request."""
        return self.spec.errors

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``JSONVendor``. The id of a call stands in a header, or deep in the body."""
        if isinstance(data, dict) and data.get("error_message"):
            data = {**data, "msg": data["error_message"]}
        error = super().error(chat, data, reply=reply, event=event)
        detail = data.get("detail") if isinstance(data, dict) else None
        if isinstance(detail, dict) and detail.get("logid"):
            error.request_id = str(detail["logid"])
        return error


adapter = Coze(
    AgentSpec(
        name="coze",
        title="Coze (扣子)",
        regions=(
            Region(name="com", base_url="https://api.coze.com", console="https://www.coze.com/open/oauth/pats"),
            Region(name="cn", base_url="https://api.coze.cn", console="https://www.coze.cn/open/oauth/pats"),
        ),
        credentials=(
            Credential(env=("COZE_API_KEY", "COZE_API_TOKEN")),
            Credential(name="bot_id", env=("COZE_BOT_ID",), required=False, models=r"\d+"),
            Credential(name="app_id", required=False),
            Credential(name="client_id", env=("COZE_JWT_OAUTH_CLIENT_ID",), required=False),
            Credential(name="private_key", env=("COZE_JWT_OAUTH_PRIVATE_KEY",), required=False, has_lines=True),
            Credential(name="public_key_id", env=("COZE_JWT_OAUTH_PUBLIC_KEY_ID",), required=False),
        ),
        alternatives=(_coze_oauth.CREDENTIALS,),
        base_url_env=("COZE_API_BASE",),
        docs="https://docs.coze.com/developer_guides/chat_v3",
        default_model="coze",
        uploads="/v1/files/upload",
        errors=ERRORS,
    )
)
