"""Who is calling: the argument first, then the environment, then an error that names both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._wire import Secret
from .exceptions import AuthenticationError, BadRequestError

if TYPE_CHECKING:
    from ._protocols.base import Credential, ProviderSpec

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
    region = spec.region_of(f"//{host}")
    found: dict[str, str] = {}
    for credential in spec.credentials:
        names = [name for name in KEY_SPELLINGS if name not in own] if credential.name == "api_key" else []
        variables = (*(region.env if region and credential.name == "api_key" else ()), *credential.env)
        values = [given.get(name) for name in (credential.name, *names)] + [environ.get(name) for name in variables]
        value = next((value for value in values if value not in (None, "")), None)
        if value is not None:
            found[credential.name] = _check(spec, credential, value)
        elif credential.required:
            raise _missing(spec, credential.name, variables, host)
    return found


def _check(spec: ProviderSpec, credential: Credential, value: Any) -> Secret:
    if not isinstance(value, str):
        raise BadRequestError(f"{spec.name}: {credential.name} must be a string, not {type(value).__name__}.")
    stripped = value.strip()
    if not stripped.isascii() or not stripped.isprintable() or not stripped:
        raise BadRequestError(
            f"{spec.name}: {credential.name} holds characters that no key has (a placeholder or a line break?). "
            f"Copy it again from {spec.console}."
        )
    return Secret(stripped)


def _missing(spec: ProviderSpec, name: str, variables: tuple[str, ...], host: str) -> AuthenticationError:
    return AuthenticationError(
        f"{spec.name}: Missing API key: no {name} for {host}. Pass {name}=… or set {' or '.join(variables)} "
        f"(keys are made at {spec.console}). 缺少密钥：请在 {spec.console} 创建。",
        provider=spec.name,
    )
