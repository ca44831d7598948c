"""FastGPT: apps that were built there, on its clouds or on a server of one's own.

API reference: https://doc.fastgpt.io/openapi/chat (read 2026-11-23). Requests look like OpenAI's and answers almost do;
the address decides which of its two versions is spoken.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._log import logger
from .._protocols import means
from .._protocols.agent_media import Medium, read_medium
from .._protocols.agent_turns import known_turns_left_out, question_alone, question_of
from .._protocols.agents import Agent, AgentSpec
from .._protocols.base import Credential, ErrorFacts, ErrorRule, JSONObject, Region, frozen
from .._protocols.errors import has_error
from .._protocols.openai_messages import MessageFacts, adapt_messages
from .._protocols.parameters import adaptation
from .._wire import Flow, HttpReply, HttpRequest
from ..exceptions import APIError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError
from ._fastgpt_events import FastGPTParser

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse

#: Ids of apps, as they stand in the console's address.
_APP_ID = "[0-9a-f]{24}"
_VERSIONS = ("/v1", "/v2")
#: Our words → the platform's.
_WORDS = {"conversation_id": "chatId", "user": "customUid"}
_MESSAGES = MessageFacts(replay="strip", flatten=False)
_A_PAGE = "a web page answered in place of the platform"


class FastGPT(Agent):
    """Apps, workflows and plugins."""

    parser = FastGPTParser

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. People give the address of the host, of its API, or of one version."""
        path = urlsplit(chat.base_url).path
        missing = "/api/v1" if not path else "/v1" if path.endswith("/api") else ""
        return super().prepare(chat.changed(base_url=f"{chat.base_url}{missing}"))

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """See ``Agent``. Without a chat of its own the platform takes the whole history, as OpenAI does."""
        for ours, theirs in _WORDS.items():
            if ours in params:
                params.setdefault(theirs, params.pop(ours))
                params.pop(ours, None)
        if params.get("history") is not None:
            return question_alone(self.spec.name, messages, params)
        if params.get("chatId"):
            return known_turns_left_out(self.spec.name, messages, "chatId")
        question_of(self.spec.name, messages)
        if chat.param_policy == "raw":
            return messages, []
        return adapt_messages(messages, _MESSAGES, thinks=False, adapt_part=lambda part, _where: part)

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``. The key of an account wants to be told the app; a model that looks like its id is it."""
        if re.fullmatch(_APP_ID, chat.model):
            params.setdefault("appId", chat.model)
        if not params.get("suggestions"):
            params.pop("suggestions", None)
            return []
        if chat.stream:
            reason = "the platform tells them in a call of its own after the answer: ask without stream=True"
        elif not self._app_of(chat, params) or not chat.base_url.endswith(_VERSIONS):
            reason = "the platform wants to be told the app for them: pass appId"
        elif not params.get("chatId") and not chat.base_url.endswith("/v2"):
            reason = "the platform wants to be told the chat for them: pass chatId"
        else:
            return []
        return [adaptation("suggestions", "dropped", params.pop("suggestions"), None, reason)]

    def check_medium(self, medium: Medium, where: str) -> None:
        """See ``Agent``. Images may be sent as data, other files may not."""
        if medium.kind != "image" or medium.file_id:
            super().check_medium(medium, where)
        if medium.file_id:
            raise BadRequestError(f"{where}: fastgpt keeps no files under ids. Pass an address (https://…).")

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``. Without ``detail`` there is neither context nor a true count of tokens."""
        messages = [_message(message, f"messages[{number}]") for number, message in enumerate(chat.messages)]
        params = {name: value for name, value in chat.params.items() if name != "suggestions"}
        body: JSONObject = {"model": chat.model, "messages": messages, "detail": True, **params}
        if chat.stream:
            body["stream"] = True
        return self.request(chat, "/chat/completions", {**body, **chat.extra_body})

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        response: ModelResponse = yield from super().complete(chat)
        if chat.params.get("suggestions") and response.conversation_id:
            yield from self._suggest(chat, response)
        return response

    def _suggest(self, chat: ChatRequest, response: ModelResponse) -> Flow[None]:
        """Put questions that the user may ask next into the answer; without them it is still an answer."""
        at_root = chat.changed(base_url=chat.base_url[: -len("/v1")])
        body = {"appId": self._app_of(chat, chat.params), "chatId": response.conversation_id}
        try:
            reply = yield self.request(at_root, "/core/ai/agent/v2/createQuestionGuide", body)
            response.suggestions = [str(text) for text in self.read_json(chat, reply).get("data") or ()]
        except APIError as error:
            logger.info("fastgpt: no suggestions (%s)", error)

    def _app_of(self, chat: ChatRequest, params: Any) -> str:
        """The app's id: told in a parameter, or behind the key, where clients of OpenAI's leave it."""
        behind = re.search(f"-({_APP_ID})$", chat.credentials["api_key"])
        return str(params.get("appId") or (behind[1] if behind else ""))

    # What the platform answered.

    def is_error(self, data: Any) -> bool:
        """See ``JSONVendor``. An answer may tell the error of one of its nodes besides."""
        return has_error(data) and "choices" not in data

    def read_json(self, chat: ChatRequest, reply: HttpReply) -> JSONObject:
        """See ``JSONVendor``. A path that is not the API's leads to the console."""
        if "html" in reply.headers.get("content-type", "") and reply.status < 500:
            raise self.error(chat, f"{_A_PAGE} at {reply.url}", reply=reply)
        return super().read_json(chat, reply)


