"""DeepSeek (深度求索). API reference: https://api-docs.deepseek.com/api/create-chat-completion (read 2026-11-23)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.arranging import say_json
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_messages import MessageFacts, refuse_part, take_part
from .._protocols.parameters import LOW_HIGH_MAX, AtMost, Clamp, Drop, Rename, Thinking, adaptation
from ..exceptions import BadRequestError

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_BETA = "https://api.deepseek.com/beta"

#: Names retired on 2026-07-24 → the model that took over, and how it is told to answer in the old manner.
_RETIRED = {"deepseek-chat": ("deepseek-v4-flash", "disabled"), "deepseek-reasoner": ("deepseek-v4-flash", "enabled")}

#: The two models that see; every other one takes text only.
_VISION = ("deepseek-flash", "deepseek-v4-flash-vision-exp")


class DeepSeek(OpenAICompatible):
    """Adds the beta host, the retired names, and the clash of thinking with a forced tool."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if chat.params.get("beta") is not None:
            params = {name: value for name, value in chat.params.items() if name != "beta"}
            is_default = chat.base_url in (self.spec.base_url, f"{self.spec.base_url}/v1")
            base_url = _BETA if chat.params["beta"] and is_default else chat.base_url
            chat = chat.changed(params=params, base_url=base_url)
        retired = _RETIRED.get(chat.model)
        if retired is None or chat.param_policy == "raw" or self.spec.region_of(chat.base_url) is None:
            return super().prepare(chat)
        model, thinking = retired
        note = f"deepseek retired {chat.model!r} on 2026-07-24; {model!r} with thinking {thinking} took over. Use it."
        if chat.param_policy == "strict":
            raise BadRequestError(f'This model is gone: {note} param_policy="adapt" does it.', model=chat.model)
        warnings.warn(note, DeprecationWarning, stacklevel=2)
        params = dict(chat.params)
        if params.get("reasoning_effort") is None:
            params.setdefault("thinking", {"type": thinking})
        prepared = super().prepare(chat.changed(model=model, params=params))
        change = adaptation("model", "replaced", chat.model, model, "retired by the vendor on 2026-07-24")
        return prepared.changed(adaptations=(change, *prepared.adaptations))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        tools = params.get("tools")
        for number, tool in enumerate(tools if isinstance(tools, list) else ()):
            kind = tool.get("type", "function") if isinstance(tool, dict) else "function"
            if kind != "function":
                raise BadRequestError(f"tools[{number}] is of type {kind!r}, but deepseek knows functions only.")
        return []

    def adapt_translated(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """While it thinks, the model picks its tools itself: a forced choice is answered with 400."""
        choice = params.get("tool_choice")
        if choice in (None, "auto", "none") or not self.family(chat.model.lower()).is_on({**params, **chat.extra_body}):
            return []
        params["tool_choice"] = "auto"
        return [
            adaptation("tool_choice", "replaced", choice, "auto", "refused while thinking; thinking=False allows it")
        ]

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        return say_json(messages, chat.params.get("response_format"))

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        # A model on another host may see: only the vendor's own names are known.
        is_blind = chat.model.startswith("deepseek-v4") and chat.model not in _VISION
        return refuse_part if is_blind else take_part


adapter = DeepSeek(
    OpenAISpec(
        name="deepseek",
        title="DeepSeek (深度求索)",
        regions=(
            Region(name="cn", base_url="https://api.deepseek.com", console="https://platform.deepseek.com/api_keys"),
        ),
        credentials=(Credential(env=("DEEPSEEK_API_KEY",), looks_like="sk-…"),),
        base_url_env=("DEEPSEEK_API_BASE",),
        docs="https://api-docs.deepseek.com",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Rename("user", "user_id"),
            Drop(names=("frequency_penalty", "presence_penalty"), reason="deprecated by the vendor, without effect"),
            AtMost(name="stop", most=16),
            Clamp(name="temperature", low=0, high=2),
            Clamp(name="top_p", low=0.01, high=1),
            Clamp(name="top_logprobs", low=0, high=20),
            Drop(names=("n", "seed", "logit_bias", "top_k", "parallel_tool_calls", "store", "best_of")),
        ),
        # Its words for the level above high differ from its neighbours'.
        thinking=(Thinking(efforts=frozen({**LOW_HIGH_MAX, "xhigh": "high", "ultra": "max"})),),
        # Without the field on a turn with tool calls: 400 "must be passed back to the API".
        messages=MessageFacts(replay_filler=""),
        json_schema_models=None,
        errors=ErrorFacts(
            codes=frozen({"authentication_error": means.AUTH}),
            # Type and code are invalid_request_error for all of these: only the words tell.
            texts=(
                ("content exists risk", means.POLICY),
                ("maximum context length", means.CONTEXT),
                ("unknown variant", means.BAD_REQUEST),
                ("insufficient balance", means.NO_BALANCE),
                ("service is too busy", means.OVERLOADED),
                ("model not exist", means.NOT_FOUND),
            ),
            request_id_headers=("x-ds-trace-id", "x-request-id"),
        ),
        failures=frozen({"insufficient_system_resource": means.OVERLOADED}),
    )
)
