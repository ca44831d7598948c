"""Who is calling: the argument first, then the environment, then an error that names both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._protocols.base import of_facts
from ._secrets import KEY_SPELLINGS, Secret
from .exceptions import AuthenticationError, BadRequestError

if TYPE_CHECKING:
    from ._protocols.base import Credential, ProviderSpec, Region


def resolve(spec: ProviderSpec, given: Mapping[str, Any], environ: Mapping[str, str], *, host: str) -> dict[str, str]:
    """The credentials of one call.

    Args:
        given: the call's arguments; only credentials are looked at.
        environ: the environment.
        host: where the call would go, for the error.

    Raises:
        AuthenticationError: a required one is missing.
        BadRequestError: one cannot be sent in a header.
    """
    told = {one.name: _first(given, spellings) or _model(one, given) for one, spellings in _spelled(spec.credentials)}
    region = spec.region_of(f"//{host}")
    found = {
        one.name: _first(environ, _variables(one, region)) if told[one.name] is None else told[one.name]
        for one in spec.credentials
    }
    sets = spec.credential_sets
    wanted = _choose(sets, told, found)
    missing = [one for one in spec.credentials if one.name in wanted and found[one.name] is None]
    if missing:
        raise _missing(spec, {one.name: _variables(one, region) for one in missing}, host, region)
    # Those of the other ways to say who is calling stay here.
    unused: set[str] = set()
    if len(sets) > 1:
        unused = {name for names in sets for name in names}.difference(wanted)
    return {
        one.name: _check(spec, one, found[one.name])
        for one in spec.credentials
        if one.name not in unused and found[one.name] is not None
    }


@of_facts
def own_names(credentials: tuple[Credential, ...]) -> frozenset[str]:
    """What a vendor's credentials are called."""
    return frozenset(credential.name for credential in credentials)


@of_facts
def _spelled(credentials: tuple[Credential, ...]) -> tuple[tuple[Credential, tuple[str, ...]], ...]:
    """Each credential with the arguments that may hold it, in order."""
    others = tuple(name for name in KEY_SPELLINGS if name not in own_names(credentials))
    return tuple((one, (one.name, *(others if one.name == "api_key" else ()))) for one in credentials)


def _variables(credential: Credential, region: Region | None) -> tuple[str, ...]:
    """The environment variables that may hold a credential, in order."""
    return (*region.env, *credential.env) if region and credential.name == "api_key" else credential.env


def _model(credential: Credential, given: Mapping[str, Any]) -> str | None:
    """The model, where a vendor's callers name by it whom they ask."""
    model = str(given.get("model") or "").strip().rpartition("/")[2]
    return model if credential.models and re.fullmatch(credential.models, model) else None


def _first(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    for name in names:
        value = values.get(name)
        if value is not None and value != "":
            return Secret(value) if isinstance(value, str) and not isinstance(value, Secret) else value
    return None


def _choose(sets: Sequence[tuple[str, ...]], told: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """The set of names to call with: one that arguments speak of, else one that the environment holds whole."""
    if len(sets) == 1:
        return sets[0]
    named = [names for names in sets if any(told[name] is not None for name in names)]
    whole = [names for names in sets if all(found[name] is not None for name in names)]
    both = [names for names in named if names in whole]
    return next(iter((*both, *named, *whole)), sets[0])


def _check(spec: ProviderSpec, credential: Credential, value: Any) -> Secret:
    if not isinstance(value, str):
        raise BadRequestError(f"{spec.name}: {credential.name} must be a string, not {type(value).__name__}.")
    stripped = value.strip()
    shown = "".join(stripped.split()) if credential.has_lines else stripped
    if not shown.isascii() or not shown.isprintable() or not shown:
        raise BadRequestError(
            f"{spec.name}: {credential.name} holds characters that no key has (a placeholder or a line break?). "
            f"Copy it again from {spec.console}."
        )
    return Secret(stripped)


def _missing(
    spec: ProviderSpec, missing: Mapping[str, Sequence[str]], host: str, region: Region | None
) -> AuthenticationError:
    names = " and ".join(missing)
    arguments = " and ".join(f"{name}=…" for name in missing)
    variables = " and ".join(" or ".join(names) for names in missing.values() if names)
    console = (region.console if region else "") or spec.console
    how = f"Pass {arguments}, or set {variables}" if variables else f"Pass {arguments}"
    return AuthenticationError(
        f"{spec.name}: Missing API key: no {names} for {host}. {how} "
        f"(keys are made at {console}). 缺少密钥：请在 {console} 创建。",
        provider=spec.name,
    )
