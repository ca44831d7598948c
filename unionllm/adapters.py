"""What authors of a provider build on: the contract of an adapter, the OpenAI dialect, and the facts of a vendor.

An adapter is offered to users through the entry-point group ``unionllm.providers``; see docs/adding-a-provider.md.
These names stay where they are within a minor version; everything in a module with a leading underscore may move.
"""

from __future__ import annotations

from ._framing import Event
from ._protocols.base import Adapter, Credential, EmbeddingFacts, ErrorFacts, ErrorRule, ProviderSpec, Region, frozen
from ._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from ._protocols.openai_messages import MessageFacts
from ._protocols.parameters import (
    AtMost,
    Clamp,
    Drop,
    Length,
    NoneMeansNoTools,
    Only,
    Rename,
    Rule,
    Thinking,
    adaptation,
)
from ._request import ChatRequest
from ._secrets import Headers
from ._wire import ChunkParser, Flow, HttpReply, HttpRequest, OpenStream, Perform, Wait, WebSocketRequest

__all__ = [
    "Adapter",
    "AtMost",
    "ChatRequest",
    "ChunkParser",
    "Clamp",
    "Credential",
    "Drop",
    "EmbeddingFacts",
    "ErrorFacts",
    "ErrorRule",
    "Event",
    "Flow",
    "Headers",
    "HttpReply",
    "HttpRequest",
    "Length",
    "MessageFacts",
    "NoneMeansNoTools",
    "Only",
    "OpenAICompatible",
    "OpenAISpec",
    "OpenStream",
    "Perform",
    "ProviderSpec",
    "Region",
    "Rename",
    "Rule",
    "Thinking",
    "Wait",
    "WebSocketRequest",
    "adaptation",
    "frozen",
]
