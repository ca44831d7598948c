"""The bridge to LiteLLM, for every provider without an adapter of our own. The only file that names the package.

LiteLLM is imported when a call needs it, with its downloads and its ``.env`` reading switched off, and nothing is set
on it that another user of it could notice. A call is a route (``_litellm_route``: where it goes, and whether that is
safe), LiteLLM's own work, and its results in our terms (``_litellm_results``, ``_litellm_streams``,
``_litellm_errors``).

Follows https://docs.litellm.ai/docs/ and measurements with LiteLLM 1.105.3 (2026-11-23).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import importlib.metadata
import logging
import os
import sys
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ._litellm_codes import GONE, Adjusted, adjust
from ._litellm_route import ALSO_COMPATIBLE, Route, check_request
from ._litellm_streams import AsyncSource, OneChunk, QuietInOurCalls, Source, call_once, call_once_async
from ._wire import Perform
from .exceptions import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ._litellm_results import Sent
    from ._request import ChatRequest
    from ._timeouts import Deadline
    from ._wire import Flow
    from .schema import ModelResponse

_INSTALL = "Run: pip install 'litellm>=1.105,!=1.106.*'"
_IMPORTING = threading.Lock()
#: Seconds given to LiteLLM for "no limit": its own None means 600.
_NO_LIMIT = 86400.0
_QUIET = QuietInOurCalls()
#: LiteLLM, once it has been imported as a whole and settled.
_loaded: Any = None


def knows(provider: str) -> bool:
    """Whether LiteLLM can route to that provider. Imports LiteLLM; case does not matter.

    Raises:
        ProviderError: LiteLLM is not installed, or in a version that must not be used.
    """
    return provider.lower() in _codes(_load())


def provider_names() -> list[str]:
    """All provider codes of LiteLLM's, sorted; for "did you mean"."""
    return sorted(_codes(_load()))


def split_model(model: str) -> tuple[str, str] | None:
    """``"a/b"`` → ``("a", "b")`` when LiteLLM knows a provider ``a`` (in lower case), else None."""
    provider, slash, rest = model.partition("/")
    return (provider.lower(), rest) if slash and rest and knows(provider) else None


def _load() -> Any:
    """LiteLLM, imported politely: no download, no ``.env``, nothing left behind in the environment."""
    global _loaded  # noqa: PLW0603  # asked for in every call, where all that follows takes a part of our time
    if _loaded is None or sys.modules.get("litellm") is not _loaded:
        _check_version()
        with _IMPORTING:
            _loaded = _import()
    return _loaded


@functools.cache
def _check_version() -> None:
    """Refuse bad versions before a line of theirs runs. Reading the version takes longer than the rest of a call."""
    try:
        version = importlib.metadata.version("litellm")
    except importlib.metadata.PackageNotFoundError:
        raise ProviderError(f"This provider is reached through LiteLLM, which is not installed. {_INSTALL}") from None
    if version in ("1.82.7", "1.82.8"):
        raise ProviderError(f"LiteLLM {version} is a poisoned upload that steals credentials: remove it. {_INSTALL}")
    if version.startswith("1.106."):
        raise ProviderError(f"LiteLLM {version} cannot call tools (it lacks a dependency of its own). {_INSTALL}")


def _import() -> Any:
    if (loaded := sys.modules.get("litellm")) is not None and hasattr(loaded, "acompletion"):
        return _settle(loaded)
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    ours = [name for name in quiet if name not in os.environ]
    os.environ.update({name: quiet[name] for name in ours})
    try:
        module: Any = importlib.import_module("litellm")
    finally:
        for name in ours:
            os.environ.pop(name, None)
    if "LITELLM_LOG" not in os.environ:
        module.suppress_debug_info = True  # else it prints advice to standard output with every error
    _load_tokenizers()
    return _settle(module)


def _settle(module: Any) -> Any:
    if getattr(module, "disable_hf_tokenizer_download", False) is None:
        # A stream of a Llama model would wait for huggingface.co, for minutes behind a firewall.
        module.disable_hf_tokenizer_download = True
    if "LITELLM_LOG" not in os.environ:
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).addFilter(_QUIET)
    return module


