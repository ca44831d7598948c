"""What LiteLLM hands back, in our own terms: answers, chunks, errors. Pure: imports no LiteLLM, performs no I/O.

LiteLLM's objects are read as what they all are, Pydantic's, so nothing here depends on its classes. What it invents is
taken out again: a "stop" that the vendor never said, usage that was estimated, statuses given to connections that
failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._protocols.thoughts import told_apart
from .exceptions import APIResponseError, InternalServerError
from .schema import (
    Adaptation,
    Choices,
    Message,
    ModelResponse,
    Usage,
    new_id,
)

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
#: Vendors' words for "I failed", which are no endings.
_FAILURES = frozenset({"error", "network_error"})
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")
_LAST_LETTERS = frozenset({"id", "Id", "ID"})
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
DETAILS = ("prompt_tokens_details", "completion_tokens_details")
#: Fields of our schema that LiteLLM keeps one level too deep.
_HOISTED = ("refusal", "annotations", "audio", "reasoning_content")
#: Fields of LiteLLM's chunks that are not the vendor's own.
USUAL = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint"})
#: Fields of our answers whose names a vendor may use for something else.
_OURS = frozenset(ModelResponse.model_fields) - USUAL - {"request_id"}
#: Fields of a delta that hold text, and those that hold objects of ours.
_TEXTS = ("content", "role", "reasoning_content")
_NO_TEXTS = ("", "", "")
_CALLS = frozenset({"tool_calls", "function_call"})
#: Types of values that need no look into.
_PLAIN = frozenset({str, int, float, bool})
_TEXT_MESSAGE = frozenset({"content", "role"})
#: What is looked at apart of an answer, and of a choice; vendors may use the same names on the other level.
_OF_ANSWER = frozenset({"choices", "usage"})
_OF_CHOICE = frozenset({"message"})


@dataclass(slots=True, kw_only=True)  # and not frozen, which makes one of a call take several times as long
class Sent:
    """One call as LiteLLM was asked to make it, as far as its results need that.

    ``provider`` is what the user calls it, ``route`` LiteLLM's code; ``model`` is the vendor's id, without a prefix.
    ``tells_end``: whether LiteLLM's stream remembers if the vendor finished. ``answers``: how many were asked for (n).
    ``limit``: the name and the seconds of the one time limit LiteLLM was given. ``host``: where the call goes, if that
    is known. ``untold``: which of ``usage`` and ``finish_reason`` the vendor never tells; LiteLLM makes them up then.
    """

    provider: str
    route: str
    model: str
    tells_end: bool = False
    answers: int = 1
    limit: tuple[str, float | None] = ("first token", None)
    host: str = ""
    #: What must not be shown of the call. Looked for only when something is: most calls have nothing to hide from.
    find_secrets: Callable[[], tuple[str, ...]] = field(default=tuple, repr=False)
    adaptations: tuple[Adaptation, ...] = ()
    #: How to give the right key. Asked for only when one was refused: to find out takes a part of a call.
    key_hint: Callable[[], str] = field(default=str, repr=False)
    untold: frozenset[str] = frozenset()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message, log line or error."""
        return self.find_secrets()

    def bare_model(self, name: str | None) -> str:
        """The vendor's model name, without the prefix that LiteLLM puts before it on some routes."""
        return self.model if name in (None, "", f"{self.route}/{self.model}") else str(name)


def to_response(reply: Any, sent: Sent) -> ModelResponse:
    """A whole answer of LiteLLM's.

    Raises:
        APIResponseError: there is no choice in it.
        InternalServerError: the vendor says, in the answer, that it failed.
    """
    data = _told(reply, _OF_ANSWER)
    choices = [_choice(choice, sent) for choice in _member(reply, "choices") or ()]
    if not choices:
        raise APIResponseError(f"{sent.provider}: the answer holds no choices.", **who(sent))
    known: dict[str, Any] = {"choices": choices, "object": "chat.completion", "provider": sent.provider}
    known |= {"id": data.pop("id", None) or new_id(), "created": data.pop("created", None) or int(time.time())}
    usage = None if "usage" in sent.untold else _member(reply, "usage")
    known["usage"] = None if usage is None else usage_of(_told(usage))
    known["model"] = sent.bare_model(data.pop("model", None))
    known["request_id"] = request_id_in(reply) or data.pop("request_id", None)
    known["adaptations"] = list(sent.adaptations) or None
    return ModelResponse.build(known, set_aside(data) if data else None)


def _told(model: Any, apart: Collection[str] = ()) -> dict[str, Any]:
    """What LiteLLM has put into a model of its own, as dicts and lists, without None and what is looked at apart.

    The same as in its ``model_dump``, which takes longer than all else here.
    """
    # Copied, for LiteLLM's threads have the same objects. A provider of the program's own may have put a dict there.
    fields = dict(model if isinstance(model, dict) else model.__dict__)
    put: Collection[str] = fields if isinstance(model, dict) else model.__pydantic_fields_set__
    if extra := getattr(model, "__pydantic_extra__", None):
        fields |= extra
        put = {*put, *extra}
    return {
        name: value if type(value) in _PLAIN else _dump(value)
        for name, value in fields.items()
        if value is not None and name in put and name not in apart
    }


