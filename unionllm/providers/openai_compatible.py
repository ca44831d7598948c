"""Any server that speaks OpenAI's chat completions, at the caller's ``base_url``.

Follows https://platform.openai.com/docs/api-reference/chat (read 2026-11-23). Nothing is known of the server, so
nothing is changed, but for thinking, whose dialect the caller may name: ``thinking_style=``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .._protocols.base import Credential, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import AsGiven, Thinking
from ..exceptions import BadRequestError

if TYPE_CHECKING:
    from .._request import ChatRequest

_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_STYLES: Mapping[str, Thinking] = frozen(
    {
        "thinking": Thinking(types=("enabled", "disabled", "auto", "adaptive"), keys=("budget_tokens",)),
        "enable_thinking": Thinking(flag="enable_thinking", budget="thinking_budget"),
        "reasoning_effort": Thinking(types=(), efforts=frozen({level: level for level in _LEVELS})),
    }
)


class AnyServer(OpenAICompatible):
    """Adds the two arguments that only this provider has, or needs."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``."""
        if not chat.base_url:
            raise BadRequestError(
                f"{self.spec.name}: which server? Pass base_url=, such as https://host/v1, up to /chat/completions."
            )
        style = chat.params.get("thinking_style")
        chat = chat.changed(params={name: value for name, value in chat.params.items() if name != "thinking_style"})
        if style is None:
            return super().prepare(chat)
        if style not in _STYLES:
            raise BadRequestError(f"thinking_style={style!r} is none of {', '.join(map(repr, _STYLES))}.")
        return OpenAICompatible(replace(self.spec, thinking=(_STYLES[style],))).prepare(chat)


adapter = AnyServer(
    OpenAISpec(
        name="openai_compatible",
        title="any OpenAI-compatible server",
        regions=(Region(name="yours", base_url=""),),
        credentials=(Credential(required=False),),
        docs="https://platform.openai.com/docs/api-reference/chat",
        thinking=(AsGiven(),),
    )
)