def _load_tokenizers() -> None:
    """Have LiteLLM read its bundled tokenizers now: doing so later, it overwrites TIKTOKEN_CACHE_DIR for good."""
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    try:
        importlib.import_module("litellm.litellm_core_utils.default_encoding")
        # With the variable gone, the second encoding would be downloaded when it is first needed.
        url = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
        name = hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        bundled = os.path.join(os.environ.get("TIKTOKEN_CACHE_DIR", ""), name)
        if os.path.exists(bundled):
            importlib.import_module("tiktoken").get_encoding("o200k_base")
    except (ImportError, OSError, ValueError):
        return  # another arrangement of LiteLLM's files: calls work without this
    finally:
        os.environ.pop("TIKTOKEN_CACHE_DIR", None)
        if before is not None:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


class _Codes:
    """The codes that stand in a list of LiteLLM's, with further ones.

    The program may add to the list, or to its own providers, at any time; and to make the set anew costs more than the
    rest of our way. So it is kept while the list is the same object, no shorter or longer, and the providers the same.

    Args:
        own: codes that stand in neither.
    """

    def __init__(self, *own: str) -> None:
        self._own = own
        self._kept: tuple[list[Any], int, list[Any], frozenset[str]] | None = None

    def of(self, listed: list[Any], customs: list[Any]) -> frozenset[str]:
        """All of them, the configured ones included.

        Args:
            listed: LiteLLM's list.
            customs: as in ``litellm.custom_provider_map``.
        """
        own = [entry["provider"] for entry in customs] if customs else []
        kept = self._kept  # read once: another thread may put its own in place
        if kept is not None and kept[0] is listed and kept[1] == len(listed) and kept[2] == own:
            return kept[3]
        named = (str(getattr(code, "value", code)) for code in listed)
        codes = frozenset((*named, *map(str, own), *self._own, *_configured()))
        self._kept = (listed, len(listed), own, codes)
        return codes


_known, _compatible = _Codes(*GONE), _Codes(*ALSO_COMPATIBLE)
_NO_CUSTOMS: list[Any] = []


def _codes(litellm: Any) -> frozenset[str]:
    return _known.of(litellm.provider_list, litellm.custom_provider_map)


@functools.cache
def _configured() -> dict[str, str]:
    """Providers that LiteLLM has as rows of a JSON file, with their key's variable; not all stand in its list."""
    try:
        loader = importlib.import_module("litellm.llms.openai_like.json_loader")
    except ImportError:  # older than that file
        return {}
    rows = loader.JSONProviderRegistry
    return {code: str(rows.get(code).api_key_env) for code in rows.list_providers()}


