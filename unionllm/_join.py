"""Chunks → one whole answer. Used for ``stream.response``, for partial answers, and for models that can only stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._extras import Extras, set_apart
from .schema import (
    Choices,
    Delta,
    Function,
    Message,
    ModelResponse,
    ModelResponseChunk,
    Step,
    StreamingChoices,
    ToolCall,
)


class _ToolCallParts:
    """One tool call whose arguments arrive in pieces."""

    def __init__(self, first: ToolCall) -> None:
        self.id = first.id
        self.type = first.type
        self.name = first.function.name
        self.arguments = [first.function.arguments or ""]
        self.extra = dict(first.model_extra or {})

    def add(self, piece: ToolCall) -> None:
        # The first id and name win: some vendors repeat them on every piece, some send "".
        self.id = self.id or piece.id
        self.name = self.name or piece.function.name
        if piece.function.arguments:
            self.arguments.append(piece.function.arguments)
        self.extra.update(piece.model_extra or {})

    def join(self, *, is_whole: bool) -> ToolCall:
        # A call without arguments is written {}; one whose arguments have not come yet must not look like that.
        function = Function(name=self.name, arguments="".join(self.arguments) or ("{}" if is_whole else ""))
        return ToolCall(id=self.id, type=self.type or "function", function=function, **self.extra)


class _ChoiceParts:
    __slots__ = (
        *("calls", "choice_extra", "content", "extra", "finish_reason", "function_call", "logprobs"),
        *("provider_finish_reason", "reasoning", "role", "thinking"),
    )

    def __init__(self) -> None:
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.thinking: list[Any] | None = None
        self.role: str | None = None
        self.calls: dict[int, _ToolCallParts] = {}
        self.function_call: _ToolCallParts | None = None
        self.finish_reason: str | None = None
        self.provider_finish_reason: str | None = None
        self.logprobs: list[Any] | None = None
        self.extra: Extras | None = None
        self.choice_extra: dict[str, Any] = {}

    def add(self, choice: StreamingChoices, told: Mapping[str, Any]) -> None:
        """Take in what a chunk adds; ``told`` are the fields of ``choice``."""
        # This runs for every chunk, and attributes of Pydantic's objects take three times as long to read.
        delta: Delta = told["delta"]
        said = delta.__dict__
        if text := said["content"]:
            self.content.append(text)
        if thought := said["reasoning_content"]:
            self.reasoning.append(thought)
        if said["tool_calls"] or said["function_call"]:
            self._add_calls(delta)
        if self.role is None:
            self.role = said["role"] or None
        if told["provider_finish_reason"] or told["finish_reason"]:
            self.finish_reason = told["finish_reason"] or self.finish_reason
            self.provider_finish_reason = told["provider_finish_reason"] or self.provider_finish_reason
        if (logprobs := told["logprobs"]) is not None:
            self.logprobs = self.logprobs or []
            self.logprobs.append(logprobs)
        if delta.__pydantic_extra__:
            self._add_extra(delta.__pydantic_extra__)
        if choice.__pydantic_extra__:
            self.choice_extra.update(choice.__pydantic_extra__)

    def _add_extra(self, extra: dict[str, Any]) -> None:
        if "replace_content" in extra:
            # A platform's moderation took back what had been said.
            self.content = [extra["replace_content"] or ""]
            extra = {name: value for name, value in extra.items() if name != "replace_content"}
        if isinstance(extra.get("thinking_blocks"), list):
            # Not the list of the chunk itself, which is the caller's.
            self.thinking = self.thinking or []
            self.thinking += extra["thinking_blocks"]
            extra = {name: value for name, value in extra.items() if name != "thinking_blocks"}
        self.extra = self.extra or Extras()
        self.extra.add(extra)

    def _add_calls(self, delta: Delta) -> None:
        if delta.function_call is not None:
            piece = ToolCall(function=delta.function_call)
            if self.function_call is None:
                self.function_call = _ToolCallParts(piece)
            else:
                self.function_call.add(piece)
        for position, call in enumerate(delta.tool_calls or ()):
            index = position if call.index is None else call.index
            known = self.calls.get(index)
            if known is None:
                self.calls[index] = _ToolCallParts(call)
            else:
                known.add(call)

    def join(self, index: int) -> Choices:
        is_whole = self.finish_reason is not None
        calls = [self.calls[key].join(is_whole=is_whole) for key in sorted(self.calls)] or None
        content = "".join(self.content)
        extra = self.extra.join() if self.extra is not None else {}
        if self.thinking:
            extra["thinking_blocks"] = _join_thinking(self.thinking)
        message = Message(
            content=content if content or not (calls or self.function_call) else None,
            function_call=self.function_call.join(is_whole=is_whole).function if self.function_call else None,
            role=self.role or "assistant",
            tool_calls=calls,
            reasoning_content="".join(self.reasoning) or None,
            **set_apart(extra),
        )
        return Choices(
            index=index,
            message=message,
            finish_reason=self.finish_reason,
            provider_finish_reason=self.provider_finish_reason,
            logprobs=_join_logprobs(self.logprobs or []),
            **self.choice_extra,
        )


#: Fields that say the same on every chunk, so that they are read from the first one only.
_ON_EVERY_CHUNK = frozenset(
    {"id", "created", "model", "system_fingerprint", "object", "choices", "provider", "request_id"}
)


#: Fields of a chunk that stand for the whole answer; the last one that has a value wins.
_KEPT = frozenset(
    {
        *("id", "created", "model", "system_fingerprint", "usage", "adaptations", "provider", "request_id", "parsed"),
        *("conversation_id", "message_id", "chat_id", "task_id", "workflow_run_id"),
        *("context", "suggestions", "outputs", "interactive"),
    }
)
_MADE_UP = frozenset({"id", "created"})


class Joiner:
    """Collects the chunks of one stream; ``response()`` at any time gives the answer so far."""

    __slots__ = ("_choices", "_fields", "_has_begun", "_steps")

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceParts] = {}
        self._fields: dict[str, Any] = {}
        self._steps: dict[str | int, Step] = {}
        self._has_begun = False

    def add(self, chunk: ModelResponseChunk) -> None:
        """Take in the next chunk."""
        choice: StreamingChoices
        for choice in chunk.__dict__["choices"]:
            told = choice.__dict__
            parts = self._choices.get(told["index"])
            if parts is None:
                parts = self._choices[told["index"]] = _ChoiceParts()
            parts.add(choice, told)
        if not self._fields or chunk.__pydantic_extra__ or not chunk.__pydantic_fields_set__ <= _ON_EVERY_CHUNK:
            self._keep(chunk)

    def _keep(self, chunk: ModelResponseChunk) -> None:
        self._has_begun = True
        told = chunk.__dict__
        # A field that nobody has set is None, but for the two that are made up.
        for name in _MADE_UP | (chunk.__pydantic_fields_set__ & _KEPT):
            value = told[name]
            if value is not None:
                self._fields[name] = value
        if chunk.steps:
            for step in chunk.steps:
                # One that is told of again takes its earlier place.
                self._steps[step.id if step.id is not None else len(self._steps)] = step
        self._fields.update(chunk.model_extra or {})

    def response(self) -> ModelResponse | None:
        """The answer as far as it is known; None before the first chunk."""
        if not self._has_begun:
            return None
        choices = [self._choices[index].join(index) for index in sorted(self._choices)]
        return ModelResponse(choices=choices, steps=list(self._steps.values()) or None, **self._fields)


def _join_thinking(pieces: list[Any]) -> list[Any]:
    """Anthropic's blocks of thoughts. They come in pieces, and can be handed back only whole, with their signature."""
    blocks: list[Any] = []
    texts: list[str] = []
    for number, piece in enumerate(pieces):
        if not isinstance(piece, dict) or piece.get("type") != "thinking":
            blocks.append(_without_index(piece))
            continue
        texts.append(str(piece.get("thinking") or ""))
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        if piece.get("signature") or not _continues(piece, following):
            blocks.append({**_without_index(piece), "thinking": "".join(texts)})
            texts = []
    return blocks


