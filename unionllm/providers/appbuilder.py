"""AppBuilder: apps that were built on Baidu's Qianfan platform; its models are ``wenxin``.

API reference: https://github.com/baidubce/app-builder (read 2026-11-23). A run belongs to a conversation, so one is
created where the caller names none, and files are left there before the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._multipart import multipart_fields
from .._protocols import means, qianfan_errors
from .._protocols.agent_media import Medium, media_of
from .._protocols.agents import Agent, AgentSpec, given_list
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from .._wire import Flow, HttpRequest
from ..exceptions import BadRequestError
from ._appbuilder_events import AppBuilderParser

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_V2 = "/v2"
#: Where a call keeps the conversation that was created for it: a dict, the same one in all of its tries.
_CREATED = "_created"
#: Arguments of ours; all others go into the body as they are.
_OURS = frozenset({_CREATED, "conversation_id", "file_ids", "user"})


class AppBuilder(Agent):
    """Agents and workflows of AppBuilder."""

    parser = AppBuilderParser

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if self._app(chat) is None:
            raise BadRequestError(
                "appbuilder: no app given. Pass app_id=… (or the id as model=…); it stands on the app's page in the "
                "console. Models are asked with provider='wenxin'. "
                "请传入应用 ID：app_id=…；调用模型请用 provider='wenxin'。"
            )
        # The vendor's variable holds the host alone.
        base_url = chat.base_url if urlsplit(chat.base_url).path else f"{chat.base_url}{_V2}"
        ready = super().prepare(chat.changed(base_url=base_url))
        return ready.changed(params={**ready.params, _CREATED: {}})

    def _app(self, chat: ChatRequest) -> str | None:
        return chat.credentials.get("app_id") or (chat.model if self.names_app(chat) else None)

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """See ``Agent``. The question alone, or what the tools said that the last answer asked for."""
        if messages[-1].get("role") != "tool":
            return super().turns(chat, messages, params)
        if not params.get("conversation_id"):
            raise BadRequestError(
                "appbuilder: results of tools go to the conversation that waits for them. Pass conversation_id=… of "
                "the answer that called them."
            )
        start = next((n for n in range(len(messages), 0, -1) if messages[n - 1].get("role") != "tool"), 0)
        said = messages[start:]
        params["tool_outputs"] = [
            {"tool_call_id": str(one.get("tool_call_id")), "output": text_of(one.get("content"))} for one in said
        ]
        where = "messages[0]" if start == 1 else f"messages[0:{start}]"
        roles = [str(message.get("role")) for message in messages[:start]]
        reason = "the platform has the conversation already, under conversation_id"
        changes = [adaptation(where, "dropped", roles, None, reason)] if start else []
        if "response_format" in params:
            reason = "results of tools have no room for an instruction"
            changes.append(adaptation("response_format", "dropped", str(params.pop("response_format")), None, reason))
        return [], changes

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``."""
        if messages and not text_of(messages[-1].get("content")):
            raise BadRequestError("appbuilder: the question has no text. A file alone is none: put text beside it.")
        choice = params.get("tool_choice")
        if not isinstance(choice, str) or chat.param_policy == "raw":
            return []
        del params["tool_choice"]
        if choice == "none" and "tools" in params:
            reason = 'that is what tool_choice="none" means; the platform knows no such word'
            count = len(params.pop("tools"))
            return [
                adaptation("tool_choice", "dropped", choice, None, reason),
                adaptation("tools", "dropped", count, None, reason),
            ]
        usual = "it is what the platform does anyway"
        reason = usual if choice == "auto" else "the platform cannot be made to call a tool of its choice"
        return [adaptation("tool_choice", "dropped", choice, None, reason)]

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``."""
        params = {name: value for name, value in chat.params.items() if name not in _OURS}
        question = chat.messages[-1] if chat.messages else {}
        body: JSONObject = {
            "app_id": self._app(chat),
            "conversation_id": str(chat.params["conversation_id"]),
            "query": text_of(question.get("content")),
            "stream": chat.stream,
        }
        if chat.params.get("user"):
            body["end_user_id"] = str(chat.params["user"])
        left = [medium.file_id for medium in media_of(question, f"messages[{len(chat.messages) - 1}]")]
        if files := [*left, *given_list("file_ids", dict(chat.params))]:
            body["file_ids"] = files
        return self.request(chat, "/app/conversation/runs", {**body, **params, **chat.extra_body})

    # What comes before the question.

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. A second try goes on in the conversation that the first one created."""
        if not chat.params.get("conversation_id"):
            created: dict[str, str] = chat.params[_CREATED]
            if not created:
                created["id"] = yield from self._create(chat.changed(stream=False))
            chat = chat.changed(params={**chat.params, "conversation_id": created["id"]})
        return (yield from super().make_ready(chat))

    def _create(self, chat: ChatRequest) -> Flow[str]:
        reply = yield self.request(chat, "/app/conversation", {"app_id": self._app(chat)})
        data = self.read_json(chat, reply)
        found = str(data.get("conversation_id") or "")
        if not found:
            what = "a conversation was created, but no id was given"
            raise self.unreadable(chat, what, str(data), reply.status)
        return found

    def is_left(self, medium: Medium) -> bool:
        """See ``Agent``. Web addresses are left as well; the platform fetches them."""
        return not medium.file_id

    def upload_form(self, chat: ChatRequest, medium: Medium) -> tuple[bytes, str]:
        """See ``Agent``."""
        if medium.data is not None:
            return super().upload_form(chat, medium)
        return multipart_fields({**self.upload_fields(chat), "file_url": medium.url})

    def upload_fields(self, chat: ChatRequest) -> dict[str, str]:
        """See ``Agent``. A file belongs to one conversation."""
        return {"app_id": str(self._app(chat)), "conversation_id": str(chat.params["conversation_id"])}

    def is_error(self, data: Any) -> bool:
        """See ``JSONVendor``."""
        is_said = isinstance(data, dict) and bool(data.get("message"))
        return super().is_error(data) or (is_said and not data.keys() & {"answer", "conversation_id", "id"})


adapter = AppBuilder(
    AgentSpec(
        name="appbuilder",
        title="Baidu AppBuilder, Qianfan apps (百度千帆应用)",
        regions=(
            Region(
                name="cn",
                base_url=f"https://qianfan.baidubce.com{_V2}",
                console="https://console.bce.baidu.com/iam/#/iam/apikey/list",
            ),
        ),
        credentials=(
            Credential(env=("APPBUILDER_TOKEN",)),
            Credential(name="app_id", required=False),
        ),
        base_url_env=("GATEWAY_URL_V2",),
        docs="https://github.com/baidubce/app-builder",
        default_model="appbuilder",
        takes=frozenset({"tools", "tool_choice"}),
        placeholders=frozenset({"baidu-appbuilder", "qianfan-app", "app"}),
        uploads="/app/conversation/file/upload",
        errors=ErrorFacts(
            codes=qianfan_errors.CODES,
            texts=qianfan_errors.TEXTS,
            statuses=frozen({405: means.BAD_REQUEST}),
            request_id_headers=("x-appbuilder-request-id", "x-bce-request-id"),
        ),
    )
)
