"""Who is calling: the argument first, then the environment, then an error that names both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._wire import Secret
from .exceptions import AuthenticationError, BadRequestError

if TYPE_CHECKING:
    from ._protocols.base import Credential, ProviderSpec, Region

#: Other spellings of the API key: ``app_key`` and ``apk_key`` stood in older documentation.
KEY_SPELLINGS = ("api_key", "app_key", "apk_key")

#: Arguments that are credentials somewhere. None of them ever travels in a body, whichever provider is called.
CREDENTIAL_NAMES = frozenset(
    {
        *KEY_SPELLINGS,
        "access_key",
        "access_token",
        "api_secret",
        "app_id",
        "app_secret",
        "client_id",
        "client_secret",
        "private_key",
        "secret_key",
        "token",
    }
)


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
    own = {credential.name for credential in spec.credentials}
    told = {
        one.name: _first(given, [one.name, *_spellings(one, own)]) or _model(one, given) for one in spec.credentials
    }
    region = spec.region_of(f"//{host}")
    variables = {
        one.name: (*(region.env if region and one.name == "api_key" else ()), *one.env) for one in spec.credentials
    }
    found = {name: _first(environ, variables[name]) if value is None else value for name, value in told.items()}
    wanted = _choose(spec.credential_sets, told, found)
    missing = [one for one in spec.credentials if one.name in wanted and found[one.name] is None]
    if missing:
        raise _missing(spec, {one.name: variables[one.name] for one in missing}, host, region)
    # Those of the other ways to say who is calling stay here.
    unused = {name for names in spec.credential_sets for name in names}.difference(wanted)
    return {
        one.name: _check(spec, one, found[one.name])
        for one in spec.credentials
        if one.name not in unused and found[one.name] is not None
    }


def _spellings(credential: Credential, own: Iterable[str]) -> list[str]:
    return [name for name in KEY_SPELLINGS if name not in own] if credential.name == "api_key" else []


def _model(credential: Credential, given: Mapping[str, Any]) -> str | None:
    """The model, where a vendor's callers name by it whom they ask."""
    model = str(given.get("model") or "").strip().rpartition("/")[2]
    return model if credential.models and re.fullmatch(credential.models, model) else None


def _first(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    found = next((value for value in map(values.get, names) if value not in (None, "")), None)
    return Secret(found) if isinstance(found, str) else found


def _choose(sets: Sequence[tuple[str, ...]], told: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """The set of names to call with: one that arguments speak of, else one that the environment holds whole."""
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
