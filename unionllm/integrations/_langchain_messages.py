"""LangChain's messages → ours, and our answers → LangChain's. Both ways pure; nothing of the caller's is changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages import content as blocks
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call

from ..exceptions import BadRequestError
from ..schema import Choices, Message, ModelResponse, StreamingChoices, Usage
from ._parts import details_of, reasoning_of, to_content

#: Whose form the content of our answers has, as LangChain means it; the vendor stands in ``provider``.
_OURS = {"model_provider": "unionllm"}
#: Fields of an answer that go into ``response_metadata`` when they are set.
_TOLD = (
    *("id", "provider", "request_id", "system_fingerprint", "adaptations"),
    *("conversation_id", "message_id", "chat_id", "task_id", "workflow_run_id"),
    *("context", "suggestions", "steps", "outputs", "interactive"),
)


def to_dicts(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages as ``unionchat`` takes them.

    Raises:
        BadRequestError: a message is of a kind that no model is sent.
    """
    return [_to_dict(message) for message in messages]


def _to_dict(message: BaseMessage) -> dict[str, Any]:
    named = {"name": message.name} if message.name else {}
    if isinstance(message, AIMessage):
        return {"role": "assistant", **_answer(message), **named}
    content = to_content(message.content)
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    return {"role": _role(message), "content": content, **named}


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, SystemMessage):
        return str(message.additional_kwargs.get("__openai_role__", "system"))
    if isinstance(message, ChatMessage):
        return message.role
    if isinstance(message, FunctionMessage):
        return "function"
    raise BadRequestError(f"a {type(message).__name__} cannot be sent to a model. Leave it out of the messages.")


def _answer(message: AIMessage) -> dict[str, Any]:
    """An earlier answer: its text, its calls and, for vendors that want it back, its reasoning."""
    calls = [*map(_call, message.tool_calls), *map(_invalid_call, message.invalid_tool_calls)]
    calls = calls or list(message.additional_kwargs.get("tool_calls") or ())
    content = to_content(message.content)
    said: dict[str, Any] = {"content": content if content or not calls else None}
    if calls:
        said["tool_calls"] = calls
    thought = message.additional_kwargs.get("reasoning_content") or reasoning_of(message.content)
    return {**said, "reasoning_content": thought} if thought else said


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}


def _invalid_call(call: InvalidToolCall) -> dict[str, Any]:
    function = {"name": call.get("name"), "arguments": call.get("args") or ""}
    return {"id": call.get("id"), "type": "function", "function": function}


def to_message(response: ModelResponse, choice: Choices) -> AIMessage:
    """One answer of a reply."""
    calls, invalid = _parsed(choice.message)
    return AIMessage(
        content=choice.message.content or "",
        additional_kwargs=_extras(choice.message),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=to_usage(response.usage),
        response_metadata=to_metadata(response, choice),
    )


def _parsed(message: Message) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """The calls of tools, and those whose arguments are no JSON."""
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in message.tool_calls or ():
        # A function without arguments: some vendors send "" where others send "{}".
        function = {"name": call.function.name or "", "arguments": call.function.arguments or "{}"}
        raw = {"id": call.id, "function": function}
        try:
            parsed = parse_tool_call(raw, return_id=True)
        except ValueError as error:
            invalid.append(make_invalid_tool_call(raw, str(error)))
            continue
        if parsed is None or not isinstance(parsed["args"], dict):
            invalid.append(make_invalid_tool_call(raw, "the arguments are no JSON object"))
        else:
            calls.append(ToolCall(name=parsed["name"], args=parsed["args"], id=parsed.get("id"), type="tool_call"))
    return calls, invalid


def _extras(message: Any) -> dict[str, Any]:
    told = {name: message.get(name) for name in ("reasoning_content", "refusal", "annotations")}
    return {name: value for name, value in told.items() if value}


def to_metadata(response: ModelResponse, choice: Choices | StreamingChoices) -> dict[str, Any]:
    """``response_metadata``: who answered and how it ended, and what an agent platform told besides."""
    told = {name: value for name in _TOLD if (value := response.get(name)) is not None}
    told |= {name: _plain(value) for name, value in told.items() if isinstance(value, list)}
    ended = {name: choice.get(name) for name in ("finish_reason", "provider_finish_reason", "logprobs")}
    usage = {"token_usage": response.usage.model_dump()} if response.usage is not None else {}
    return {
        **_OURS,
        "model_name": response.model,
        **{name: value for name, value in ended.items() if value is not None},
        **told,
        **usage,
    }


def _plain(values: Iterable[Any]) -> list[Any]:
    return [value.model_dump() if hasattr(value, "model_dump") else value for value in values]


def to_usage(usage: Usage | None) -> UsageMetadata | None:
    """The tokens in LangChain's words; None unless the vendor counted both sides."""
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    total = usage.total_tokens
    counted = UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens if total is None else total,
    )
    cached, reasoning = details_of(usage)
    if cached is not None:
        counted["input_token_details"] = InputTokenDetails(cache_read=cached)
    if reasoning is not None:
        counted["output_token_details"] = OutputTokenDetails(reasoning=reasoning)
    return counted


def to_chunk(choice: StreamingChoices) -> AIMessageChunk:
    """What one chunk adds to the answer."""
    delta = choice.delta
    return AIMessageChunk(
        content=delta.content or "",
        additional_kwargs=_extras(delta),
        tool_call_chunks=[_piece(call) for call in delta.tool_calls or ()],
        response_metadata=dict(_OURS),
    )


def _piece(call: Any) -> ToolCallChunk:
    return tool_call_chunk(
        name=call.function.name or None, args=call.function.arguments or "", id=call.id, index=call.index
    )


def to_last_chunk(response: ModelResponse) -> AIMessageChunk:
    """What stands behind the last piece: usage, and everything that a whole answer has in its metadata."""
    return AIMessageChunk(
        content="",
        usage_metadata=to_usage(response.usage),
        response_metadata=to_metadata(response, response.choices[0]) if response.choices else dict(_OURS),
        chunk_position="last",
    )


def _blocks_of(message: AIMessage) -> list[blocks.ContentBlock]:
    raise NotImplementedError("LangChain's own reading is right")


def _blocks_of_chunk(chunk: AIMessageChunk) -> list[blocks.ContentBlock]:
    """What a piece says, in blocks of its own for thoughts, text and each call.

    LangChain adds up blocks of the same index, whatever their types, and its own reading numbers a call from 0 as it
    does the text before it.
    """
    if chunk.chunk_position == "last" or not isinstance(chunk.content, str):
        raise NotImplementedError("LangChain's own reading is right")
    found: list[blocks.ContentBlock] = []
    if thought := chunk.additional_kwargs.get("reasoning_content"):
        found.append(blocks.ReasoningContentBlock(type="reasoning", reasoning=thought, index="lc_rs_0"))
    if chunk.content:
        found.append(blocks.TextContentBlock(type="text", text=chunk.content, index="lc_txt_0"))
    return [*found, *map(_block_of_call, chunk.tool_call_chunks)]


def _block_of_call(call: ToolCallChunk) -> blocks.ToolCallChunk:
    index = f"lc_tcc_{call['index'] or 0}"
    return blocks.ToolCallChunk(
        type="tool_call_chunk", id=call["id"], name=call["name"], args=call["args"], index=index
    )


register_translator(_OURS["model_provider"], _blocks_of, _blocks_of_chunk)
