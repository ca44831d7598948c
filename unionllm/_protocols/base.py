"""The contract of an adapter, and the facts of a vendor as data.

An adapter translates and nothing else: it opens no socket, does not sleep, reads no clock, environment or file.

Facts are named tuples, which are made in a seventh of the time that a frozen dataclass takes, and a first call waits
for that. A spec, which others extend with fields of their own, is a dataclass.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast, overload
from urllib.parse import urlsplit

from .._urls import host_of
from .._wire import OpenStream
from ..exceptions import APIError

if TYPE_CHECKING:
    from .._request import ChatRequest
    from .._wire import ChunkParser, Flow, HttpRequest, WebSocketRequest
    from ..schema import ModelResponse

K = TypeVar("K")
P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


@overload
def frozen() -> Mapping[Any, Any]: ...


@overload
def frozen(table: Mapping[K, V] | None) -> Mapping[K, V]: ...


def frozen(table: Mapping[K, V] | None = None) -> Mapping[K, V]:
    """A read-only table."""
    return MappingProxyType(dict(table or {}))


def of_facts(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose results for the same facts are remembered: every call of a vendor asks for the same ones.

    Facts that a plugin has written as lists, which cannot be remembered, are looked through anew each time.
    """
    remembered = cast("Callable[P, R]", functools.lru_cache(maxsize=256)(function))

    @functools.wraps(function)
    def ask(*facts: P.args, **named: P.kwargs) -> R:
        try:
            return remembered(*facts, **named)
        except TypeError:
            return function(*facts, **named)

    return ask


class Credential(NamedTuple):
    """One thing that a vendor wants to know who is calling.

    Args:
        name: the keyword argument.
        env: environment variables that may hold it, in order.
        required: whether a call without it makes no sense, unless one of the spec's ``alternatives`` is given.
        models: regular expression of models that are it, where the argument is not given.
        has_lines: whether it is a text of several lines, as keys in PEM are.
        looks_like: what the vendor's consoles give out, with ``…`` for the parts that vary. Only for advice: no call
            is refused for it.
    """

    name: str = "api_key"
    env: tuple[str, ...] = ()
    required: bool = True
    models: str | None = None
    has_lines: bool = False
    looks_like: str = ""


class Region(NamedTuple):
    """One of a vendor's platforms; keys of one console are strangers to the others.

    Its host may hold one ``{name}``, for platforms that give every customer a host.

    Args:
        env: environment variables with a key of this platform alone; looked at first for its host, for others never.
    """

    name: str
    base_url: str
    console: str = ""
    env: tuple[str, ...] = ()


class ErrorRule(NamedTuple):
    """What a vendor's error code means.

    Args:
        retryable: whether the same call may succeed shortly; None: as the class says.
        hint: what to do about it, told after what is always told about the class.
    """

    cls: type[APIError]
    retryable: bool | None = None
    hint: str = ""


class ErrorFacts(NamedTuple):
    """How a vendor says no.

    Args:
        codes: the vendor's error code or type → meaning.
        code_patterns: regular expression of whole codes → meaning, for codes that are made of parts; looked at next.
        code_in_text: regular expression whose first group is the code, for vendors that put it into the message.
        texts: phrase in the message (lower case) → meaning, for codes that mean several things; looked at first.
        statuses: HTTP status → meaning, for statuses of the vendor's own making; looked at when no code is known.
        request_id_headers: where the id of the call stands, in order.
        retired: model that is gone, in lower case → the one that took over; told when the vendor does not find it.
        sure_codes: regular expression of whole codes that mean one thing, whatever the message says.
        request_id_fields: members of an error's body that hold it, where no header does.
    """

    codes: Mapping[str, ErrorRule] = frozen()
    code_patterns: tuple[tuple[str, ErrorRule], ...] = ()
    code_in_text: str | None = None
    texts: tuple[tuple[str, ErrorRule], ...] = ()
    statuses: Mapping[int, ErrorRule] = frozen()
    request_id_headers: tuple[str, ...] = ("x-request-id", "request-id", "x-trace-id")
    retired: Mapping[str, str] = frozen()
    sure_codes: str | None = None
    request_id_fields: tuple[str, ...] = ("request_id",)


