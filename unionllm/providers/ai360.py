"""360 Zhinao (360智脑). Page: https://ai.360.com/platform/docs.

Follows what Dify's client sends (read 2026-11-23).
"""

from __future__ import annotations

from .._protocols.base import Credential, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import AsGiven, Rename, Thinking

adapter = OpenAICompatible(
    OpenAISpec(
        name="ai360",
        title="360 Zhinao (360智脑)",
        regions=(Region(name="cn", base_url="https://api.360.cn/v1", console="https://ai.360.com/platform/keys"),),
        credentials=(Credential(env=("AI360_API_KEY", "ZHINAO_API_KEY")),),
        base_url_env=("AI360_API_BASE",),
        docs="https://ai.360.com/platform/docs",
        rules=(Rename("max_completion_tokens", "max_tokens"),),
        # Models of others are hosted as vendor/model, each with the dialect of its own.
        thinking=(Thinking(models="360", never=True), AsGiven()),
        text_only="360gpt",
    )
)
