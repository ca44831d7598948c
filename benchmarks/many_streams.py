"""Streams at once in one event loop: chunks a second of 1, 100 and 1,000, then 1,000 of them at 20 chunks a second."""

from __future__ import annotations

import argparse

from measuring import Column, Question, answer, arguments
from ways import LAYERS

#: Chunks a second of a paced stream, as the server has it.
PACE = 20


def _together(streams: int, chunks: int, *, of: str, bound: float | None) -> Column:
    return Column(
        title=f"{streams:,} at once{', CPU' if of == 'cpu' else ''}",
        command={"do": "many", "model": "turns", "streams": streams, "count": chunks},
        of=of,
        unit="chunks/s",
        scale=1,
        per=streams * chunks,
        kind="async",
        bound=bound,
        is_least=True,
    )


def main() -> None:
    given = arguments(__doc__, rounds=5, streams=1000, chunks=20, paced=100)
    few = max(1, given.streams // 10)
    columns = [
        _together(streams, chunks, of=of, bound=bound)
        for streams, chunks, bound in (
            (1, given.chunks * 20, None),
            (few, given.chunks, 2.0),
            (given.streams, given.chunks, 2.0),
        )
        for of in ("wall", "cpu")
    ]
    answer(Question(name="many-streams", title="Chunks a second", columns=tuple(columns)), given)
    ideal = given.paced / PACE
    paced = {"do": "many", "model": "paced", "streams": given.streams, "count": given.paced}
    common = {"command": paced, "kind": "async", "has_ratio": False, "warm_up": 0}
    title = f"{given.streams:,} streams at {PACE} chunks/s, {ideal:g} s long"
    wall = Column(title="time, of the ideal", of="wall", unit="×", scale=1 / ideal, bound=1.2, **common)  # type: ignore[arg-type]
    cpu = Column(title="CPU", of="cpu", unit="s", scale=1, **common)  # type: ignore[arg-type]
    question = Question(name="paced-streams", title=title, columns=(wall, cpu))
    # How much of it is not the clients': the layers below ours, which count chunks and look into none.
    answer(question, argparse.Namespace(**{**vars(given), "ways": list(dict.fromkeys((*given.ways, *LAYERS)))}))


if __name__ == "__main__":
    main()