class EmbeddingFacts(NamedTuple):
    """What a vendor takes of texts to embed.

    Args:
        batch: texts in one request, at most.
        batches: regular expression of models (in lower case) → another limit; the first that matches counts.
        path: below the base URL.
    """

    batch: int = 64
    batches: tuple[tuple[str, int], ...] = ()
    path: str = "/embeddings"

    def batch_of(self, model: str) -> int:
        """Texts that this model takes in one request."""
        return next((size for pattern, size in self.batches if re.match(pattern, model.lower())), self.batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """Facts of a vendor.

    Args:
        name: as the user types it.
        title: as people call it.
        regions: the first one is the default.
        credentials: all that the vendor knows, optional settings of the account among them.
        alternatives: sets of names, any one of which does in place of the required credentials.
        base_url_env: environment variables that may replace the default base URL.
        schemes: what a base URL may begin with.
        docs: the vendor page that the adapter follows, and the day it was read.
        default_model: used when the caller names none; None means that a model must be named.
        embeddings: how texts are embedded; None: the vendor offers none.
        when_unreachable: what else to say when the vendor's own host cannot be reached.
        errors: how the vendor says no.
        shares: the parameters that another provider may be given too, when it is fallen back to; None: all of them.
    """

    name: str
    title: str
    regions: tuple[Region, ...]
    credentials: tuple[Credential, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    base_url_env: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ("https", "http")
    docs: str = ""
    docs_read: str = "2026-11-23"
    default_model: str | None = None
    embeddings: EmbeddingFacts | None = None
    when_unreachable: str = ""
    errors: ErrorFacts = field(default_factory=ErrorFacts)
    shares: frozenset[str] | None = None

    @property
    def base_url(self) -> str:
        """Base URL of the default region."""
        return self.regions[0].base_url

    @property
    def credential_sets(self) -> tuple[tuple[str, ...], ...]:
        """Names of credentials, a set for each way to say who is calling; the usual way first."""
        return _credential_sets(self.credentials, self.alternatives)

    def region(self, name: str) -> Region | None:
        """The region of that name."""
        return next((region for region in self.regions if region.name == name), None)

    def region_of(self, url: str) -> Region | None:
        """The region whose host a URL belongs to."""
        return _region_of(self.regions, host_of(url))

    @property
    def console(self) -> str:
        """Where keys are made."""
        return self.regions[0].console


@of_facts
def _credential_sets(
    credentials: tuple[Credential, ...], alternatives: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    return (tuple(one.name for one in credentials if one.required), *alternatives)


@of_facts
def _region_of(regions: tuple[Region, ...], host: str) -> Region | None:
    return next((region for region in regions if _is_host(host, urlsplit(region.base_url).netloc)), None)


def _is_host(host: str, pattern: str) -> bool:
    before, brace, rest = pattern.partition("{")
    if not brace:
        return host == pattern
    after = rest.partition("}")[2]
    return re.fullmatch(f"{re.escape(before)}[^.]+{re.escape(after)}", host) is not None


class Adapter(ABC):
    """What one vendor speaks, as pure translation."""

    spec: ProviderSpec

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """The request as this vendor can take it, every change recorded in ``adaptations``.

        Raises:
            BadRequestError: the request cannot work with this vendor, or ``param_policy="strict"`` forbids the changes.
        """
        return chat

    def make_ready(self, chat: ChatRequest) -> Flow[ChatRequest]:
        """The request with what only other steps can tell: where a server listens, media to fetch. Run for every try.

        ``complete``, ``open_stream`` and ``chunk_parser`` are given what it returns.
        """
        yield from ()
        return chat

    def for_embeddings(self, chat: ChatRequest) -> tuple[Adapter, ChatRequest]:
        """Who embeds texts, and the call as it is asked: for vendors whose chats may go elsewhere."""
        return self, chat

    def renew(self, chat: ChatRequest, error: APIError) -> bool:
        """Whether to begin again at once, with ``make_ready``: a token that it got has turned out to be no good.

        Args:
            chat: what ``make_ready`` returned.
            error: what the vendor said to it.
        """
        return False

    @abstractmethod
    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """The whole answer, as a flow."""

    @abstractmethod
    def open_stream(self, chat: ChatRequest) -> Flow[HttpRequest | WebSocketRequest]:
        """The request that opens the stream, after whatever the vendor wants done before it."""

    @abstractmethod
    def chunk_parser(self, chat: ChatRequest) -> ChunkParser:
        """A fresh parser for the events of one stream."""

    def stream(self, chat: ChatRequest) -> Flow[Any]:
        """An opened stream of chunks, the first one received."""
        request = yield from self.open_stream(chat)
        return (yield OpenStream(request=request, parser=self.chunk_parser(chat)))

    def thinks(self, model: str) -> bool:
        """Whether that model may think for minutes before its first token."""
        return False


JSONObject = dict[str, Any]
