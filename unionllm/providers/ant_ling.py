"""Ant Ling, BaiLing (蚂蚁百灵). Page: https://developer.ant-ling.com/en/docs/api-reference/openai.

Follows what Dify's client sends (read 2026-11-23).
"""

from __future__ import annotations

from .._protocols.base import Credential, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Nest, Rename, Thinking

_CONSOLE = "https://chat.ant-ling.com/open"
#: Ring's two levels of effort.
_EFFORTS = {**dict.fromkeys(("minimal", "low", "medium", "high"), "high"), **dict.fromkeys(("xhigh", "max"), "xhigh")}

adapter = OpenAICompatible(
    OpenAISpec(
        name="ant_ling",
        title="Ant Ling, BaiLing (蚂蚁百灵)",
        regions=(
            Region(name="cn", base_url="https://api.ant-ling.com/v1", console=_CONSOLE),
            Region(name="tbox", base_url="https://api.tbox.cn/api/llm/v1", env=("BAILING_API_TOKEN",)),
        ),
        credentials=(Credential(env=("ANT_LING_API_KEY",)),),
        base_url_env=("ANT_LING_API_BASE",),
        docs="https://developer.ant-ling.com/en/docs/api-reference/openai",
        rules=(Rename("max_completion_tokens", "max_tokens"),),
        thinking=(Thinking(models="ring", types=(), efforts=frozen(_EFFORTS), always=True), Thinking(never=True)),
        late_rules=(Nest(name="reasoning_effort", into="reasoning", key="effort"),),
        text_only="ling|ring",
    )
)
