"""01.AI, Yi (零一万物). API reference: https://platform.lingyiwanwu.com/docs (copies of 2024-2025, read 2026-11-23)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.arranging import fold_system
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.openai_media import check_kind
from .._protocols.openai_messages import refuse_part, take_part
from .._protocols.parameters import Clamp, Drop, Rename
from ..exceptions import BadRequestError

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

_image = partial(check_kind, vendor="lingyi", kinds=("image_url",))


class Lingyi(OpenAICompatible):
    """Adds what its vision models want. The same names on other hosts have the same limits."""

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        model = chat.model.lower()
        if model.startswith(("yi-vision", "yi-vl")):
            return _image
        return refuse_part if model.startswith("yi-") else take_part

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        if self.part_rule(chat) is not _image:
            return []
        contents = (message.get("content") for message in messages)
        parts = [part for content in contents if isinstance(content, list) for part in content]
        count = sum(part.get("type") == "image_url" for part in parts)
        if count > 1:
            raise BadRequestError(f"lingyi takes one image a call, and messages hold {count}. Leave the others out.")
        return fold_system(messages) if chat.model.lower() == "yi-vl-plus" else []


adapter = Lingyi(
    OpenAISpec(
        name="lingyi",
        title="01.AI, Yi (零一万物)",
        regions=(
            Region(name="cn", base_url="https://api.lingyiwanwu.com/v1", console="https://platform.lingyiwanwu.com"),
            Region(name="intl", base_url="https://api.01.ai/v1"),
        ),
        credentials=(Credential(env=("LINGYI_API_KEY", "YI_API_KEY", "ZEROONE_API_KEY")),),
        base_url_env=("LINGYI_BASE_URL", "LINGYI_API_BASE"),
        docs="https://platform.lingyiwanwu.com/docs",
        when_unreachable="01.AI is reported to be closing this API (September 2026); for Yi served elsewhere, pass "
        "base_url=. 零一万物可能已停止该服务，可用 base_url= 指向其他提供 Yi 模型的服务。",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Clamp(name="temperature", low=0, high=2),
            Clamp(name="top_p", low=0.01, high=1),
            Drop(names=("best_of",)),
        ),
        json_schema_models=None,
        errors=ErrorFacts(
            texts=means.texts(
                {
                    means.CONTEXT: "context length|maximum length|too long",
                    means.NO_BALANCE: "quota|balance",
                    means.OVERLOADED: "system busy",
                }
            ),
            statuses=frozen({529: means.OVERLOADED}),
        ),
    )
)
