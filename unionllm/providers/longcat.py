"""LongCat (美团). API reference: https://longcat.chat/platform/docs (read 2026-11-23)."""

from __future__ import annotations

from .._protocols.base import Credential, Region
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Rename, Thinking

adapter = OpenAICompatible(
    OpenAISpec(
        name="longcat",
        title="LongCat (美团)",
        regions=(
            Region(
                name="cn",
                base_url="https://api.longcat.chat/openai/v1",
                console="https://longcat.chat/platform/api_keys",
            ),
        ),
        credentials=(Credential(env=("LONGCAT_API_KEY",)),),
        base_url_env=("LONGCAT_API_BASE",),
        docs="https://longcat.chat/platform/docs",
        rules=(Rename("max_completion_tokens", "max_tokens"),),
        thinking=(Thinking(),),
        text_only="longcat-(2|flash)",
    )
)
