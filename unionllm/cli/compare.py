"""``unionllm compare``: one question, several models, side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..cost import sum_costs
from . import codes
from ._asking import choose
from ._measuring import Measured, measure, prepare
from ._screen import UNKNOWN, CommandError, clean, console, is_rich, money, tell, write, write_json, write_table

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Columns of a terminal that one answer needs at least; narrower ones are put below each other.
_NARROWEST = 36
_PACE = 10


def command(
    *,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    targets: Annotated[list[str], typer.Argument(help="Whom: provider, or provider/model; two or more.")],
    system: Annotated[str | None, typer.Option("--system", "-s", help="A system message.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of each answer, at most.")] = None,
    temperature: Annotated[float | None, typer.Option(help="How freely to choose words.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one answer, at most.")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="Write answers and figures as JSON.")] = False,
) -> int:
    """Ask several models the same, at the same time, and show answers, speed, tokens and cost side by side.

    Ctrl-C stops those that are still answering, and shows what has arrived. The exit code is 1 if any call failed.
    """
    if len(targets) < 2:
        raise CommandError("name two providers or more, such as: zhipuai deepseek/deepseek-v4-flash")
    calls = [_call(target) for target in targets]
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    params = {"max_tokens": max_tokens, "temperature": temperature, "timeout": {"total": timeout}}
    try:
        asyncio.run(_ask_all(calls, messages, params, is_drawn=is_rich() and not as_json))
    except KeyboardInterrupt:
        tell("Stopped.", style="dim")
    if as_json:
        write_json([_plain(call) for call in calls])
    else:
        _show(calls)
    if any(call.was_stopped for call in calls):
        return codes.STOPPED
    return codes.FAILED if any(call.error for call in calls) else codes.DONE


def _call(target: str) -> Measured:
    provider, _, model = target.partition("/")
    chosen, chosen_model = choose(provider, model or None)
    return Measured(provider=chosen, model=chosen_model)


async def _ask_all(
    calls: list[Measured], messages: list[dict[str, str]], params: dict[str, Any], *, is_drawn: bool
) -> None:
    prepare(calls, messages, params)
    tasks = [asyncio.create_task(measure(call, messages, params)) for call in calls]
    if not is_drawn:
        await asyncio.gather(*tasks)
        return
    from rich.live import Live

    out = console()
    drawn = Live(console=out, transient=True, refresh_per_second=_PACE, get_renderable=lambda: _board(calls, out.width))
    with drawn:
        await asyncio.gather(*tasks)


def _board(calls: list[Measured], width: int, *, is_whole: bool = False) -> RenderableType:
    """The answers in panels; of those that still grow, the last lines."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from ._drawing import Block

    beside = max(1, min(len(calls), width // _NARROWEST))
    most = None if is_whole else 8
    grid = Table.grid(expand=True)
    for _ in range(beside):
        grid.add_column(ratio=1)
    panels = []
    for call in calls:
        body: RenderableType = Text("…", style="dim")
        if call.text.strip():
            body = Block(clean(call.text), has_gap=False, most=most)
        if call.error is not None:
            body = Text(f"{type(call.error).__name__}: {call.error}", style="red")
        panels.append(Panel(body, title=Text(call.title), subtitle=_state(call), border_style=_border(call)))
    for start in range(0, len(panels), beside):
        row = panels[start : start + beside]
        grid.add_row(*row)
    return grid


def _state(call: Measured) -> str:
    if call.seconds is not None:
        return f"{call.seconds:.1f} s" + (", stopped" if call.was_stopped else "")
    return "answering" if call.first is not None else "waiting"


def _border(call: Measured) -> str:
    if call.error is not None:
        return "red"
    return "green" if call.ended is not None else "dim"


def _show(calls: list[Measured]) -> None:
    if is_rich():
        out = console()
        out.print(_board(calls, out.width, is_whole=True))
    else:
        for call in calls:
            said = call.text if call.error is None else f"{type(call.error).__name__}: {call.error}"
            write(f"== {call.title}\n{said}\n\n")
    heads = ["model", "first token", "total", "tokens/s", "in", "out", "cost"]
    write_table(heads, [_figures(call) for call in calls], right=range(1, 7))
    if total := _totals(calls):
        write(f"Together: {total}\n")


def _figures(call: Measured) -> list[str]:
    usage = call.usage
    return [
        call.title,
        _seconds(call.seconds_to_first),
        _seconds(call.seconds),
        UNKNOWN if call.tokens_a_second is None else f"{call.tokens_a_second:.1f}",
        _count(usage.prompt_tokens if usage else None),
        _count(usage.completion_tokens if usage else None),
        money(call.cost),
    ]


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f} s"


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _totals(calls: list[Measured]) -> str:
    """What all answers cost, currency by currency; "" when no cost is known."""
    total = sum_costs(call.cost for call in calls)
    return str(total) if total.amounts else ""


def _plain(call: Measured) -> dict[str, Any]:
    return {
        "provider": call.provider,
        "model": call.model,
        "text": call.text,
        "seconds_to_first_token": call.seconds_to_first,
        "seconds": call.seconds,
        "tokens_a_second": call.tokens_a_second,
        "usage": None if call.usage is None else call.usage.model_dump(),
        "cost": None if call.cost is None else {"amount": float(call.cost.amount), "currency": call.cost.currency},
        "error": None if call.error is None else {"type": type(call.error).__name__, "message": str(call.error)},
        "was_stopped": call.was_stopped,
    }
