"""What the user said → a checked, frozen request and the backend that takes it. No I/O."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _registry
from ._addresses import clean_base_url
from ._call import NativeBackend, Route
from ._credentials import own_names, resolve
from ._framing import MAX_EVENT_BYTES
from ._log import logger
from ._messages import read_messages
from ._protocols.base import ProviderSpec
from ._request import ChatRequest
from ._retry import RetryPolicy
from ._secrets import CREDENTIAL_NAMES, KEY_SPELLINGS, Headers, Query
from ._timeouts import Timeouts
from ._urls import host_of
from ._wire import Environment
from .exceptions import BadRequestError, ProviderError, UnionLLMError
from .schema import Adaptation, new_id

#: Arguments with one meaning for every provider; everything else is a parameter of the model.
OPTIONS = frozenset(
    {
        "api_base",
        "base_url",
        "endpoint_url",
        "extra_body",
        "extra_headers",
        "extra_query",
        "fallbacks",
        "fetch_media",
        "http_client",
        "max_response_bytes",
        "max_retries",
        "messages",
        "model",
        "observers",
        *("on_error", "on_request", "on_response", "on_retry"),
        "param_policy",
        "prices",
        "provider",
        "region",
        "stream",
        "timeout",
    }
)

#: Those of them that are dicts of the caller's own.
_MAPPINGS = ("extra_headers", "extra_query", "extra_body")

#: Seconds before the first token of a stream whose model is not known to think first.
_FIRST_TOKEN = 120.0


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
    return _native_route(found, args, messages, environ)


def text_of(args: Mapping[str, Any], name: str) -> str:
    """An argument that is a text, without spaces around it; "" when it was not given."""
    value = args.get(name, "")
    if not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string, not {type(value).__name__}.")
    return value.strip()


def _native_prefix(args: dict[str, Any]) -> tuple[_registry.Found | None, dict[str, Any]]:
    """``model="zhipuai/glm-…"`` without a provider: ours if LiteLLM does not know the first part, and we do."""
    prefix, slash, rest = text_of(args, "model").partition("/")
    found = _registry.find(prefix) if slash and rest else None
    if found is None:
        return None, args
    return (None, args) if _bridge().knows(prefix) else (found, {**args, "model": rest})


def common(args: Mapping[str, Any]) -> dict[str, Any]:
    """What a request has from options that mean the same for every provider, checked."""
    policy = args.get("param_policy", "adapt")
    if policy not in ("adapt", "strict", "raw"):
        raise BadRequestError(f"param_policy={policy!r} is none of 'adapt', 'strict', 'raw'.")
    stream = args.get("stream", False)
    if stream not in (True, False):
        raise BadRequestError(f"stream={stream!r} is neither True nor False.")
    made = {
        "extra_headers": Headers(),
        "extra_query": Query(),
        "extra_body": {},
        "stream": bool(stream),
        "param_policy": policy,
        "fetch_media": "fetch_media" in args and _hosts(args["fetch_media"]),
        "now": time.time(),
        "make_id": new_id,
        "memory": {},
    }
    if not args.keys().isdisjoint(_MAPPINGS):
        _fill(made, args)
    return made


def _fill(made: dict[str, Any], args: Mapping[str, Any]) -> None:
    """Put what the caller gives of the three mappings into them, checked."""
    for name in _MAPPINGS:
        if name not in args:
            continue
        if not isinstance(args[name], Mapping):
            raise BadRequestError(f"{name} must be a dict, not {type(args[name]).__name__}.")
        made[name].update(args[name])
    for header, value in made["extra_headers"].items():
        _check_header(header, value)


def _hosts(given: Any) -> bool | frozenset[str]:
    """Whether media may be fetched, or from which hosts."""
    if isinstance(given, (list, tuple, set, frozenset)) and all(isinstance(host, str) for host in given):
        return frozenset(host.strip().lower() for host in given)
    if given not in (None, True, False):
        raise BadRequestError(
            f"fetch_media={given!r} is neither True nor a list of hosts, such as ['cdn.example.com']."
        )
    return bool(given)


def _check_header(name: Any, value: Any) -> None:
    is_name = isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not is_name or not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise BadRequestError(f"extra_headers[{name!r}]: names are letters, digits and dashes, values printable ASCII.")


def retries_of(args: Mapping[str, Any]) -> RetryPolicy:
    """How often, and after how long, a call is tried again."""
    given = args.get("max_retries", 2)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise BadRequestError(f"max_retries={given!r} is not a whole number of 0 or more.")
    return _policy(given)


@functools.lru_cache(maxsize=16)
def _policy(max_retries: int) -> RetryPolicy:
    return RetryPolicy(max_retries=max_retries)


def _max_bytes(args: Mapping[str, Any]) -> int:
    given = args.get("max_response_bytes", MAX_EVENT_BYTES)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise BadRequestError(f"max_response_bytes={given!r} is not a whole number of bytes, 1 or more.")
    return given


def given_base_url(args: Mapping[str, Any], schemes: Sequence[str] = ("https", "http")) -> str:
    """The caller's base URL, checked; "" when none was given."""
    for name in ("base_url", "api_base", "endpoint_url"):
        value = args.get(name)
        if value:
            return clean_base_url(str(value), name, schemes)
    return ""