def _message(message: JSONObject, where: str) -> JSONObject:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = [_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)]
    return {**message, "content": parts}


def _part(part: JSONObject, where: str) -> JSONObject:
    """A part in the platform's form: images as OpenAI's, other files flat and with a name."""
    if part.get("type") == "text":
        return part
    inner = part.get("image_url")
    if isinstance(inner, dict) and str(inner.get("url")).startswith(("https://", "http://", "data:image/")):
        return part
    medium = read_medium(part, where)
    if medium.kind != "image":
        return {"type": "file_url", "name": medium.name or "file", "url": medium.url}
    data = "" if medium.data is None else base64.b64encode(medium.data).decode()
    return {"type": "image_url", "image_url": {"url": medium.url or f"data:{medium.media_type};base64,{data}"}}


_PATH = ErrorRule(
    cls=NotFoundError,
    hint='The API begins at /api/v1 (or /api/v2) below the server\'s address: base_url="https://host/api/v1". '
    "请检查 base_url，接口路径应以 /api/v1 结尾。",
)
_ACCOUNT_KEY = ErrorRule(
    cls=AuthenticationError, hint="Make a key in the app itself, or pass appId=. 请使用应用密钥，或传入 appId。"
)
_BUSY = ErrorRule(cls=RateLimitError, hint="The last question of this chat is still being answered.")
_OLD_WORKFLOW = means.BAD_REQUEST._replace(hint="Open the app at the platform and publish it again.")

adapter = FastGPT(
    AgentSpec(
        name="fastgpt",
        title="FastGPT",
        regions=(
            Region(name="cn", base_url="https://api.fastgpt.in/api/v1", console="https://cloud.fastgpt.cn"),
            Region(name="intl", base_url="https://cloud.fastgpt.io/api/v1", console="https://cloud.fastgpt.io"),
        ),
        credentials=(Credential(name="api_key", env=("FASTGPT_API_KEY",), looks_like="fastgpt-…"),),
        base_url_env=("FASTGPT_API_BASE",),
        docs="https://doc.fastgpt.io/openapi/chat",
        default_model="fastgpt",
        takes=frozenset({"metadata"}),
        errors=ErrorFacts(
            codes=means.codes(
                {
                    means.AUTH: "514 unAuthApiKey unAuthorization 401",
                    means.PERMISSION: "511 513 unAuthModel unAuthFile unAuthChat unAuthApp unAuthTeam",
                    means.NO_BALANCE: "510 insufficientQuota 402",
                    means.RATE_LIMIT: "429 tooManyRequest",
                    means.NOT_FOUND: "404",
                    means.BAD_REQUEST: "400 422 providerReturnedError",
                    means.OVERLOADED: "502 503 504",
                    _BUSY: "409 chatIsGenerating",
                }
            ),
            # 403 is one of the platform's own codes and then has a name; without one it is a model vendor's status.
            code_patterns=(("403|501[0-9]{3}|5000[0-9]{2}", means.PERMISSION), ("500", means.BROKEN)),
            # A model vendor's error is handed on as a text, most often with its status in front.
            code_in_text=r"^\s*([45][0-9]{2})\b",
            texts=(
                (_A_PAGE, _PATH),
                ("need to use the app key", _ACCOUNT_KEY),
                ("凭证错误", means.AUTH),
                ("余额", means.NO_BALANCE),
                ("积分不足", means.NO_BALANCE),
                (" points", means.NO_BALANCE),
                ("app is empty", means.NOT_FOUND),
                ("messages is empty", means.BAD_REQUEST),
                ("messages is not array", means.BAD_REQUEST),
                ("invalid input", means.BAD_REQUEST),
                ("invalid_type", means.BAD_REQUEST),
                ("工作流版本过低", _OLD_WORKFLOW),
            ),
            # Whatever goes wrong has this status: most often an app that is not set up, which no other try mends.
            statuses=frozen({500: means.BROKEN, 413: means.BAD_REQUEST}),
        ),
    )
)
