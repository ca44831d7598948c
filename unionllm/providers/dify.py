"""Dify: apps that were built there, on its cloud or on a server of one's own.

API reference: https://docs.dify.ai/en/api-reference (read 2026-11-23). A key stands for one app; what kind of app it is
decides the path and the body, and is asked for where the caller does not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._log import logger
from .._protocols import means
from .._protocols.agent_media import media_of
from .._protocols.agents import Agent, AgentSpec
from .._protocols.base import Credential, ErrorFacts, ErrorRule, JSONObject, Region, frozen
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from .._protocols.tokens import account_key
from .._wire import Flow, HttpReply, HttpRequest
from ..exceptions import APIError, AuthenticationError, BadRequestError
from ._dify_events import DifyParser

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse

_CHAT, _COMPLETION, _WORKFLOW = "/chat-messages", "/completion-messages", "/workflows/run"
#: Kinds of apps, as ``/info`` and people call them → where they are asked.
_PATHS = frozen(
    {
        **dict.fromkeys(("chat", "chatbot", "agent-chat", "agent", "advanced-chat", "chatflow"), _CHAT),
        **dict.fromkeys(("completion", "text-generator"), _COMPLETION),
        "workflow": _WORKFLOW,
    }
)
#: Arguments of ours; all others go into the body as they are.
_OURS = frozenset({"app_type", "input_key", "response_mode", "suggestions"})
#: Codes that a key of another kind of app is answered with.
_WRONG_KIND = ("not_chat_app", "not_workflow_app", "app_unavailable")
#: Apps whose kind has been learnt, by address and key; more than that are forgotten.
_MOST_APPS = 1000


class Dify(Agent):
    """Chatbots, agents, chatflows, text generators and workflows."""

    parser = DifyParser

    def __init__(self, spec: AgentSpec) -> None:
        super().__init__(spec)
        #: Address and key of an app → where it is asked, and whether it answers in streams alone.
        self._learnt: dict[str, tuple[str, bool]] = {}

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if chat.credentials["api_key"].startswith("dataset-"):
            raise AuthenticationError(
                "dify: a key that begins with dataset- is one of the knowledge API, and answers no questions. Take the "
                "key of an app (app-…), from its page API Access. 请使用应用的 API 密钥（app-…），而不是知识库的密钥。"
            )
        kind = chat.params.get("app_type")
        if kind is not None and kind not in _PATHS:
            raise BadRequestError(f"dify: app_type={kind!r} is none of {', '.join(_PATHS)}.")
        # People forget it, and without it a page of the console answers.
        base_url = chat.base_url if urlsplit(chat.base_url).path else f"{chat.base_url}/v1"
        return super().prepare(replace(chat, base_url=base_url))

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``."""
        if params.get("suggestions") and chat.stream:
            reason = "the platform tells them in a call of its own after the answer: ask without stream=True"
            return [adaptation("suggestions", "dropped", params.pop("suggestions"), None, reason)]
        return []

    def _told_path(self, chat: ChatRequest) -> str | None:
        """Where the caller says that the app is asked; None if nobody says it."""
        return _PATHS.get(str(chat.params.get("app_type") or chat.model.lower()))

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``."""
        path = self._told_path(chat) or self._learnt.get(_app(chat), (_CHAT, False))[0]
        params = {name: value for name, value in chat.params.items() if name not in _OURS}
        question = chat.messages[-1]
        text = text_of(question.get("content"))
        body: JSONObject = {"inputs": {}, "user": "guest-user", **params}
        body["response_mode"] = "streaming" if chat.stream else "blocking"
        if files := [_file(medium) for medium in media_of(question, f"messages[{len(chat.messages) - 1}]")]:
            body["files"] = [*files, *(params.get("files") or ())]
        if path == _CHAT:
            if not text:
                raise BadRequestError("dify: a file alone is no question: put a text part beside it.")
            body["query"] = text
        else:
            key = str(chat.params.get("input_key", "query"))
            body["inputs"] = {key: text, **(body["inputs"] or {})}
            body.pop("conversation_id", None)
        if path == _COMPLETION:
            body["query"] = text
        if path == _WORKFLOW and body.get("workflow_id"):
            path = f"/workflows/{body.pop('workflow_id')}/run"
        return self.request(chat, path, {**body, **chat.extra_body})

    def upload_fields(self, chat: ChatRequest) -> dict[str, str]:
        """See ``Agent``. A file belongs to the user who left it."""
        return {"user": str(chat.params.get("user", "guest-user"))}

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        response: ModelResponse = yield from self._at_its_place(chat, self._whole)
        if chat.params.get("suggestions") and response.message_id:
            yield from self._suggest(chat, response)
        return response

    def stream(self, chat: ChatRequest) -> Flow[Any]:
        """See ``Adapter``."""
        return (yield from self._at_its_place(chat, super().stream))

    def _at_its_place(self, chat: ChatRequest, ask: Callable[[ChatRequest], Flow[Any]]) -> Flow[Any]:
        """Ask; and if the key turns out to be that of another kind of app, learn its kind and ask there."""
        try:
            return (yield from ask(chat))
        except BadRequestError as error:
            if error.code not in _WRONG_KIND or self._told_path(chat) is not None:
                raise
            refused = error
        try:
            reply = yield self.get(chat, "/info")
            path = _PATHS.get(str(self.read_json(chat, reply).get("mode")))
        except APIError:
            path = None
        if path is None or path == self._learnt.get(_app(chat), (_CHAT, False))[0]:
            raise refused
        self._learn(chat, path=path)
        return (yield from ask(chat))

    def _whole(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """The answer in one piece; agents give it in a stream alone."""
        only_streams = self._learnt.get(_app(chat), (_CHAT, False))[1]
        if only_streams or chat.params.get("response_mode") == "streaming":
            return (yield from self.complete_by_stream(chat))
        try:
            reply = yield self.chat_request(chat)
            return self.to_response(chat, reply)
        except BadRequestError as error:
            if "blocking" not in error.message:
                raise
        self._learn(chat, only_streams=True)
        return (yield from self.complete_by_stream(chat))

    def _learn(self, chat: ChatRequest, *, path: str | None = None, only_streams: bool | None = None) -> None:
        app = _app(chat)
        known = self._learnt.get(app, (_CHAT, False))
        if len(self._learnt) >= _MOST_APPS:
            self._learnt.clear()
        self._learnt[app] = (path or known[0], known[1] if only_streams is None else only_streams)

    def _suggest(self, chat: ChatRequest, response: ModelResponse) -> Flow[None]:
        """Put questions that the user may ask next into the answer; without them it is still an answer."""
        user = str(chat.params.get("user", "guest-user"))
        try:
            reply = yield self.get(chat, f"/messages/{response.message_id}/suggested", user=user)
            response.suggestions = [str(text) for text in self.read_json(chat, reply).get("data") or ()]
        except APIError as error:
            logger.info("dify: no suggestions (%s)", error)

    # What the platform answered.

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``JSONVendor``. An event tells the status that a reply would have had."""
        status = data.get("status") if isinstance(data, dict) else None
        if event is not None and reply is not None and isinstance(status, int) and 400 <= status < 600:
            reply = replace(reply, status=status)
        return super().error(chat, data, reply=reply, event=event)


