"""``unionllm batch``: a file of questions → a file of answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import codes
from ._screen import CommandError, tell, warnings, write_json

if TYPE_CHECKING:
    from .._batch.api import AsyncBatchRun
    from .._batch.job import Job
    from .._batch.run import Stats

#: Seconds between two looks at the figures.
_TICK = 0.5


class Engine(str, Enum):
    """Where the work is done."""

    LOCAL = "local"
    RAY = "ray"


class FsyncOption(str, Enum):
    """When the journal is brought to the disk."""

    SECOND = "second"
    ALWAYS = "always"
    NEVER = "never"


def command(
    *,
    source: Annotated[Path, typer.Argument(help="JSON lines, prompts (.txt), .csv or .parquet.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON lines, .csv or .parquet.")],
    provider: Annotated[str | None, typer.Option("--provider", "-p", help="Of lines that name none.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Of lines that name none.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address than the provider's.")] = None,
    keys_from: Annotated[str | None, typer.Option(help="A variable with several keys, separated by commas.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Default: the output's name with .journal behind it.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once for each key, at most.")] = 100,
    rpm: Annotated[float | None, typer.Option(help="Requests a minute for each key.")] = None,
    tpm: Annotated[float | None, typer.Option(help="Tokens a minute for each key.")] = None,
    budget_tokens: Annotated[float | None, typer.Option(help="Tokens that the job may take.")] = None,
    budget_cost: Annotated[float | None, typer.Option(help="Money that the job may take.")] = None,
    as_they_come: Annotated[bool, typer.Option("--as-they-come", help="Do not keep the order of the lines.")] = False,
    system: Annotated[str | None, typer.Option("--system", "-s", help="A system message for prompts.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A parameter: temperature=0.2.")] = None,
    override: Annotated[bool, typer.Option("--override", help="Model and --set win over the lines.")] = False,
    prompt_column: Annotated[str, typer.Option(help="Of a table: the column of prompts.")] = "prompt",
    fallback: Annotated[list[str] | None, typer.Option(help="provider/model, if the first one fails.")] = None,
    max_retries: Annotated[int | None, typer.Option(min=0, help="Of each request; default 2.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds of silence in one request.")] = None,
    fsync: Annotated[FsyncOption, typer.Option(help="When the journal goes to the disk.")] = FsyncOption.SECOND,
    engine: Annotated[Engine, typer.Option(help="ray: on many machines.")] = Engine.LOCAL,
    workers: Annotated[int, typer.Option(min=1, help="Of --engine ray.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Write the figures as JSON.")] = False,
) -> int:
    """Ask everything in a file, and write what became of each line into another one.

    Killed, or stopped by Ctrl-C, it goes on where it was when the same command is given again: what was answered is in
    the journal, and is not sent twice.

    Exit codes: 0 all lines were answered; 3 some failed; 4 the budget is used up, or cannot be kept; 5 every key was
    refused; 130 stopped.
    """
    from .._batch.job import Job

    job = Job(source=source, target=output, arguments=_arguments(locals()))
    return _run_and_tell(job, engine, workers, as_json=as_json)


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``batch`` from those of the command."""
    same = [
        *("provider", "model", "base_url", "journal", "concurrency", "rpm", "tpm", "budget_tokens", "budget_cost"),
        *("system", "override", "prompt_column", "max_retries", "timeout"),
    ]
    given = {
        **_parameters(options["settings"] or []),
        **{name: options[name] for name in same},
        "ordered": not options["as_they_come"],
        "fsync": options["fsync"].value,
        "keys": _keys(options["keys_from"]),
        "fallbacks": [_target(each) for each in options["fallback"] or []] or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _run_and_tell(job: Job, engine: Engine, workers: int, *, as_json: bool) -> int:
    try:
        stats = _run(job, engine, workers)
    except OSError as error:
        tell(f"{error.strerror}: {error.filename}" if error.filename else str(error), style="red")
        return codes.FAILED
    except (asyncio.CancelledError, KeyboardInterrupt):
        tell(f"Stopped at once. To go on: {_again()}")
        return codes.STOPPED
    return _report(stats, job, as_json=as_json)


def _parameters(settings: list[str]) -> dict[str, Any]:
    found = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise CommandError(f"--set {setting}: write it as name=value")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def _keys(variable: str | None) -> list[str] | None:
    if variable is None:
        return None
    keys = os.environ.get(variable, "").replace(",", " ").split()
    if not keys:
        raise CommandError(f"--keys-from {variable}: that variable is not set")
    return keys


def _target(text: str) -> dict[str, str]:
    provider, slash, model = text.partition("/")
    if not slash:
        raise CommandError(f"--fallback {text}: write it as provider/model")
    return {"provider": provider, "model": model}


def _run(job: Job, engine: Engine, workers: int) -> Stats:
    if engine is Engine.RAY:
        from ..integrations.ray import run_job as run_ray_job

        return run_ray_job(job, workers=workers)
    return asyncio.run(_run_here(job))


async def _run_here(job: Job) -> Stats:
    from .._batch.job import run_job

    loop, ticker = asyncio.get_running_loop(), None
    me, is_stopping = asyncio.current_task(), False

    def watch(run: AsyncBatchRun) -> None:
        nonlocal ticker

        def stop() -> None:
            nonlocal is_stopping
            if is_stopping and me is not None:
                me.cancel()
                return
            is_stopping = True
            run.stop()
            tell(f"Finishing {run.stats.in_flight} requests that are under way; Ctrl-C again ends at once.")

        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # not on Windows: there Ctrl-C ends at once
                loop.add_signal_handler(number, stop)
        ticker = asyncio.create_task(_show_progress(run))

    try:
        return await run_job(job, watch=watch)
    finally:
        if ticker is not None:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)


