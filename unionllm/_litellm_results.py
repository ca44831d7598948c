"""What LiteLLM hands back, in our own terms: answers, chunks, errors. Pure: imports no LiteLLM, performs no I/O.

LiteLLM's objects are read by attribute, so nothing here depends on its classes. What it invents is taken out again: a
"stop" that the vendor never said, usage that was estimated, statuses given to connections that failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .exceptions import APIResponseError, InternalServerError, StreamInterruptedError
from .schema import (
    Adaptation,
    Choices,
    Delta,
    Message,
    ModelResponse,
    ModelResponseChunk,
    StreamingChoices,
    Usage,
    new_id,
)

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
#: Vendors' words for "I failed", which are no endings.
_FAILURES = frozenset({"error", "network_error"})
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")
#: Fields of our schema that LiteLLM keeps one level too deep.
_HOISTED = ("refusal", "annotations", "audio", "reasoning_content")
#: Fields of LiteLLM's chunks that are not the vendor's own.
_USUAL = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint"})
#: Fields of our answers whose names a vendor may use for something else.
_OURS = frozenset({"adaptations", "context", "conversation_id", "parsed", "provider"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One call as LiteLLM was asked to make it, as far as its results need that.

    ``provider`` is what the user calls it, ``route`` LiteLLM's code; ``model`` is the vendor's id, without a prefix.
    ``tells_end``: whether LiteLLM's stream remembers if the vendor finished. ``limit``: the name and the seconds of
    the one time limit LiteLLM was given. ``host``: where the call goes, if that is known. ``untold``: which of
    ``usage`` and ``finish_reason`` the vendor never tells, so that LiteLLM makes them up.
    """

    provider: str
    route: str
    model: str
    tells_end: bool = False
    limit: tuple[str, float | None] = ("first token", None)
    host: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    adaptations: tuple[Adaptation, ...] = ()
    key_hint: str = ""
    untold: frozenset[str] = frozenset()

    def bare_model(self, name: str | None) -> str:
        """The vendor's model name, without the prefix that LiteLLM puts before it on some routes."""
        return self.model if name in (None, "", f"{self.route}/{self.model}") else str(name)


def to_response(reply: Any, sent: Sent) -> ModelResponse:
    """A whole answer of LiteLLM's.

    Raises:
        APIResponseError: there is no choice in it.
        InternalServerError: the vendor says, in the answer, that it failed.
    """
    data = _told(reply.model_dump(warnings=False))
    if "usage" in sent.untold:
        data.pop("usage", None)
    choices = [_choice(choice, sent) for choice in data.pop("choices", None) or ()]
    if not choices:
        raise APIResponseError(f"{sent.provider}: the answer holds no choices.", **_who(sent))
    usage = _usage(data.pop("usage", None))
    model = sent.bare_model(data.pop("model", None))
    ours: dict[str, Any] = {"object": "chat.completion", "provider": sent.provider}
    ours["request_id"] = request_id_of(_headers(reply)) or data.get("request_id")
    ours["adaptations"] = list(sent.adaptations) or None
    return ModelResponse(choices=choices, usage=usage, model=model, **(_set_aside(data) | ours))


def to_chunk(response: ModelResponse) -> ModelResponseChunk:
    """A whole answer as the only chunk of a stream."""
    told = {name: value for name, value in response if name not in ("object", "choices")}
    choices = [
        StreamingChoices(
            delta=Delta(**_told(choice.message.model_dump())),
            **{name: value for name, value in choice if name != "message"},
        )
        for choice in response.choices
    ]
    return ModelResponseChunk(choices=choices, **told)


