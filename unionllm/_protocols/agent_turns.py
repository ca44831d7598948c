"""What becomes of the turns before the question, on platforms that take the question alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._log import logger
from ..exceptions import BadRequestError
from ..schema import Adaptation
from .base import JSONObject
from .openai_messages import text_of
from .parameters import adaptation

#: Providers whose callers have been told that earlier turns are not sent.
_warned: set[str] = set()

_HISTORY = (None, "drop", "render")


def question_of(name: str, messages: Sequence[JSONObject]) -> JSONObject:
    """The last message, which has to be the user's.

    Raises:
        BadRequestError: it is somebody else's.
    """
    last = messages[-1]
    if last.get("role") != "user":
        raise BadRequestError(
            f"{name}: Last message role should be user, not {last.get('role')!r}: an agent answers the last message."
        )
    return last


def question_alone(
    name: str, messages: Sequence[JSONObject], params: JSONObject, *, cure: str = "conversation_id"
) -> tuple[list[JSONObject], list[Adaptation]]:
    """The question without what was said before it, and a record of what is not sent.

    Args:
        params: ``history`` is taken out of them: "drop" (the default) or "render", which writes the earlier turns into
            the question.
        cure: the argument with which the platform remembers the conversation itself.

    Raises:
        BadRequestError: the last message is not the user's, or ``history`` is neither word.
    """
    history = params.pop("history", None)
    if history not in _HISTORY:
        raise BadRequestError(f'{name}: history={history!r} is neither "drop" nor "render".')
    question, earlier = question_of(name, messages), list(messages[:-1])
    if not earlier:
        return [question], []
    if history == "render":
        reason = "the platform takes one question; the texts of the earlier turns are written at its head"
        return [_rendered(earlier, question)], [adaptation(_places(earlier), "replaced", _roles(earlier), None, reason)]
    if not params.get("conversation_id") and name not in _warned:
        _warned.add(name)
        logger.warning(
            "%s: the platform takes the last message alone, so the %d before it are not sent. Pass %s of the last "
            'answer to go on with a conversation, or history="render" to write earlier turns into the question.',
            name,
            len(earlier),
            cure,
        )
    reason = f"the platform takes the last message alone; it remembers a conversation by {cure}"
    return [question], [adaptation(_places(earlier), "dropped", _roles(earlier), None, reason)]


def known_turns_left_out(name: str, messages: Sequence[JSONObject], cure: str) -> tuple[list[JSONObject], list[Any]]:
    """The question alone, since the platform has the conversation under the id that the caller passed."""
    question, earlier = question_of(name, messages), list(messages[:-1])
    reason = f"the platform has the conversation already, under {cure}"
    return [question], [adaptation(_places(earlier), "dropped", _roles(earlier), None, reason)] if earlier else []


def _places(earlier: Sequence[JSONObject]) -> str:
    return "messages[0]" if len(earlier) == 1 else f"messages[0:{len(earlier)}]"


def _roles(earlier: Sequence[JSONObject]) -> list[str]:
    return [str(message.get("role")) for message in earlier]


def _rendered(earlier: Sequence[JSONObject], question: JSONObject) -> JSONObject:
    told = "\n\n".join(f"{message.get('role')}: {text_of(message.get('content'))}" for message in earlier)
    return with_text_before(f"{told}\n\nuser: ", question)


def with_text_before(text: str, message: JSONObject) -> JSONObject:
    """A message with a text put at its head."""
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": text.rstrip()}, *content]}
    return {**message, "content": f"{text}{content or ''}"}


def with_text_after(text: str, message: JSONObject) -> JSONObject:
    """A message with a text put at its end, after a blank line."""
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [*content, {"type": "text", "text": text}]}
    return {**message, "content": f"{content}\n\n{text}" if content else text}


def fold_system_texts(messages: Sequence[JSONObject]) -> tuple[list[JSONObject], list[Adaptation]]:
    """No system messages: their text goes to the front of the first user message; for platforms without that role."""
    texts = [text_of(message.get("content")) for message in messages if message.get("role") in ("system", "developer")]
    rest = [message for message in messages if message.get("role") not in ("system", "developer")]
    if not texts:
        return rest, []
    place = next((number for number, message in enumerate(rest) if message.get("role") == "user"), None)
    if place is not None:
        rest[place] = with_text_before("\n\n".join((*texts, "")), rest[place])
    reason = "the platform has no such role; the text stands at the head of the first user message"
    return rest, [adaptation("messages", "replaced", "system", "user", reason)]
