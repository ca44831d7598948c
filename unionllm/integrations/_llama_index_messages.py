"""LlamaIndex's messages → ours, and our answers → LlamaIndex's. Nothing of the caller's is changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from ..exceptions import BadRequestError
from ..schema import Message, ModelResponse, ModelResponseChunk, ToolCall, Usage
from ._parts import audio_part, details_of, file_part, media_part, text_part

#: LlamaIndex's roles that have another name here.
_ROLES = {MessageRole.CHATBOT: "assistant", MessageRole.MODEL: "assistant"}

Block: TypeAlias = TextBlock | ThinkingBlock | ToolCallBlock


def to_dicts(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as ``unionchat`` takes them.

    Raises:
        BadRequestError: a block is of a kind that no model is sent.
    """
    return [_to_dict(message) for message in messages]


def _to_dict(message: ChatMessage) -> dict[str, Any]:
    role = _ROLES.get(message.role, message.role.value)
    parts = [part for block in message.blocks if (part := _to_part(block)) is not None]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    said: dict[str, Any] = {"role": role, "content": "\n".join(texts) if len(texts) == len(parts) else parts}
    more = message.additional_kwargs
    named = {name: more[name] for name in ("name", "tool_call_id") if more.get(name)}
    return {**said, **named, **(_answer(message, said["content"]) if role == "assistant" else {})}


def _answer(message: ChatMessage, content: Any) -> dict[str, Any]:
    """Of an earlier answer: its calls and, for vendors that want it back, its reasoning."""
    calls: list[Any] = [_call(block) for block in message.blocks if isinstance(block, ToolCallBlock)]
    calls = calls or list(message.additional_kwargs.get("tool_calls") or ())
    thought = "".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock))
    said: dict[str, Any] = {"tool_calls": calls, "content": content or None} if calls else {}
    return {**said, "reasoning_content": thought} if thought else said


def _call(block: ToolCallBlock) -> dict[str, Any]:
    given = block.tool_kwargs
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {
        "id": block.tool_call_id,
        "type": "function",
        "function": {"name": block.tool_name, "arguments": arguments or "{}"},
    }


def _to_part(block: Any) -> dict[str, Any] | None:
    if isinstance(block, TextBlock):
        return text_part(block.text)
    if isinstance(block, ImageBlock):
        return media_part("image_url", _address(block), **({"detail": block.detail} if block.detail else {}))
    if isinstance(block, VideoBlock):
        return media_part("video_url", _address(block))
    if isinstance(block, AudioBlock):
        data = str(block.url) if block.url else block.inline_url().partition(",")[2]
        return audio_part(data, block.format or "wav")
    if isinstance(block, DocumentBlock):
        return file_part(_address(block), block.title)
    if isinstance(block, (ThinkingBlock, ToolCallBlock)):
        return None
    raise BadRequestError(f"a {type(block).__name__} cannot be sent to a model. Turn it into a TextBlock.")


def _address(block: ImageBlock | VideoBlock | DocumentBlock) -> str:
    """Where it lies on the web, as it was given; else its content, as a data URL."""
    return str(block.url) if block.url else block.inline_url()


def to_response(response: ModelResponse) -> ChatResponse:
    """A whole answer; ``raw`` is ours."""
    message = response.choices[0].message if response.choices else Message()
    return ChatResponse(
        message=_message(message.content or "", message.reasoning_content or "", message.tool_calls or ()),
        raw=response,
        additional_kwargs=to_counts(response.usage),
    )


def _message(text: str, thought: str, calls: Iterable[ToolCall]) -> ChatMessage:
    called = [_called(call) for call in calls]
    # LlamaIndex's reader of streamed objects looks for calls there, and then asks the model for them.
    told = {"tool_calls": [_call(block) for block in called]} if called else {}
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=_blocks(text, thought, called), additional_kwargs=told)


def _blocks(text: str, thought: str, called: Sequence[ToolCallBlock]) -> list[Block]:
    thoughts: list[Block] = [ThinkingBlock(content=thought)] if thought else []
    # An answer without a word keeps an empty text, as its readers expect one.
    texts: list[Block] = [TextBlock(text=text)] if text or not called else []
    return [*thoughts, *texts, *called]


def only_first_call(message: ChatMessage) -> ChatMessage:
    """The answer without its other calls of tools."""
    others = [block for block in message.blocks if isinstance(block, ToolCallBlock)][1:]
    if not others:
        return message
    kept = [block for block in message.blocks if not any(block is other for other in others)]
    told = {**message.additional_kwargs, "tool_calls": list(message.additional_kwargs.get("tool_calls") or ())[:1]}
    return ChatMessage(role=message.role, blocks=kept, additional_kwargs=told)


def _called(call: ToolCall) -> ToolCallBlock:
    text = call.function.arguments or "{}"
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = text  # while it streams, or for good: whoever runs the tool is told
    arguments = arguments if isinstance(arguments, dict) else text
    return ToolCallBlock(tool_call_id=call.id, tool_name=call.function.name or "", tool_kwargs=arguments)


def to_counts(usage: Usage | None) -> dict[str, int]:
    """The tokens under OpenAI's names, where LlamaIndex's counters look for them; what is unknown is left out."""
    if usage is None:
        return {}
    cached, reasoning = details_of(usage)
    counted = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": cached,
        "reasoning_tokens": reasoning,
    }
    return {name: value for name, value in counted.items() if value is not None}


class Growing:
    """A streamed answer as far as it has come: LlamaIndex wants all of it with every piece."""

    def __init__(self) -> None:
        self._text = ""
        self._thought = ""
        self._calls: dict[int, ToolCall] = {}

    def add(self, chunk: ModelResponseChunk) -> ChatResponse:
        """The answer with this chunk; ``delta`` is its text."""
        delta = thought = ""
        for choice in chunk.choices:
            if choice.index != 0:
                continue
            delta += choice.delta.content or ""
            thought += choice.delta.reasoning_content or ""
            for piece in choice.delta.tool_calls or ():
                self._add_call(piece)
        self._text += delta
        self._thought += thought
        return ChatResponse(
            message=_message(self._text, self._thought, self._calls.values()),
            delta=delta,
            raw=chunk,
            additional_kwargs={**to_counts(chunk.usage), **({"thinking_delta": thought} if thought else {})},
        )

    def _add_call(self, piece: ToolCall) -> None:
        known = self._calls.setdefault(piece.index or 0, ToolCall())
        known.id = known.id or piece.id
        known.function.name = known.function.name or piece.function.name
        known.function.arguments = (known.function.arguments or "") + (piece.function.arguments or "")
