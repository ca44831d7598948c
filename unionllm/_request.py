"""ChatRequest: what every adapter receives. Checked, frozen, and nobody's but ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .schema import Adaptation

_SECRET_NAME = re.compile("auth|key|token|secret|cookie|password|sign", re.IGNORECASE)

ParamPolicy: TypeAlias = Literal["adapt", "strict", "raw"]


#: What a call may hold and mostly does not.
_NOTHING: Mapping[str, Any] = MappingProxyType({})
#: Keys, signatures, and what says nothing.
_NOT_SHOWN = frozenset({"credentials", "extra_headers", "extra_query", "make_id", "memory"})


def _same_id() -> str:
    return "chatcmpl-0"


class ChatRequest(NamedTuple):
    """One call, as data.

    ``messages`` are plain dicts copied from the caller's; an adapter that changes one copies it first. ``params`` holds
    OpenAI's parameters and the vendor's own, never None, never a credential. ``now`` (Unix seconds) and ``make_id`` are
    inputs, so that signing and made-up ids need no clock. ``memory`` is one dict for all tries of the call; None where
    there is but one. ``fetch_media``: whether media may be fetched for the vendor, or the hosts that they may be
    fetched from.

    A named tuple, which is made in a tenth of the time that a frozen dataclass of so many fields takes; an adapter
    changes it with ``_replace``.
    """

    provider: str
    model: str
    messages: tuple[dict[str, Any], ...]
    stream: bool = False
    params: Mapping[str, Any] = _NOTHING
    credentials: Mapping[str, str] = _NOTHING
    base_url: str = ""
    param_policy: ParamPolicy = "adapt"
    extra_headers: Mapping[str, str] = _NOTHING
    extra_query: Mapping[str, str] = _NOTHING
    extra_body: Mapping[str, Any] = _NOTHING
    fetch_media: bool | frozenset[str] = False
    adaptations: tuple[Adaptation, ...] = ()
    now: float = 0.0
    make_id: Callable[[], str] = _same_id
    memory: dict[str, Any] | None = None

    def __repr__(self) -> str:
        told = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True) if name not in _NOT_SHOWN)
        return f"ChatRequest({', '.join(told)})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in any message, log line or error."""
        own = tuple(filter(None, self.credentials.values()))
        if not self.extra_headers and not self.extra_query:
            return own
        extra = (*self.extra_headers.items(), *self.extra_query.items())
        marked = (value for name, value in extra if isinstance(value, str) and _SECRET_NAME.search(str(name)))
        return (*own, *filter(None, marked))
