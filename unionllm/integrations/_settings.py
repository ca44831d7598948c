"""What the chat models of all frameworks are told: the arguments of ``unionchat``, as fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator

from .. import UnionLLM, aunionchat, unionchat
from .._secrets import CREDENTIAL_NAMES, KEY_SPELLINGS

#: Fields that are arguments of ``unionchat`` under the same name.
_ARGUMENTS = (
    *("provider", "model", "base_url", "region", "temperature", "top_p", "max_tokens", "stop", "n", "seed"),
    *("thinking", "reasoning_effort", "timeout", "max_retries", "fallbacks", "param_policy"),
    *("extra_headers", "extra_query", "extra_body", "http_client"),
)
#: Those of them that traces and caches tell answers apart by.
_IDENTIFYING = _ARGUMENTS[: _ARGUMENTS.index("timeout")]


class Settings(BaseModel):
    """Who is asked, and how. What is no field goes into ``model_kwargs``, or if it is a secret into ``credentials``."""

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True, protected_namespaces=())

    provider: str | None = None
    """A native provider or alias, else LiteLLM's name; None: as ``unionchat`` finds it out from ``model``."""
    model: str | None = Field(default=None, validation_alias=AliasChoices("model", "model_name"))
    """The vendor's name of the model; agent platforms may need none."""
    api_key: SecretStr | None = None
    """None: the vendor's environment variable, read when a call is made."""
    credentials: dict[str, SecretStr] = Field(default_factory=dict, exclude=True)
    """Other credentials by name; they may be given as arguments of their own."""
    base_url: str | None = Field(default=None, validation_alias=AliasChoices("base_url", "api_base"))
    region: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Tokens of an answer at most; None: the vendor's default."""
    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    n: int | None = None
    """How many answers; more than one come by ``generate``. A stream brings the first alone."""
    seed: int | None = None
    thinking: bool | dict[str, Any] | None = None
    reasoning_effort: str | None = None
    timeout: float | dict[str, float] | None = None
    """Seconds; one number or a mapping, as for ``unionchat``."""
    max_retries: int | None = None
    fallbacks: list[dict[str, Any]] | None = Field(default=None, exclude=True, repr=False)
    """Not serialised, as its credentials are no secrets of LangChain's."""
    param_policy: Literal["adapt", "strict", "raw"] | None = None
    extra_headers: dict[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Not serialised: headers hold keys."""
    extra_query: dict[str, Any] | None = Field(default=None, exclude=True, repr=False)
    extra_body: dict[str, Any] | None = None
    http_client: Any = Field(default=None, exclude=True, repr=False)
    client: UnionLLM | None = Field(default=None, exclude=True, repr=False)
    """Calls go through its connections and have its defaults; None: the connections that all calls share."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of every call."""

    @model_validator(mode="before")
    @classmethod
    def _sort_arguments(cls, given: Any) -> Any:
        """Put each argument that is no field where it belongs."""
        if not isinstance(given, Mapping):
            return given
        known = _names_of_fields(cls)
        rest = {name: value for name, value in given.items() if name not in known}
        sorted_out = {name: value for name, value in given.items() if name in known}
        keys = [rest.pop(name) for name in KEY_SPELLINGS if name in rest]
        if keys and sorted_out.get("api_key") is None:
            sorted_out["api_key"] = keys[0]
        secrets = {name: rest.pop(name) for name in [*rest] if is_credential(name) and rest[name] is not None}
        if secrets:
            sorted_out["credentials"] = {**(given.get("credentials") or {}), **secrets}
        if rest:
            sorted_out["model_kwargs"] = {**(given.get("model_kwargs") or {}), **rest}
        return sorted_out

    def identity(self) -> dict[str, Any]:
        """What answers depend on; no secrets."""
        told = {name: getattr(self, name) for name in _IDENTIFYING}
        return {**{name: value for name, value in told.items() if value is not None}, **self.model_kwargs}

    def arguments(self, messages: list[dict[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
        """What to call ``unionchat`` with: the fields, then what this call says. None is "not given"."""
        own = {name: getattr(self, name) for name in _ARGUMENTS}
        secrets = {"api_key": self.api_key, **self.credentials}
        told = {**own, **secrets, **self.model_kwargs, **{k: v for k, v in given.items() if v is not None}}
        told["stop"] = told["stop"] or None
        told.pop("stream", None)
        revealed = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in told.items()}
        return {**{k: v for k, v in revealed.items() if v is not None}, "messages": messages}

    @property
    def ask(self) -> Callable[..., Any]:
        """The call."""
        return unionchat if self.client is None else self.client.completion

    @property
    def aask(self) -> Callable[..., Any]:
        """Its async twin."""
        return aunionchat if self.client is None else self.client.acompletion


def is_credential(name: str) -> bool:
    """Whether an argument is one: by its name, or because it is named as an environment variable is."""
    return name in CREDENTIAL_NAMES or name.isupper()


def _names_of_fields(cls: type[BaseModel]) -> set[str]:
    names = set(cls.model_fields)
    for field in cls.model_fields.values():
        if field.alias:
            names.add(field.alias)
        if isinstance(field.validation_alias, AliasChoices):
            names |= {choice for choice in field.validation_alias.choices if isinstance(choice, str)}
    return names


def variable_of(provider: str | None, name: str) -> str:
    """The environment variable of a credential."""
    from .._registry import find

    found = find(provider) if provider else None
    for credential in found.adapter.spec.credentials if found is not None else ():
        if credential.name == name and credential.env:
            return str(credential.env[0])
    return f"{provider or 'unionllm'}_{name}".upper()
