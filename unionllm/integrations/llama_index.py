"""Every provider of ``unionchat`` as a chat model of LlamaIndex's. Needs the extra ``llama-index``.

::

    from unionllm.integrations.llama_index import UnionLLMChat

    llm = UnionLLMChat(provider="zhipuai", model="glm-5.2")
    print(llm.complete("你好"))

What LlamaIndex expects of a model: https://developers.llamaindex.ai/python/framework/module_guides/models/llms
(read 2026-11-29).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from . import missing_extra

try:
    from llama_index.core.base.llms.generic_utils import (
        achat_to_completion_decorator,
        astream_chat_to_completion_decorator,
        chat_to_completion_decorator,
        stream_chat_to_completion_decorator,
    )
    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
        LLMMetadata,
        MessageRole,
        ToolCallBlock,
    )
    from llama_index.core.constants import DEFAULT_NUM_OUTPUTS
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
    from llama_index.core.llms.function_calling import FunctionCallingLLM
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.llms.utils import parse_partial_json
    from llama_index.core.prompts import PromptTemplate
    from llama_index.core.tools.types import BaseTool
    from llama_index.core.types import PydanticProgramMode
except ModuleNotFoundError as missing:
    raise missing_extra(__name__, "llama-index-core", "llama-index") from missing

from pydantic import BaseModel, Field, SecretStr

from .. import AsyncStream, Stream
from ._llama_index_messages import Growing, only_first_call, to_dicts, to_response
from ._settings import Settings

__all__ = ["UnionLLMChat"]


class UnionLLMChat(Settings, FunctionCallingLLM):
    """A chat model of any provider that ``unionchat`` knows.

    Every argument of ``unionchat`` is taken, under its name; those that are no field go into ``model_kwargs``.
    Errors are those of ``unionllm.exceptions``; retries, timeouts and fallbacks are unionllm's own.
    """

    # LlamaIndex writes models to disk: without their secrets.
    api_key: SecretStr | None = Field(default=None, exclude=True)
    context_window: int = 32_768
    """Tokens of prompt and answer together, by which LlamaIndex cuts texts. Set it to what your model takes."""
    is_function_calling_model: bool = True
    """Whether tools may be offered; False for agent platforms and for models that know none."""

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex writes down."""
        return "UnionLLMChat"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex wants to know of a model."""
        return LLMMetadata(
            context_window=self.context_window,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=self.model or self.provider or "unknown",
            num_output=DEFAULT_NUM_OUTPUTS if self.max_tokens is None else self.max_tokens,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """A whole answer."""
        return to_response(self.ask(**self.arguments(to_dicts(messages), kwargs)))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The same in async code."""
        return to_response(await self.aask(**self.arguments(to_dicts(messages), kwargs)))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it grows; a refused call raises here. Leaving the loop closes the connection."""
        return _growing(self.ask(**self.arguments(to_dicts(messages), kwargs), stream=True))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The same in async code."""
        return _agrowing(await self.aask(**self.arguments(to_dicts(messages), kwargs), stream=True))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The answer to a text, sent as a user's message."""
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The same in async code."""
        return await achat_to_completion_decorator(self.achat)(prompt, **kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to a text, as it grows."""
        return stream_chat_to_completion_decorator(self.stream_chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The same in async code."""
        return await astream_chat_to_completion_decorator(self.astream_chat)(prompt, **kwargs)

    def _prepare_chat_with_tools(  # noqa: PLR0917  # LlamaIndex's own signature
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or ())
        if user_msg is not None:
            asked = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
            messages.append(asked)
        offered = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        chosen = {"tools": offered, "tool_choice": "required" if tool_required else "auto"} if offered else {}
        return {"messages": messages, **chosen, **kwargs}

    def _validate_chat_with_tools_response(
        self, response: ChatResponse, tools: Sequence[BaseTool], allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponse:
        """Of several calls only the first, unless more are allowed: few vendors can be told so."""
        if not allow_parallel_tool_calls:
            response.message = only_first_call(response.message)
        return response

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tools that an answer calls, whole or as far as it has come.

        Raises:
            ValueError: it calls none, unless ``error_on_no_tool_call`` is False.
        """
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not calls and error_on_no_tool_call:
            raise ValueError("the answer calls no tool. Pass error_on_no_tool_call=False where it need not.")
        return [_selection(call) for call in calls]

    def structured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> BaseModel:
        """An object of that class: by ``response_format``, which works with every provider.

        With another ``pydantic_program_mode`` than the default, as LlamaIndex does it.

        Raises:
            APIResponseError: the reply does not fit the class.
        """
        if self.pydantic_program_mode is not PydanticProgramMode.DEFAULT:
            made: BaseModel = super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return made
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        return _parsed(self.chat(messages, **{**(llm_kwargs or {}), "response_format": output_cls}))

    async def astructured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> BaseModel:
        """The same in async code."""
        if self.pydantic_program_mode is not PydanticProgramMode.DEFAULT:
            made: BaseModel = await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return made
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        return _parsed(await self.achat(messages, **{**(llm_kwargs or {}), "response_format": output_cls}))


def _growing(stream: Stream) -> ChatResponseGen:
    answer = Growing()
    with stream:
        for chunk in stream:
            yield answer.add(chunk)


async def _agrowing(stream: AsyncStream) -> AsyncGenerator[ChatResponse, None]:
    answer = Growing()
    async with stream:
        async for chunk in stream:
            yield answer.add(chunk)


def _selection(call: ToolCallBlock) -> ToolSelection:
    given = call.tool_kwargs
    if isinstance(given, str):
        try:
            given = parse_partial_json(given)
        except ValueError:
            given = {}  # LlamaIndex tells the model which arguments are missing
    name = call.tool_name
    return ToolSelection(tool_id=call.tool_call_id or name, tool_name=name, tool_kwargs=given)


def _parsed(response: ChatResponse) -> BaseModel:
    found = response.raw.parsed if response.raw is not None else None
    if not isinstance(found, BaseModel):
        raise ValueError(  # noqa: TRY004  # what the model said, not what the caller gave
            f"the model answered with no object, but with: {response.message.content!r:.200}"
        )
    return found
