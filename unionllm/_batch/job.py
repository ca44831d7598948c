"""A file of questions → a file of answers: what the command line and the engines run.

The output is made anew by every run, line by line, beside its final name, and takes that name when the run ends: what
earlier runs were answered comes out of the journal. So the output cannot be torn, and nothing in it appears twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..exceptions import BadRequestError
from .api import AsyncBatchRun, Plan, abatch
from .files import check_target, open_writer
from .journal import Journal
from .run import Stats

#: Results that are written in one go.
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job.

    Args:
        source, target: the files; their endings say what they are.
        arguments: those of ``batch``. ``journal`` is the output's name with ``.journal`` behind it by default.

    Raises:
        BadRequestError: the output is the input, or an argument of ``batch`` is wrong.
    """

    source: Path
    target: Path
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        partial = self.partial.resolve()
        if self.source.resolve() in (self.target.resolve(), self.journal.resolve(), partial):
            raise BadRequestError(f"{self.source} is the input. Name another file for the output.")
        if self.journal.resolve() in (self.target.resolve(), partial):
            raise BadRequestError(f"{self.journal} is the output. Name another file for the journal.")

    @property
    def partial(self) -> Path:
        """The output's name until it is whole."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def journal(self) -> Path:
        """Where answers are remembered."""
        given = self.arguments.get("journal")
        return self.target.with_name(f"{self.target.name}.journal") if given is None else Path(given)

    @property
    def plan(self) -> Plan:
        """The arguments of ``batch``, checked."""
        arguments: dict[str, Any] = {**self.arguments, "journal": self.journal}
        return abatch(self.source, **arguments).plan

    async def write(self, run: AsyncBatchRun) -> Stats:
        """Write all results of a run, and close it; returns what has happened."""
        check_target(self.target, self.partial)
        async with run:
            # The journal is locked before the output is begun anew, and until it is whole: another run may write that.
            results = await run.take(_AT_ONCE)
            with open_writer(self.partial, self.target.suffix) as writer:
                while results:
                    writer.write(results)
                    results = await run.take(_AT_ONCE)
            stats = run.stats
            os.replace(self.partial, self.target)
        return stats


async def run_job(job: Job, *, watch: Callable[[AsyncBatchRun], object] | None = None) -> Stats:
    """Run a job to its end; returns what has happened.

    Args:
        watch: is given the run before it begins, to stop it for example.

    Raises:
        UnionLLMError: an argument is wrong, or the journal cannot be used.
        OSError: a file cannot be read or written.
    """
    run = AsyncBatchRun(job.plan)
    if watch is not None:
        watch(run)
    return await job.write(run)


async def write_stored(job: Job, journal: Journal) -> Stats:
    """Write the output from what the journal holds, without asking anything; closes the journal."""
    return await job.write(AsyncBatchRun(job.plan, journal))
