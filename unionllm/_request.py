"""ChatRequest: what every adapter receives. Checked, frozen, and nobody's but ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from .schema import Adaptation

_SECRET_NAME = re.compile("auth|key|token|secret|cookie|password|sign", re.IGNORECASE)

ParamPolicy: TypeAlias = Literal["adapt", "strict", "raw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One call, as data.

    No named tuple, though that is made sooner: error reporters and JSON encoders walk through whatever is a sequence
    without asking for its ``repr``, and would show the key.

    ``messages`` are plain dicts copied from the caller's; an adapter that changes one copies it first. ``params`` holds
    OpenAI's parameters and the vendor's own, never None, never a credential. ``now`` (Unix seconds) and ``make_id`` are
    inputs, so that signing and made-up ids need no clock. ``memory`` is one dict for all tries of the call.
    ``fetch_media``: whether media may be fetched for the vendor, or the hosts that they may be fetched from.
    """

    provider: str
    model: str
    messages: tuple[dict[str, Any], ...]
    stream: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    base_url: str = ""
    param_policy: ParamPolicy = "adapt"
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_query: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    fetch_media: bool | frozenset[str] = False
    adaptations: tuple[Adaptation, ...] = ()
    now: float = 0.0
    make_id: Callable[[], str] = field(default=lambda: "chatcmpl-0", repr=False)
    memory: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in any message, log line or error."""
        own = tuple(filter(None, self.credentials.values()))
        if not self.extra_headers and not self.extra_query:
            return own
        extra = (*self.extra_headers.items(), *self.extra_query.items())
        marked = (value for name, value in extra if isinstance(value, str) and _SECRET_NAME.search(str(name)))
        return (*own, *filter(None, marked))

    @staticmethod
    def made(**values: Any) -> ChatRequest:
        """A call of these values, which are all that it has: as the class makes it, in a third of the time."""
        made = object.__new__(ChatRequest)
        for name, put in _PUT.items():
            put(made, values[name])
        return made

    def again(self, messages: tuple[dict[str, Any], ...], now: float) -> ChatRequest:
        """The same call with other messages, at another time."""
        made = _copied(self)
        _put_messages(made, messages)
        _put_now(made, now)
        _put_memory(made, {})
        # A plugin's adapter may take them for its own.
        _put_params(made, {**self.params})
        _put_credentials(made, {**self.credentials})
        _put_extra_body(made, {**self.extra_body})
        return made

    def changed(self, **changes: Any) -> ChatRequest:
        """The same call with other values, as ``dataclasses.replace`` gives it, in a fifth of the time."""
        made = _copied(self)
        for name, value in changes.items():
            if name not in _PUT:
                raise TypeError(f"a call has no {name}")
            _PUT[name](made, value)
        return made


def _copied(chat: ChatRequest) -> ChatRequest:
    # A loop over the fields takes twice as long.
    made = object.__new__(ChatRequest)
    _put_provider(made, chat.provider)
    _put_model(made, chat.model)
    _put_messages(made, chat.messages)
    _put_stream(made, chat.stream)
    _put_params(made, chat.params)
    _put_credentials(made, chat.credentials)
    _put_base_url(made, chat.base_url)
    _put_param_policy(made, chat.param_policy)
    _put_extra_headers(made, chat.extra_headers)
    _put_extra_query(made, chat.extra_query)
    _put_extra_body(made, chat.extra_body)
    _put_fetch_media(made, chat.fetch_media)
    _put_adaptations(made, chat.adaptations)
    _put_now(made, chat.now)
    _put_make_id(made, chat.make_id)
    _put_memory(made, chat.memory)
    return made


_PUT: dict[str, Callable[[ChatRequest, Any], None]] = {
    one.name: getattr(ChatRequest, one.name).__set__ for one in fields(ChatRequest)
}
(
    _put_provider,
    _put_model,
    _put_messages,
    _put_stream,
    _put_params,
    _put_credentials,
    _put_base_url,
    _put_param_policy,
    _put_extra_headers,
    _put_extra_query,
    _put_extra_body,
    _put_fetch_media,
    _put_adaptations,
    _put_now,
    _put_make_id,
    _put_memory,
) = _PUT.values()
