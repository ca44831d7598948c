"""iFlytek Spark (讯飞星火): what its two APIs, over HTTP and over WebSocket, have in common.

Follows https://www.xfyun.cn/doc/spark/Web.html and the HTTP pages beside it (read 2026-11-23).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar

from .._log import redact
from .._urls import host_of
from ..exceptions import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
)
from ..schema import Adaptation, ModelResponseChunk, Usage
from . import means
from .arranging import fold_system, merge_system
from .base import ErrorFacts, ErrorRule, JSONObject, frozen
from .errors import details
from .openai_compatible import OpenAICompatible
from .openai_parsing import OpenAIChunkParser
from .parameters import Clamp, Drop, Thinking, adaptation

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from .._wire import HttpReply

#: Names that people use → the vendor's.
_NAMES = frozen(
    {
        "spark-lite": "lite",
        "spark-pro": "generalv3",
        "spark-max": "generalv3.5",
        "spark-ultra": "4.0Ultra",
        "4.0ultra": "4.0Ultra",
    }
)
#: Models that think, as regular expressions of names in lower case; X2.5 has rules of its own, or rather nobody's.
THINKING_MODELS = r"(spark-x|x\d)"
X1_AND_X2 = r"(spark-x|x1|x2)$"
X2_5 = r"spark-x2\.5"
NOT_X2_5 = rf"(?!{X2_5})"
OTHER_MODELS = r"(?!spark-x|x\d)"
#: Lite and Pro refuse a system message, or pass over it.
_WITHOUT_SYSTEM = re.compile(r"(lite|general|generalv2|generalv3|pro-128k)$")

#: Members of a delta that hold a piece of the answer.
_PIECES = ("content", "reasoning_content", "tool_calls")

THINKING = (
    Thinking(models=THINKING_MODELS, types=("enabled", "disabled", "auto")),
    Thinking(never=True),
)
#: Rules of both APIs.
COMMON_RULES = (
    Clamp(name="temperature", low=0.01, high=2, models=X1_AND_X2),
    Clamp(name="top_p", low=0.01, high=1),
    Clamp(name="top_k", low=1, high=6),
    Clamp(name="max_tokens", low=1, high=4096, models=r"(lite|general|pro-128k)$"),
    Clamp(name="max_tokens", low=1, high=8192, models=r"generalv"),
    Clamp(name="max_tokens", low=1, high=32_768, models=rf"(4\.0ultra$|max-32k$|{X1_AND_X2})"),
    Drop(names=("stop", "n", "seed", "logprobs", "top_logprobs", "logit_bias", "best_of")),
    Drop(names=("functions", "function_call"), reason="the vendor knows tools and tool_choice only"),
    Drop(names=("parallel_tool_calls", "service_tier", "store")),
)


def _rules(table: dict[type[APIError], str]) -> dict[str, ErrorRule]:
    return {code: ErrorRule(cls=cls) for cls, codes in table.items() for code in codes.split()}


ERRORS = ErrorFacts(
    codes=frozen(
        _rules(
            {
                InternalServerError: "10000 10001 10002 10009 10010 10011 10012 10017 10222",
                BadRequestError: "10003 10004 10005 10163",
                RateLimitError: "10006 10007 11201 11202 11203",
                ServiceUnavailableError: "10008 10110",
                ContentPolicyViolationError: "10013 10014 10019 10021 10022",
                PermissionDeniedError: "10015 10016 11200",
                AuthenticationError: "10313",
                ContextWindowExceededError: "10907",
            }
        )
    ),
    # Only "no licence" and "no permission" may be about money.
    sure_codes=r"(?!1001[56]|11200)1\d{4}",
    texts=(
        # What the gateway says has no code, and a wrong date has status 403, which would mean that the key is good.
        ("hmac signature", means.AUTH),
        ("invalid user", means.AUTH),
        ("no route matched", means.NOT_FOUND),
        # 11200 means "no licence" as well: only the words tell.
        ("used up", means.NO_BALANCE),
        ("insufficient balance", means.NO_BALANCE),
        ("余额不足", means.NO_BALANCE),
    ),
    request_id_fields=("sid",),
)


class Spark(OpenAICompatible):
    """The names of models, one system message at the head, tools, the end of an answer, and errors."""

    #: Regular expression of the models that cannot be told whether to call a tool.
    without_choice: ClassVar[str] = X1_AND_X2

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if chat.param_policy == "raw":
            return super().prepare(chat)
        model = _NAMES.get(chat.model.lower(), chat.model)
        prepared = super().prepare(chat.changed(model=model))
        if model == chat.model:
            return prepared
        change = adaptation("model", "renamed", chat.model, model, "the vendor's name for it")
        return prepared.changed(adaptations=(change, *prepared.adaptations))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        for number, tool in enumerate(params.get("tools") or ()):
            kind = tool.get("type") if isinstance(tool, dict) else None
            if kind not in ("function", "web_search"):
                raise BadRequestError(f"tools[{number}] is of type {kind!r}; Spark knows function and web_search.")
        if params.get("tool_choice") != "none" or not re.match(self.without_choice, chat.model.lower()):
            return []
        reason = "the choice cannot be told here; without tools none can be called"
        given = [name for name in ("tools", "tool_choice") if name in params]
        return [adaptation(name, "dropped", params.pop(name), None, reason) for name in given]

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        return _refuse_part

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes = _join_parts(messages)
        reads_no_system = _WITHOUT_SYSTEM.match(chat.model.lower())
        return [*changes, *(fold_system(messages) if reads_no_system else merge_system(messages))]

    def told_ending(self, chat: ChatRequest, usage: Usage | None, *, has_calls: bool) -> str:
        """The finish reason of a whole answer, which the vendor does not say."""
        if has_calls:
            return "tool_calls"
        limits = [chat.params.get(name) for name in ("max_tokens", "max_completion_tokens")]
        spent = usage.completion_tokens if usage else None
        is_cut = spent is not None and any(isinstance(limit, int) and spent >= limit for limit in limits)
        return "length" if is_cut else "stop"

    def is_error(self, data: Any) -> bool:
        """See ``OpenAICompatible``. A code that is not zero is one, whatever stands beside it."""
        if not isinstance(data, dict):
            return False
        envelope = _envelope(data)
        return envelope.get("code") not in (None, 0, "0", "", 200) or super().is_error(data)

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``OpenAICompatible``."""
        envelope = _envelope(data) if isinstance(data, dict) else data
        error = super().error(chat, envelope, reply=reply, event=event)
        said = details(envelope)[2]
        if reply is not None and "x-date header" in said:
            error.message = (
                f"{self.spec.name}: {redact(said, chat.secrets)}. The clock of this machine is off{_how_far(reply)}: "
                f"{host_of(reply.url)} allows 300 s. Set it and call again. 本机时钟不准，请校准后重试。"
            )
            error.args = (error.message,)
        return error


