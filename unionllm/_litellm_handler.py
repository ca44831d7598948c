"""What LiteLLM calls for ``unionllm/<provider>/<model>``: its arguments → a call of ours → its own objects and errors.

Imported by ``litellm_plugin`` once LiteLLM is loaded. LiteLLM gives a handler everything by keyword; what a handler
returns or raises reaches LiteLLM's caller as it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from litellm import CustomLLM

from . import _registry
from ._arguments import arguments
from ._calling import Call, shared_transports
from ._litellm_answers import Splitter, to_litellm
from ._litellm_refusals import to_refusal
from ._routes import unknown_provider
from .exceptions import UnionLLMError

#: Keywords that LiteLLM takes for Azure's, and keeps among its own.
_KEPT_APART = ("client_id", "client_secret")
#: What is LiteLLM's to decide, or is told in another way.
_NOT_OURS = frozenset(
    {
        *("api_base", "api_key", "custom_llm_provider", "fallbacks", "http_client", "max_retries", "messages", "model"),
        *("provider", "stream", "stream_options", "timeout"),
    }
)
#: Fields of LiteLLM's messages that no vendor knows.
_NOT_SAID = frozenset({"images", "provider_specific_fields", "reasoning_items", "thinking_blocks"})
#: Seconds to connect in, at most: LiteLLM's one number means the wait for the answer.
_CONNECT = 10.0


class Handler(CustomLLM):  # type: ignore[misc]  # LiteLLM is not type-checked
    """Answers LiteLLM's calls through the native providers. Holds nothing; one serves all calls."""

    def completion(self, *args: Any, **given: Any) -> Any:
        """The whole answer."""
        call = _call(given, stream=False)
        try:
            return to_litellm(call.run(shared_transports()))
        except UnionLLMError as error:
            raise to_refusal(error, given["model"]) from None

    async def acompletion(self, *args: Any, **given: Any) -> Any:
        """The whole answer, in the running event loop."""
        call = _call(given, stream=False)
        try:
            return to_litellm(await call.arun(shared_transports()))
        except UnionLLMError as error:
            raise to_refusal(error, given["model"]) from None

    def streaming(self, *args: Any, **given: Any) -> Iterator[Any]:
        """The chunks. A refused call raises here, not at the first of them."""
        call = _call(given, stream=True)
        try:
            stream = call.run(shared_transports())
        except UnionLLMError as error:
            raise to_refusal(error, given["model"]) from None
        return _chunks(stream, given["model"])

    async def astreaming(self, *args: Any, **given: Any) -> AsyncIterator[Any]:
        """The chunks. LiteLLM does not wait for this: a refused call raises at the first of them."""
        call = _call(given, stream=True)
        splitter = Splitter(given["model"])
        try:
            async with await call.arun(shared_transports()) as stream:
                async for chunk in stream:
                    for piece in splitter.feed(chunk):
                        yield piece
        except UnionLLMError as error:
            raise to_refusal(error, given["model"]) from None
        for piece in splitter.end():
            yield piece


def _chunks(stream: Any, model: str) -> Iterator[Any]:
    splitter = Splitter(model)
    try:
        with stream:
            for chunk in stream:
                yield from splitter.feed(chunk)
    except UnionLLMError as error:
        raise to_refusal(error, model) from None
    yield from splitter.end()


def _call(given: Mapping[str, Any], *, stream: bool) -> Call:
    """The call that LiteLLM asks for. Raises its errors."""
    provider, _, model = str(given["model"]).partition("/")
    try:
        if _registry.find(provider) is None:
            # Never to LiteLLM, from where it came.
            raise unknown_provider(provider, [])
        params = _params(given)
        messages = [_message(message) for message in given["messages"] or ()]
        return Call(arguments(model or None, messages, provider, stream, params))
    except UnionLLMError as error:
        raise to_refusal(error, given["model"]) from None


def _params(given: Mapping[str, Any]) -> dict[str, Any]:
    known = given.get("litellm_params") or {}
    details = getattr(given.get("logging_obj"), "model_call_details", None) or {}
    told = {name: value for name, value in (given.get("optional_params") or {}).items() if name not in _NOT_OURS}
    return {
        **{name: known[name] for name in _KEPT_APART if known.get(name)},
        # LiteLLM keeps it for its own books.
        "user": details.get("user"),
        **told,
        "api_key": given.get("api_key"),
        "base_url": given.get("api_base"),
        "extra_headers": dict(given.get("headers") or {}) or None,
        "timeout": _timeout(given.get("timeout")),
        "max_retries": 0,
    }


def _timeout(given: Any) -> Any:
    if isinstance(given, (int, float)) and not isinstance(given, bool) and given > 0:
        return {"connect": min(given, _CONNECT), "first_token": given, "idle": given}
    return given


def _message(message: Any) -> Any:
    """A message without what only LiteLLM's own answers have."""
    if hasattr(message, "model_dump"):
        message = message.model_dump(exclude_none=True)
    if not isinstance(message, Mapping):
        return message
    return {name: value for name, value in message.items() if name not in _NOT_SAID}
