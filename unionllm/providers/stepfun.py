"""StepFun, Step (阶跃星辰). API reference: https://platform.stepfun.com/docs (read 2026-11-23)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_media import check_kind, is_web_address, url_of
from .._protocols.openai_messages import refuse_part, take_part
from .._protocols.parameters import Clamp, Drop, Length, NoneMeansNoTools, Only, Rename, Thinking
from ..exceptions import BadRequestError

if TYPE_CHECKING:
    from .._request import ChatRequest

_CONSOLE, _INTL_CONSOLE = "https://platform.stepfun.com", "https://platform.stepfun.ai"

#: Names retired on 2026-07-08; many examples still use them.
_RETIRED = {
    **dict.fromkeys(("step-1-8k", "step-1-32k", "step-1v-8k", "step-1v-32k"), "step-3.7-flash"),
    **dict.fromkeys(("step-2-mini", "step-2-16k", "step-3"), "step-3.7-flash"),
    "step-1o-vision-32k": "step-1o-turbo-vision",
}
_EFFORTS = {
    **dict.fromkeys(("none", "minimal", "low"), "low"),
    "medium": "medium",
    **dict.fromkeys(("high", "xhigh", "max"), "high"),
}


class StepFun(OpenAICompatible):
    """Adds where thoughts are to stand, and media by address."""

    def body(self, chat: ChatRequest) -> JSONObject:
        """See ``OpenAICompatible``. Unasked, thoughts come under a name of the vendor's own."""
        body = super().body(chat)
        if chat.param_policy != "raw" and self.thinks(chat.model):
            body.setdefault("reasoning_format", "deepseek-style")
        return body

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        if chat.model.lower().startswith("step-3.5"):
            return refuse_part
        return _media if re.match(r"step-(3\.7|5|1o-turbo-vision)", chat.model.lower()) else take_part


def _media(part: JSONObject, where: str) -> JSONObject:
    check_kind(part, where, "stepfun", ("image_url", "video_url"))
    url = url_of(part)
    if is_web_address(url) or (part["type"] == "image_url" and url.startswith("data:image/")):
        return part
    raise BadRequestError(
        f"{where}: stepfun takes images by web address or as a data URL (data:image/png;base64,…), and videos by web "
        "address only."
    )


adapter = StepFun(
    OpenAISpec(
        name="stepfun",
        title="StepFun, Step (阶跃星辰)",
        regions=(
            Region(name="cn", base_url="https://api.stepfun.com/v1", console=_CONSOLE),
            Region(name="intl", base_url="https://api.stepfun.ai/v1", console=_INTL_CONSOLE),
            Region(name="plan", base_url="https://api.stepfun.com/step_plan/v1", console=_CONSOLE),
            Region(name="plan-intl", base_url="https://api.stepfun.ai/step_plan/v1", console=_INTL_CONSOLE),
        ),
        credentials=(Credential(env=("STEPFUN_API_KEY", "STEP_API_KEY")),),
        base_url_env=("STEPFUN_BASE_URL", "STEPFUN_API_BASE"),
        docs="https://platform.stepfun.com/docs",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Length(name="user", low=0, high=32, cut=True),
            Clamp(name="temperature", low=0, high=2),
            Clamp(name="top_p", low=0, high=1),
            Clamp(name="frequency_penalty", low=0, high=1),
            NoneMeansNoTools(),
            Only(name="tool_choice", values=("auto",), instead="auto", reason="the vendor lets the model choose"),
            Drop(names=("best_of",)),
        ),
        thinking=(Thinking(models=r"step-[35]", types=(), efforts=frozen(_EFFORTS)),),
        asks_for_usage=False,
        json_schema_models=r"step-3\.7-flash",
        errors=ErrorFacts(
            codes=means.codes(
                {
                    means.POLICY: "censorship_blocked",
                    means.BAD_REQUEST: "request_params_invalid",
                    means.RATE_LIMIT: "rate_limited",
                    means.OVERLOADED: "engine_overloaded",
                }
            ),
            texts=means.texts(
                {
                    means.NOT_FOUND: "does not exist",
                    means.CONTEXT: "context length|context window|the context of|too long",
                }
            ),
            statuses=frozen({451: means.POLICY}),
            retired=frozen(_RETIRED),
        ),
    )
)