def _native_route(
    found: _registry.Found, args: dict[str, Any], messages: tuple[dict[str, Any], ...], environ: Mapping[str, str]
) -> Route:
    adapter, spec = found.adapter, found.adapter.spec
    base_url = _base_url(spec, found.region, args, environ)
    own = own_names(spec.credentials)
    credentials = resolve(spec, args, environ, host=host_of(base_url))
    chat = ChatRequest.made(
        provider=spec.name,
        model=_model(spec, args),
        messages=messages,
        params={k: v for k, v in args.items() if k not in OPTIONS and k not in CREDENTIAL_NAMES and k not in own},
        credentials=credentials,
        base_url=base_url,
        adaptations=(),
        **common(args),
    )
    try:
        chat = adapter.prepare(chat)
    except UnionLLMError as error:
        raise _about(error, spec) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        # Some part of the messages or parameters has not the shape that everybody's has.
        raise BadRequestError(
            f"{spec.name}: a message or parameter cannot be read ({error}). Check their types.", provider=spec.name
        ) from None
    if foreign := _foreign_credentials(spec, args):
        chat = chat.changed(adaptations=(*foreign, *chat.adaptations))
    for change in chat.adaptations:
        logger.info("%s: %s %s (%s)", spec.name, change.parameter, change.action, change.reason)
    slow = not chat.stream or adapter.thinks(chat.model)
    timeouts = Timeouts.parse(args.get("timeout"), **({} if slow else {"first_token": _FIRST_TOKEN}))
    backend, retries = NativeBackend(adapter), retries_of(args)
    return Route(backend=backend, chat=chat, timeouts=timeouts, retries=retries, max_bytes=_max_bytes(args))


def _foreign_credentials(spec: ProviderSpec, args: Mapping[str, Any]) -> list[Adaptation]:
    """Credentials that belong to other providers: never sent, and not passed over in silence."""
    own = own_names(spec.credentials)
    names = CREDENTIAL_NAMES.intersection(args) - own
    if "api_key" in own:
        names = names.difference(KEY_SPELLINGS)
    if not names:
        return []
    reason = f"{spec.name} knows no such credential; its own: {', '.join(sorted(own)) or 'none'}"
    if args.get("param_policy") == "strict":
        raise BadRequestError(f"{min(names)}= has no effect here: {reason}. Leave it out.", provider=spec.name)
    return [Adaptation(parameter=name, action="dropped", given="***", reason=reason) for name in sorted(names)]


def _about(error: UnionLLMError, spec: ProviderSpec) -> UnionLLMError:
    if getattr(error, "provider", "") is None:
        error.provider = spec.name  # type: ignore[attr-defined]  # an APIError, which has it
    return error


def _model(spec: ProviderSpec, args: Mapping[str, Any]) -> str:
    model = text_of(args, "model")
    if "/" in model:
        for name in (text_of(args, "provider").lower(), spec.name):
            if name and model.lower().startswith(f"{name}/"):
                model = model[len(name) + 1 :]
    model = model or spec.default_model or ""
    if not model:
        raise BadRequestError(f"{spec.name}: no model given. Pass model=…; the vendor lists them at {spec.docs}.")
    return model


def _base_url(spec: ProviderSpec, implied: str | None, args: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    given = given_base_url(args, spec.schemes)
    if given:
        return given
    wanted = text_of(args, "region") or implied
    if wanted:
        region = spec.region(wanted.lower())
        if region is None:
            known = ", ".join(repr(region.name) for region in spec.regions)
            raise BadRequestError(f"{spec.name} has no region {wanted!r}; it has {known}.")
        return region.base_url
    for name in spec.base_url_env:
        if environ.get(name):
            return clean_base_url(environ[name], name, spec.schemes)
    return spec.base_url


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
    calls = [given, *read_fallbacks(given.get("fallbacks"))]
    return any(_registry.find(str(call.get("provider") or "")) is None for call in calls)
