"""The same job as ``unionllm batch`` on Ray Data, for more machines than one. Needs the extra ``ray``.

::

    from unionllm.integrations import ray

    ray.run("in.jsonl", "out.jsonl", workers=8, provider="zhipuai", model="glm-4.6", rpm=600)

The driver reads the input, leaves out what the journal holds already and what is asked twice, and cuts the rest into
chunks. Each worker is an actor with connections of its own and its share of the limits, which appends the answers of a
chunk to a file of that chunk. A worker that dies takes nothing with it: Ray gives the chunk to another one, which
finds the file and asks the rest. Files of finished chunks go into the job's journal; at the end the output is made
from that, by the same code as without Ray, and is the same.

The directory of the journal has to be the same for driver and workers: one machine, or a file system that they share.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._batch.api import Plan
from .._batch.asking import Asker, RefusedKeyError, StoppedError
from .._batch.job import Job, write_stored
from .._batch.journal import Journal, JournalError
from .._batch.lines import Defaults, Line, read_line
from .._batch.pace import Turn
from .._batch.results import Entry, dump_json, entry_of_error
from .._batch.run import Ending, Stats
from .._batch.sources import iter_file
from .._routes import provider_of
from ..exceptions import UnionLLMError

if TYPE_CHECKING:
    from .._batch.asking import Limits

__all__ = ["run", "run_job"]

#: Lines that a worker is given at a time, and those where a budget is to be kept: it is kept to within a chunk each.
_CHUNK, _SMALL_CHUNK = 256, 32
#: Chunks that a worker has in hand, so that it has enough to do while the last answers of one are awaited.
_IN_HAND = 2
#: Seconds that a worker waits for another one to let go of a chunk.
_PATIENCE = 60
#: A file of this name tells workers to begin no more chunks.
_STOP = "stop"


def run(source: str | Path, target: str | Path, *, workers: int = 2, **arguments: Any) -> Stats:
    """Ask everything in a file, and write what became of each line into another one.

    Args:
        source, target: as for ``unionllm batch``; the journal lies beside the target, or where ``journal=`` says.
        workers: actors; ``concurrency``, ``rpm`` and ``tpm`` are shared out over them.
        arguments: those of ``unionllm.batch``.

    Returns:
        What has happened, as ``batch(…).stats`` tells it.

    Raises:
        UnionLLMError: an argument is wrong, Ray is not installed, or the journal cannot be used.
    """
    return run_job(Job(source=Path(source), target=Path(target), arguments=arguments), workers=workers)


def run_job(job: Job, *, workers: int = 2) -> Stats:
    """The same with a ``Job``. A Ray that the program has connected to is used; else one is started on this machine."""
    plan = job.plan
    folder = job.journal.with_name(f"{job.journal.name}.chunks").resolve()
    journal = Journal(job.journal, plan.fsync)
    try:
        folder.mkdir(exist_ok=True)
        (folder / _STOP).unlink(missing_ok=True)
        for left_over in sorted(folder.glob("*.jsonl")):
            journal.absorb(left_over)
            left_over.unlink()
        chunks = _write_chunks(plan, job, journal, folder)
        foreman = _Foreman(plan, journal, folder)
        if chunks:
            with _connected():
                foreman.work(chunks, workers)
        stats = asyncio.run(write_stored(job, journal))
    finally:
        journal.close()
    shutil.rmtree(folder)
    stats.asked, stats.stored = foreman.asked, stats.handed_out - foreman.asked
    stats.ending, stats.reason = foreman.ending, foreman.reason
    return stats


def _write_chunks(plan: Plan, job: Job, journal: Journal, folder: Path) -> list[dict[str, Any]]:
    """Write what has to be asked into one file; returns where each chunk of it stands."""
    has_budget = plan.budget.tokens is not None or plan.budget.cost is not None
    size = _SMALL_CHUNK if has_budget else _CHUNK
    chunks: list[dict[str, Any]] = []
    lines = 0
    with (folder / "todo").open("wb") as file:
        for index, raw in enumerate(iter_file(job.source, prompt_column=plan.options["prompt_column"])):
            line = read_line(index, raw, plan.defaults)
            if line.problem or not journal.claim(line.key):
                continue
            if lines % size == 0:
                chunks.append({"number": len(chunks), "place": file.tell(), "lines": 0})
            file.write(dump_json(raw).encode() + b"\n")
            chunks[-1]["lines"] += 1
            lines += 1
    return chunks


@contextmanager
def _connected() -> Iterator[None]:
    """A Ray to work with: the program's own, else one on this machine, which nobody outside can see."""
    try:
        import ray
    except ModuleNotFoundError:
        raise UnionLLMError("This engine needs Ray: pip install 'unionllm[ray]'") from None
    if ray.is_initialized() or os.environ.get("RAY_ADDRESS"):
        yield  # Ray connects to what the variable says by itself
        return
    # It would report its use to its makers, and there is no argument against that.
    before = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
        yield
    finally:
        ray.shutdown()
        if before is None:
            del os.environ["RAY_USAGE_STATS_ENABLED"]
        else:
            os.environ["RAY_USAGE_STATS_ENABLED"] = before


