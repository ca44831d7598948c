"""InternLM (书生). Page: https://internlm.intern-ai.org.cn/api/document.

Follows what lobe-chat's client sends (read 2026-11-23).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._protocols.base import Credential, ErrorFacts, ErrorRule, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Rename, Thinking, adaptation
from ..exceptions import AuthenticationError

if TYPE_CHECKING:
    from .._request import ChatRequest
    from .._wire import HttpRequest
    from ..schema import Adaptation

_CONSOLE = "https://internlm.intern-ai.org.cn/api/tokens"
_EXPIRED = ErrorRule(
    cls=AuthenticationError, hint=f"Tokens expire; renew it at {_CONSOLE}. 令牌会过期，请到 {_CONSOLE} 更新。"
)


class InternLM(OpenAICompatible):
    """Adds that streams with tools are asked for whole, since the vendor garbles them."""

    def adapt_translated(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        if not (chat.stream and params.get("tools")):
            return []
        return [
            adaptation("stream", "replaced", True, False, "with tools it misbehaves; the answer comes in one piece")
        ]

    def build_request(self, chat: ChatRequest) -> HttpRequest:
        """See ``OpenAICompatible``."""
        is_whole = any(change.parameter == "stream" for change in chat.adaptations)
        return super().build_request(chat.changed(stream=False) if is_whole else chat)


adapter = InternLM(
    OpenAISpec(
        name="internlm",
        title="InternLM (书生)",
        regions=(Region(name="cn", base_url="https://chat.intern-ai.org.cn/api/v1", console=_CONSOLE),),
        credentials=(Credential(env=("INTERNLM_API_KEY",)),),
        base_url_env=("INTERNLM_API_BASE",),
        docs="https://internlm.intern-ai.org.cn/api/document",
        rules=(Rename("max_completion_tokens", "max_tokens"),),
        thinking=(Thinking(models="intern-(s[1-9]|latest)", flag="thinking_mode"), Thinking(never=True)),
        text_only="internlm",
        errors=ErrorFacts(codes=frozen({"A0202": _EXPIRED})),
    )
)
