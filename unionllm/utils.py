"""The module where 0.x kept its response classes and helpers; re-exported for programs that import them from here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from .schema import (
    ChatCompletionMessageToolCall,
    Choices,
    Context,
    Delta,
    EmbeddingResponse,
    Function,
    Message,
    ModelResponse,
    OpenAIObject,
    StreamingChoices,
    ToolCall,
    Usage,
    new_id,
)

__all__ = [
    "ChatCompletionMessageToolCall",
    "Choices",
    "Context",
    "Delta",
    "EmbeddingResponse",
    "Function",
    "Message",
    "ModelResponse",
    "OpenAIObject",
    "StreamingChoices",
    "ToolCall",
    "Usage",
    "check_audio_input_support",
    "check_file_input_support",
    "check_object_input_support",
    "check_video_input_support",
    "check_vision_input_support",
    "generate_unique_uid",
    "map_finish_reason",
    "reformat_object_content",
]


def _generate_id() -> str:  # pyright: ignore[reportUnusedFunction]  # a name of 0.x
    """A fresh completion id."""
    return new_id()


def generate_unique_uid() -> str:
    """A fresh random id, 36 characters."""
    return str(uuid.uuid4())


def map_finish_reason(finish_reason: str | None) -> str | None:
    """OpenAI's word for a vendor's finish reason; the same word when there is no other."""
    from ._protocols.openai_compatible import FINISH_REASONS

    return FINISH_REASONS.get(finish_reason or "", finish_reason)


def reformat_object_content(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copies of the messages, with lists that hold only text joined into one string."""
    from ._protocols.openai_messages import join_text_parts

    return [{**message, "content": join_text_parts(message.get("content"))} for message in messages]


def check_object_input_support(*_: Any, **__: Any) -> bool:
    """True: whether a model takes lists of parts is decided by the vendor's adapter when the call is made."""
    return True


check_vision_input_support = check_object_input_support
check_video_input_support = check_object_input_support
check_audio_input_support = check_object_input_support
check_file_input_support = check_object_input_support
