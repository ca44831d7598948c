"""``batch`` and ``abatch``: from arguments to a run, in this loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .._arguments import arguments
from .._routes import provider_of
from ..exceptions import BadRequestError
from .asking import Asker, Limits
from .budget import Budget
from .journal import Fsync, Journal
from .lines import Defaults
from .results import BatchResult
from .run import Run, Stats
from .sources import Requests, aiter_raw, count_lines

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

#: Results that are fetched from the other thread in one go.
_AT_ONCE = 256
#: Arguments of a call that mean nothing here.
_NOT_HERE = ("messages", "stream", "http_client")


class Plan:
    """The arguments of ``batch``, checked: everything wrong with them is raised here, before anything is opened."""

    def __init__(self, requests: Requests, given: Mapping[str, Any]) -> None:
        options = {name: given[name] for name in given if name != "params"}
        params = dict(given["params"])
        if unusable := sorted(name for name in _NOT_HERE if params.get(name) is not None):
            raise BadRequestError(f"{', '.join(unusable)}: not for a batch.")
        self.requests = requests
        self.options = options
        call = _only_given(params, options["model"], options["provider"])
        self.defaults = Defaults(arguments=call, system=options["system"], override=options["override"])
        self.keys = _keys(options["keys"])
        self.limits = _limits(options)
        self.budget = Budget(tokens=options["budget_tokens"], cost=options["budget_cost"])
        self.journal = None if options["journal"] is None else Path(options["journal"])
        self.fsync: Fsync = options["fsync"]

    def start(self, journal: Journal | None = None) -> Run:
        """The run, with its journal opened; with one that is open already, it only looks up what is in it."""
        only_stored = journal is not None
        journal = journal or Journal(self.journal, self.fsync)
        asker = Asker(self.keys, provider_of(self.defaults.arguments), self.limits)
        asker.learn_from(journal)
        run = Run(
            aiter_raw(self.requests, self.options["prompt_column"]),
            self.defaults,
            asker,
            journal,
            budget=self.budget,
            is_ordered=self.options["ordered"],
            only_stored=only_stored,
        )
        try:
            run.stats.total = count_lines(self.requests)
        except BaseException:
            journal.close()
            raise
        return run


def _keys(given: Any) -> list[Mapping[str, Any]]:
    """One set of credentials for each key: a string is an ``api_key``, a mapping holds arguments."""
    if given is None:
        return []
    if isinstance(given, (str, Mapping)):
        raise BadRequestError("keys must be a list, of API keys or of dicts with credentials.")
    return [_only_given({"api_key": each} if isinstance(each, str) else each) for each in given]


def _only_given(params: Mapping[str, Any], model: Any = None, provider: Any = None) -> dict[str, Any]:
    """Arguments of a call, without those that are None."""
    call = arguments(model, None, provider, None, params)
    return {name: value for name, value in call.items() if value is not None}


def _limits(options: Mapping[str, Any]) -> Limits:
    most, patience = options["concurrency"], options["patience"]
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise BadRequestError(f"concurrency={most!r} is not a whole number of 1 or more.")
    for name in ("rpm", "tpm", "budget_tokens", "budget_cost"):
        if options[name] is not None and not options[name] > 0:
            raise BadRequestError(f"{name}={options[name]!r} is not more than 0.")
    return Limits(most=most, rpm=options["rpm"], tpm=options["tpm"], patience=patience)


class AsyncBatchRun:
    """Results of a batch, as an asynchronous iterator and context manager. Begins with the first result asked for."""

    def __init__(self, plan: Plan, journal: Journal | None = None) -> None:
        self.plan = plan
        self._journal = journal
        self._run: Run | None = None
        self._is_stopped = False
        self._stats = Stats()
        self._found: deque[BatchResult] = deque()

    @property
    def stats(self) -> Stats:
        """What has happened so far: counts, tokens, cost, and how it has ended."""
        return self._stats if self._run is None else self._run.refresh()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchResult:
        if not self._found:
            self._found.extend(await self.take(_AT_ONCE))
        if not self._found:
            raise StopAsyncIteration
        return self._found.popleft()

    async def take(self, most: int) -> list[BatchResult]:
        """The next results, as soon as there is one; none when the run has ended."""
        if self._run is None:
            self._run = self.plan.start(self._journal)
            if self._is_stopped:
                self._run.stop()
        return await self._run.take(most)

    def stop(self) -> None:
        """Begin nothing more; the results of what is under way still come. ``stats.ending`` is ``"stopped"``."""
        self._is_stopped = True
        if self._run is not None:
            self._run.stop()

    async def aclose(self) -> None:
        """End at once. What was answered is in the journal; requests under way are given up."""
        if self._run is not None:
            await self._run.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class BatchRun:
    """Results of a batch, as an iterator and context manager; the work is done by a thread of its own."""

    def __init__(self, plan: Plan) -> None:
        self._twin = AsyncBatchRun(plan)
        self._thread: _LoopThread | None = None
        self._found: deque[BatchResult] = deque()
        self._has_ended = False

    @property
    def stats(self) -> Stats:
        """What has happened so far: counts, tokens, cost, and how it has ended."""
        return self._twin.stats

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BatchResult:
        if not self._found and not self._has_ended:
            self._thread = self._thread or _LoopThread()
            try:
                self._found.extend(self._thread.run(self._twin.take(_AT_ONCE)))
            except BaseException:
                self.close()
                raise
        if not self._found:
            self.close()
            raise StopIteration
        return self._found.popleft()

    def stop(self) -> None:
        """Begin nothing more; the results of what is under way still come. ``stats.ending`` is ``"stopped"``."""
        if self._thread is None:
            self._twin.stop()
        else:
            self._thread.call(self._twin.stop)

    def close(self) -> None:
        """End at once. What was answered is in the journal; requests under way are given up."""
        self._has_ended = True
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self._twin.aclose())
            thread.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_thread", None) is not None:
            self.close()


class _LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(started)), name="batch", daemon=True)
        self._thread.start()
        self._loop = started.result()

    async def _live(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        self._ended = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._ended.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()


def batch(
    requests: Requests,
    *,
    provider: str | None = None,
    model: str | None = None,
    journal: str | Path | None = None,
    ordered: bool = True,
    concurrency: int = 100,
    rpm: float | None = None,
    tpm: float | None = None,
    keys: Iterable[str | Mapping[str, Any]] | None = None,
    budget_tokens: float | None = None,
    budget_cost: float | None = None,
    system: str | None = None,
    override: bool = False,
    prompt_column: str = "prompt",
    patience: float = 600.0,
    fsync: Fsync = "second",
    **params: Any,
) -> BatchRun:
    """Ask very many requests; an iterator over what became of each. ``docs/bulk.md`` tells more of everything here.

    Args:
        requests: a file's name, or an iterable of lines: prompts, OpenAI's batch lines, dicts with ``prompt`` or
            ``messages``. Iterables are read in another thread, as far as there is room.
        provider, model: as for ``unionchat``, for lines that name none.
        journal: a file that remembers each answer: no run with it sends an answered request again, failures are asked
            again. Default: a temporary one.
        ordered: results in the order of the lines; else as they come.
        concurrency: requests at once for each key, at most. How many there are is found out, by 429 and 503.
        rpm, tpm: requests and tokens a minute for each key.
        keys: API keys, or dicts of credentials, to spread the requests over. One that is refused is left out.
        budget_tokens, budget_cost: what the whole job may spend, earlier runs with this journal included.
        system: the system message of lines that are prompts.
        override: let ``model`` and ``params`` win over what lines say.
        prompt_column: of a table, the column that holds prompts.
        patience: seconds that a request is asked again while the vendor answers 429; with ``fallbacks``, those decide.
        fsync: "second", "always" or "never": when the journal goes to the disk. Only a power cut can lose what did not.
        params: any other argument of ``unionchat``, for all lines.

    Returns:
        An iterator of ``BatchResult`` and context manager, with ``stats``, ``stop()`` and ``close()``. What fails, or
        cannot be read, is a result with ``error``.

    Raises:
        UnionLLMError: an argument is wrong; at the first result: the journal cannot be used (``JournalError``).
        OSError: at the first result: a file cannot be read or written.
    """
    return BatchRun(Plan(requests, locals()))


def abatch(
    requests: Requests,
    *,
    provider: str | None = None,
    model: str | None = None,
    journal: str | Path | None = None,
    ordered: bool = True,
    concurrency: int = 100,
    rpm: float | None = None,
    tpm: float | None = None,
    keys: Iterable[str | Mapping[str, Any]] | None = None,
    budget_tokens: float | None = None,
    budget_cost: float | None = None,
    system: str | None = None,
    override: bool = False,
    prompt_column: str = "prompt",
    patience: float = 600.0,
    fsync: Fsync = "second",
    **params: Any,
) -> AsyncBatchRun:
    """``batch`` for async code: the same arguments, results and errors; ``requests`` may be asynchronous, too."""
    return AsyncBatchRun(Plan(requests, locals()))


__all__ = ["AsyncBatchRun", "BatchRun", "abatch", "batch"]
