"""Xiaomi MiMo (小米). Page: https://platform.xiaomimimo.com.

Follows what LiteLLM's and Dify's clients send (read 2026-11-23).
"""

from __future__ import annotations

from .._protocols import means
from .._protocols.base import Credential, ErrorFacts, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_messages import MessageFacts
from .._protocols.parameters import Thinking

_CONSOLE = "https://platform.xiaomimimo.com"

adapter = OpenAICompatible(
    OpenAISpec(
        name="mimo",
        title="Xiaomi MiMo (小米)",
        regions=(
            Region(name="cn", base_url="https://api.xiaomimimo.com/v1", console=_CONSOLE),
            Region(name="plan-cn", base_url="https://token-plan-cn.xiaomimimo.com/v1", console=_CONSOLE),
            Region(name="plan-sgp", base_url="https://token-plan-sgp.xiaomimimo.com/v1", console=_CONSOLE),
            Region(name="plan-ams", base_url="https://token-plan-ams.xiaomimimo.com/v1", console=_CONSOLE),
        ),
        credentials=(Credential(env=("XIAOMI_MIMO_API_KEY", "XIAOMI_API_KEY", "MIMO_API_KEY")),),
        base_url_env=("XIAOMI_MIMO_API_BASE",),
        docs="https://platform.xiaomimimo.com",
        thinking=(Thinking(),),
        # On turns with tool calls the thoughts have to come back; for a turn that has none, an empty text.
        messages=MessageFacts(replay_filler=""),
        errors=ErrorFacts(statuses=frozen({421: means.POLICY})),
    )
)
