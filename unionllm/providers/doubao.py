"""Volcengine Ark, Doubao (火山方舟, 豆包).

API reference: https://www.volcengine.com/docs/82379/1494384 (read 2026-11-23).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.base import Credential, ErrorFacts, ErrorRule, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_media import check_kind
from .._protocols.openai_messages import refuse_part
from .._protocols.parameters import AtMost, Clamp, Drop, Only, Thinking, adaptation
from ..exceptions import BadRequestError, NotFoundError, PermissionDeniedError
from ..schema import Context

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_BOT = "bot-"
#: An endpoint or a bot hides its model: what it can do is not known, so that nothing is refused in its name.
_HIDDEN = r"(ep-|bot-)"
_SEED = r"(doubao-seed-|ark-code)"
#: Families that think, and take none of what only plain sampling can do.
_DEEP = rf"({_SEED}|doubao-1-5-thinking|deepseek-(r1|v3-[12]-|v[4-9])|glm-[4-9]-|kimi-k2)"
_OLD = r"doubao-(1-5-(?!thinking)|pro-|lite-)"
_TEXT_ONLY = r"(doubao-(1-5-)?(pro|lite)-|deepseek-|glm-\d-\d-\d|kimi-k2-)"
#: Families that, told not to think, want the least effort said as well.
_SAYS_MINIMAL = rf"(?!doubao-seed-1-6){_SEED}"

_EFFORTS = {word: word for word in ("minimal", "low", "medium", "high")}


class Doubao(OpenAICompatible):
    """Adds bots, which have a path, references and a count of tokens of their own, and switches that must agree."""

    def url(self, chat: ChatRequest) -> str:
        """See ``OpenAICompatible``. Bots are asked under a path of their own."""
        if chat.model.startswith(_BOT) and not chat.base_url.endswith("/bots"):
            chat = chat.changed(base_url=f"{chat.base_url}/bots")
        return super().url(chat)

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        tools = params.get("tools")
        for number, tool in enumerate(tools if isinstance(tools, list) else ()):
            kind = tool.get("type", "function") if isinstance(tool, dict) else "function"
            if kind != "function":
                raise BadRequestError(
                    f"tools[{number}] is of type {kind!r}, but doubao knows functions only. "
                    "To search the web, make a bot that does in Ark's console, and call it as model='bot-…'."
                )
        if "max_tokens" not in params or "max_completion_tokens" not in params:
            return []
        reason = "refused beside max_completion_tokens, which counts the thoughts too"
        return [adaptation("max_tokens", "dropped", params.pop("max_tokens"), None, reason)]

    def adapt_translated(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """Switch and effort must agree: minimal effort goes with thinking switched off, any other with on."""
        given, model = chat.params.get("reasoning_effort"), chat.model.lower()
        switch = (params.get("thinking") or {}).get("type")
        if switch == "enabled" and params.get("reasoning_effort") == "minimal":
            params["reasoning_effort"] = "low"
            return [adaptation("reasoning_effort", "replaced", given, "low", "minimal means not to think")]
        if switch != "disabled":
            return []
        if self.family(model).efforts and (re.match(_SAYS_MINIMAL, model) or given == "minimal"):
            params["reasoning_effort"] = "minimal"
        if given in (None, "none", params.get("reasoning_effort")) or chat.params.get("thinking") is None:
            return []  # or else it was the effort that switched it off, which is told
        action, sent = ("replaced", "minimal") if "reasoning_effort" in params else ("dropped", None)
        return [adaptation("reasoning_effort", action, given, sent, "thinking is switched off")]

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        return refuse_part if re.match(_TEXT_ONLY, chat.model.lower()) else _media

    def openai_shape(self, data: JSONObject) -> JSONObject:
        """A bot may tell what each of its models used, and no sum."""
        used = data.get("bot_usage")
        if data.get("usage") or not isinstance(used, dict) or not isinstance(used.get("model_usage"), list):
            return data
        return {**data, "usage": _sum(used["model_usage"])}

    def own_fields(self, data: JSONObject) -> JSONObject:
        """What a bot found or was given to read is the context of its answer."""
        found = data.get("references")
        if not isinstance(found, list) or not found:
            return {}
        return {"context": [_passage(entry) for entry in found if isinstance(entry, dict)]}


_media = partial(check_kind, vendor="doubao", kinds=("image_url", "video_url", "input_audio"))


def _sum(counts: list[Any]) -> JSONObject:
    total: JSONObject = {}
    for count in counts:
        for name, value in count.items() if isinstance(count, dict) else ():
            if isinstance(value, dict):
                total[name] = _sum([total.get(name), value])
            elif isinstance(value, int) and not isinstance(value, bool):
                old = total.get(name, 0)
                total[name] = value + (old if isinstance(old, int) else 0)
    return total


def _passage(entry: JSONObject) -> Context:
    where, text = entry.get("url") or entry.get("doc_name"), entry.get("summary") or entry.get("chunk")
    return Context(id=str(where) if where else None, content=text if isinstance(text, str) else None)


_NAMES = (
    "A model is named by its id with the date of its release (doubao-seed-2-0-pro-260215) or by an endpoint (ep-…); "
    "names as the console shows them (Doubao-1.5-pro) are not known here, nor are those of another region or plan."
)

#: Codes are a kind and, behind a dot, what exactly; new ones appear, of the same kinds.
_CODES = (
    (r"(.*SensitiveContentDetected|.*RiskDetection)(\..*)?", means.POLICY),
    (r"(Missing|Invalid)Parameter.*", means.BAD_REQUEST),
    (r"InvalidEndpoint(OrModel)?(\..*)?|UnsupportedModel", ErrorRule(cls=NotFoundError, hint=_NAMES)),
    (
        r"ModelNotOpen",
        ErrorRule(
            cls=PermissionDeniedError,
            hint="Each model has to be opened in Ark's console first. 请先在方舟控制台开通该模型。",
        ),
    ),
    (r"AuthenticationError|InvalidAccountStatus", means.AUTH),
    (r"AccountOverdue.*", means.NO_BALANCE),
    (r"AccessDenied(\..*)?|OperationDenied(\..*)?", means.PERMISSION),
    (r".*RateLimitExceeded(\..*)?", means.RATE_LIMIT),
    # The quota of a trial does not come back within a retry.
    (r"(Quota|SetLimit)Exceeded(\..*)?", means.QUOTA),
    (
        r"ServerOverloaded|InflightBatchsizeExceeded|RequestBurstTooFast|ServiceUnavailable",
        means.OVERLOADED,
    ),
    (r"InternalService.*", means.SERVER),
)

_CONSOLE, _INTL_CONSOLE = "https://console.volcengine.com/ark", "https://console.byteplus.com/ark"
_CN, _INTL = "https://ark.cn-beijing.volces.com/api", "https://ark.ap-southeast.bytepluses.com/api"
_INTL_ENV = ("BYTEPLUS_API_KEY",)

adapter = Doubao(
    OpenAISpec(
        name="doubao",
        title="Volcengine Ark, Doubao (火山方舟, 豆包)",
        regions=(
            Region(name="cn", base_url=f"{_CN}/v3", console=_CONSOLE),
            Region(name="intl", base_url=f"{_INTL}/v3", console=_INTL_CONSOLE, env=_INTL_ENV),
            Region(name="coding", base_url=f"{_CN}/coding/v3", console=_CONSOLE),
            Region(name="coding-intl", base_url=f"{_INTL}/coding/v3", console=_INTL_CONSOLE, env=_INTL_ENV),
        ),
        credentials=(Credential(env=("ARK_API_KEY", "VOLCENGINE_API_KEY", "DOUBAO_API_KEY")),),
        base_url_env=("ARK_API_BASE", "VOLCENGINE_API_BASE"),
        docs="https://www.volcengine.com/docs/82379/1494384",
        rules=(
            Clamp(name="temperature", low=0, high=2),
            Clamp(name="top_p", low=0, high=1),
            Clamp(name="frequency_penalty", low=-2, high=2),
            Clamp(name="presence_penalty", low=-2, high=2),
            Clamp(name="max_completion_tokens", low=0, high=65_536),
            Clamp(name="top_logprobs", low=0, high=20),
            AtMost(name="stop", most=4),
            Drop(
                names=("stop", "logprobs", "top_logprobs", "logit_bias"),
                reason="models that think refuse it",
                models=_DEEP,
            ),
            Only(name="service_tier", values=("auto", "default")),
            Only(
                name="tool_choice",
                values=("auto", "none"),
                instead="auto",
                models=_OLD,
                reason="only later models can be made to call a tool",
            ),
            Drop(names=("seed",), reason="the vendor ignores it"),
        ),
        thinking=(
            Thinking(
                models=_HIDDEN,
                types=("enabled", "disabled", "auto"),
                effort_when_off=True,
                efforts=frozen({**_EFFORTS, "xhigh": "xhigh", "max": "max"}),
            ),
            Thinking(models="doubao-1-5-thinking", effort_when_off=True, types=("enabled", "disabled", "auto")),
            Thinking(models=_OLD, never=True),
            Thinking(
                models="doubao-seed-1-6",
                types=("enabled", "disabled", "auto"),
                effort_when_off=True,
                efforts=frozen({**_EFFORTS, "xhigh": "high", "max": "high"}),
            ),
            Thinking(models=_SEED, effort_when_off=True, efforts=frozen({**_EFFORTS, "xhigh": "high", "max": "high"})),
            Thinking(effort_when_off=True, efforts=frozen({**_EFFORTS, "xhigh": "xhigh", "max": "max"})),
        ),
        json_schema_models=rf"({_SEED}|{_HIDDEN})",
        errors=ErrorFacts(
            code_patterns=_CODES,
            texts=means.texts({means.CONTEXT: "context length|context window"}),
        ),
    )
)