def _member(model: Any, name: str) -> Any:
    """One member, or None. Pydantic finds undeclared ones by their names only after it has looked everywhere else."""
    extra = model.__pydantic_extra__
    return extra[name] if extra and name in extra else model.__dict__.get(name)


def _dump(value: Any) -> Any:
    if isinstance(value, list):
        return [_dump(item) for item in value]
    if isinstance(value, dict):
        return {name: _dump(item) for name, item in value.items()}
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(exclude_unset=True, warnings=False)


def _choice(choice: Any, sent: Sent) -> Choices:
    data, message = _told(choice, _OF_CHOICE), _member(choice, "message")
    extra = data.pop("provider_specific_fields", None) or {}
    said = extra.get("native_finish_reason") or data.pop("native_finish_reason", None)
    finish = data.pop("finish_reason", None)
    if "finish_reason" in sent.untold:
        finish = None
    if said in _FAILURES or finish in _FAILURES:
        text = f"{sent.provider}: the vendor ended the answer with {said or finish!r}. Call again."
        raise InternalServerError(text, **who(sent))
    if finish not in FINISH_REASONS:
        finish, said = None, said or finish
    if extra:
        data["provider_specific_fields"] = extra
    known: dict[str, Any] = {"finish_reason": finish, "provider_finish_reason": said}
    known["message"] = _message({} if message is None else _told(message))
    return Choices.build(known, data)


def _message(words: dict[str, Any]) -> Message:
    if words.keys() == _TEXT_MESSAGE and is_simple(words) and "<" not in words["content"]:
        return Message.build(words)  # nothing but text, in which no tags stand around thoughts, as most are
    words = told_apart(message_fields(words))
    for call in words.get("tool_calls") or ():
        call.pop("index", None)  # where Anthropic's streams would have had it
    return Message.build({}, words) if is_simple(words) else Message(**words)


def message_fields(data: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message or a delta, put where they belong. The dict is taken over."""
    if not (own := data.pop("provider_specific_fields", None)):
        return data
    extra = told_of(own)
    for name in _HOISTED:
        if name in extra and name not in data:
            data[name] = extra.pop(name)
    if extra.get("thinking_blocks") == data.get("thinking_blocks"):
        extra.pop("thinking_blocks", None)  # told twice
    if "citation" in extra:
        extra.setdefault("citations", [extra["citation"]])  # as in whole answers, so that all of a stream are kept
    if extra:
        data["provider_specific_fields"] = extra
    return data


def is_simple(message: dict[str, Any]) -> bool:
    """Whether nothing of a message or delta needs to be checked or made an object of ours."""
    # Written out, because it runs in every call.
    content, role, thoughts = map(message.get, _TEXTS, _NO_TEXTS)
    is_text = isinstance(content, str) and isinstance(role, str) and isinstance(thoughts, str)
    return is_text and _CALLS.isdisjoint(message)


def plain(value: Any) -> Any:
    """The same as dicts and lists, to its depth."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(exclude_none=True, warnings=False)


def set_aside(data: dict[str, Any]) -> dict[str, Any]:
    """The same with the vendor's namesakes of our own fields one level down, as LiteLLM keeps unknown ones."""
    if _OURS.isdisjoint(data):
        return data
    namesakes = {name: value for name, value in data.items() if name in _OURS}
    kept = {name: value for name, value in data.items() if name not in _OURS}
    return kept | {"provider_specific_fields": {**(data.get("provider_specific_fields") or {}), **namesakes}}


def told_of(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def usage_of(data: Any) -> Usage | None:
    if not isinstance(data, dict):
        return None
    kept: dict[str, Any] = {}
    is_plain = True
    for name, value in data.items():
        if type(value) is int:
            kept[name] = value
        elif value is not None:
            told = told_of(value) if isinstance(value, dict) else value
            if told != {}:
                kept[name], is_plain = told, False
    # LiteLLM writes zeros where the vendor wrote nothing; no real call costs nothing.
    if not any(map(kept.get, COUNTS)):
        return None
    # Numbers and nothing else need no check, which takes longer than all else here.
    return Usage.build({}, kept) if is_plain else Usage(**kept)


def who(sent: Sent) -> dict[str, Any]:
    return {"provider": sent.provider, "model": sent.model}


def request_id_in(result: Any) -> str | None:
    """The vendor's id of the call, from the reply headers that LiteLLM keeps with its results."""
    # Pydantic finds private attributes by their names only after it has looked everywhere else.
    kept = getattr(result, "__pydantic_private__", None)
    if not kept:  # a stream
        kept = {name: getattr(result, name, None) for name in ("_response_headers", "_hidden_params")}
    found = kept.get("_response_headers") or (kept.get("_hidden_params") or {}).get("additional_headers") or {}
    # Few replies have such a header, and some have dozens of others.
    if not (named := [name for name in found if name[-2:] in _LAST_LETTERS]):
        return None
    return request_id_of({name.lower().removeprefix("llm_provider-"): str(found[name]) for name in named})


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The vendor's id of the call, from its reply headers (lower-case names)."""
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)
