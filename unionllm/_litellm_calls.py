"""What the user said → the request and the backend of a call through LiteLLM. No I/O.

Most programs ask one model in one place, again and again, and only the messages differ. So the request is made by the
first of such calls, and kept; its backend keeps more, where it can.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ._call import Route
from ._litellm import LiteLLMBackend, knows, provider_names
from ._options import KEPT, OPTIONS, common, given_base_url, may_be_kept, retries_of, text_of
from ._request import ChatRequest
from ._routes import unknown_provider
from ._secrets import KEY_SPELLINGS, Secret
from ._timeouts import Timeouts
from .exceptions import BadRequestError
from .schema import Adaptation

__all__ = ["knows", "litellm_route"]

#: Credentials that no provider of LiteLLM's takes: it would post them as parameters.
_FOREIGN = frozenset(
    {*KEY_SPELLINGS, "access_key", "access_token", "api_secret", "app_id", "app_secret", "private_key", "secret_key"}
)
#: Options that LiteLLM gives us no way to honour.
_WITHOUT_EFFECT = frozenset({"fetch_media", "http_client", "max_response_bytes", "region"})


def litellm_route(args: dict[str, Any], messages: tuple[dict[str, Any], ...]) -> Route:
    """How LiteLLM is to be asked.

    Args:
        args: every argument of the call that is not None.
        messages: those of the call, checked.

    Raises:
        UnionLLMError: what is wrong, before anything is sent.
    """
    same = {name: value for name, value in args.items() if name != "messages"}
    route = None
    if may_be_kept(same):
        with contextlib.suppress(TypeError):  # a mapping of limits has no hash
            route = _kept_route(**same)
    route = route or _make_route(same)
    chat = route.chat.again(messages, time.time())
    return Route(route.backend, chat, route.timeouts, route.retries)


@functools.lru_cache(maxsize=KEPT, typed=True)  # 1 is no True here
def _kept_route(**args: Any) -> Route:
    return _make_route(args, keeps=True)


def _make_route(args: dict[str, Any], *, keeps: bool = False) -> Route:
    """The route of a call without its messages."""
    name = text_of(args, "provider").lower()
    if name and not knows(name):
        raise unknown_provider(text_of(args, "provider"), provider_names())
    model = text_of(args, "model")
    prefix, slash, _ = model.partition("/")
    if not name and slash and "custom_llm_provider" not in args and not knows(prefix):
        raise unknown_provider(prefix, provider_names())
    if not name and not model:
        raise BadRequestError(
            'neither provider nor model given. Pass provider="zhipuai", model="glm-5.2", for example.'
        )
    key = next((args[spelling] for spelling in KEY_SPELLINGS if args.get(spelling)), None)
    chat = ChatRequest.made(
        provider=name,
        model=model,
        messages=(),
        params={k: v for k, v in args.items() if k not in OPTIONS and k not in _FOREIGN},
        credentials={} if key is None else {"api_key": Secret(key)},
        base_url=given_base_url(args),
        adaptations=tuple(_without_effect(args)),
        **common(args),
    )
    timeouts = Timeouts.parse(args.get("timeout"))
    return Route(backend=LiteLLMBackend(keeps=keeps), chat=chat, timeouts=timeouts, retries=retries_of(args))


def _without_effect(args: Mapping[str, Any]) -> Iterator[Adaptation]:
    """What is left out of the call because LiteLLM gives us no way to honour it."""
    for name in sorted(_WITHOUT_EFFECT):
        if args.get(name):
            told = type(args[name]).__name__ if name == "http_client" else args[name]
            reason = "LiteLLM makes this call, with connections of its own"
            if args.get("param_policy") == "strict":
                raise BadRequestError(f"{name}= has no effect here: {reason}. Leave it out.")
            yield Adaptation(parameter=name, action="dropped", given=told, reason=reason)
