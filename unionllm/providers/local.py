"""A model in this process, without key or network: llama.cpp behind its own OpenAI-compatible server on loopback.

The default model is SmolLM2-135M-Instruct; ``model="/path/to/any.gguf"`` takes another file. Server reference:
https://github.com/ggml-org/llama.cpp/tree/master/tools/server (read 2026-11-23).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._protocols.base import ErrorFacts, ErrorRule, Region, frozen
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec
from .._protocols.parameters import Drop, Rename
from .._wire import Flow, HttpRequest, Perform, Secret
from ..exceptions import ContextWindowExceededError, ServiceUnavailableError

if TYPE_CHECKING:
    from .._llamacpp import LocalServer
    from .._request import ChatRequest
    from ..schema import ModelResponse

__all__ = ["adapter", "serve"]

#: Stands for "the server in this process", whose port is known only once it runs.
_IN_PROCESS = "http://127.0.0.1/v1"


def serve(model: str | None = None) -> LocalServer:
    """The server in this process for a model file, started if need be; to point other clients at it.

    Args:
        model: path of a GGUF file; None for the default model.

    Returns:
        ``base_url`` (ends in ``/v1``) and ``api_key`` of the server.

    Raises:
        ProviderError: the extra or the default model is not installed; the message gives the command.
        NotFoundError: no such file.
        BadRequestError: the file is no model.
    """
    from .._llamacpp import serve as start

    return start(model)


class Local(OpenAICompatible):
    """Adds starting the server before the first call."""

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        return (yield from super().complete((yield from self._located(chat))))

    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest]:
        """See ``Adapter``."""
        return (yield from super().open_stream((yield from self._located(chat))))

    def _located(self, chat: ChatRequest) -> Flow[ChatRequest]:
        if chat.base_url != _IN_PROCESS:
            return chat
        server: LocalServer = yield Perform(call=lambda: serve(chat.model))
        return replace(chat, base_url=server.base_url, credentials={"api_key": Secret(server.api_key)})


adapter = Local(
    OpenAISpec(
        name="local",
        title="llama.cpp in this process",
        regions=(Region(name="local", base_url=_IN_PROCESS),),
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        default_model="SmolLM2-135M-Instruct",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Drop(names=("user", "store", "service_tier", "best_of"), reason="the server has no use for it"),
        ),
        errors=ErrorFacts(
            codes=frozen(
                {
                    "exceed_context_size_error": ErrorRule(cls=ContextWindowExceededError),
                    "unavailable_error": ErrorRule(cls=ServiceUnavailableError),
                }
            ),
        ),
    )
)
