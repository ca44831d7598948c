"""Every provider of ``unionchat`` as a chat model of LangChain's. Needs the extra ``langchain``.

::

    from unionllm.integrations.langchain import ChatUnionLLM

    model = ChatUnionLLM(provider="zhipuai", model="glm-5.2")
    print(model.invoke("你好").text)

What LangChain expects of a chat model: https://docs.langchain.com/oss/python/langchain/models (read 2026-11-29).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from . import missing_extra

try:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.language_models.base import LangSmithParams
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool
except ModuleNotFoundError as missing:
    raise missing_extra(__name__, "langchain-core", "langchain") from missing

from pydantic import AliasChoices, ConfigDict, Field, SecretStr, model_validator

from .. import UnionLLM, aunionchat, unionchat
from .._credentials import CREDENTIAL_NAMES, KEY_SPELLINGS
from ..schema import ModelResponse, ModelResponseChunk
from ._langchain_messages import to_chunk, to_dicts, to_last_chunk, to_message
from ._langchain_tools import Method, choose_tool, structured, to_tools

__all__ = ["ChatUnionLLM"]

#: Fields that are arguments of ``unionchat`` under the same name.
_ARGUMENTS = (
    *("provider", "model", "base_url", "region", "temperature", "top_p", "max_tokens", "stop", "n", "seed"),
    *("thinking", "reasoning_effort", "timeout", "max_retries", "fallbacks", "param_policy"),
    *("extra_headers", "extra_query", "extra_body", "http_client"),
)
#: Those of them that traces and caches tell answers apart by.
_IDENTIFYING = _ARGUMENTS[: _ARGUMENTS.index("timeout")]


class ChatUnionLLM(BaseChatModel):
    """A chat model of any provider that ``unionchat`` knows.

    Every argument of ``unionchat`` is taken, under its name; those that are no field below go into ``model_kwargs``.
    Credentials that are no ``api_key`` (``app_id``, ``api_secret`` …) are kept apart, as secrets. Errors are those of
    ``unionllm.exceptions``; retries, timeouts and fallbacks are unionllm's own.
    """

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True, protected_namespaces=())

    provider: str | None = None
    """A native provider or alias, else LiteLLM's name; None: as ``unionchat`` finds it out from ``model``."""
    model: str | None = Field(default=None, validation_alias=AliasChoices("model", "model_name"))
    """The vendor's name of the model; agent platforms may need none."""
    api_key: SecretStr | None = None
    """None: the vendor's environment variable, read when a call is made."""
    credentials: dict[str, SecretStr] = Field(default_factory=dict)
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
    streaming: bool = False
    """Whether ``invoke`` streams, too."""

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
        secrets = {name: rest.pop(name) for name in [*rest] if _is_credential(name) and rest[name] is not None}
        if secrets:
            sorted_out["credentials"] = {**(given.get("credentials") or {}), **secrets}
        if rest:
            sorted_out["model_kwargs"] = {**(given.get("model_kwargs") or {}), **rest}
        return sorted_out

    @property
    def _llm_type(self) -> str:
        return "unionllm"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It can be dumped and loaded; secrets are left out of it."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Which arguments are secrets, and the environment variables that they are loaded from."""
        others = {f"credentials.{name}": _variable(self.provider, name) for name in self.credentials}
        return {"api_key": _variable(self.provider, "api_key"), **others}

    @property
    def _identifying_params(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in _IDENTIFYING}
        return {**{name: value for name, value in told.items() if value is not None}, **self.model_kwargs}

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        # They are told to every callback and tracer.
        return super()._get_invocation_params(stop=stop, **{k: v for k, v in kwargs.items() if not _is_credential(k)})

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = str(kwargs.get("provider") or self.provider or (self.model or "").partition("/")[0])
        return params

    def _arguments(self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
        """What to call ``unionchat`` with: the fields, then what this call says."""
        own = {name: getattr(self, name) for name in _ARGUMENTS}
        secrets = {"api_key": self.api_key, **self.credentials}
        told = {**own, **secrets, **self.model_kwargs, **given, "stop": stop or given.get("stop") or self.stop or None}
        revealed = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in told.items()}
        revealed.pop("stream", None)
        return {**{k: v for k, v in revealed.items() if v is not None}, "messages": to_dicts(messages)}

    @property
    def _ask(self) -> Callable[..., Any]:
        return unionchat if self.client is None else self.client.completion

    @property
    def _aask(self) -> Callable[..., Any]:
        return aunionchat if self.client is None else self.client.acompletion

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(self._ask(**self._arguments(messages, stop, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self._aask(**self._arguments(messages, stop, kwargs)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with self._ask(**self._arguments(messages, stop, kwargs), stream=True) as stream:
            for chunk in stream:
                yield from _pieces(chunk)
            if stream.response is not None:
                yield ChatGenerationChunk(message=to_last_chunk(stream.response))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with await self._aask(**self._arguments(messages, stop, kwargs), stream=True) as stream:
            async for chunk in stream:
                for piece in _pieces(chunk):
                    yield piece
            if stream.response is not None:
                yield ChatGenerationChunk(message=to_last_chunk(stream.response))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call.

        Args:
            tools: anything LangChain takes as a tool, or a dict of a vendor's own kind, which is sent as it is.
            tool_choice: "auto", "none", "any" or "required" (also True), the name of a tool, or OpenAI's dict. A
                vendor that cannot be made to call one gets "auto", and ``response_metadata["adaptations"]`` says so.
            strict: whether arguments have to follow the schema; for vendors that know it.
            kwargs: further arguments of the call, such as ``parallel_tool_calls``.
        """
        choice = choose_tool(tool_choice)
        chosen = {} if choice is None else {"tool_choice": choice}
        return self.bind(tools=to_tools(tools, strict=strict), **chosen, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers of a given form.

        Args:
            schema: a pydantic class (answers are its objects), or a TypedDict class, a JSON schema or a function's
                schema (answers are dicts).
            method: "json_schema" works with every provider: where the vendor does not know it, the schema goes into
                the prompt. "function_calling" makes the model call a tool; "json_mode" asks for any JSON object, and
                the prompt has to say which.
            include_raw: whether to give ``{"raw", "parsed", "parsing_error"}`` instead of raising what goes wrong.
            strict: whether the vendor holds the model to the schema; for vendors that know it.
            kwargs: further arguments of the call.
        """
        return structured(self, schema, method=method, include_raw=include_raw, strict=strict, **kwargs)


def _result(response: ModelResponse) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=to_message(response, choice)) for choice in response.choices])


def _pieces(chunk: ModelResponseChunk) -> Iterator[ChatGenerationChunk]:
    for choice in chunk.choices:
        if choice.index == 0:
            yield ChatGenerationChunk(message=to_chunk(choice))


def _is_credential(name: str) -> bool:
    """Whether an argument is one: by its name, or because it is named as an environment variable is."""
    return name in CREDENTIAL_NAMES or name.isupper()


def _names_of_fields(cls: type[BaseChatModel]) -> set[str]:
    names = set(cls.model_fields)
    for field in cls.model_fields.values():
        if field.alias:
            names.add(field.alias)
        if isinstance(field.validation_alias, AliasChoices):
            names |= {choice for choice in field.validation_alias.choices if isinstance(choice, str)}
    return names


def _variable(provider: str | None, name: str) -> str:
    """The environment variable of a credential."""
    from .._registry import find

    found = find(provider) if provider else None
    for credential in found.adapter.spec.credentials if found is not None else ():
        if credential.name == name and credential.env:
            return str(credential.env[0])
    return f"{provider or 'unionllm'}_{name}".upper()