class SparkParser(OpenAIChunkParser):
    """A stream without finish reasons: its usage, or the end signal, tells that it is whole.

    Usage does so behind the text alone; beside text it may be the count so far, and more may follow.
    """

    _dialect: Spark
    #: Whether a count of tokens says that the answer is whole.
    usage_ends: ClassVar[bool] = True

    def __init__(self, dialect: Spark, chat: ChatRequest) -> None:
        super().__init__(dialect, chat)
        self._found: list[Any] = []
        self._has_said = False

    def _chunk(self, data: JSONObject) -> Iterable[ModelResponseChunk]:
        found = data.get("search_results")
        if isinstance(found, list):
            # Told in pieces, while of a field of the vendor's the last value counts.
            self._found += [page for page in found if page not in self._found]
            data = {**data, "search_results": list(self._found)}
        chunks = super()._chunk(data)
        if _says_something(data):
            self._has_said = True
            self._finished = {index: word for index, word in self._finished.items() if word}
        elif self.usage_ends and data.get("usage") and self._has_said:
            self._conclude()
        return chunks

    def _conclude(self) -> None:
        for index in self._started or {0}:
            self._finished.setdefault(index, "")

    def end(self) -> Iterable[ModelResponseChunk]:
        """See ``ChunkParser``."""
        if self.is_done:
            self._conclude()
        for chunk in super().end():
            for choice in chunk.choices:
                if not choice.provider_finish_reason:
                    choice.provider_finish_reason = None
                    choice.finish_reason = self._dialect.told_ending(
                        self._chat, self._usage, has_calls=bool(self._calls)
                    )
            yield chunk


def _says_something(event: JSONObject) -> bool:
    """Whether an event in OpenAI's shape holds a piece of the answer."""
    choices = [choice for choice in event.get("choices") or () if isinstance(choice, dict)]
    told = [choice.get("delta") or choice.get("message") or {} for choice in choices]
    return bool(event.get("search_results")) or any(delta.get(name) for delta in told for name in _PIECES)


def _envelope(data: JSONObject) -> JSONObject:
    """Where code, message and sid stand: over WebSocket in the header of the frame."""
    header = data.get("header")
    return header if isinstance(header, dict) else data


def _how_far(reply: HttpReply) -> str:
    """How far this machine's clock is from the vendor's, by the date of the reply."""
    try:
        seconds = reply.received_at - parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return ""
    return f" by {abs(seconds):.0f} s ({'fast' if seconds > 0 else 'slow'})" if abs(seconds) > 60 else ""


def _refuse_part(part: JSONObject, where: str) -> JSONObject:
    raise BadRequestError(
        f"{where} is of type {part.get('type')!r}, but Spark's chat takes text only. Images go to another service of "
        "the vendor's, which unionllm does not speak: take a vision model of another provider, or describe the image."
    )


def _join_parts(messages: list[JSONObject]) -> list[Adaptation]:
    """Content is a string; a mark on a text part (for a cache) has no place in one."""
    changes = []
    for position, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, list):
            messages[position] = {**message, "content": "\n".join(str(part.get("text", "")) for part in content)}
            where, reason = f"messages[{position}].content", "the vendor takes one text, and no marks on its parts"
            changes.append(adaptation(where, "replaced", "parts", "text", reason))
    return changes
