"""What an answer has to remember so that its cost can be told later. Costs a call next to nothing; imports nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ._urls import place_of

if TYPE_CHECKING:
    from ._request import ChatRequest
    from .cost import Cost, PriceTable
    from .schema import ModelResponse

#: Where an answer keeps it: no field, so that it is neither shown, dumped nor compared.
KEY = "_basis"
#: Parameters that buy more than tokens, or tokens at another price.
_PAID = ("enable_search", "search_options", "web_search", "web_search_options", "plugins")
_TELLING = frozenset({*_PAID, "service_tier", "tools"})
_USUAL_TIERS = (None, "", "auto", "default", "standard")


class Basis(NamedTuple):
    """The circumstances of one call, as far as they decide its price. No secret, no text."""

    provider: str
    model: str
    #: Without user, password and query.
    place: str
    #: Whether the call bought more than tokens at the list price.
    has_extras: bool
    #: Unix time in seconds.
    ended: float
    #: The caller's own prices.
    prices: PriceTable | None = None

    def cost(self, response: ModelResponse) -> Cost | None:
        """See ``ModelResponse.cost``."""
        from .cost import cost_of_answer

        return cost_of_answer(self, response)


def remember(response: ModelResponse, chat: ChatRequest, prices: PriceTable | None) -> None:
    """Let the answer know what its cost depends on."""
    url = chat.base_url
    place = place_of(url) if "@" in url or "?" in url else url
    params, body = chat.params, chat.extra_body  # most calls have neither
    has_extras = bool(params and _buys_more(params)) or bool(body and _buys_more(body))
    vars(response)[KEY] = Basis(response.provider or chat.provider, chat.model, place, has_extras, time.time(), prices)


def _buys_more(params: Mapping[str, Any]) -> bool:
    if _TELLING.isdisjoint(params):
        return False
    if any(params.get(name) for name in _PAID) or params.get("service_tier") not in _USUAL_TIERS:
        return True
    tools = params.get("tools")
    return isinstance(tools, (list, tuple)) and any(
        not isinstance(tool, Mapping) or tool.get("type", "function") != "function" for tool in tools
    )