def _continues(piece: dict[str, Any], following: Any) -> bool:
    is_thought = isinstance(following, dict) and following.get("type") == "thinking"
    return is_thought and following.get("index") == piece.get("index")


def _without_index(block: Any) -> Any:
    """A block without its place in the stream, which no vendor takes back."""
    return {name: value for name, value in block.items() if name != "index"} if isinstance(block, dict) else block


def _join_logprobs(pieces: list[Any]) -> Any:
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    joined: dict[str, Any] = {}
    for piece in pieces:
        for name, value in dict(piece).items():
            old = joined.get(name)
            if isinstance(old, list) and isinstance(value, list):
                old.extend(value)
            elif isinstance(value, list) and value:
                joined[name] = list(value)
            else:
                joined[name] = value or old
    return joined


def to_chunks(response: ModelResponse) -> list[ModelResponseChunk]:
    """A whole answer as the chunks of a stream, for vendors that answer whole although a stream was asked for."""
    choices: list[StreamingChoices] = []
    for choice in response.choices:
        said: dict[str, Any] = {**choice.message.model_dump(), "tool_calls": _numbered(choice.message.tool_calls)}
        ended = {
            name: getattr(choice, name) for name in ("index", "finish_reason", "provider_finish_reason", "logprobs")
        }
        choices.append(StreamingChoices(**ended, delta=Delta(**said)))
    fields = {name: getattr(response, name) for name in (*_KEPT, "steps")}
    return [ModelResponseChunk(choices=choices, **fields, **(response.model_extra or {}))]


def _numbered(calls: list[ToolCall] | None) -> list[ToolCall] | None:
    if calls is None:
        return None
    return [call.model_copy(update={"index": index}) for index, call in enumerate(calls)]
