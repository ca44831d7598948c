"""What the server is told to answer: answers, faults, and the desk that hands them out in order."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, TypeAlias

from ._exchange import Problem

#: Characters of text in one event of a stream, unless the script gives the pieces itself.
_PIECE = 3


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call the model makes. ``arguments`` is a JSON text; ``pieces`` is how a stream cuts it."""

    id: str
    name: str
    arguments: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A passage that a platform retrieved from its knowledge base, or a page that a search found."""

    content: str
    id: str = ""
    score: float | None = None
    title: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What an answer cost. ``completion`` includes ``reasoning``, ``prompt`` includes ``cached``."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion

    @property
    def counts(self) -> dict[str, Any]:
        """The three counts under OpenAI's names."""
        return {"prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": self.total}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a vendor understood of a request: all that the default answer depends on."""

    model: str = ""
    #: Role and text of each message; parts that are no text are left out.
    turns: Sequence[tuple[str, str]] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    #: The name of a function that has to be called, "*" for any, "" for none.
    forced_tool: str = ""
    #: A JSON schema the answer has to fit, ``{}`` for any object, None for free text.
    schema: Mapping[str, Any] | None = None
    thinks: bool = False
    stream: bool = False

    @property
    def last_text(self) -> str:
        """The text of the last message."""
        return self.turns[-1][1] if self.turns else ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one reply. See ``VendorServer.fault`` for the names and their options."""

    name: str
    #: A kind of error (``rate_limit``) or one of the vendor's own codes.
    error: str = ""
    #: Where the vendor puts it: ``status``, ``in_200``, ``in_stream``, or a place only this vendor has.
    place: str = "status"
    status: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Events (of a whole reply: bytes) that are sent before; None: half of them. Below 0: not even the whole head. Of
    #: ``length``: bytes that are promised too many, or a part of those there are.
    after: float | None = None
    seconds: float = 0.0
    reset: bool = False
    body: bytes = b""
    content_type: str = ""

    @property
    def is_in_head(self) -> bool:
        """Whether it strikes before the head of a reply is whole."""
        return self.name in ("cut", "stall") and self.after is not None and self.after < 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of a model, in no vendor's format, and how it is put on the wire."""

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    context: tuple[Passage, ...] = ()
    #: OpenAI's word; "" follows from the content. The vendor says its own.
    finish_reason: str = ""
    usage: Tokens | None = None
    #: What only some platforms have: ``suggestions``, ``steps``, ``outputs`` …
    extra: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    #: Cuts the body anew: every n bytes, or at these offsets.
    split: int | tuple[int, ...] | None = None
    #: Seconds between two events.
    pace: float = 0.0

    @property
    def whole_text(self) -> str:
        """The text in one piece."""
        return "".join(self.text)

    @property
    def whole_reasoning(self) -> str:
        """The reasoning in one piece."""
        return "".join(self.reasoning)

    @property
    def ending(self) -> str:
        """OpenAI's finish reason of this answer."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    def counted(self, asked: Asked) -> Tokens:
        """The scripted usage, or one token a character."""
        if self.usage is not None:
            return self.usage
        reasoning = len(self.whole_reasoning)
        calls = sum(len(call.arguments) for call in self.tool_calls)
        prompt = sum(len(text) for _, text in asked.turns)
        return Tokens(prompt=prompt, completion=len(self.whole_text) + calls + reasoning, reasoning=reasoning)


Text: TypeAlias = str | Sequence[str]


def build_answer(  # the keywords of VendorServer.reply
    *,
    text: Text | None = None,
    reasoning: Text = "",
    tool_calls: Sequence[Mapping[str, Any]] = (),
    context: Sequence[Mapping[str, Any] | str] = (),
    finish_reason: str = "",
    usage: Mapping[str, int] | None = None,
    split: int | Sequence[int] | None = None,
    pace: float = 0.0,
    fault: Fault | None = None,
    **extra: Any,
) -> Answer:
    """An answer from plain values. A text is cut into pieces of three characters, a list of texts is kept."""
    if isinstance(split, int) and split < 1:
        raise ValueError("split= needs at least 1 byte, or the offsets to cut at")
    return Answer(
        text=_pieces(text or ""),
        reasoning=_pieces(reasoning),
        tool_calls=tuple(_tool_call(number, call) for number, call in enumerate(tool_calls, 1)),
        context=tuple(_passage(number, passage) for number, passage in enumerate(context, 1)),
        finish_reason=finish_reason,
        usage=None if usage is None else Tokens(**usage),
        split=tuple(split) if isinstance(split, Sequence) else split,
        pace=pace,
        fault=fault,
        extra=extra,
    )


def _pieces(text: Text) -> tuple[str, ...]:
    if not isinstance(text, str):
        return tuple(text)
    return tuple(text[start : start + _PIECE] for start in range(0, len(text), _PIECE))


def _tool_call(number: int, given: Mapping[str, Any]) -> ToolCall:
    if "name" not in given:
        raise ValueError(f"tool_calls: each is {{'name': …, 'arguments': …}}, not {dict(given)!r}")
    arguments = given.get("arguments", {})
    pieces = () if isinstance(arguments, str | Mapping) else tuple(arguments)
    if isinstance(arguments, Mapping):
        arguments = json.dumps(arguments, ensure_ascii=False)
    text = "".join(pieces) or str(arguments)
    half = len(text) // 2
    return ToolCall(
        id=given.get("id") or f"call_{number}",
        name=given["name"],
        arguments=text,
        pieces=pieces or tuple(piece for piece in (text[:half], text[half:]) if piece),
    )


def _passage(number: int, given: Mapping[str, Any] | str) -> Passage:
    passage = Passage(content=given) if isinstance(given, str) else Passage(**given)
    return passage if passage.id else replace(passage, id=f"passage-{number}")


class Script:
    """The queue of what to answer, shared by all vendors of a server; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[str, Answer]] = deque()
        self._made = 0

    def put(self, answer: Answer, vendor: str = "") -> None:
        """Queue an answer for the next call of anyone, or of that vendor."""
        with self._lock:
            self._queue.append((vendor, answer))

    @property
    def waiting(self) -> int:
        """Scripted answers that nobody has taken yet."""
        return len(self._queue)

    def clear(self) -> None:
        """Forget what was scripted."""
        with self._lock:
            self._queue.clear()

    def take(self, vendor: str) -> Answer | None:
        """The next answer for a call of this vendor."""
        with self._lock:
            for place, (whose, answer) in enumerate(self._queue):
                if whose in ("", vendor):
                    del self._queue[place]
                    return answer
        return None

    def peek(self, vendor: str) -> Answer | None:
        """The answer that ``take`` would give."""
        with self._lock:
            return next((answer for whose, answer in self._queue if whose in ("", vendor)), None)

    def make_number(self) -> int:
        """1, 2, 3 …: ids that are the same in every run."""
        with self._lock:
            self._made += 1
            return self._made