def _choice(choice: dict[str, Any], sent: Sent) -> Choices:
    data = _told(choice)
    extra = data.pop("provider_specific_fields", None) or {}
    said = extra.get("native_finish_reason") or data.pop("native_finish_reason", None)
    finish = data.pop("finish_reason", None)
    if "finish_reason" in sent.untold:
        finish = None
    if said in _FAILURES or finish in _FAILURES:
        text = f"{sent.provider}: the vendor ended the answer with {said or finish!r}. Call again."
        raise InternalServerError(text, **_who(sent))
    if finish not in FINISH_REASONS:
        finish, said = None, said or finish
    if extra:
        data["provider_specific_fields"] = extra
    message = Message(**_message(data.pop("message", None) or {}))
    return Choices(finish_reason=finish, provider_finish_reason=said, message=message, **data)


def _message(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message or a delta, without LiteLLM's empty ones."""
    data = _told(given)
    extra = _told(data.pop("provider_specific_fields", None) or {})
    for name in _HOISTED:
        if name in extra and name not in data:
            data[name] = extra.pop(name)
    if extra:
        data["provider_specific_fields"] = extra
    return data


def _set_aside(data: dict[str, Any]) -> dict[str, Any]:
    """The same with the vendor's namesakes of our own fields one level down, as LiteLLM keeps unknown ones."""
    namesakes = {name: value for name, value in data.items() if name in _OURS}
    if not namesakes:
        return data
    kept = {name: value for name, value in data.items() if name not in _OURS}
    return kept | {"provider_specific_fields": {**(data.get("provider_specific_fields") or {}), **namesakes}}


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _usage(data: Any) -> Usage | None:
    if not isinstance(data, Mapping):
        return None
    told = {name: _told(value) if isinstance(value, Mapping) else value for name, value in _told(data).items()}
    # LiteLLM writes zeros where the vendor wrote nothing; no real call costs nothing.
    if not any(told.get(name) for name in _COUNTS):
        return None
    kept: dict[str, Any] = {name: value for name, value in told.items() if value != {}}
    return Usage(**kept)


def _who(sent: Sent) -> dict[str, Any]:
    return {"provider": sent.provider, "model": sent.model}


def _headers(result: Any) -> dict[str, str]:
    """The vendor's reply headers, by lower-case name."""
    hidden = getattr(result, "_hidden_params", None) or {}
    found = getattr(result, "_response_headers", None) or hidden.get("additional_headers") or {}
    return {str(name).lower().removeprefix("llm_provider-"): str(value) for name, value in dict(found).items()}


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The vendor's id of the call, from its reply headers (lower-case names)."""
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


class StreamTranslator:
    """LiteLLM's chunks → ours. The last one is held back until the vendor's usage, or the end, is there.

    Args:
        wrapper: LiteLLM's stream object; only read.
        sent: the call.
    """

    def __init__(self, wrapper: Any, sent: Sent) -> None:
        self._wrapper = wrapper
        self._sent = sent
        self._id = ""
        self._model = ""
        self._created: int | None = None
        self._usage: Any = None
        self._last: StreamingChoices | None = None
        self._late: dict[str, Any] = {}
        self._speakers: set[int] = set()
        #: Whether anything but an ending came.
        self.has_content = False

    @property
    def is_finished(self) -> bool:
        """Whether the ending is known and only held back."""
        return self._last is not None

    def feed(self, chunk: Any) -> ModelResponseChunk | None:
        """What one of LiteLLM's chunks gives the user; None when nothing of it is to be handed out yet."""
        data = _told(chunk.model_dump(warnings=False))
        self._usage = data.get("usage") or self._usage
        choices = [choice for given in data.get("choices") or () if (choice := self._split_ending(given))]
        extra = _set_aside({name: value for name, value in data.items() if name not in _USUAL})
        if not choices and self._last is not None:
            self._late |= extra
            return None
        if not choices and not extra:
            return None
        fields = {**extra, "system_fingerprint": data.get("system_fingerprint")}
        if not self._id:
            fields |= self._start(chunk, data)
        self.has_content = True
        # A loop over choices[0] must not fail on a chunk that has nothing but vendor fields.
        return self._build(choices or [StreamingChoices(delta=Delta())], fields)

    def end(self) -> ModelResponseChunk:
        """The last chunk: finish reason and usage.

        Raises:
            StreamInterruptedError: the vendor had not finished.
            APIResponseError: nothing came at all.
        """
        if self._last is None and self.has_content:
            raise self._interrupted()
        if self._last is None or (not self.has_content and self._last.finish_reason is None):
            raise self._empty()
        fields = {} if self._id else self._start(None, {})
        if self._last.index not in self._speakers:
            self._last.delta.role = "assistant"
        return self._build([self._last], self._late | fields | {"usage": self._final_usage()})

    def _split_ending(self, given: dict[str, Any]) -> StreamingChoices | None:
        """The choice without its ending, which is kept for the last chunk; None when nothing else is in it."""
        data = _told(given)
        finish = data.pop("finish_reason", None)
        delta = _message(data.pop("delta", None) or {})
        index = data.get("index", 0)
        if finish is not None:
            self._keep_ending(finish, index)
        if not any(value not in ("", [], {}) for value in delta.values()) and (finish or index in self._speakers):
            return None
        if index not in self._speakers:
            self._speakers.add(index)
            delta["role"] = delta.get("role") or "assistant"
        return StreamingChoices(delta=Delta(**delta), **data)

    def _keep_ending(self, finish: str, index: int) -> None:
        """LiteLLM ends every stream with a reason, be it an invented "stop": see whether the vendor gave one."""
        said = getattr(self._wrapper, "received_finish_reason", None)
        if self._sent.tells_end and said is None:
            raise self._interrupted() if self.has_content else self._empty()
        is_known = said or getattr(self._wrapper, "intermittent_finish_reason", None)
        reason = finish if is_known and finish in FINISH_REASONS else None
        word = str(said) if said and said not in FINISH_REASONS else None
        self._last = StreamingChoices(index=index, finish_reason=reason, provider_finish_reason=word)

    def _start(self, chunk: Any, data: dict[str, Any]) -> dict[str, Any]:
        """Settle what all chunks share; give what only the first one says."""
        hidden = getattr(chunk, "_hidden_params", None) or {}
        self._id = data.get("id") or new_id()
        self._created = data.get("created")
        # The chunk itself carries the name that was asked for; the vendor's stands only here.
        self._model = self._sent.bare_model(hidden.get("provider_response_model") or data.get("model"))
        request_id = request_id_of(_headers(self._wrapper))
        return {"request_id": request_id, "adaptations": list(self._sent.adaptations) or None}

    def _build(self, choices: list[StreamingChoices], fields: dict[str, Any]) -> ModelResponseChunk:
        known = {"id": self._id, "model": self._model, "created": self._created, "provider": self._sent.provider}
        return ModelResponseChunk(choices=choices, **_told(known | fields))

    def _final_usage(self) -> Usage | None:
        """LiteLLM's sum, if the vendor told any usage at all; otherwise it is an estimate that nobody asked for."""
        told = [usage.model_dump() for usage in self._told_usages()]
        if not told:
            return None
        merged: dict[str, Any] = {}
        for usage in (*told, self._usage or {}):
            merged.update(_told(usage))
        untold = [name for name in _DETAILS if not any(usage.get(name) for usage in told)]
        return _usage({name: value for name, value in merged.items() if name not in untold})

    def _told_usages(self) -> Iterator[Any]:
        chunks: Iterable[Any] = getattr(self._wrapper, "chunks", None) or ()
        for chunk in chunks:
            usage = getattr(chunk, "usage", None)
            if usage is not None and any(getattr(usage, name, None) for name in _COUNTS):
                yield usage

    def _interrupted(self) -> StreamInterruptedError:
        name = self._sent.provider
        message = f"{name}: the stream ended before the answer was complete. Call again, or use .partial."
        return StreamInterruptedError(message, request_id=request_id_of(_headers(self._wrapper)), **_who(self._sent))

    def _empty(self) -> APIResponseError:
        message = f"{self._sent.provider}: the stream ended with nothing in it. Check base_url and the model's name."
        return APIResponseError(message, request_id=request_id_of(_headers(self._wrapper)), **_who(self._sent))
