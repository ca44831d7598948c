"""SiliconFlow (硅基流动). Page: https://docs.siliconflow.cn.

Follows what Dify's and others' clients send (read 2026-11-23). Models are named ``org/name``, or ``Pro/org/name``.
"""

from __future__ import annotations

from .._protocols import means
from .._protocols.arranging import merge_neighbours, merge_system
from .._protocols.base import Credential, ErrorFacts, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Clamp, Drop, Rename, Thinking

_CONSOLE, _INTL_CONSOLE = "https://cloud.siliconflow.cn/account/ak", "https://cloud.siliconflow.com/account/ak"

adapter = OpenAICompatible(
    OpenAISpec(
        name="siliconflow",
        title="SiliconFlow (硅基流动)",
        regions=(
            Region(
                name="cn", base_url="https://api.siliconflow.cn/v1", console=_CONSOLE, env=("SILICONFLOW_CN_API_KEY",)
            ),
            Region(name="intl", base_url="https://api.siliconflow.com/v1", console=_INTL_CONSOLE),
        ),
        credentials=(Credential(env=("SILICONFLOW_API_KEY",), looks_like="sk-…"),),
        base_url_env=("SILICONFLOW_API_BASE",),
        docs="https://docs.siliconflow.cn",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Drop(names=("n",), reason="the vendor ignores it"),
            Drop(names=("stream_options",), reason="not needed: usage comes on every chunk"),
        ),
        thinking=(Thinking(flag="enable_thinking", budget="thinking_budget"),),
        late_rules=(Clamp(name="thinking_budget", low=128, high=32_768),),
        order=(merge_system, merge_neighbours),
        asks_for_usage=False,
        errors=ErrorFacts(
            # The numbers of its codes differ from page to page; its words do not.
            texts=means.texts(
                {
                    means.NO_BALANCE: "balance|余额",
                    means.AUTH: "invalid token|api key is invalid",
                    means.NOT_FOUND: "model does not exist",
                    means.BAD_REQUEST: "parameter is invalid",
                    means.RATE_LIMIT: "rate limit|tpm limit|rpm limit",
                    means.OVERLOADED: "overloaded|system is too busy",
                    means.SERVER: "internal server error",
                }
            ),
            statuses=frozen({504: means.OVERLOADED}),
            request_id_headers=("x-siliconcloud-trace-id", "x-request-id"),
        ),
    )
)
