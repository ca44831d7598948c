"""Bailian (百炼): applications that were built in Alibaba Cloud Model Studio; its models are ``qwen``.

API reference: https://help.aliyun.com/zh/model-studio (read 2026-11-23). An application is
sent the whole conversation, or the question alone with the id of a session that the platform keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .._protocols.agent_media import media_of
from .._protocols.agent_turns import known_turns_left_out, question_of
from .._protocols.agents import Agent, AgentSpec, given_list
from .._protocols.base import Credential, JSONObject, Region
from .._protocols.dashscope import ERRORS, heed_retry_word, with_told_status
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from .._secrets import Headers
from .._wire import HttpReply, HttpRequest
from ..exceptions import APIError, BadRequestError
from ._bailian_events import BailianParser

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from ..schema import Adaptation

_CN, _INTL = "https://bailian.console.aliyun.com", "https://modelstudio.console.alibabacloud.com"
_NATIVE, _COMPATIBLE = "/api/v1", "/compatible-mode/v1"
#: Arguments that stand beside the question; all others are ``parameters``.
_OF_INPUT = ("biz_params", "memory_id", "doc_reference_type", "doc_tag_codes")


class BailianApp(Agent):
    """Agents and workflows of Bailian."""

    parser = BailianParser

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if self._app(chat) is None:
            raise BadRequestError(
                "bailian_app: no application given. Pass app_id=… (or the id as model=…); it stands on the "
                "application's card in the console. Models are asked with provider='qwen'. "
                "请传入应用 ID：app_id=…；调用模型请用 provider='qwen'。"
            )
        base_url = chat.base_url.removesuffix(_COMPATIBLE)
        # People give the host alone, or the address of the models.
        return super().prepare(chat.changed(base_url=base_url if urlsplit(base_url).path else base_url + _NATIVE))

    def _app(self, chat: ChatRequest) -> str | None:
        return chat.credentials.get("app_id") or (chat.model if self.names_app(chat) else None)

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """See ``Agent``. All of them, unless the platform has the conversation already."""
        if params.get("session_id"):
            params.setdefault("conversation_id", params["session_id"])
        params.pop("session_id", None)
        if params.get("conversation_id"):
            return known_turns_left_out("bailian_app", messages, "conversation_id")
        question = question_of("bailian_app", messages)
        changes: list[Adaptation] = []
        sent = [_plain(message, number, changes) for number, message in enumerate(messages[:-1])]
        return [*filter(None, sent), question], changes

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``."""
        changes = []
        if "user" in params and chat.param_policy != "raw":
            reason = "the platform has no field for it"
            changes.append(adaptation("user", "dropped", params.pop("user"), None, reason))
        told = params.get("incremental_output")
        if chat.stream and told not in (None, True):
            reason = "the platform would repeat the whole text so far in every event"
            changes.append(adaptation("incremental_output", "replaced", told, True, reason))
        if not text_of(messages[-1].get("content")):
            raise BadRequestError("bailian_app: the question has no text. A file alone is none: put text beside it.")
        return changes

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``JSONVendor``. A stream is asked for here."""
        headers = super().headers(chat)
        if chat.stream:
            headers.setdefault("x-dashscope-sse", "enable")
        if chat.credentials.get("workspace"):
            headers.setdefault("x-dashscope-workspace", chat.credentials["workspace"])
        return headers

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``. ``extra_body`` may add to ``input`` and ``parameters``."""
        params = dict(chat.params)
        question = chat.messages[-1]
        asked: JSONObject = {"prompt": text_of(question.get("content"))}
        if session := params.pop("conversation_id", None):
            asked["session_id"] = str(session)
        else:
            texts = [{**message, "content": text_of(message.get("content"))} for message in chat.messages]
            asked = {"messages": texts}
        asked |= {name: params.pop(name) for name in _OF_INPUT if name in params}
        media = media_of(question, f"messages[{len(chat.messages) - 1}]")
        for name, is_image in (("image_list", True), ("file_list", False)):
            urls = [medium.url for medium in media if (medium.kind == "image") is is_image]
            if urls := [*urls, *given_list(name, params)]:
                asked[name] = urls
            params.pop(name, None)
        if chat.stream:
            params["incremental_output"] = True
        body: JSONObject = {"model": "", "input": asked, "parameters": params}
        for name, value in chat.extra_body.items():
            known = body.get(name)
            body[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
        return self.request(chat, f"/apps/{quote(str(self._app(chat)), safe='')}/completion", body)

    # What the platform answered.

    def is_error(self, data: Any) -> bool:
        """See ``JSONVendor``."""
        has_no_answer = isinstance(data, dict) and "output" not in data and bool(data.get("message"))
        return super().is_error(data) or has_no_answer

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``JSONVendor``."""
        error = super().error(chat, data, reply=with_told_status(reply, event), event=event)
        return heed_retry_word(error, reply)


def _plain(message: JSONObject, number: int, changes: list[Adaptation]) -> JSONObject | None:
    """An earlier turn as the platform takes it: text. None for one that it has no place for."""
    where, content = f"messages[{number}]", message.get("content")
    if message.get("role") == "developer":
        message = {**message, "role": "system"}
    if message.get("role") == "tool" or message.get("tool_calls"):
        reason = "an application runs tools of its own; it has no place for those of the caller"
        changes.append(adaptation(where, "dropped", str(message["role"]), None, reason))
        message = {name: value for name, value in message.items() if name != "tool_calls"}
        if message["role"] == "tool" or not text_of(content):
            return None
    if isinstance(content, list):
        reason = "images and files go with the question alone"
        for place, part in enumerate(content):
            if part.get("type") != "text":
                changes.append(adaptation(f"{where}.content[{place}]", "dropped", str(part.get("type")), None, reason))
        message = {**message, "content": text_of(content)}
    return message


adapter = BailianApp(
    AgentSpec(
        name="bailian_app",
        title="Alibaba Cloud Bailian applications (百炼应用)",
        regions=(
            Region(name="cn", base_url=f"https://dashscope.aliyuncs.com{_NATIVE}", console=_CN),
            Region(name="intl", base_url=f"https://dashscope-intl.aliyuncs.com{_NATIVE}", console=_INTL),
        ),
        credentials=(
            Credential(env=("DASHSCOPE_API_KEY",), looks_like="sk-…"),
            Credential(name="app_id", required=False),
            Credential(name="workspace", env=("DASHSCOPE_WORKSPACE_ID", "DASHSCOPE_WORKSPACE"), required=False),
        ),
        base_url_env=("DASHSCOPE_HTTP_BASE_URL",),
        docs="https://help.aliyun.com/zh/model-studio",
        default_model="bailian_app",
        # The vendor's own client sends them along; whether they count is the application's affair.
        takes=frozenset({"temperature", "top_p", "top_k", "seed"}),
        placeholders=frozenset({"bailian-app", "dashscope-app", "bailian", "dashscope", "application", "app"}),
        errors=ERRORS,
    )
)
