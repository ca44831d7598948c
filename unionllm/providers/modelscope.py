"""ModelScope (魔搭). Page: https://modelscope.cn/docs/model-service/API-Inference/intro.

Follows what LiteLLM's and Dify's clients send (read 2026-11-23). Free; models are named ``org/name``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .._protocols.base import Credential, ErrorFacts, ErrorRule, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Rename, Thinking
from ..exceptions import NotFoundError

if TYPE_CHECKING:
    from .._request import ChatRequest


class ModelScope(OpenAICompatible):
    """Adds that Qwen3 thinks in streams alone."""

    def only_streams(self, chat: ChatRequest) -> bool:
        """See ``OpenAICompatible``."""
        if chat.param_policy == "raw" or chat.params.get("enable_thinking") is False:
            return False
        return re.match("qwen/qwen3", chat.model.lower()) is not None


_RETIRED = ErrorRule(
    cls=NotFoundError, hint="The service is free and says so of models that it has retired: choose another model."
)

adapter = ModelScope(
    OpenAISpec(
        name="modelscope",
        title="ModelScope (魔搭)",
        regions=(
            Region(
                name="cn",
                base_url="https://api-inference.modelscope.cn/v1",
                console="https://modelscope.cn/my/myaccesstoken",
            ),
        ),
        credentials=(Credential(env=("MODELSCOPE_API_KEY", "MODELSCOPE_SDK_TOKEN")),),
        base_url_env=("MODELSCOPE_API_BASE",),
        docs="https://modelscope.cn/docs/model-service/API-Inference/intro",
        rules=(Rename("max_completion_tokens", "max_tokens"),),
        thinking=(Thinking(flag="enable_thinking", budget="thinking_budget"),),
        errors=ErrorFacts(texts=(("insufficient balance (1008)", _RETIRED),)),
    )
)
