"""MiniMax (稀宇科技, 海螺). API reference: https://platform.minimax.io/docs (text-chat-openai, read 2026-11-23)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from .._protocols import means
from .._protocols.agent_parsing import objects_in
from .._protocols.arranging import merge_system
from .._protocols.base import Credential, ErrorFacts, ErrorRule, JSONObject, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_media import check_kind
from .._protocols.openai_messages import drop_strict, refuse_part
from .._protocols.openai_parsing import OpenAIChunkParser
from .._protocols.parameters import Clamp, Drop, Only, Rename, Thinking
from .._protocols.thoughts import AnswerSoFar, handed_back, told_apart
from .._wire import HttpReply
from ..exceptions import (
    BadRequestError,
    NotFoundError,
)
from ..schema import ModelResponse, ModelResponseChunk, Usage

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_NATIVE = "/text/chatcompletion_v2"
_ALWAYS, _NEVER = r"minimax-m[12]", r"(minimax-(text|vl)-|m2-her|abab)"
_OLD = rf"({_ALWAYS}|{_NEVER})"


class MiniMax(OpenAICompatible):
    """Adds the native path, thoughts in three places, and the answer that a stream repeats at its end."""

    def url(self, chat: ChatRequest) -> str:
        """See ``OpenAICompatible``. A base URL may be the native path itself, or one of the vendor's hosts alone."""
        if chat.base_url.endswith(_NATIVE):
            return chat.base_url + (f"?{urlencode(chat.extra_query)}" if chat.extra_query else "")
        if self.spec.region_of(chat.base_url) and not urlsplit(chat.base_url).path:
            chat = chat.changed(base_url=f"{chat.base_url}/v1")
        return super().url(chat)

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``. Thoughts are asked for beside the text, where they spoil no JSON."""
        if all(message.get("role") in ("system", "developer") for message in chat.messages):
            raise BadRequestError("minimax needs more than a system message (it answers code 2013 otherwise).")
        if self.thinks(chat.model):
            params.setdefault("reasoning_split", True)
        return drop_strict(params)

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``. Earlier thoughts go back as they came."""
        apart = bool(chat.params.get("reasoning_split", True))
        for place, message in enumerate(messages):
            if message["role"] == "assistant" and self.thinks(chat.model):
                messages[place] = handed_back(message, apart=apart)
        return merge_system(messages)

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        model = chat.model.lower()
        kinds = ["image_url"] if re.match("minimax-(text|vl)-", model) else ["image_url", "video_url"]

        def media(part: JSONObject, where: str) -> JSONObject:
            check_kind(part, where, chat.model, kinds)
            return part

        return refuse_part if len(kinds) > 1 and re.match(_OLD, model) else media

    def openai_shape(self, data: JSONObject) -> JSONObject:
        """Thoughts of a whole message, wherever they stand."""
        choices = [
            {**choice, "message": told_apart(choice["message"])} if isinstance(choice.get("message"), dict) else choice
            for choice in objects_in(data.get("choices"))
        ]
        return {**data, "choices": choices}

    def usage(self, raw: Any) -> Usage | None:
        """Zeros mean that nothing is known yet."""
        is_known = isinstance(raw, dict) and any(
            raw.get(f"{name}_tokens") for name in ("prompt", "completion", "total")
        )
        return super().usage(raw) if is_known else None

    def to_response(self, chat: ChatRequest, reply: HttpReply) -> ModelResponse:
        """See ``OpenAICompatible``. Moderation may take the text away and say so in a field of its own."""
        response = super().to_response(chat, reply)
        for choice in response.choices:
            if response.get("output_sensitive") and not (choice.message.content or choice.message.tool_calls):
                choice.finish_reason = "content_filter"
        return response

    def chunk_parser(self, chat: ChatRequest) -> OpenAIChunkParser:
        """See ``Adapter``."""
        return _ChunkParser(self, chat)


