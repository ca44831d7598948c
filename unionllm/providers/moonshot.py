"""Moonshot AI, Kimi (月之暗面). API reference: https://platform.kimi.ai/docs/api/chat (read 2026-11-23)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._protocols import means
from .._protocols.base import Credential, ErrorFacts, JSONObject, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec, refuse_changes
from .._protocols.openai_media import check_kind, fetch_media, is_web_address, may_fetch, url_of
from .._protocols.openai_messages import MessageFacts, refuse_part
from .._protocols.parameters import LOW_HIGH_MAX, AtMost, Clamp, Drop, Only, Rename, Thinking, adaptation
from .._urls import host_of
from .._wire import Flow
from ..exceptions import (
    BadRequestError,
)
from ..schema import Usage
from ._moonshot_schema import with_schema

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

#: Families whose sampling is fixed: any other value, even the usual default, is answered with 400.
_FIXED = r"kimi-(k2\.[5-9]|k3|k[4-9])"
_NO_K3 = r"(?!kimi-k3)"
#: Lowest temperature that goes with several answers.
_WARM = 0.3
#: Families whose temperature is 0 unless told otherwise.
_COLD = "moonshot-v1"


class Moonshot(OpenAICompatible):
    """Adds media, which this vendor takes as data only, its JSON schema dialect, and the counts of cached tokens."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. The format's schema is put into the dialect when a class has become one."""
        ready = super().prepare(chat)
        if chat.param_policy == "raw":
            return ready
        wanted, changes = with_schema(ready.params.get("response_format"), "json_schema", "schema", "response_format")
        if not changes:
            return ready
        if chat.param_policy == "strict":
            refuse_changes(self.spec, changes)
        params = {**ready.params, "response_format": wanted}
        return ready.changed(params=params, adaptations=(*ready.adaptations, *changes))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes: list[Adaptation] = []
        if isinstance(params.get("tools"), list):
            params["tools"] = tools = list(params["tools"])
            for number, tool in enumerate(tools):
                tools[number], told = with_schema(tool, "function", "parameters", f"tools[{number}]")
                changes += told
        return [*changes, *self._warmed(chat, params)]

    def _warmed(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """Several answers want a temperature."""
        if re.match(_FIXED, chat.model.lower()) or (params.get("n") or 1) <= 1:
            return []
        temperature, reason = params.get("temperature"), "n > 1 is refused near 0"
        if temperature is None and re.match(_COLD, chat.model.lower()):
            params["temperature"] = _WARM
            return [adaptation("temperature", "added", None, _WARM, f"{reason}, which is this model's default")]
        if isinstance(temperature, (int, float)) and temperature < _WARM:
            params["temperature"] = _WARM
            return [adaptation("temperature", "clamped", temperature, _WARM, reason)]
        return []

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        if chat.model.startswith("moonshot-v1") and "vision" not in chat.model:
            return refuse_part
        return _Media(chat.fetch_media)

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``. Media that the caller allowed us to fetch are put in as data."""
        return (yield from fetch_media(chat)) if chat.fetch_media else chat

    def usage(self, raw: Any) -> Usage | None:
        """See ``OpenAICompatible``."""
        usage = super().usage(raw)
        # Named twice by the vendor; the details are enough.
        if usage is not None and usage.model_extra is not None:
            usage.model_extra.pop("cached_tokens", None)
        return usage


class _Media:
    def __init__(self, allowed: bool | frozenset[str]) -> None:
        self._allowed = allowed

    def __call__(self, part: JSONObject, where: str) -> JSONObject:
        check_kind(part, where, "moonshot", ("image_url", "video_url"))
        url = url_of(part)
        if url.startswith(("data:", "ms://")) or may_fetch(self._allowed, url):
            return part
        if self._allowed and is_web_address(url):
            raise BadRequestError(f"{where}: {host_of(url)} is none of the hosts that fetch_media= names.")
        raise BadRequestError(
            f"{where}: moonshot takes images and videos as data, not by URL. Pass a data URL "
            "(data:image/png;base64,…) or an uploaded file (ms://…), or say fetch_media=True to have unionllm fetch it."
        )


adapter = Moonshot(
    OpenAISpec(
        name="moonshot",
        title="Moonshot AI, Kimi (月之暗面)",
        regions=(
            Region(
                name="cn", base_url="https://api.moonshot.cn/v1", console="https://platform.kimi.com/console/api-keys"
            ),
            Region(
                name="intl", base_url="https://api.moonshot.ai/v1", console="https://platform.kimi.ai/console/api-keys"
            ),
            Region(name="coding", base_url="https://api.kimi.com/coding/v1", console="https://www.kimi.com/code"),
        ),
        credentials=(Credential(env=("MOONSHOT_API_KEY", "KIMI_API_KEY"), looks_like="sk-…"),),
        base_url_env=("MOONSHOT_BASE_URL", "MOONSHOT_API_BASE", "KIMI_BASE_URL"),
        docs="https://platform.kimi.ai/docs/api/chat",
        rules=(
            Rename("max_tokens", "max_completion_tokens"),
            Rename("user", "safety_identifier"),
            Drop(
                names=("temperature", "top_p", "n", "presence_penalty", "frequency_penalty"),
                reason="this model's sampling is fixed; any value is refused",
                models=_FIXED,
            ),
            Clamp(name="temperature", low=0, high=1),
            Clamp(name="n", low=1, high=5),
            Clamp(name="presence_penalty", low=-2, high=2),
            Clamp(name="frequency_penalty", low=-2, high=2),
            Clamp(name="top_logprobs", low=0, high=20),
            Drop(names=("seed", "top_k", "logit_bias", "functions", "parallel_tool_calls", "service_tier", "best_of")),
            Only(
                name="tool_choice",
                values=("auto", "none"),
                instead="auto",
                models=_NO_K3,
                reason="only kimi-k3 can be made to call a tool",
            ),
            Only(
                name="tool_choice",
                values=("auto", "none", "required"),
                instead="auto",
                models="kimi-k3",
                reason="a named function is refused while thinking, and kimi-k3 always thinks",
            ),
            AtMost(name="stop", most=5, size=32),
        ),
        thinking=(
            Thinking(
                models="kimi-k3",
                types=(),
                efforts=LOW_HIGH_MAX,
                always=True,
            ),
            Thinking(models=r"kimi-(k2\.7-code|k2-thinking)", types=(), always=True),
            Thinking(models=r"kimi-k2\.5"),
            Thinking(models=r"kimi-k2\.", keys=("keep",)),
            Thinking(models=r"(moonshot-v1|kimi-k2-)", never=True),
            Thinking(),
        ),
        # Missing on a turn with tool calls while thinking: 400. A blank is taken, an empty text is not.
        messages=MessageFacts(replay_filler=" ", empty_content=" "),
        json_schema_models=r"kimi-(?!k2-)",
        errors=ErrorFacts(
            codes=frozen(
                {
                    "content_filter": means.POLICY,
                    "invalid_authentication_error": means.AUTH,
                    "incorrect_api_key_error": means.AUTH,
                    "permission_denied_error": means.PERMISSION,
                    "resource_not_found_error": means.NOT_FOUND,
                    "exceeded_current_quota_error": means.NO_BALANCE,
                    "rate_limit_reached_error": means.RATE_LIMIT,
                    "engine_overloaded_error": means.OVERLOADED,
                    "server_error": means.SERVER,
                    "unexpected_output": means.SERVER,
                }
            ),
            texts=(
                ("token length too long", means.CONTEXT),
                ("exceeded model token limit", means.CONTEXT),
                ("message size exceeds limit", means.CONTEXT),
            ),
            request_id_headers=("x-trace-id", "x-request-id", "msh-request-id"),
        ),
    )
)
