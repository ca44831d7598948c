"""Baichuan (百川智能). API reference: https://platform.baichuan-ai.com/docs/api (read 2026-11-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._protocols import means
from .._protocols.arranging import fold_system, merge_neighbours
from .._protocols.base import Credential, EmbeddingFacts, ErrorFacts, JSONObject, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec, refuse_changes
from .._protocols.openai_messages import refuse_part
from .._protocols.parameters import Clamp, Drop, NoneMeansNoTools, Only, Rename, Thinking, adaptation
from .._protocols.think_tags import TaggedChunkParser, split_thoughts
from ..schema import Context

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_MODELS = (
    *("Baichuan-M3", "Baichuan-M3-Plus", "Baichuan-M2", "Baichuan-M2-Plus", "Baichuan4", "Baichuan4-Turbo"),
    *("Baichuan4-Air", "Baichuan3-Turbo", "Baichuan3-Turbo-128k", "Baichuan2-Turbo"),
)
_SPELLINGS = {name.lower(): name for name in _MODELS}


class Baichuan(OpenAICompatible):
    """Adds names in any case, the search switch of old, and what its knowledge base cites."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        name = _SPELLINGS.get(chat.model.lower(), chat.model)
        if name == chat.model or chat.param_policy == "raw":
            return super().prepare(chat)
        change = adaptation("model", "replaced", chat.model, name, "the vendor tells capitals from small letters")
        if chat.param_policy == "strict":
            refuse_changes(self.spec, [change])
        prepared = super().prepare(chat.changed(model=name))
        return prepared.changed(adaptations=(change, *prepared.adaptations))

    def url(self, chat: ChatRequest) -> str:
        """See ``OpenAICompatible``. The vendor's own address may be given without its version."""
        is_bare = self.spec.region_of(chat.base_url) is not None and urlsplit(chat.base_url).path in ("", "/")
        return super().url(chat.changed(base_url=self.spec.base_url) if is_bare else chat)

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``. Searching was a flag once, and is a tool today."""
        wanted = params.pop("with_search_enhance", None)
        if wanted is None:
            return []
        tool = {"type": "web_search", "web_search": {"enable": True, "search_mode": "performance_first"}}
        tools = list(params.get("tools") or ())
        if not wanted or any(isinstance(given, dict) and given.get("type") == "web_search" for given in tools):
            return [adaptation("with_search_enhance", "dropped", wanted, None, "searching is a tool today")]
        params["tools"] = [*tools, tool]
        return [adaptation("with_search_enhance", "replaced", wanted, tool, "searching is a tool today")]

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        is_old = chat.model.lower().startswith("baichuan2")
        return [*fold_system(messages), *merge_neighbours(messages)] if is_old else []

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        return refuse_part

    def own_fields(self, data: JSONObject) -> JSONObject:
        """What the knowledge base cites is the context of the answer."""
        base = data.get("knowledge_base")
        cites = base.get("cites") if isinstance(base, dict) else None
        found = [_passage(cite) for cite in cites if isinstance(cite, dict)] if isinstance(cites, list) else []
        return {"context": found} if found else {}

    def adjust_message(self, raw: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        return split_thoughts(raw)

    def chunk_parser(self, chat: ChatRequest) -> TaggedChunkParser:
        """See ``Adapter``."""
        return TaggedChunkParser(self, chat)


def _passage(cite: JSONObject) -> Context:
    known = {"id": cite.get("file_id") or cite.get("id"), "content": cite.get("content")}
    return Context.build(known, {name: value for name, value in cite.items() if name not in ("id", "content")})


adapter = Baichuan(
    OpenAISpec(
        name="baichuan",
        title="Baichuan (百川智能)",
        regions=(
            Region(name="cn", base_url="https://api.baichuan-ai.com/v1", console="https://platform.baichuan-ai.com"),
        ),
        credentials=(Credential(env=("BAICHUAN_API_KEY",), looks_like="sk-…"),),
        base_url_env=("BAICHUAN_API_BASE",),
        docs="https://platform.baichuan-ai.com/docs/api",
        embeddings=EmbeddingFacts(batch=16),
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Clamp(name="temperature", low=0, high=1),
            Clamp(name="top_p", low=0, high=0.99),
            Clamp(name="top_k", low=0, high=20),
            NoneMeansNoTools(),
            Only(name="tool_choice", values=("auto",), instead="auto", reason="the vendor lets the model choose"),
            Drop(names=("stream_options",), reason="refused, and not needed: usage comes on the last chunk"),
            Drop(names=("stop", "n", "seed", "logprobs", "top_logprobs", "logit_bias", "user", "best_of")),
            Drop(names=("presence_penalty", "frequency_penalty", "parallel_tool_calls")),
        ),
        thinking=(Thinking(models="baichuan-m", types=(), always=True),),
        asks_for_usage=False,
        json_schema_models=None,
        json_object_models="baichuan[34]",
        errors=ErrorFacts(
            codes=means.codes(
                {
                    means.AUTH: "invalid_api_key api_key_empty invalid_authentication",
                    means.SERVER: "internal_error internal_server_error",
                }
            ),
            texts=means.texts(
                {
                    means.NOT_FOUND: "model not found",
                    means.CONTEXT: "context length|maximum length|too long",
                    means.POLICY: "敏感|sensitive",
                }
            ),
            request_id_headers=("x-bc-request-id", "x-request-id"),
        ),
    )
)