class _ChunkParser(OpenAIChunkParser):
    """The last event is the whole answer once more: it counts for its usage and finish reason only."""

    def __init__(self, dialect: OpenAICompatible, chat: ChatRequest) -> None:
        super().__init__(dialect, chat)
        self._answers: defaultdict[Any, AnswerSoFar] = defaultdict(AnswerSoFar)

    def _chunk(self, data: JSONObject) -> Iterable[ModelResponseChunk]:
        is_summary = data.get("object") == "chat.completion"
        chunks = super()._chunk({**data, "choices": [self._read_choice(raw, is_summary) for raw in data["choices"]]})
        # The end signal that others send may never come.
        self.is_done = is_summary and self.has_finished and self._usage is not None
        return chunks

    def _read_choice(self, raw: JSONObject, is_summary: bool) -> JSONObject:
        answer, delta = self._answers[raw.get("index") or 0], raw.get("delta")
        if is_summary or (delta is None and raw.get("message")):
            delta = {} if answer.has_begun else raw.get("message") or delta
        delta = answer.read(delta or {})
        return {**raw, "delta": answer.end(delta) if raw.get("finish_reason") else delta}

    def end(self) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        chunks = list(super().end())
        for choice in chunks[-1].choices:
            if chunks[-1].get("output_sensitive") and not self._answers[choice.index].has_answered:
                choice.finish_reason = "content_filter"
        return chunks


_NAMES = "Names of models are written as the vendor writes them, such as MiniMax-M3."


_CODES = means.codes(
    {
        means.SERVER: "1000 1013 1024 1033",
        means.OVERLOADED: "1001",
        means.RATE_LIMIT: "1002 1039 1041 2045",
        means.AUTH: "1004 2049",
        means.NO_BALANCE: "1008",
        means.POLICY: "1026 1027",
        means.BAD_REQUEST: "1042 1043 1044 2013 2037 2038 2042 2048",
        means.PERMISSION: "2061",
        # A plan's quota does not come back within a retry.
        means.QUOTA: "1028 1030 2056",
    }
)

_CONSOLE = "https://platform.minimaxi.com"

adapter = MiniMax(
    OpenAISpec(
        name="minimax",
        title="MiniMax (稀宇科技, 海螺)",
        regions=(
            Region(name="cn", base_url="https://api.minimaxi.com/v1", console=_CONSOLE),
            Region(name="intl", base_url="https://api.minimax.io/v1", console="https://platform.minimax.io"),
            Region(name="old", base_url="https://api.minimax.chat/v1", console=_CONSOLE),
        ),
        credentials=(Credential(env=("MINIMAX_API_KEY", "MINIMAX_CODE_API_KEY")),),
        base_url_env=("MINIMAX_API_BASE", "MINIMAX_BASE_URL", "MINIMAX_API_HOST"),
        docs="https://platform.minimax.io/docs",
        rules=(
            Rename("max_tokens", "max_completion_tokens"),
            # The intervals are open at 0, which is answered with code 2013.
            Clamp(name="temperature", low=0.01, high=1, models=_OLD),
            Clamp(name="temperature", low=0.01, high=2),
            Clamp(name="top_p", low=0.01, high=1),
            Only(name="n", values=(1,)),
            Only(name="service_tier", values=("standard", "priority")),
            Only(name="tool_choice", values=("auto", "none"), reason="the vendor lets the model choose"),
            Drop(names=("seed", "logit_bias", "presence_penalty", "frequency_penalty", "parallel_tool_calls", "user")),
            Drop(names=("group_id",), reason="the key tells it; only paths that are gone wanted it"),
        ),
        thinking=(
            Thinking(models=_ALWAYS, types=(), always=True),
            Thinking(models=_NEVER, never=True),
            Thinking(types=("adaptive", "disabled")),
        ),
        json_schema_models="minimax-text-01",
        json_object_models="minimax-text-01",
        errors=ErrorFacts(
            codes=_CODES,
            # Said with status 200 in base_resp, or with a status of its own, and then only at the end of the text.
            code_in_text=r"\((\d{4})\)\s*$",
            texts=(
                ("context window", means.CONTEXT),
                ("context length", means.CONTEXT),
                ("unknown model", ErrorRule(cls=NotFoundError, hint=_NAMES)),
            ),
        ),
    )
)
