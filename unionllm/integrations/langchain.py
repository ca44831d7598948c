"""Every provider of ``unionchat`` as a chat model of LangChain's. Needs the extra ``langchain``.

::

    from unionllm.integrations.langchain import ChatUnionLLM

    model = ChatUnionLLM(provider="zhipuai", model="glm-5.2")
    print(model.invoke("你好").text)

What LangChain expects of a chat model: https://docs.langchain.com/oss/python/langchain/models (read 2026-11-29).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

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

from ..schema import ModelResponse, ModelResponseChunk
from ._langchain_messages import to_chunk, to_dicts, to_last_chunk, to_message
from ._langchain_tools import Method, choose_tool, structured, to_tools
from ._settings import Settings, is_credential, variable_of

__all__ = ["ChatUnionLLM"]


class ChatUnionLLM(Settings, BaseChatModel):
    """A chat model of any provider that ``unionchat`` knows.

    Every argument of ``unionchat`` is taken, under its name; those that are no field below go into ``model_kwargs``.
    Credentials that are no ``api_key`` (``app_id``, ``api_secret`` …) are kept apart, as secrets. Errors are those of
    ``unionllm.exceptions``; retries, timeouts and fallbacks are unionllm's own.
    """

    streaming: bool = False
    """Whether ``invoke`` streams, too."""

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
        return {name: variable_of(self.provider, name) for name in ("api_key", *self.credentials)}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What is dumped besides the fields: each credential by its name, as LangChain knows secrets there only."""
        return dict(self.credentials)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.identity()

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        # They are told to every callback and tracer.
        return super()._get_invocation_params(stop=stop, **{k: v for k, v in kwargs.items() if not is_credential(k)})

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        prefix, slash, _ = str(kwargs.get("model") or self.model or "").partition("/")
        params["ls_provider"] = kwargs.get("provider") or self.provider or (prefix if slash else "unionllm")
        return params

    def _call(self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
        return self.arguments(to_dicts(messages), {**given, "stop": stop or given.get("stop")})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(self.ask(**self._call(messages, stop, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self.aask(**self._call(messages, stop, kwargs)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with self.ask(**self._call(messages, stop, kwargs), stream=True) as stream:
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
        async with await self.aask(**self._call(messages, stop, kwargs), stream=True) as stream:
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
