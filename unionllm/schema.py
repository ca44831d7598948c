"""What the user gets: OpenAI's chat completion shape, whole or in chunks.

Every object offers attribute access and dict-style access (``["…"]``, ``.get``, ``in``) at every level, keeps vendor
fields it does not know, and has every field of the schema at all times: ``None`` when the vendor did not say. ``in``
tells whether a field has a value.

Follows https://platform.openai.com/docs/api-reference/chat/object (read 2026-11-23); agent platforms' fields are ours.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ._object import OpenAIObject

if TYPE_CHECKING:
    from .cost import Cost

__all__ = [
    "Adaptation",
    "ChatCompletionMessageToolCall",
    "Choices",
    "Context",
    "Delta",
    "Embedding",
    "EmbeddingResponse",
    "Function",
    "Message",
    "ModelResponse",
    "ModelResponseChunk",
    "OpenAIObject",
    "Step",
    "StreamingChoices",
    "ToolCall",
    "Usage",
]


def new_id() -> str:
    """A fresh completion id, for vendors that send none."""
    return f"chatcmpl-{uuid.uuid4()}"


class Function(OpenAIObject):
    """Name and arguments of a called function; ``arguments`` is always JSON text."""

    name: str | None = None
    arguments: str | None = None

    _shown = ("arguments", "name")


class ToolCall(OpenAIObject):
    """A tool that the model wants the caller to run. ``index`` is set on stream pieces only."""

    id: str | None = None
    function: Function = Field(default_factory=Function)
    type: str | None = "function"
    index: int | None = None

    _shown = ("id", "function", "type")
    _shown_when_set = ("index",)
    _dumped_when_set = frozenset({"index"})


ChatCompletionMessageToolCall = ToolCall


class Message(OpenAIObject):
    """The assistant's message. Hand it back in ``messages`` as it is to continue the conversation."""

    content: str | None = None
    role: str | None = "assistant"
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    audio: Any = None

    _shown = ("content", "role")
    _shown_when_set = ("*",)
    _dumped_when_set = frozenset({"function_call", "reasoning_content", "refusal", "annotations", "audio"})


class Delta(OpenAIObject):
    """What one chunk adds to the message."""

    content: str | None = None
    role: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    reasoning_content: str | None = None

    _shown = ("content", "role")
    _shown_when_set = ("*",)
    _dumped_when_set = frozenset({"function_call", "reasoning_content"})


class Choices(OpenAIObject):
    """One answer. ``provider_finish_reason`` keeps the vendor's own word."""

    finish_reason: str | None = None
    index: int = 0
    message: Message = Field(default_factory=Message)
    logprobs: Any = None
    provider_finish_reason: str | None = None

    _shown = ("finish_reason", "index", "message")
    _dumped_when_set = frozenset({"logprobs", "provider_finish_reason"})


class StreamingChoices(OpenAIObject):
    """What one chunk adds to one answer."""

    finish_reason: str | None = None
    index: int = 0
    delta: Delta = Field(default_factory=Delta)
    logprobs: Any = None
    provider_finish_reason: str | None = None

    _shown = ("finish_reason", "index", "delta")
    _dumped_when_set = frozenset({"logprobs", "provider_finish_reason"})


class PromptTokensDetails(OpenAIObject):
    """Where the prompt tokens come from."""

    cached_tokens: int | None = None

    _shown = ("cached_tokens",)


class CompletionTokensDetails(OpenAIObject):
    """What the completion tokens were spent on."""

    reasoning_tokens: int | None = None

    _shown = ("reasoning_tokens",)


