"""Tencent's Agent Development Platform (腾讯云智能体开发平台), once called LKE: published apps, by HTTP SSE, version 2.

API reference: https://cloud.tencent.com/document/product/1759/129202 (read 2026-11-23). The key of an app travels in
the body, and every answer is a stream.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._protocols import means
from .._protocols.agent_media import Medium, media_of
from .._protocols.agent_turns import question_alone
from .._protocols.agents import Agent, AgentSpec
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from .._secrets import Headers, Secret
from .._wire import Flow, HttpRequest
from ..exceptions import APIError, BadRequestError
from ._adp_events import ADPParser

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from .._wire import HttpReply
    from ..schema import Adaptation, ModelResponse

_ID = re.compile(r"[a-zA-Z0-9_-]{32,64}")
_SYSTEM = ("system", "developer")


class ADP(Agent):
    """Apps of any mode."""

    parser = ADPParser

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. The whole address, and the host alone, do for a base URL."""
        base_url = chat.base_url.removesuffix("/chat")
        base_url = base_url if urlsplit(base_url).path else f"{base_url}/adp/v2"
        # The vendor's own name for the key: where it stands, it is masked like the key.
        given = [place["AppKey"] for place in (chat.params, chat.extra_body) if place.get("AppKey")]
        if given:
            credentials = {**chat.credentials, "api_key": Secret(str(given[-1]))}
            params, extra = ({**place} for place in (chat.params, chat.extra_body))
            params.pop("AppKey", None)
            extra.pop("AppKey", None)
            chat = chat.changed(credentials=credentials, params=params, extra_body=extra)
        return super().prepare(chat.changed(base_url=base_url))

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """See ``Agent``. System messages are the app's role for this call."""
        texts = [text_of(message.get("content")) for message in messages if message.get("role") in _SYSTEM]
        others = [message for message in messages if message.get("role") not in _SYSTEM]
        question, changes = question_alone(self.spec.name, others or messages, params)
        if texts and "SystemRole" in params:
            reason = "SystemRole is given too, and means the same"
            changes = [adaptation("messages", "dropped", "system", None, reason), *changes]
        elif texts:
            params["SystemRole"] = "\n\n".join(texts)
        return question, changes

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``. The caller of this API makes the ids of conversations."""
        given = params.setdefault("conversation_id", _make_id(chat))
        if not isinstance(given, str) or not _ID.fullmatch(given):
            raise BadRequestError(
                f"adp: conversation_id={given!r}: the platform takes 32 to 64 letters, digits, _ and -. "
                "Leave it out, and one is made; it stands in the answer."
            )
        return []

    def check_medium(self, medium: Medium, where: str) -> None:
        """See ``Agent``. A file would have to be parsed by the platform first."""
        super().check_medium(medium, where)
        if medium.kind != "image":
            raise BadRequestError(f"{where}: adp takes text and images; other files are not supported here.")

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``JSONVendor``. The key is in the body."""
        headers = super().headers(chat)
        if not any(name.lower() == "authorization" for name in chat.extra_headers):
            headers.pop("authorization", None)
        return headers

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``."""
        params = {name: value for name, value in chat.params.items() if name not in ("conversation_id", "user")}
        question, user = chat.messages[-1], str(chat.params.get("user", "guest-user"))
        contents: list[JSONObject] = []
        if text := text_of(question.get("content")):
            contents.append({"Type": "text", "Text": text})
        media = media_of(question, f"messages[{len(chat.messages) - 1}]")
        contents += [{"Type": "image", "Image": {"Url": medium.url}} for medium in media]
        body = {
            "RequestId": _make_id(chat),
            "ConversationId": chat.params.get("conversation_id"),
            "AppKey": chat.credentials["api_key"],
            # One name is going, and the other has come.
            "VisitorId": user,
            "UserId": user,
            "Contents": contents,
            "Stream": "enable",
            "Incremental": True,
        }
        return self.request(chat, "/chat", {**body, **params, **chat.extra_body})

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``. Once text has come, the conversation has the question, and is not asked it again."""
        try:
            return (yield from self.complete_by_stream(chat))
        except APIError as error:
            if error.partial is not None:
                error.retryable = False
            raise

    def is_error(self, data: Any) -> bool:
        """See ``JSONVendor``."""
        return super().is_error(data) or (isinstance(data, dict) and isinstance(data.get("Error"), dict))

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``JSONVendor``. Members have capitals."""
        told = data.get("Error") if isinstance(data, dict) else None
        if isinstance(told, dict):
            data = {"code": told.get("Code"), "message": told.get("Message"), "request_id": told.get("RequestId")}
        return super().error(chat, data, reply=reply, event=event)


def _make_id(chat: ChatRequest) -> str:
    return chat.make_id().removeprefix("chatcmpl-")


_UNPUBLISHED = means.BAD_REQUEST._replace(hint="Publish the app at the platform. 请先发布应用。")

adapter = ADP(
    AgentSpec(
        name="adp",
        title="Tencent Cloud ADP (腾讯云智能体开发平台)",
        regions=(
            Region(
                name="cn",
                base_url="https://wss.lke.cloud.tencent.com/adp/v2",
                console="https://adp.cloud.tencent.com",
            ),
            Region(
                name="intl",
                base_url="https://wss.lke.tencentcloud.com/adp/v2",
                console="https://adp.tencentcloud.com",
            ),
        ),
        credentials=(Credential(env=("ADP_APP_KEY",)),),
        base_url_env=("ADP_API_BASE",),
        docs="https://cloud.tencent.com/document/product/1759/129202",
        default_model="adp",
        errors=ErrorFacts(
            codes=frozen(
                {
                    **means.codes(
                        {
                            means.AUTH: "460001 4505004",
                            means.PERMISSION: "460038 460921",
                            means.NOT_FOUND: "460004 460006 460009 460010 460033 460920",
                            means.NO_BALANCE: "460026 460032 460037 460702",
                            means.RATE_LIMIT: "460011 460031 460701 460711 460712 460721 460722",
                            means.QUOTA: "460713 460723",
                            means.CONTEXT: "460034 460035",
                            means.POLICY: "460501 460502",
                            means.SERVER: "460007 460008 460022 460301",
                            means.OVERLOADED: "460020 460401 460917",
                            means.BROKEN: "460025 460101",
                        }
                    ),
                    "460048": _UNPUBLISHED,
                    "460030": means.BAD_REQUEST._replace(hint="This app does not speak version 2 of the API."),
                }
            ),
            code_patterns=((r"46\d{4}", means.BAD_REQUEST),),
            # Said by what stands in front of the platform.
            statuses=frozen({502: means.OVERLOADED, 504: means.OVERLOADED}),
        ),
    )
)