async def _show_progress(run: AsyncBatchRun) -> None:
    with _progress() as progress:
        while True:
            progress(run.stats)
            await asyncio.sleep(_TICK)


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    from .._batch.progress import BarProgress, LineProgress

    console = warnings()
    is_drawn = console.is_terminal and not console.is_dumb_terminal
    with BarProgress(console) if is_drawn else LineProgress(sys.stderr.write) as progress:
        yield progress


def _report(stats: Stats, job: Job, *, as_json: bool) -> int:
    if as_json:
        write_json({**_plain(stats), "output": str(job.target), "journal": str(job.journal)})
    cost = f", cost {stats.cost:,.4f}" if stats.is_priced else ""
    lines = f"{stats.handed_out - stats.failed:,} answered, {stats.failed:,} failed"
    work = f"{stats.asked:,} requests asked, {stats.stored:,} lines from the journal"
    tell(f"{stats.handed_out:,} lines in {job.target}: {lines}; {work}; {stats.tokens:,} tokens{cost}.")
    if stats.ending == "done":
        if stats.failed:
            tell(f"To ask those that failed again: {_again()}")
        return codes.SOME_FAILED if stats.failed else codes.DONE
    tell(f"{_WHY[stats.ending]} {stats.reason}".rstrip())
    tell(f"To go on: {_again()}")
    return _CODES[stats.ending]


_WHY = {
    "budget": "The budget is used up. Raise it to go on.",
    "no_price": "The budget in money cannot be kept: answers do not say what they cost. Use --budget-tokens.",
    "refused": "Every key was refused:",
    "stopped": "Stopped.",
}
_CODES = {"budget": codes.BUDGET, "no_price": codes.BUDGET, "refused": codes.REFUSED, "stopped": codes.STOPPED}


def _plain(stats: Stats) -> dict[str, Any]:
    names = ("ending", "handed_out", "failed", "asked", "stored", "tokens", "refusals")
    return {**{name: getattr(stats, name) for name in names}, "cost": stats.cost if stats.is_priced else None}


def _again() -> str:
    return shlex.join(["unionllm", *sys.argv[1:]])
