"""Zhipu's official agents, and the apps that people build there (智谱智能体与应用).

API reference: https://docs.bigmodel.cn/cn/api (read 2026-11-23). Key and error codes are those of the models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.agent_media import Medium
from .._protocols.agent_turns import fold_system_texts, known_turns_left_out, question_alone, question_of
from .._protocols.agents import Agent, AgentSpec
from .._protocols.base import Credential, JSONObject, Region, frozen
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from .._wire import Flow, HttpRequest, OpenStream, Wait
from ..exceptions import APIError, APITimeoutError, BadRequestError
from ._zhipu_app_events import RunningError, ZhipuAppParser
from .zhipuai import adapter as zhipuai

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from .._wire import HttpReply
    from ..schema import Adaptation, ModelResponse

_AGENTS, _RESULT = "/v1/agents", "/v1/agents/async-result"
_APPS = "/llm-application/open/v3/application/invoke"
#: Arguments of ours; all others go into the body as they are.
_OURS = frozenset({"agent_id", "inputs", "input_key"})
#: Seconds: between two looks at a long job at first and later, and for all of it.
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.5, 5.0, 1800.0
#: Looks that may fail one after the other.
_MOST_FAILURES = 3


class ZhipuApp(Agent):
    """Agents by ``agent_id``, apps by ``app_id``."""

    parser = ZhipuAppParser

    # What the platform is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. The address of the models does for a base URL."""
        params, credentials = dict(chat.params), dict(chat.credentials)
        if not params.get("agent_id") and not credentials.get("app_id"):
            if not self.names_app(chat):
                raise BadRequestError(
                    "zhipu_app: who is asked? Pass agent_id= of an official agent, or app_id= of an app of yours. "
                    "请传 agent_id=（官方智能体）或 app_id=（自建应用）。"
                )
            if chat.model.isdecimal():
                credentials["app_id"] = chat.model
            else:
                params["agent_id"] = chat.model
        base_url = chat.base_url.removesuffix("/paas/v4")
        return super().prepare(chat.changed(params=params, credentials=credentials, base_url=base_url))

    def turns(
        self, chat: ChatRequest, messages: list[JSONObject], params: JSONObject
    ) -> tuple[list[JSONObject], list[Adaptation]]:
        """See ``Agent``. Agents take the whole conversation, apps their variables."""
        if not params.get("agent_id"):
            return question_alone(self.spec.name, messages, params)
        params.pop("history", None)
        if params.get("conversation_id"):
            return known_turns_left_out(self.spec.name, messages, "conversation_id")
        question_of(self.spec.name, messages)
        return fold_system_texts(messages)

    def adapt(self, chat: ChatRequest, params: JSONObject, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``Agent``."""
        inputs, key = params.get("inputs"), params.get("input_key")
        if inputs is not None and not isinstance(inputs, dict):
            raise BadRequestError(f"zhipu_app: inputs={inputs!r} is no dict: the names of variables → their values.")
        if params.get("agent_id"):
            if "user" in params:
                params["user_id"] = params.pop("user")
            return []
        if not inputs and not key:
            raise BadRequestError(
                "zhipu_app: an app takes variables, and their names are its own. Pass input_key= with the name of the "
                "one that the question goes to, or inputs={name: value}. 请传 input_key=（填问题的变量名）或 inputs=。"
            )
        changes = []
        if not key:
            reason = "the app takes its variables alone; input_key= names the one that the question goes to"
            changes.append(adaptation("messages", "dropped", text_of(messages[-1].get("content")), None, reason))
        if "user" in params and chat.param_policy != "raw":
            changes.append(adaptation("user", "dropped", params.pop("user"), None, "apps do not know it"))
        return changes

    def check_medium(self, medium: Medium, where: str) -> None:
        """See ``Agent``."""
        raise BadRequestError(f"{where}: zhipu_app takes text only. Other media go into the variables of the app.")

    def chat_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``Agent``."""
        params = {name: value for name, value in chat.params.items() if name not in _OURS}
        if chat.params.get("agent_id"):
            messages = [{"role": message["role"], "content": _texts(message)} for message in chat.messages]
            body = {"agent_id": chat.params["agent_id"], "messages": messages, "stream": chat.stream}
            return self.request(chat, _AGENTS, {**body, **params, **chat.extra_body})
        values = dict(chat.params.get("inputs") or {})
        if key := chat.params.get("input_key"):
            values.setdefault(str(key), text_of(chat.messages[-1].get("content")))
        items = [{"type": "input", "key": name, "value": value} for name, value in values.items()]
        messages = [{"role": "user", "content": items}]
        body = {"app_id": str(chat.credentials["app_id"]), "messages": messages, "stream": chat.stream}
        return self.request(chat, _APPS, {**body, **params, **chat.extra_body})

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""

        def ask(request: HttpRequest) -> Flow[ModelResponse]:
            reply = yield request
            return self.to_response(chat, reply)

        response: ModelResponse = yield from self._until_done(chat, ask)
        return response

    def stream(self, chat: ChatRequest) -> Flow[Any]:
        """See ``Adapter``."""

        def ask(request: HttpRequest) -> Flow[Any]:
            return (yield OpenStream(request=request, parser=self.chunk_parser(chat)))

        return (yield from self._until_done(chat, ask))

    def _until_done(self, chat: ChatRequest, ask: Callable[[HttpRequest], Flow[Any]]) -> Flow[Any]:
        """Ask; and where that begins a long job, ask for its result until there is one."""
        try:
            return (yield from ask(self.chat_request(chat)))
        except RunningError as running:
            job = running.data
        waited, wait, failures = 0.0, _FIRST_WAIT, 0
        while waited < _PATIENCE:
            yield Wait(seconds=wait)
            waited, wait = waited + wait, min(wait * 1.5, _LONGEST_WAIT)
            try:
                return (yield from ask(self._look(chat, job)))
            except RunningError as running:
                job, failures = {**job, **running.data}, 0
            except APIError as error:
                failures += 1
                if not error.retryable or failures >= _MOST_FAILURES or _has_failed(error.body):
                    # The job has begun, and must not be begun a second time.
                    error.retryable = False
                    raise
        raise APITimeoutError(
            f"zhipu_app: the agent has been at work for {waited:.0f} seconds, and there is no result yet. "
            f"Its async_id is {job.get('async_id')!r}.",
            provider=chat.provider,
            model=chat.model,
            retryable=False,
        )

    def _look(self, chat: ChatRequest, job: JSONObject) -> HttpRequest:
        named = {"agent_id": chat.params["agent_id"], "async_id": job["async_id"]}
        told = {"conversation_id": job.get("conversation_id") or chat.params.get("conversation_id")}
        return self.request(chat, _RESULT, {**named, **{name: value for name, value in told.items() if value}})

    # What the platform answered.

    def is_error(self, data: Any) -> bool:
        """See ``JSONVendor``."""
        told = data.get("error_msg") if isinstance(data, dict) else None
        error = data.get("error") if isinstance(data, dict) else None
        if isinstance(error, dict) and error.get("code") in (0, "0") and data.get("choices"):
            return False  # it says that there is none
        return super().is_error(data) or bool(told) or _has_failed(data)

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``JSONVendor``. Apps have a name of their own for it."""
        told = data.get("error_msg") if isinstance(data, dict) else None
        if isinstance(told, dict):
            data = {"error": {"code": told.get("code"), "message": told.get("msg") or told.get("message")}}
        elif told:
            data = {"error": {"message": str(told)}}
        elif isinstance(data, dict) and not data.get("error") and data.get("status"):
            data = {"error": {"message": f"the agent has failed (status {data['status']!r})"}}
        return super().error(chat, data, reply=reply, event=event)


def _has_failed(data: Any) -> bool:
    """Whether a job has ended without a result."""
    return isinstance(data, dict) and data.get("status") in ("failed", "fail")


def _texts(message: JSONObject) -> list[JSONObject]:
    return [{"type": "text", "text": text_of(message.get("content"))}]


_CN, _INTL = (region.console for region in zhipuai.spec.regions[:2])

adapter = ZhipuApp(
    AgentSpec(
        name="zhipu_app",
        title="Zhipu agents and apps (智谱智能体与应用)",
        regions=(
            Region(name="cn", base_url="https://open.bigmodel.cn/api", console=_CN),
            Region(name="intl", base_url="https://api.z.ai/api", console=_INTL),
        ),
        credentials=(zhipuai.spec.credentials[0], Credential(name="app_id", required=False)),
        base_url_env=("ZHIPU_APP_API_BASE",),
        docs="https://docs.bigmodel.cn/cn/api",
        default_model="zhipu_app",
        errors=zhipuai.spec.errors._replace(
            # Said by what stands in front of the platform.
            statuses=frozen({**zhipuai.spec.errors.statuses, 502: means.OVERLOADED, 504: means.OVERLOADED}),
        ),
    )
)