class LiteLLMBackend:
    """Answers calls through ``litellm.completion`` and ``litellm.acompletion``.

    Args:
        keeps: whether it is asked only calls that differ in their messages alone, so that where they go may have to be
            found out only once. Without it, one serves all calls.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self._keeps = keeps
        self._route: Route | None = None

    def answer(self, chat: ChatRequest, deadline: Deadline) -> Flow[ModelResponse]:
        """The whole answer.

        Raises:
            ProviderError: LiteLLM cannot be used, or does not know the provider.
            BadRequestError: no model, no host for a self-hosted provider, or a name that LiteLLM would misroute.
            AuthenticationError: no key.
            APIError: the call failed; ``original`` is the name of LiteLLM's class.
        """
        check_request(chat)

        def call() -> ModelResponse:
            plan = self._plan(chat, deadline, is_stream=False)
            return call_once(_completion(plan.litellm), plan.arguments, plan.sent)

        async def acall() -> ModelResponse:
            plan = await self._aplan(chat, deadline, is_stream=False)
            return await call_once_async(plan.litellm.acompletion, plan.arguments, plan.sent)

        response: ModelResponse = yield Perform(call=call, acall=acall)
        return response

    def stream(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:
        """An opened stream of chunks, the first one received. Raises what ``answer`` raises."""
        check_request(chat)

        def call() -> OneChunk | Source:
            plan = self._plan(chat, deadline, is_stream=True)
            completion = _completion(plan.litellm)
            if plan.in_one_piece:
                return OneChunk(call_once(completion, plan.arguments, plan.sent))
            return Source.open(completion, plan.arguments, plan.sent, deadline)

        async def acall() -> OneChunk | AsyncSource:
            plan = await self._aplan(chat, deadline, is_stream=True)
            completion = plan.litellm.acompletion
            if plan.in_one_piece:
                return await OneChunk.aopen(completion, plan.arguments, plan.sent)
            return await AsyncSource.open(completion, plan.arguments, plan.sent, deadline)

        return (yield Perform(call=call, acall=acall))

    def _plan(self, chat: ChatRequest, deadline: Deadline, *, is_stream: bool) -> _Plan:
        """``make_plan``, with what is known of single codes."""
        if (kept := self._kept_route()) is not None:
            return _plan_on(kept, chat, deadline, is_stream=is_stream)
        adjusted = adjust(chat, os.environ, is_stream=is_stream, templates=_templates)
        if adjusted is None:
            route = _find_route(_load(), chat)
            self._route = route if self._keeps else None
            return _plan_on(route, chat, deadline, is_stream=is_stream)
        plan = make_plan(adjusted.chat, deadline, is_stream=is_stream and not adjusted.in_one_piece)
        arguments = {name: value for name, value in plan.arguments.items() if name not in adjusted.refuses}
        return replace(plan, arguments=arguments, sent=_tell(plan.sent, adjusted), in_one_piece=adjusted.in_one_piece)

    async def _aplan(self, chat: ChatRequest, deadline: Deadline, *, is_stream: bool) -> _Plan:
        """The same without holding up other tasks.

        In a worker thread: the import takes seconds, and LiteLLM asks Ollama's server what a model can do. A kept route
        needs neither.
        """
        if (kept := self._kept_route()) is not None:
            return _plan_on(kept, chat, deadline, is_stream=is_stream)
        return await asyncio.to_thread(self._plan, chat, deadline, is_stream=is_stream)

    def _kept_route(self) -> Route | None:
        route = self._route
        return route if route is not None and route.still_leads(sys.modules.get("litellm")) else None


def _completion(litellm: Any) -> Callable[..., Any]:
    """``litellm.completion``, which forgets ``litellm.num_retries``, the program's own, when a call fails: put back."""
    kept = getattr(litellm, "num_retries", None)
    if kept is None:
        made: Callable[..., Any] = litellm.completion
        return made

    def completion(**arguments: Any) -> Any:
        try:
            return litellm.completion(**arguments)
        finally:
            if litellm.num_retries is None:
                litellm.num_retries = kept

    return completion


@dataclass(slots=True, kw_only=True)  # and not frozen, which makes one of a call take several times as long
class _Plan:
    litellm: Any
    arguments: dict[str, Any] = field(repr=False)
    sent: Sent
    #: A stream is asked for whole and handed out as one chunk.
    in_one_piece: bool = False


def _templates() -> Collection[str]:
    """The models for which the program has registered prompt templates with LiteLLM."""
    templates: Collection[str] = _load().custom_prompt_dict
    return templates


def _tell(sent: Sent, adjusted: Adjusted) -> Sent:
    """What the results need to know, in the words that the user has for it."""
    told = adjusted.key_hint
    provider, hint = adjusted.provider or sent.provider, (lambda: told) if told else sent.key_hint
    return replace(sent, provider=provider, key_hint=hint, untold=adjusted.untold)


def make_plan(chat: ChatRequest, deadline: Deadline, *, is_stream: bool) -> _Plan:
    """LiteLLM, and the arguments to call it with. Imports LiteLLM; raises where the call could not be sent safely."""
    return _plan_on(_find_route(_load(), chat), chat, deadline, is_stream=is_stream)


def _find_route(litellm: Any, chat: ChatRequest) -> Route:
    compatible = _compatible.of(litellm.openai_compatible_providers, _NO_CUSTOMS)
    return Route(litellm, lambda: _codes(litellm), _configured(), compatible, chat)


def _plan_on(route: Route, chat: ChatRequest, deadline: Deadline, *, is_stream: bool) -> _Plan:
    seconds = deadline.shorten("first token", deadline.timeouts.first_token)
    arguments = route.arguments(chat.messages, _NO_LIMIT if seconds is None else seconds, is_stream=is_stream)
    return _Plan(litellm=route.litellm, arguments=arguments, sent=route.sent(deadline.applied))
