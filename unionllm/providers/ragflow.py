"""RAGFlow: chat assistants and agents on a server of one's own.

API reference: https://ragflow.io/docs/http_api_reference (read 2026-08-22). The dialect is OpenAI's, behind a path that
names the assistant; what was retrieved stands beside the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .._protocols import means
from .._protocols.agent_parsing import objects_in
from .._protocols.agent_turns import with_text_after
from .._protocols.agents import OF_MODELS
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_parsing import ODD_SHAPES, OpenAIChunkParser
from .._protocols.parameters import Drop, adaptation
from .._protocols.structured_output import instruction_for
from .._protocols.tidy import tidy_context
from .._wire import Flow, HttpReply
from ..exceptions import BadRequestError, NotFoundError
from ..schema import Context

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation, ModelResponse

_NEW, _OLD, _AGENTS = "openai", "chats_openai", "agents_openai"
#: The whole address of an assistant, as the openai SDK wants it for a base URL.
_ADDRESS = re.compile(rf"(.*)/api/v1/({_NEW}|{_OLD}|{_AGENTS})/([^/]+)")
#: Members of the body's literal field ``extra_body``, given as arguments.
_RETRIEVAL = ("reference", "reference_metadata", "metadata_condition")
#: Arguments that go into the path, or nowhere. ``path`` is ours, and set once the older servers are known to be met.
_NOT_SENT = frozenset({"chat_id", "agent_id", "conversation_id", "old_path", *_RETRIEVAL})
#: Servers that are remembered; more than that are forgotten.
_MOST_SERVERS = 1000


class RAGFlow(OpenAICompatible):
    """Adds the path, the references, and errors that come with status 200."""

    def __init__(self, spec: OpenAISpec) -> None:
        super().__init__(spec)
        #: Base URLs of servers that know the old path alone.
        self._old: set[str] = set()

    # What the server is asked.

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if not chat.base_url:
            raise BadRequestError(
                "ragflow: which server? Pass base_url=, such as http://host:9380, or set RAGFLOW_BASE_URL. "
                "请传 base_url=，即自己部署的 RAGFlow 的地址。"
            )
        params, base_url = dict(chat.params), chat.base_url
        found = _ADDRESS.fullmatch(base_url)
        if found is not None:
            base_url = found[1]
            params.setdefault("agent_id" if found[2] == _AGENTS else "chat_id", found[3])
        if "session_id" in params:
            params.setdefault("conversation_id", params.pop("session_id"))
        if not params.get("agent_id") and not params.get("chat_id"):
            if chat.model.lower() == self.spec.name:
                raise BadRequestError(
                    "ragflow: which assistant? Pass chat_id= (or the same as model=), or agent_id= of an agent. "
                    "请传 chat_id= 或 agent_id=。"
                )
            params["chat_id"] = chat.model
        chat = chat.changed(params=params, base_url=base_url.removesuffix("/api/v1"))
        instruction = instruction_for(params.get("response_format")) if chat.param_policy != "raw" else ""
        if instruction:
            # The server does not read system messages everywhere, so that it stands with the question.
            last = with_text_after(instruction, chat.messages[-1])
            chat = chat.changed(messages=(*chat.messages[:-1], last))
        return super().prepare(chat)

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes = []
        if params.get("conversation_id") and not params.get("agent_id"):
            reason = "a chat assistant keeps no conversation for this API: pass the earlier turns in messages"
            changes.append(adaptation("conversation_id", "dropped", params.pop("conversation_id"), None, reason))
        wanted = params.pop("response_format", None)
        if instruction_for(wanted):
            reason = "the server does not know it; what is wanted stands at the end of the question"
            changes.append(adaptation("response_format", "replaced", str(wanted), None, reason))
        return changes

    def thinks(self, model: str) -> bool:
        """See ``Adapter``. It searches, and agents run whole flows, before the first word."""
        return True

    def url(self, chat: ChatRequest) -> str:
        """See ``OpenAICompatible``."""
        kind, name = (_AGENTS, "agent_id") if chat.params.get("agent_id") else (_NEW, "chat_id")
        if kind == _NEW and (chat.params.get("old_path") or chat.base_url in self._old):
            kind = _OLD
        place = f"{chat.base_url}/api/v1/{kind}/{quote(str(chat.params[name]), safe='')}"
        return super().url(chat.changed(base_url=place))

    def body(self, chat: ChatRequest) -> JSONObject:
        """See ``OpenAICompatible``. Some paths stream unless they are told not to."""
        asked = {"reference": True, **{name: chat.params[name] for name in _RETRIEVAL if name in chat.params}}
        params = {name: value for name, value in chat.params.items() if name not in _NOT_SENT}
        if chat.params.get("conversation_id"):
            params["session_id"] = chat.params["conversation_id"]
        body = super().body(chat.changed(params={**params, "extra_body": asked}))
        return {"stream": False, **body}

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        response: ModelResponse = yield from self._at_its_path(chat, super().complete)
        return response

    def stream(self, chat: ChatRequest) -> Flow[Any]:
        """See ``Adapter``."""
        return (yield from self._at_its_path(chat, super().stream))

    def _at_its_path(self, chat: ChatRequest, ask: Callable[[ChatRequest], Flow[Any]]) -> Flow[Any]:
        """Ask; and where that path is not there, ask at the one that servers had before."""
        try:
            return (yield from ask(chat))
        except NotFoundError as error:
            if chat.params.get("agent_id") or chat.base_url in self._old:
                raise
            refused = error
        try:
            answer = yield from ask(chat.changed(params={**chat.params, "old_path": True}))
        except NotFoundError:
            raise refused from None
        if len(self._old) >= _MOST_SERVERS:
            self._old.clear()
        self._old.add(chat.base_url)
        return answer

    def chunk_parser(self, chat: ChatRequest) -> RAGFlowParser:
        """See ``Adapter``."""
        return RAGFlowParser(self, chat)

    # What the server answered.

    def to_response(self, chat: ChatRequest, reply: HttpReply) -> ModelResponse:
        """See ``OpenAICompatible``."""
        response = super().to_response(chat, reply)
        for choice in response.choices:
            told = (choice.message.model_extra or {}).pop("reference", None)
            response.context = _context(told) if response.context is None else response.context
        return response

    def own_fields(self, data: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        return {"conversation_id": str(data["session_id"])} if data.get("session_id") else {}


class RAGFlowParser(OpenAIChunkParser):
    """References come in one of the last events, and belong to the last chunk."""

    def _chunk(self, data: JSONObject) -> Any:
        choices = []
        for raw in objects_in(data.get("choices")):
            delta = raw.get("delta") or {}
            if (found := _context(delta.get("reference"))) is not None:
                self._own["context"] = found
            choices.append({**raw, "delta": {name: value for name, value in delta.items() if name != "reference"}})
        return super()._chunk({**data, "choices": choices})


def _context(told: Any) -> list[Context] | None:
    """What was retrieved: chunks in a list, or by their ids; marks such as ``[ID:0]`` in the text name ``position``."""
    chunks = told.get("chunks") if isinstance(told, dict) else told
    chunks = list(chunks.values()) if isinstance(chunks, dict) else chunks
    if not isinstance(chunks, list):
        return None
    try:
        return [_passage(place, dict(chunk)) for place, chunk in enumerate(chunks) if chunk is not None]
    except ODD_SHAPES:
        return None


def _passage(place: int, chunk: JSONObject) -> Context:
    known = {"id": chunk.pop("id", None) or place, "content": chunk.pop("content", None), "position": place}
    known["score"] = chunk.pop("similarity", None)
    return tidy_context(Context.build(known, {name: value for name, value in chunk.items() if value is not None}))


adapter = RAGFlow(
    OpenAISpec(
        name="ragflow",
        title="RAGFlow",
        regions=(
            Region(name="yours", base_url="", console="your server, see https://ragflow.io/docs/http_api_reference"),
        ),
        credentials=(Credential(env=("RAGFLOW_API_KEY",)),),
        base_url_env=("RAGFLOW_BASE_URL", "RAGFLOW_API_BASE"),
        docs="https://ragflow.io/docs/http_api_reference",
        docs_read="2026-08-22",
        default_model="ragflow",
        rules=(
            Drop(
                names=tuple(sorted(OF_MODELS)),
                reason="an assistant's settings are made at the server; a call cannot change them",
            ),
        ),
        asks_for_usage=False,
        text_only="",
        errors=ErrorFacts(
            codes=means.codes(
                {means.AUTH: "109", means.PERMISSION: "108", means.SERVER: "100", means.OVERLOADED: "105"}
            ),
            code_patterns=((r"1?\d\d", means.BAD_REQUEST),),
            # Said by what stands in front of the server.
            statuses=frozen({502: means.OVERLOADED, 504: means.OVERLOADED}),
        ),
    )
)
