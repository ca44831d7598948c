"""Dify's kinds of apps: which one a key stands for, and what each has no place for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._protocols.base import JSONObject, frozen
from .._protocols.parameters import adaptation
from .._protocols.tokens import account_key

if TYPE_CHECKING:
    from .._request import ChatRequest
    from ..schema import Adaptation

CHAT, COMPLETION, WORKFLOW = "/chat-messages", "/completion-messages", "/workflows/run"
#: Kinds of apps, as ``/info`` and people call them → where they are asked.
PATHS = frozen(
    {
        **dict.fromkeys(("chat", "chatbot", "agent-chat", "agent", "advanced-chat", "chatflow"), CHAT),
        **dict.fromkeys(("completion", "text-generator"), COMPLETION),
        "workflow": WORKFLOW,
    }
)
#: Apps whose kind has been learnt, by address and key; more than that are forgotten.
_MOST_APPS = 1000


class Learnt:
    """What has been learnt of apps: where each is asked, and whether it answers in streams alone."""

    def __init__(self) -> None:
        self._apps: dict[str, tuple[str, bool]] = {}

    def knows(self, chat: ChatRequest) -> bool:
        """Whether the kind of the app is told, or was learnt."""
        return told_path(chat) is not None or _app(chat) in self._apps

    def path(self, chat: ChatRequest) -> str:
        """Where the app is asked, as far as it is known."""
        return told_path(chat) or self._of(chat)[0]

    def only_streams(self, chat: ChatRequest) -> bool:
        """Whether the app has refused to answer whole."""
        return self._of(chat)[1]

    def learn(self, chat: ChatRequest, *, path: str | None = None, only_streams: bool | None = None) -> None:
        """Remember something of the app; what is None stays as it was."""
        known = self._of(chat)
        if len(self._apps) >= _MOST_APPS:
            self._apps.clear()
        self._apps[_app(chat)] = (path or known[0], known[1] if only_streams is None else only_streams)

    def _of(self, chat: ChatRequest) -> tuple[str, bool]:
        return self._apps.get(_app(chat), (CHAT, False))


def told_path(chat: ChatRequest) -> str | None:
    """Where the caller says that the app is asked; None if nobody says it."""
    return PATHS.get(str(chat.params.get("app_type") or chat.model.lower()))


def fit(params: JSONObject, messages: Sequence[JSONObject], path: str) -> list[Adaptation]:
    """What apps of that kind have no place for; taken out of ``params``."""
    if path == CHAT:
        names, reason = ["input_key"], "the question of a chat is no input"
    else:
        names, reason = ["conversation_id"], "apps of this kind keep no conversation"
    changes = [adaptation(name, "dropped", params.pop(name), None, reason) for name in names if name in params]
    key = str(params.get("input_key", "query"))
    if path == WORKFLOW and key in (params.get("inputs") or {}):
        reason = f"inputs has {key!r} already"
        changes.append(adaptation(f"messages[{len(messages) - 1}]", "dropped", "user", None, reason))
    return changes


def user_of(chat: ChatRequest) -> str:
    """Whose conversations and files these are. Older releases called everybody a guest."""
    return str(chat.extra_body.get("user") or chat.params.get("user") or "guest-user")


def _app(chat: ChatRequest) -> str:
    return account_key(chat.base_url, chat.credentials["api_key"])
