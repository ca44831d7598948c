"""A model in this process, without key or network: llama.cpp behind its own OpenAI-compatible server on loopback.

The default model is SmolLM2-135M-Instruct; ``model="/path/to/any.gguf"`` takes another file. Server reference:
https://github.com/ggml-org/llama.cpp/tree/master/tools/server (read 2026-11-23).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._log import logger
from .._protocols import means
from .._protocols.base import Credential, ErrorFacts, Region
from .._protocols.json_http import parse_json
from .._protocols.openai_compatible import OpenAICompatible, OpenAISpec, refuse_changes
from .._protocols.openai_messages import refuse_part, take_part
from .._protocols.parameters import Drop, Only, Rename, adaptation
from .._secrets import Secret
from .._wire import Flow, HttpRequest, Perform

if TYPE_CHECKING:
    from .._llamacpp import LocalServer
    from .._request import ChatRequest
    from ..schema import ModelResponse

__all__ = ["adapter", "serve"]

#: Stands for "the server in this process", whose port is known only once it runs.
_IN_PROCESS = "http://127.0.0.1/v1"

#: Parameters that mean nothing to a model which cannot be shown tools.
_OF_TOOLS = ("tools", "tool_choice", "parallel_tool_calls")


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
    """Adds starting the server before the call, and leaving out tools where the model's template has no place."""

    def part_rule(self, chat: ChatRequest) -> Any:
        """The server in this process is never given the projector file (mmproj) that a model needs to see or hear."""
        return refuse_part if chat.base_url == _IN_PROCESS else take_part

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """See ``Adapter``."""
        if chat.base_url == _IN_PROCESS:
            server: LocalServer = yield Perform(call=lambda: serve(chat.model))
            chat = chat.changed(base_url=server.base_url, credentials={"api_key": Secret(server.api_key)})
        given = [name for name in _OF_TOOLS if name in chat.params]
        if not given or chat.param_policy == "raw" or (yield from self._may_take_tools(chat)):
            return chat
        reason = "this model's chat template has no place for tools"
        changes = [adaptation(name, "dropped", chat.params[name], None, reason) for name in given]
        if chat.param_policy == "strict":
            refuse_changes(self.spec, changes)
        logger.info("local: %s dropped (%s)", ", ".join(given), reason)
        params = {name: value for name, value in chat.params.items() if name not in given}
        return chat.changed(params=params, adaptations=(*chat.adaptations, *changes))

    def _may_take_tools(self, chat: ChatRequest) -> Flow[bool]:
        """False only if the server says that it would leave tools out of the prompt, which it does without a word."""
        url = f"{chat.base_url.removesuffix('/v1')}/props"
        reply = yield HttpRequest(method="GET", url=url, headers=self.headers(chat), secrets=chat.secrets)
        props = parse_json(reply.content) if reply.status == 200 else None
        abilities = props.get("chat_template_caps") if isinstance(props, dict) else None
        return not isinstance(abilities, dict) or abilities.get("supports_tools") is not False

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """Streamed and joined: only a streaming server notices that its client has left, and stops."""
        return self.complete_by_stream(chat)


#: Read by llama.cpp's server and then not used (seen with xllamacpp 2026.10).
_UNUSED = (
    *("audio", "best_of", "function_call", "functions", "metadata", "modalities", "prediction", "prompt_cache_key"),
    *("safety_identifier", "service_tier", "store", "user", "verbosity", "web_search_options"),
)

adapter = Local(
    OpenAISpec(
        name="local",
        title="llama.cpp in this process",
        regions=(Region(name="local", base_url=_IN_PROCESS),),
        # For a server at base_url=; the one in this process makes its own key.
        credentials=(Credential(required=False),),
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        default_model="SmolLM2-135M-Instruct",
        rules=(
            Rename("max_completion_tokens", "max_tokens"),
            Only(
                name="tool_choice",
                values=("auto", "none", "required"),
                instead="required",
                reason="the server cannot be told which tool to call",
            ),
            Drop(names=_UNUSED, reason="the server has no use for it"),
        ),
        errors=ErrorFacts(
            codes=means.codes({means.CONTEXT: "exceed_context_size_error", means.OVERLOADED: "unavailable_error"}),
            # Said with status 500, as if trying again could help.
            texts=(("input is not supported", means.BAD_REQUEST),),
        ),
    )
)
