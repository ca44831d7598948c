"""The words that adapters and the transport share: what to send, what came back, and what to do in between.

Nothing here performs I/O. An adapter's *flow* is a generator that yields steps and is sent their results, so that a
vendor which needs several requests (create, poll, list) is written once for sync and async:

===================  =====================================================
step                 result that the transport sends back
===================  =====================================================
``HttpRequest``      ``HttpReply``, whatever its status
``OpenStream``       an opened stream of chunks, its first chunk received
``Wait``             None, after that many seconds
``Perform``          what the callable returned
===================  =====================================================

A step that fails on the way (no connection, a limit ran out) is thrown into the flow as an ``APIConnectionError``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from ._secrets import Headers
from ._urls import place_of

if TYPE_CHECKING:
    from ._framing import Event
    from .schema import ModelResponseChunk

T = TypeVar("T")


class Environment(Mapping[str, str]):
    """Environment variables. Keys are among them, and which others there are is nobody's business.

    Args:
        variables: those of the process; not copied.
        named: those that a call names, which come first.
    """

    __slots__ = ("_named", "_variables")

    def __init__(self, variables: Mapping[str, str], named: Mapping[str, str] | None = None) -> None:
        self._variables = variables
        self._named = named or {}

    def __getitem__(self, name: str) -> str:
        return self._named[name] if name in self._named else self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._variables, **self._named})

    def __len__(self) -> int:
        return len({**self._variables, **self._named})

    def __repr__(self) -> str:
        return "Environment(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request.

    ``secrets`` are values that must not be logged, wherever they may come back. ``hides_reply``: the answer holds a
    new secret, so its body is not logged at all.
    """

    url: str
    method: str = "POST"
    headers: Headers = field(default_factory=Headers)
    content: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    hides_reply: bool = False

    def __repr__(self) -> str:
        # A query may hold a token.
        return f"HttpRequest({self.method} {place_of(self.url)}, headers={self.headers!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A whole HTTP answer.

    ``headers`` have lower-case names; ``url`` is where it came from, without its query; ``received_at`` is Unix time.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)  # a vendor may repeat there what it was sent, as it may in the body
    content: bytes = field(repr=False)
    url: str
    received_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketRequest:
    """One WebSocket conversation: connect to ``url``, send ``messages``, read each message as an event."""

    url: str = field(repr=False)  # signed URLs are credentials
    headers: Headers = field(default_factory=Headers)
    messages: tuple[str, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class ChunkParser(Protocol):
    """Turns one stream's events into chunks; made anew for every stream."""

    #: How the vendor frames its events in the body: "sse" or "json_lines"; "messages" for a ``WebSocketRequest``.
    framing: str
    #: True once the vendor's end signal was read; nothing after it matters.
    is_done: bool
    #: Whether silence after a complete answer is taken for the end of the stream: more may follow it, but need not.
    ends_in_silence: bool

    @property
    def has_finished(self) -> bool:  # pyright: ignore[reportReturnType]
        """Whether the answer is complete (a finish reason was read), though usage or the end signal may still come."""

    def start(self, head: HttpReply) -> None:
        """The reply has begun: its status and headers, without a body. Called once, before anything else."""

    def feed(self, event: Event) -> Iterable[ModelResponseChunk]:  # pyright: ignore[reportReturnType]
        """Chunks that this event completes. Raises the vendor's error when the event is one."""

    def read_body(self, reply: HttpReply) -> Iterable[ModelResponseChunk]:  # pyright: ignore[reportReturnType]
        """The vendor answered with one body instead of events: raise its error, or give the body as chunks."""

    def end(self) -> Iterable[ModelResponseChunk]:  # pyright: ignore[reportReturnType]
        """Chunks held back until the end. Raises StreamInterruptedError if the vendor had not finished."""


class OpenStream(NamedTuple):
    """Send the request, hand a refusal to the parser, and keep the connection open for the events.

    With ``join`` the events are read to their end and the result is one ``ModelResponse``, for models that only stream.
    """

    request: HttpRequest | WebSocketRequest
    parser: ChunkParser
    join: bool = False


class Wait(NamedTuple):
    """Do nothing for so many seconds."""

    seconds: float


class Perform(NamedTuple):
    """Work that only other code can do (start a model server, call LiteLLM).

    ``call`` serves sync calls. ``acall`` serves async ones; without it ``call`` runs in a worker thread.
    """

    call: Callable[[], Any]
    acall: Callable[[], Awaitable[Any]] | None = None


Step: TypeAlias = HttpRequest | OpenStream | Wait | Perform
Flow: TypeAlias = Generator[Step, Any, T]
