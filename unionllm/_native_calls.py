"""What the user said → a checked, frozen request and the native adapter that takes it. No I/O.

Most programs ask one model in one place, again and again, and only the messages differ. So all the rest is made ready
by the first of such calls, and kept.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ._addresses import clean_base_url
from ._call import NativeBackend, Route
from ._credentials import own_names, resolve
from ._log import logger
from ._options import KEPT, OPTIONS, STEADY, common, given_base_url, max_bytes_of, may_be_kept, retries_of, text_of
from ._protocols.base import ProviderSpec
from ._registry import Found
from ._request import ChatRequest
from ._secrets import CREDENTIAL_NAMES, KEY_SPELLINGS, Secret
from ._timeouts import Timeouts
from ._urls import host_of
from .exceptions import BadRequestError, UnionLLMError
from .schema import Adaptation

#: Seconds before the first token of a stream whose model is not known to think first.
_FIRST_TOKEN = 120.0

_STEADY = STEADY | CREDENTIAL_NAMES | {"max_response_bytes", "region"}


class _Ready(NamedTuple):
    """All of a call but its messages.

    Args:
        route: where it goes, with the limits of an answer that may be long in coming.
        soon: the limits of a stream whose model does not think first.
        foreign: what the caller gave that belongs to other providers.
    """

    route: Route
    soon: Timeouts
    foreign: tuple[Adaptation, ...]


def native_route(
    found: Found, args: dict[str, Any], messages: tuple[dict[str, Any], ...], environ: Mapping[str, str]
) -> Route:
    """How a vendor of ours is to be asked.

    Args:
        found: the vendor's adapter.
        args: every argument of the call that is not None.
        messages: those of the call, checked.
        environ: the environment.

    Raises:
        UnionLLMError: what is wrong, before anything is sent.
    """
    same = args.copy()
    del same["messages"]
    route, soon, foreign = _ready_of(found, same, environ) or _make_ready(found, same, environ)
    adapter, spec = found.adapter, found.adapter.spec
    try:
        chat = adapter.prepare(route.chat.again(messages, time.time()))
    except UnionLLMError as error:
        raise _about(error, spec) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        # Some part of the messages or parameters has not the shape that everybody's has.
        raise BadRequestError(
            f"{spec.name}: a message or parameter cannot be read ({error}). Check their types.", provider=spec.name
        ) from None
    if foreign:
        # Copies: the caller finds them in the answer, and may change them.
        chat = chat.changed(adaptations=(*[one.model_copy() for one in foreign], *chat.adaptations))
    for change in chat.adaptations:
        logger.info("%s: %s %s (%s)", spec.name, change.parameter, change.action, change.reason)
    is_soon = soon is not route.timeouts and chat.stream and not adapter.thinks(chat.model)
    return Route(route.backend, chat, soon if is_soon else route.timeouts, route.retries, route.max_bytes)


def _ready_of(found: Found, args: Mapping[str, Any], environ: Mapping[str, str]) -> _Ready | None:
    """What is kept, or will be, of such calls; None if nothing is."""
    if not may_be_kept(args, _STEADY):
        return None
    told = _told(found.adapter.spec, args, environ)
    if any("@" in value for _, value in told):  # an address with a password, perhaps
        return None
    try:
        return _kept(found, told, **args)
    except TypeError:  # a mapping of limits has no hash
        return None


def _told(spec: ProviderSpec, args: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the environment says of what the arguments leave open."""
    names = [] if args.get("base_url") else [*spec.base_url_env]
    for one in spec.credentials:
        if not args.get(one.name):
            names.extend(one.env)
            if one.name == "api_key":
                names.extend(name for region in spec.regions for name in region.env)
    return tuple([(name, Secret(environ[name])) for name in names if name in environ]) if names else ()


@functools.lru_cache(maxsize=KEPT, typed=True)  # 1 is no True here
def _kept(found: Found, told: tuple[tuple[str, str], ...], /, **args: Any) -> _Ready:
    return _make_ready(found, args, dict(told))


def _make_ready(found: Found, args: Mapping[str, Any], environ: Mapping[str, str]) -> _Ready:
    adapter, spec = found.adapter, found.adapter.spec
    base_url = _base_url(spec, found.region, args, environ)
    own = own_names(spec.credentials)
    credentials = resolve(spec, args, environ, host=host_of(base_url))
    chat = ChatRequest.made(
        provider=spec.name,
        model=_model(spec, args),
        messages=(),
        params={k: v for k, v in args.items() if k not in OPTIONS and k not in CREDENTIAL_NAMES and k not in own},
        credentials=credentials,
        base_url=base_url,
        adaptations=(),
        **common(args),
    )
    limits = args.get("timeout")
    route = Route(NativeBackend(adapter), chat, Timeouts.parse(limits), retries_of(args), max_bytes_of(args))
    return _Ready(route, Timeouts.parse(limits, first_token=_FIRST_TOKEN), tuple(_foreign_credentials(spec, args)))


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
