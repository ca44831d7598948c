"""Tencent Hunyuan and TokenHub (腾讯混元). Page: https://cloud.tencent.com/document/product/1729.

Follows what LiteLLM's and Dify's clients send (read 2026-11-23).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._protocols.base import Credential, JSONObject, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Rename, Thinking
from ..schema import Context

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation


class Hunyuan(OpenAICompatible):
    """Adds the thoughts that hy3-preview wants on every turn, and what a search found."""

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        if chat.model.lower() == "hy3-preview":
            for answer in (message for message in messages if message.get("role") == "assistant"):
                answer.setdefault("reasoning_content", "")
        return []

    def own_fields(self, data: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        info = data.get("search_info")
        found = info.get("search_results") or () if isinstance(info, dict) else ()
        pages = [Context(**{**page, "id": page.get("index"), "content": page.get("text")}) for page in found]
        return {"context": pages} if pages else {}


_CONSOLE = "https://console.cloud.tencent.com/tokenhub/apikey"
_OWN, _OWN_CONSOLE = "https://api.hunyuan.cloud.tencent.com/v1", "https://console.cloud.tencent.com/hunyuan/api-key"
_PLANS, _PLAN_CONSOLE = "https://api.lkeap.cloud.tencent.com", "https://console.cloud.tencent.com/tokenhub/codingplan"

adapter = Hunyuan(
    OpenAISpec(
        name="hunyuan",
        title="Tencent Hunyuan, TokenHub (腾讯混元)",
        regions=(
            Region(name="cn", base_url="https://tokenhub.tencentmaas.com/v1", console=_CONSOLE),
            Region(name="intl", base_url="https://tokenhub-intl.tencentcloudmaas.com/v1", console=_CONSOLE),
            Region(name="hunyuan", base_url=_OWN, console=_OWN_CONSOLE, env=("HUNYUAN_API_KEY",)),
            Region(name="coding", base_url=f"{_PLANS}/coding/v3", console=_PLAN_CONSOLE),
            Region(name="plan", base_url=f"{_PLANS}/plan/v3", console=_PLAN_CONSOLE),
        ),
        credentials=(Credential(env=("TENCENT_API_KEY", "TENCENT_TOKENHUB_API_KEY")),),
        base_url_env=("TENCENT_API_BASE",),
        docs="https://cloud.tencent.com/document/product/1729",
        rules=(Rename("max_completion_tokens", "max_tokens"),),
        thinking=(
            Thinking(models="hunyuan-t1", types=(), always=True),
            Thinking(models="hunyuan-", never=True),
            Thinking(models="minimax", types=("adaptive", "disabled"), keys=("budget_tokens",)),
            Thinking(types=("enabled", "disabled", "adaptive"), keys=("budget_tokens",)),
        ),
        text_only=r"hy3|hunyuan-(?!.*vision)|deepseek-v4(?!.*vision)",
    )
)
