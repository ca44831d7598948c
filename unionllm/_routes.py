"""What the user said → a checked, frozen request and the backend that takes it. No I/O."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from . import _registry
from ._call import Route
from ._credentials import own_names
from ._messages import read_messages
from ._native_calls import native_route
from ._options import OPTIONS, text_of
from ._secrets import CREDENTIAL_NAMES, KEY_SPELLINGS
from ._wire import Environment
from .exceptions import BadRequestError, ProviderError


def build_route(given: Mapping[str, Any], environ: Mapping[str, str]) -> Route:
    """One way to get the call answered.

    Args:
        given: every argument of the call; None means "not given". Names in upper case stand for environment variables.
        environ: the environment.

    Raises:
        UnionLLMError: what is wrong, before anything is sent.
    """
    args = {name: value for name, value in given.items() if value is not None}
    if any(map(str.isupper, args)):
        named = Environment({name: str(value) for name, value in args.items() if name.isupper()})
        environ = Environment(environ, named)
        args = {name: value for name, value in args.items() if name not in named}
    messages = read_messages(args.get("messages"))
    provider = text_of(args, "provider")
    found = _registry.find(provider) if provider else None
    if found is None and not provider and "custom_llm_provider" not in args:
        found, args = _native_prefix(args)
    if found is None:
        route: Route = _bridge().litellm_route(args, messages)
        return route
    return native_route(found, args, messages, environ)


def _native_prefix(args: dict[str, Any]) -> tuple[_registry.Found | None, dict[str, Any]]:
    """``model="zhipuai/glm-…"`` without a provider: ours if LiteLLM does not know the first part, and we do."""
    prefix, slash, rest = text_of(args, "model").partition("/")
    found = _registry.find(prefix) if slash and rest else None
    if found is None:
        return None, args
    return (None, args) if _bridge().knows(prefix) else (found, {**args, "model": rest})


@functools.cache
def _bridge() -> Any:
    """The way to LiteLLM: an import statement takes its time in every call."""
    from . import _litellm_calls

    return _litellm_calls


def unknown_provider(name: str, others: list[str]) -> ProviderError:
    """The error for a name that neither we nor LiteLLM know."""
    near = _registry.near_names(name, others)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return ProviderError(
        f"Unknown provider {name!r}. {hint}`python -m unionllm providers` lists the native ones; "
        "others are LiteLLM's, see docs/litellm.md."
    )


def provider_of(args: Mapping[str, Any]) -> str:
    """The provider that arguments mean, by one name for all its spellings; "" when only LiteLLM can tell."""
    name = str(args.get("provider") or args.get("custom_llm_provider") or "").strip()
    if not name:
        prefix, slash, _ = str(args.get("model") or "").partition("/")
        name = prefix.strip() if slash else ""
    found = _registry.find(name) if name else None
    return name.lower() if found is None else found.adapter.spec.name


def _own_names(provider: str, given: Iterable[str]) -> frozenset[str]:
    """Of these arguments, those that mean nothing to anyone but that provider: its credentials, its apps' inputs."""
    found = _registry.find(provider)
    if found is None:
        return frozenset()
    spec = found.adapter.spec
    shared = set(given) if spec.shares is None else spec.shares | OPTIONS
    return own_names(spec.credentials) | (set(given) - shared)


#: Spellings of one thing: whichever of them is given later replaces them all.
_SAME_THING = (frozenset(KEY_SPELLINGS), frozenset({"api_base", "base_url", "endpoint_url", "region"}))
#: What one app of a platform knows, and another one, with a key or address of its own, does not.
_OF_ONE_APP = frozenset({"chatId", "chat_id", "conversation_id", "session_id", "workflow_id"})
#: What belongs to one provider alone, beside its credentials.
_OF_ONE_PROVIDER = frozenset({"extra_body", "extra_headers", "extra_query", "protocol"}).union(*_SAME_THING)


def merge_args(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with others put over them; credentials and addresses of one provider never go to another one."""
    names_one = bool(own.get("provider") or own.get("custom_llm_provider")) or not base.get("provider")
    is_other = names_one and bool(provider_of(own)) and provider_of(own) != provider_of(base)
    kept = dict(base)
    for group in _SAME_THING:
        if not group.isdisjoint(own) and any(own.get(name) is not None for name in group):
            kept = {name: value for name, value in kept.items() if name not in group | _OF_ONE_APP}
    if is_other:
        foreign = _OF_ONE_PROVIDER | CREDENTIAL_NAMES | _own_names(provider_of(base), kept)
        kept = {name: value for name, value in kept.items() if name not in foreign and not name.isupper()}
    return {**kept, **own}


def read_fallbacks(given: Any) -> list[Mapping[str, Any]]:
    """The caller's ``fallbacks``, checked."""
    if given is None:
        return []
    is_list = isinstance(given, (list, tuple))
    if not is_list or not all(isinstance(fallback, Mapping) for fallback in given):
        raise BadRequestError('fallbacks must be dicts in a list, such as [{"provider": …, "model": …}].')
    return list(given)


def fallback_args(given: Mapping[str, Any], fallback: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call with one of its fallbacks put in."""
    return merge_args({name: value for name, value in given.items() if name != "fallbacks"}, fallback)


def may_import_litellm(given: Mapping[str, Any]) -> bool:
    """Whether building the route may have to import LiteLLM, which takes seconds."""
    if "litellm" in sys.modules:
        return False
    if not _registry.is_native(str(given.get("provider") or "")):
        return True
    others = read_fallbacks(given.get("fallbacks"))
    return not all(_registry.is_native(str(call.get("provider") or "")) for call in others)
