"""Dify: apps that were built there, on its cloud or on a server of one's own.

API reference: https://docs.dify.ai/en/api-reference (read 2026-11-23). A key stands for one app; what kind of app it is
decides the path and the body, and is asked for where the caller does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .._log import logger
from .._protocols import means
from .._protocols.agent_media import media_of
from .._protocols.agents import Agent, AgentSpec
from .._protocols.base import Credential, ErrorFacts, ErrorRule, JSONObject, Region, frozen
from .._protocols.openai_compatible import refuse_changes
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from .._wire import Flow, HttpReply, HttpRequest
from ..exceptions import APIError, AuthenticationError, BadRequestError
from . import _dify_apps as apps
from ._dify_events import DifyParser

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse

#: Arguments of ours; all others go into the body as they are.
_OURS = frozenset({"app_type", "input_key", "response_mode", "suggestions"})
#: Codes that a key of another kind of app is answered with.
_WRONG_KIND = ("not_chat_app", "not_workflow_app", "app_unavailable")


class Dify(Agent):
    """Chatbots, agents, chatflows, text generators and workflows."""

    parser = DifyParser

    def __init__(self, spec: AgentSpec) -> None:
        super().__init__(spec)
        self._apps = apps.Learnt()

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if chat.credentials["api_key"].startswith("dataset-"):
            raise AuthenticationError(
                "dify: a key that begins with dataset- is one of the knowledge API, and answers no questions. Take the "
                "key of an app (app-…), from its page API Access. 请使用应用的 API 密钥（app-…），而不是知识库的密钥。"
            )
        kind = chat.params.get("app_type")
        if kind is not None and kind not in apps.PATHS:
            raise BadRequestError(f"dify: app_type={kind!r} is none of {', '.join(apps.PATHS)}.")
        # People forget it, and without it a page of the console answers.
        base_url = chat.base_url if urlsplit(chat.base_url).path else f"{chat.base_url}/v1"
        return super().prepare(chat.changed(base_url=base_url))

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``."""
        if not isinstance(params.get("inputs", {}), Mapping):
            raise BadRequestError(f"dify: inputs={params['inputs']!r} must be a dict of the app's variables.")
        if not isinstance(params.get("files", []), (list, tuple)):
            raise BadRequestError(f"dify: files={params['files']!r} must be a list of Dify's own file objects.")
        changes = []
        mode, wanted = params.pop("response_mode", None), "streaming" if chat.stream else "blocking"
        if mode == "streaming":
            params["response_mode"] = mode
        elif mode not in (None, wanted):
            changes.append(adaptation("response_mode", "replaced", mode, wanted, "stream= says how to answer"))
        if params.get("suggestions") and chat.stream:
            reason = "the platform tells them in a call of its own after the answer: ask without stream=True"
            changes.append(adaptation("suggestions", "dropped", params.pop("suggestions"), None, reason))
        path = apps.told_path(chat)
        return changes if path is None else [*changes, *apps.fit(params, messages, path)]

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``."""
        path, question = self._apps.path(chat), chat.messages[-1]
        text = text_of(question.get("content"))
        body: JSONObject = {"inputs": {}, **{name: v for name, v in chat.params.items() if name not in _OURS}}
        body["user"] = apps.user_of(chat)
        body["response_mode"] = "streaming" if chat.stream else "blocking"
        if files := [_file(medium) for medium in media_of(question, f"messages[{len(chat.messages) - 1}]")]:
            body["files"] = [*files, *(chat.params.get("files") or ())]
        if path == apps.CHAT:
            body["query"] = text
        else:
            body["inputs"] = {str(chat.params.get("input_key", "query")): text, **body["inputs"]}
        if path == apps.COMPLETION:
            body["query"] = text
        if path == apps.WORKFLOW and body.get("workflow_id"):
            path = f"/workflows/{quote(str(body.pop('workflow_id')), safe='')}/run"
        return self.request(chat, path, {**body, **chat.extra_body})

    def upload_fields(self, chat: ChatRequest) -> dict[str, str]:
        """See ``Agent``. A file belongs to the user who left it."""
        return {"user": apps.user_of(chat)}

    # The flows.

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Agent``. A file alone is no question to a chat: that is said before it is left there."""
        question = chat.messages[-1]
        if not text_of(question.get("content")):
            is_known = self._apps.knows(chat)
            path = self._apps.path(chat) if is_known else (yield from self._ask_path(chat)) or apps.CHAT
            if path == apps.CHAT:
                raise BadRequestError("dify: the question has no text. Put a text part beside the file.")
        return (yield from super().make_ready(chat))

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
        asked = self._apps.path(chat)
        try:
            return (yield from ask(self._fitted(chat)))
        except BadRequestError as error:
            if error.code not in _WRONG_KIND or apps.told_path(chat) is not None:
                raise
            refused = error
        # Another call may have learnt it meanwhile.
        path = self._apps.path(chat) if self._apps.path(chat) != asked else (yield from self._ask_path(chat))
        if path in (None, asked):
            raise refused
        return (yield from ask(self._fitted(chat)))

    def _ask_path(self, chat: ChatRequest) -> Flow[str | None]:
        """Where the app is asked, by what the platform says of it; None if it does not say."""
        try:
            reply = yield self.get(chat, "/info")
            path = apps.PATHS.get(str(self.read_json(chat, reply).get("mode")))
        except APIError:
            return None
        if path is not None:
            self._apps.learn(chat, path=path)
        return path

    def _fitted(self, chat: ChatRequest) -> ChatRequest:
        """The call as the kind of its app takes it, where that was not known when it was prepared."""
        if apps.told_path(chat) is not None:
            return chat
        params = dict(chat.params)
        changes = apps.fit(params, chat.messages, self._apps.path(chat))
        if chat.param_policy == "strict":
            refuse_changes(self.spec, changes)
        return chat.changed(params=params, adaptations=(*chat.adaptations, *changes))

    def _whole(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """The answer in one piece; agents give it in a stream alone."""
        if self._apps.only_streams(chat) or chat.params.get("response_mode") == "streaming":
            return (yield from self.complete_by_stream(chat))
        try:
            reply = yield self.chat_request(chat)
            return self.to_response(chat, reply)
        except BadRequestError as error:
            if error.code not in ("invalid_param", "bad_request") or "blocking mode" not in error.message:
                raise
        response = yield from self.complete_by_stream(chat)
        self._apps.learn(chat, only_streams=True)
        return response

    def _suggest(self, chat: ChatRequest, response: ModelResponse) -> Flow[None]:
        """Put questions that the user may ask next into the answer; without them it is still an answer."""
        path = f"/messages/{quote(str(response.message_id), safe='')}/suggested"
        try:
            reply = yield self.get(chat, path, user=apps.user_of(chat))
            told = self.read_json(chat, reply).get("data")
        except APIError as error:
            logger.info("dify: no suggestions (%s)", error)
            return
        response.suggestions = [text for text in told if isinstance(text, str)] if isinstance(told, list) else None

    # What the platform answered.

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``JSONVendor``. An event tells the status that a reply would have had."""
        status = data.get("status") if isinstance(data, dict) else None
        if event is not None and reply is not None and isinstance(status, int) and 400 <= status < 600:
            reply = replace(reply, status=status)
        return super().error(chat, data, reply=reply, event=event)


def _file(medium: Any) -> JSONObject:
    if medium.file_id:
        return {"type": medium.kind, "transfer_method": "local_file", "upload_file_id": medium.file_id}
    return {"type": medium.kind, "transfer_method": "remote_url", "url": medium.url}


_OTHER_KIND = means.BAD_REQUEST._replace(
    hint='Say what the key\'s app is: app_type="chat", "completion" or "workflow".'
)
_UPSTREAM = means.BAD_REQUEST._replace(
    hint="The app's own model vendor refused it; look at the app's logs. 请查看应用日志。"
)

adapter = Dify(
    AgentSpec(
        name="dify",
        title="Dify",
        regions=(Region(name="cloud", base_url="https://api.dify.ai/v1", console="https://cloud.dify.ai"),),
        credentials=(Credential(name="api_key", env=("DIFY_API_KEY",), looks_like="app-…"),),
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
