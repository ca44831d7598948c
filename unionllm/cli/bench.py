"""``unionllm bench``: how fast a provider answers, and how evenly."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..cost import sum_costs
from . import codes
from ._asking import choose
from ._measuring import Measured, measure
from ._screen import UNKNOWN, CommandError, tell, warnings, write, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Generator

_PERCENTILES = (50, 90, 95, 99)
#: What fits into a terminal; the JSON has the minimum, too.
_SHOWN = ("mean", *(f"p{percent}" for percent in _PERCENTILES), "max")


@dataclass(slots=True, kw_only=True)
class Run:
    """A run and its calls; those that the limit of time cut off are only counted."""

    provider: str | None
    model: str | None
    calls: list[Measured] = field(default_factory=list)
    cut_off: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> list[Measured]:
        """The calls that were answered."""
        return [call for call in self.calls if call.error is None]

    @property
    def errors(self) -> dict[str, int]:
        """Class → how often."""
        return dict(Counter(type(call.error).__name__ for call in self.calls if call.error is not None))


def command(
    *,
    provider: Annotated[str, typer.Argument(help="Whom to measure.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="Default: a cheap model of the provider.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100_000, help="Calls, at most.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="The whole run, at most.")] = 60.0,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, max=1000, help="Calls at a time.")] = 4,
    prompt: Annotated[str, typer.Option(help="What to ask.")] = "Count from one to ten.",
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of each answer, at most.")] = 64,
    base_url: Annotated[str | None, typer.Option(help="Another address of the vendor.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot to this PNG file; needs the extra bench.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the figures as JSON.")] = False,
) -> int:
    """Measure throughput and latency of a provider with streamed calls. Calls cost money: count and time are bounded.

    One call is made before, and not counted: it pays for imports and the first connection, and if it is refused, so is
    the run. Nothing is retried: a refused call counts as such. The exit code is 1 if no call was answered.
    """
    if plot is not None:
        _check_plot(plot)
    chosen, chosen_model = choose(provider, model)
    run = Run(provider=chosen, model=chosen_model)
    params = {"base_url": base_url, "max_tokens": max_tokens, "max_retries": 0}
    was_stopped = False
    with _progress(count, is_shown=not as_json) as advance:
        try:
            asyncio.run(_run(run, prompt, params, count=count, seconds=seconds, width=concurrency, advance=advance))
        except KeyboardInterrupt:
            was_stopped = True
    figures = _figures(run)
    write_json(figures) if as_json else _show(figures)
    if plot is not None and run.good:
        from ._plotting import draw

        draw(run.good, f"{chosen}/{chosen_model}", plot)
        tell(f"Plot: {plot}")
    if was_stopped:
        return codes.STOPPED
    return codes.DONE if run.good else codes.FAILED


def _check_plot(plot: Path) -> None:
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise CommandError('--plot needs matplotlib: pip install "unionllm[bench]"')
    if plot.suffix.lower() != ".png" or not plot.parent.is_dir():
        raise CommandError(f"--plot {plot}: name a .png file in a folder that is there.")


async def _run(
    run: Run,
    prompt: str,
    params: dict[str, Any],
    *,
    count: int,
    seconds: float,
    width: int,
    advance: Callable[[], None],
) -> None:
    messages = [{"role": "user", "content": prompt}]
    # The first call pays for imports and the first connection. What it cannot do, no other will.
    warm_up = Measured(provider=run.provider, model=run.model)
    await measure(warm_up, messages, {**params, "timeout": {"total": seconds}}, keeps_text=False)
    if warm_up.was_stopped:
        raise asyncio.CancelledError
    if warm_up.error is not None:
        raise warm_up.error
    numbers = iter(range(count))

    async def work() -> None:
        for _ in numbers:
            call = Measured(provider=run.provider, model=run.model)
            await measure(call, messages, params, keeps_text=False)
            if call.was_stopped:
                run.cut_off += 1
                return
            run.calls.append(call)
            advance()

    began = time.perf_counter()
    tasks = [asyncio.create_task(work()) for _ in range(min(width, count))]
    try:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks)
    finally:
        run.seconds = time.perf_counter() - began


@contextmanager
def _progress(count: int, *, is_shown: bool) -> Generator[Callable[[], None], None, None]:
    """A bar on standard error, in a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    out = warnings()
    if not is_shown or not out.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("calls"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("calls", total=count)
        yield lambda: bar.advance(task)


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed, interpolated between neighbours."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _spread(values: list[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    told = {f"p{percent}": percentile(known, percent) for percent in _PERCENTILES}
    return {"min": min(known), "mean": sum(known) / len(known), **told, "max": max(known)}


def _figures(run: Run) -> dict[str, Any]:
    good = run.good
    tokens = sum(call.usage.completion_tokens or 0 for call in good if call.usage is not None)
    spent = sum_costs(call.cost for call in good)
    # A sum over calls of which some are unknown would be too low.
    amounts = list(spent.amounts.items()) if not spent.unknown else []
    return {
        "provider": run.provider,
        "model": run.model,
        "calls": len(run.calls),
        "answered": len(good),
        "errors": run.errors,
        "cut_off": run.cut_off,
        "seconds": run.seconds,
        "calls_a_second": len(good) / run.seconds if run.seconds else None,
        "tokens_a_second": tokens / run.seconds if run.seconds and tokens else None,
        "cost": {"amount": float(amounts[0][1]), "currency": amounts[0][0]} if len(amounts) == 1 else None,
        "seconds_to_first_token": _spread([call.seconds_to_first for call in good]),
        "seconds_of_a_call": _spread([call.seconds for call in good]),
        "tokens_a_second_of_a_call": _spread([call.tokens_a_second for call in good]),
    }


def _show(figures: dict[str, Any]) -> None:
    write(f"{figures['provider']}/{figures['model'] or 'default'}: {figures['answered']} of {figures['calls']} calls ")
    write(f"answered in {figures['seconds']:.1f} s")
    write(f", {figures['cut_off']} cut off at the end\n" if figures["cut_off"] else "\n")
    for name, times in figures["errors"].items():
        write(f"  {times} × {name}\n")
    rate, tokens = figures["calls_a_second"], figures["tokens_a_second"]
    cost = figures["cost"]
    told = UNKNOWN if tokens is None else f"{tokens:.1f}"
    spent = f"{cost['amount']:.4g} {cost['currency']}" if cost else UNKNOWN
    write(f"{rate or 0:.2f} calls/s, {told} tokens/s, cost {spent}\n\n")
    rows = []
    for title, name, digits in (
        ("first token, s", "seconds_to_first_token", 3),
        ("whole call, s", "seconds_of_a_call", 3),
        ("tokens/s of a call", "tokens_a_second_of_a_call", 0),
    ):
        if (spread := figures[name]) is not None:
            rows.append([title, *(f"{spread[column]:.{digits}f}" for column in _SHOWN)])
    if rows:
        write_table(["", *_SHOWN], rows, right=range(1, len(_SHOWN) + 1))