def _app(chat: ChatRequest) -> str:
    return account_key(chat.base_url, chat.credentials["api_key"])


def _file(medium: Any) -> JSONObject:
    if medium.file_id:
        return {"type": medium.kind, "transfer_method": "local_file", "upload_file_id": medium.file_id}
    return {"type": medium.kind, "transfer_method": "remote_url", "url": medium.url}


_OTHER_KIND = replace(
    means.BAD_REQUEST, hint='Say what the key\'s app is: app_type="chat", "completion" or "workflow".'
)
_UPSTREAM = replace(
    means.BAD_REQUEST, hint="The app's own model vendor refused it; look at the app's logs. 请查看应用日志。"
)

adapter = Dify(
    AgentSpec(
        name="dify",
        title="Dify",
        regions=(Region(name="cloud", base_url="https://api.dify.ai/v1", console="https://cloud.dify.ai"),),
        credentials=(Credential(name="api_key", env=("DIFY_API_KEY",)),),
        base_url_env=("DIFY_API_BASE",),
        docs="https://docs.dify.ai/en/api-reference",
        default_model="dify",
        uploads="/files/upload",
        errors=ErrorFacts(
            codes=frozen(
                {
                    **means.codes(
                        {
                            means.AUTH: "unauthorized",
                            means.PERMISSION: "forbidden workflow_version_execution_not_allowed",
                            means.NOT_FOUND: "not_found",
                            means.RATE_LIMIT: "too_many_requests",
                            means.QUOTA: "rate_limit_error",
                            means.NO_BALANCE: "provider_quota_exceeded",
                            means.BAD_REQUEST: "provider_not_initialize model_currently_not_support "
                            "agent_not_published bad_request invalid_param file_too_large unsupported_file_type "
                            "no_file_uploaded too_many_files",
                            _OTHER_KIND: "not_chat_app not_workflow_app app_unavailable",
                            _UPSTREAM: "completion_request_error",
                            means.SERVER: "internal_server_error",
                        }
                    ),
                    "conversation_completed": ErrorRule(
                        cls=BadRequestError, hint="Begin a new conversation: leave out conversation_id."
                    ),
                }
            ),
            statuses=frozen({413: means.BAD_REQUEST, 415: means.BAD_REQUEST}),
        ),
    )
)