class Desk:
    """The script as one request sees it; remembers what that request took."""

    def __init__(self, script: Script, vendor: str) -> None:
        self._script = script
        self._vendor = vendor
        #: The answer that this request was given, with the faults to play on its reply.
        self.taken: Answer | None = None

    def take(self, asked: Asked) -> Answer:
        """The next scripted answer, or the default one."""
        answer = self._script.take(self._vendor)
        if answer is None:
            answer = default_answer(asked)
        elif answer.fault is not None and not (answer.text or answer.reasoning or answer.tool_calls):
            # A fault with nothing to say besides breaks the default answer.
            usual = default_answer(asked)
            answer = replace(answer, text=usual.text, reasoning=usual.reasoning, tool_calls=usual.tool_calls)
        self.taken = answer
        return answer

    def make_number(self) -> int:
        """1, 2, 3 …: ids that are the same in every run."""
        return self._script.make_number()


def default_answer(asked: Asked) -> Answer:
    """What the server says unasked: an echo, a forced tool call, or JSON that fits the schema. The same every time."""
    reasoning = "先想一想。" if asked.thinks else ""
    if asked.forced_tool:
        functions = [tool["function"] for tool in asked.tools if "function" in tool]
        for function in functions:
            if asked.forced_tool in ("*", function["name"]):
                arguments = example_of(function.get("parameters") or {}) or {}
                call = {"name": function["name"], "arguments": arguments}
                return build_answer(tool_calls=[call], reasoning=reasoning)
    if asked.schema is not None:
        return build_answer(text=json.dumps(example_of(asked.schema), ensure_ascii=False), reasoning=reasoning)
    return build_answer(text=f"收到：{asked.last_text}", reasoning=reasoning)


def example_of(schema: Any) -> Any:
    """The simplest value that fits a JSON schema of the kinds that tools and answers use; None for what is none."""
    if not isinstance(schema, Mapping):
        return None
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        properties = schema.get("properties")
        members = properties.items() if isinstance(properties, Mapping) else ()
        return {name: example_of(inner) for name, inner in members}
    if kind == "array":
        return [example_of(schema["items"])] if schema.get("items") else []
    return {"string": "例", "integer": 1, "number": 1.5, "boolean": True}.get(str(kind))


def retry_header(after: float | str | datetime | None) -> dict[str, str]:
    """The header Retry-After, if there is something to say in it."""
    if isinstance(after, datetime):
        after = format_datetime(after.astimezone(timezone.utc), usegmt=True)
    return {} if after is None else {"Retry-After": str(after)}


def problem_of(fault: Fault, known: Mapping[str, Problem], kinds: Mapping[str, str], vendor: str) -> Problem:
    """The vendor's own problem for a fault that names a kind or a code."""
    name = kinds.get(fault.error, fault.error)
    if name not in known:
        choices = ", ".join([*kinds, *known])
        raise ValueError(f"{vendor} has no error {fault.error!r}. It knows: {choices}")
    problem = known[name]
    return replace(
        problem,
        status=problem.status if fault.status is None else fault.status,
        message=fault.message or problem.message,
        headers={**problem.headers, **fault.headers},
    )
