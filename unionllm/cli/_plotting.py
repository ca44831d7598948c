"""The plot of a run: how latencies are spread, and how they went over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._measuring import Measured


def draw(calls: list[Measured], title: str, path: Path) -> None:
    """Write a PNG of answered calls."""
    # Not pyplot, which keeps global state and may look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    spread, course = figure.subplots(1, 2)
    began = min(call.started for call in calls if call.started is not None)
    for label, color, values in (
        ("first token", "tab:orange", [call.seconds_to_first for call in calls]),
        ("whole call", "tab:blue", [call.seconds for call in calls]),
    ):
        pairs = zip(calls, values, strict=True)
        points = [((call.started or began) - began, value) for call, value in pairs if value is not None]
        if not points:
            continue
        ordered = sorted(value for _, value in points)
        shares = [100 * number / len(ordered) for number in range(1, len(ordered) + 1)]
        spread.step(ordered, shares, where="post", color=color, label=label)
        course.plot(*zip(*points, strict=True), ".", color=color, label=label)
    spread.set(xlabel="seconds", ylabel="% of calls within", ylim=(0, 101), title="Latency")
    course.set(xlabel="seconds since the start", ylabel="seconds", title="Over time")
    for axes in (spread, course):
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.legend()
    course.set_ylim(bottom=0)
    figure.suptitle(f"{title}, {len(calls)} calls")
    figure.savefig(path, format="png")
