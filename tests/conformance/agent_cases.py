"""Agent platforms and kinds of apps, for ``test_agents.py``: how each is called, and what it can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unionllm.testing import VendorServer
from unionllm.testing.vendors.ragflow import AGENT_ID
from unionllm.testing.vendors.zhipu_app import APP_ID, SLOW_AGENT_ID

#: What a platform may tell with an answer.
CAN = frozenset({"context", "steps", "suggestions", "outputs", "reasoning", "conversation", "history", "usage"})


def _as_usual(server: VendorServer) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One kind of app of one platform.

    Args:
        can: of ``CAN``, what it tells on whole and streamed answers alike.
        can_stream: what it tells on streamed answers besides.
        can_whole: what it tells on whole answers besides.
        call: arguments beyond credentials, base URL and messages.
        scripted: keywords of ``VendorServer.reply`` that pick a shape.
        given: arguments that depend on the server, such as another app's key.
        second: arguments of a second call in the same conversation, from the first answer.
    """

    provider: str
    name: str
    can: frozenset[str]
    can_stream: frozenset[str] = frozenset()
    can_whole: frozenset[str] = frozenset()
    call: Mapping[str, Any] = field(default_factory=dict)
    scripted: Mapping[str, Any] = field(default_factory=dict)
    given: Callable[[VendorServer], Mapping[str, Any]] = _as_usual

    def __str__(self) -> str:
        return f"{self.provider}-{self.name}"

    def tells(self, what: str, *, stream: bool) -> bool:
        """Whether it tells that on such an answer."""
        return what in (self.can | (self.can_stream if stream else self.can_whole))


def _dify(mode: str, *can: str, **more: Any) -> Variant:
    def key(server: VendorServer) -> Mapping[str, Any]:
        played: Any = server.vendor("dify")
        return {"api_key": played.app_key(mode)}

    return Variant(provider="dify", name=mode, can=frozenset(can), given=key, **more)


def _fastgpt(version: str, *can: str, **more: Any) -> Variant:
    def address(server: VendorServer) -> Mapping[str, Any]:
        return {"base_url": server.url("fastgpt", f"/api/{version}")}

    tells = frozenset({"usage", "reasoning", "context", "steps", "history", *can})
    return Variant(provider="fastgpt", name=version, can=tells, given=address, **more)


def _coze(name: str, *can: str, **more: Any) -> Variant:
    return Variant(provider="coze", name=name, can=frozenset(can), **more)


_BOT = ("context", "conversation", "history", "reasoning", "steps", "suggestions")
_TALKS = ("usage", "reasoning", "context", "conversation")

VARIANTS: tuple[Variant, ...] = (
    _dify("chat", *_TALKS, call={"suggestions": True}, can_whole=frozenset({"suggestions"})),
    _dify("agent-chat", *_TALKS, "steps"),
    _dify("agent", "usage", "reasoning", "conversation", "steps"),
    _dify("advanced-chat", "usage", "context", "conversation", can_stream=frozenset({"reasoning", "nodes"})),
    _dify("completion", "usage", "reasoning", "context"),
    _dify("workflow", "outputs", can_stream=frozenset({"reasoning", "nodes"})),
    _fastgpt("v1"),
    _fastgpt(
        "v2",
        "conversation",
        call={"suggestions": True, "appId": "0" * 24},
        can_whole=frozenset({"suggestions"}),
    ),
    Variant(
        provider="bailian_app",
        name="agent",
        can=frozenset({"usage", "context", "conversation", "steps", "history"}),
        call={"doc_reference_type": "simple", "has_thoughts": True},
    ),
    # What a component of the app was given the platform does not tell, so that its step is looked at elsewhere.
    Variant(provider="appbuilder", name="agent", can=frozenset({"usage", "context", "conversation"})),
    Variant(provider="ragflow", name="chat", can=frozenset({"usage", "context", "history"})),
    Variant(
        provider="ragflow", name="agent", can=frozenset({"usage", "context", "history"}), call={"agent_id": AGENT_ID}
    ),
    Variant(provider="zhipu_app", name="agent", can=frozenset({"usage", "conversation", "history"})),
    Variant(
        provider="zhipu_app",
        name="job",
        can=frozenset({"usage", "conversation", "history"}),
        call={"agent_id": SLOW_AGENT_ID},
    ),
    Variant(
        provider="zhipu_app",
        name="app",
        can=frozenset({"usage", "conversation"}),
        call={"app_id": APP_ID, "input_key": "q"},
    ),
    # Its references are names without passages, its tools tell no input: see tests/test_adp.py.
    Variant(provider="adp", name="app", can=frozenset({"usage", "reasoning", "conversation"})),
    _coze("bot", *_BOT, "usage"),
    # What is not saved is streamed and joined.
    _coze("bot-unsaved", *_BOT, "usage", call={"auto_save_history": False}),
    _coze("recall-knowledge", *_BOT, "usage", scripted={"recall": "knowledge"}),
    _coze("recall-text", *_BOT, "usage", scripted={"recall": "text"}),
    _coze("slow", *_BOT, "usage", call={"poll_interval": 0.02}, scripted={"polls": 3}),
    _coze("chatflow", *_BOT, call={"workflow_id": "w1"}),
)