class _Foreman:
    """Hands chunks to workers, and takes over what they bring back."""

    def __init__(self, plan: Plan, journal: Journal, folder: Path) -> None:
        self._plan = plan
        self._journal = journal
        self._folder = folder
        self.asked = 0
        self.ending: Ending = "done"
        self.reason = ""

    def work(self, chunks: list[dict[str, Any]], workers: int) -> None:
        """Have all chunks asked."""
        import ray

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        workers = min(workers, len(chunks))
        answers = ray.data.from_items(chunks, override_num_blocks=len(chunks)).map_batches(
            _Worker,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=_IN_HAND),
            fn_constructor_kwargs={
                "folder": str(self._folder),
                "defaults": self._plan.defaults,
                "keys": self._plan.keys,
                "limits": self._plan.limits.shared(workers),
            },
            num_cpus=0.1,  # it waits for the network nearly all the time
        )
        for row in answers.iter_rows():
            self._take(row)

    def _take(self, row: Mapping[str, Any]) -> None:
        path = self._folder / f"{row['number']:08}.jsonl"
        if path.exists():
            # The file stays until the job ends: when a node dies, Ray may give out chunks again that were done.
            self._journal.absorb(path)
        self.asked += int(row["asked"])
        budget, journal = self._plan.budget, self._journal
        if row["refusal"]:
            self._stop("refused", str(row["refusal"]))
        elif budget.cost is not None and row["answered"] and not journal.priced:
            self._stop("no_price")
        elif journal.tokens >= (budget.tokens or float("inf")) or journal.cost >= (budget.cost or float("inf")):
            self._stop("budget")

    def _stop(self, ending: Ending, reason: str = "") -> None:
        if self.ending == "done":
            self.ending, self.reason = ending, reason
            (self._folder / _STOP).touch()


class _Worker:
    """An actor: asks the lines of chunks, several at once, with connections and limits of its own."""

    def __init__(self, folder: str, defaults: Defaults, keys: list[Mapping[str, Any]], limits: Limits) -> None:
        self._folder = Path(folder)
        self._defaults = defaults
        self._asker = Asker(keys, provider_of(defaults.arguments), limits)

    async def __call__(self, batch: Mapping[str, Any]) -> AsyncIterator[dict[str, list[Any]]]:
        """Ask one chunk; tells how many were asked."""
        number, place, count = (int(batch[name][0]) for name in ("number", "place", "lines"))
        told: dict[str, Any] = {"asked": 0, "answered": 0, "refusal": ""}
        if not (self._folder / _STOP).exists():
            told = await self._ask(self._read(place, count), self._folder / f"{number:08}.jsonl")
        yield {"number": [number], **{name: [value] for name, value in told.items()}}

    def _read(self, place: int, count: int) -> list[Line]:
        with (self._folder / "todo").open("rb") as file:
            file.seek(place)
            raw_lines = [json.loads(file.readline()) for _ in range(count)]
        return [read_line(number, raw, self._defaults) for number, raw in enumerate(raw_lines)]

    async def _ask(self, lines: list[Line], path: Path) -> dict[str, Any]:
        told = {"asked": 0, "answered": 0, "refusal": ""}
        # What the file holds was answered before a worker died over this chunk.
        journal = await _open_journal(path)
        tasks: set[asyncio.Task[Entry | None]] = set()
        syncer = asyncio.create_task(journal.keep_syncing())
        try:
            for line in lines:
                if journal.find(line.key):
                    continue
                turn = await self._asker.take_turn(line)
                tasks.add(asyncio.create_task(self._ask_line(line, turn, journal)))
        except (RefusedKeyError, StoppedError):
            pass
        finally:
            entries = await asyncio.gather(*tasks)
            syncer.cancel()
            journal.close()
        told["asked"] = sum(entry is not None for entry in entries)
        told["answered"] = sum(entry is not None and entry.is_ok for entry in entries)
        told["refusal"] = "" if self._asker.refusal is None else str(self._asker.refusal)
        return told

    async def _ask_line(self, line: Line, turn: Turn, journal: Journal) -> Entry | None:
        try:
            entry = await self._asker.ask(line, turn)
        except RefusedKeyError as refused:
            if self._asker.refusal is not None:
                return None
            entry = entry_of_error(line.key, refused.args[0])
        if entry is not None:
            journal.append(entry)
        return entry


async def _open_journal(path: Path) -> Journal:
    """The journal of a chunk; waits for a worker whose node has died and that has not noticed yet."""
    for _ in range(_PATIENCE):
        try:
            return Journal(path, "second")
        except JournalError:
            await asyncio.sleep(1)
    return Journal(path, "second")
