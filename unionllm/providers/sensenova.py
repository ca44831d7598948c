"""SenseNova (商汤日日新). Page: https://platform.sensenova.cn/docs.

Follows what other clients send (read 2026-11-23). Today's endpoint speaks plain OpenAI; the older one,
``/compatible-mode``, a dialect of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._protocols.arranging import merge_system
from .._protocols.base import Credential, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import AsGiven, Clamp, Nest, Rename, Thinking

if TYPE_CHECKING:
    from .._request import ChatRequest

_CONSOLE = "https://platform.sensenova.cn/console"
_TODAY = OpenAISpec(
    name="sensenova",
    title="SenseNova (商汤日日新)",
    regions=(
        Region(name="cn", base_url="https://token.sensenova.cn/v1", console=_CONSOLE),
        Region(name="compatible", base_url="https://api.sensenova.cn/compatible-mode/v2", console=_CONSOLE),
    ),
    credentials=(Credential(env=("SENSENOVA_API_KEY",)),),
    base_url_env=("SENSENOVA_API_BASE",),
    docs="https://platform.sensenova.cn/docs",
    thinking=(AsGiven(),),
    text_only=r"deepseek-v4|glm-5\.2",
)
_OLDER_SPEC = replace(
    _TODAY,
    rules=(
        Rename("max_tokens", "max_new_tokens"),
        Rename("max_completion_tokens", "max_new_tokens"),
        Clamp(name="temperature", low=0.01, high=2),
        Clamp(name="top_p", low=0.01, high=0.99),
    ),
    thinking=(Thinking(flag="thinking_enabled"),),
    late_rules=(Nest(name="thinking_enabled", into="thinking", key="enabled"),),
    order=(merge_system,),
    text_only=None,
)
_OLDER = OpenAICompatible(_OLDER_SPEC)


class SenseNova(OpenAICompatible):
    """Asks the older endpoint in its own words; both answer alike."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        return _OLDER.prepare(chat) if "/compatible-mode/" in chat.base_url else super().prepare(chat)


adapter = SenseNova(_TODAY)