class Usage(OpenAIObject):
    """Tokens as the vendor counted them; None where it did not say, never an invented 0."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
    #: What the call cost by the platform's own count, as it was received, and in what.
    total_cost: Any = None
    cost_unit: str | None = None

    _shown = ("prompt_tokens", "completion_tokens", "total_tokens")
    _shown_when_set = ("total_cost", "cost_unit")
    _dumped_when_set = frozenset({"prompt_tokens_details", "completion_tokens_details", "total_cost", "cost_unit"})


class Context(OpenAIObject):
    """A passage that an agent platform, or a search, retrieved for the answer.

    ``id`` is the number that the platform shows to readers, else its own id of the passage, else 1, 2, 3 in the order
    of arrival. ``score`` is the one that the passages were ranked by; None where the platform does not tell.
    """

    id: str | int | None = None
    content: str | None = None
    score: float | None = None
    document_id: str | None = None
    document_name: str | None = None
    dataset_id: str | None = None
    dataset_name: str | None = None
    segment_id: str | None = None
    url: str | None = None
    position: int | None = None

    _shown = ("id", "content", "score")
    _shown_when_set = ("*",)
    _dumped_when_set = frozenset(
        {"document_id", "document_name", "dataset_id", "dataset_name", "segment_id", "url", "position"}
    )


class Step(OpenAIObject):
    """Something that an agent platform did on its own side on the way to the answer.

    Never to be run by the caller: what the caller has to run stands in ``tool_calls``. ``type`` is one of thought,
    tool, node, retrieval, plugin; ``input`` and ``output`` are decoded where they are JSON, else text; ``elapsed`` is
    in seconds. A step that is told of again, under the same ``id``, takes the place of what was told before.
    """

    type: str | None = None
    name: str | None = None
    input: Any = None
    output: Any = None
    status: str | None = None
    id: str | None = None
    elapsed: float | None = None

    _shown = ("type", "name")
    _shown_when_set = ("*",)
    _dumped_when_set = frozenset({"input", "output", "status", "id", "elapsed"})


class Adaptation(OpenAIObject):
    """One change made to a request because the vendor is known to refuse it as given.

    ``action`` is one of renamed, dropped, clamped, replaced, added.
    """

    parameter: str
    action: str
    given: Any = None
    sent: Any = None
    reason: str | None = None

    _shown = ("parameter", "action", "given", "sent", "reason")


class _Completion(OpenAIObject):
    """Fields that a whole answer and a chunk share, apart from ``choices``, which goes second in ``repr``.

    Those from ``conversation_id`` to ``interactive`` are filled by agent platforms: the ids on every chunk once they
    are known, ``steps`` on the chunk in which one changes, the rest on the last chunk. ``suggestions`` are questions
    that the user may ask next, ``outputs`` what a workflow ended with, ``interactive`` what it waits for.
    """

    id: str = Field(default_factory=new_id)
    created: int = Field(default_factory=lambda: int(time.time()))
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    chat_id: str | None = None
    task_id: str | None = None
    workflow_run_id: str | None = None
    context: list[Context] | None = None
    suggestions: list[str] | None = None
    steps: list[Step] | None = None
    outputs: dict[str, Any] | None = None
    interactive: dict[str, Any] | None = None
    parsed: Any = Field(default=None)
    adaptations: list[Adaptation] | None = None
    provider: str | None = None
    request_id: str | None = None

    _shown = ("id", "choices", "created", "model", "object", "system_fingerprint", "usage")
    _shown_when_set = ("conversation_id", "context")
    _dumped_when_set = frozenset(
        {
            *("conversation_id", "message_id", "chat_id", "task_id", "workflow_run_id"),
            *("context", "suggestions", "steps", "outputs", "interactive"),
            *("parsed", "adaptations", "provider", "request_id"),
        }
    )


class ModelResponse(_Completion):
    """A whole answer (``object='chat.completion'``)."""

    object: str = "chat.completion"
    choices: list[Choices] = Field(default_factory=list)

    @property
    def cost(self) -> Cost | None:
        """What the answer cost, in the vendor's currency; None when it is not known for sure, and on chunks."""
        basis = self.__dict__.get("_basis")
        return None if basis is None else basis.cost(self)


class ModelResponseChunk(ModelResponse):
    """One piece of a streamed answer; a ModelResponse too, because 0.x streams yielded those."""

    object: str = "chat.completion.chunk"
    choices: list[StreamingChoices] = Field(default_factory=list)  # type: ignore[assignment]  # see the docstring


class Embedding(OpenAIObject):
    """One vector; ``index`` is the place of its text in the input."""

    object: str = "embedding"
    index: int
    embedding: list[float]

    _shown = ("index",)


class EmbeddingResponse(OpenAIObject):
    """Vectors for texts, in their order. ``usage`` adds up all requests that were made."""

    object: str = "list"
    model: str | None = None
    #: Always filled in an answer; None in an object that somebody makes empty, as in 0.x.
    data: list[Embedding] = None  # type: ignore[assignment]
    usage: Usage | None = None
    provider: str | None = None
    request_id: str | None = None
    adaptations: list[Adaptation] | None = None

    _shown = ("model", "data", "usage")
    _dumped_when_set = frozenset({"provider", "request_id", "adaptations"})
