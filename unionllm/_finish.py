"""The last touch on what a call returns: which provider answered, and the reply as the caller's own class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._call import Route, label
from ._priced import remember
from .exceptions import APIError, APIResponseError

if TYPE_CHECKING:
    from .cost import PriceTable
    from .schema import ModelResponse


class Finisher:
    """Completes answers and errors with what only the call knows.

    Args:
        route: the route that answered.
        reply_class: the pydantic class that the caller gave as ``response_format``, if any.
        prices: the caller's own prices, if any.
    """

    def __init__(self, route: Route, reply_class: Any, prices: PriceTable | None = None) -> None:
        self._chat = route.chat
        self._prices = prices
        self._reply_class = reply_class if isinstance(reply_class, type) else None

    def error(self, error: APIError) -> None:
        """Say which call a stream's error belongs to."""
        label(error, self._chat)

    def response(self, response: ModelResponse) -> ModelResponse:
        """A whole answer, complete.

        Raises:
            APIResponseError: the reply does not fit the caller's class; ``partial`` holds the answer.
        """
        if response.provider is None:
            response.provider = self._chat.provider or None
        remember(response, self._chat, self._prices)
        is_whole = bool(response.choices) and response.choices[0].finish_reason is not None
        if self._reply_class is not None and is_whole and response.parsed is None:
            response.parsed = self._parse(response)
        return response

    def _parse(self, response: ModelResponse) -> Any:
        from pydantic import ValidationError

        message = response.choices[0].message
        if not message.content:
            return None
        try:
            return self._reply_class.model_validate_json(_bare(message.content))  # type: ignore[union-attr]
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise APIResponseError(
                f"{self._chat.provider}: the reply is no {self._reply_class.__name__}: "  # type: ignore[union-attr]
                f"{problem['msg']} at {'.'.join(map(str, problem['loc'])) or 'its start'}. The answer is in .partial; "
                "ask again, or raise max_tokens if it was cut short.",
                provider=self._chat.provider,
                model=self._chat.model,
                partial=response,
            ) from None


def _bare(text: str) -> str:
    """The JSON text of a reply, without the Markdown fence or the words that some models put around it."""
    stripped = text.strip()
    if stripped.startswith(("{", "[")):
        return stripped
    start, end = stripped.find("{"), stripped.rfind("}")
    return stripped[start : end + 1] if 0 <= start < end else stripped
