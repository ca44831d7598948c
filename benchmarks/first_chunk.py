"""Time to the first chunk of a stream that the vendor begins at once, sync and async: wall and CPU."""

from __future__ import annotations

import dataclasses

from measuring import Column, Question, answer, arguments


def main() -> None:
    given = arguments(__doc__, rounds=9, calls=100)
    sync = Column(title="sync", command={"do": "first_chunk", "count": given.calls}, of="wall", per=given.calls)
    asynchronous = dataclasses.replace(
        sync, title="async", command={**sync.command, "do": "afirst_chunk"}, kind="async"
    )
    bounds = ((sync, 1.2), (asynchronous, 0.8))
    wall = tuple(dataclasses.replace(column, bound=bound) for column, bound in bounds)
    cpu = tuple(dataclasses.replace(column, title=f"{column.title}, CPU", of="cpu") for column in wall)
    answer(Question(name="first-chunk", title="Time to the first chunk", columns=(*wall, *cpu)), given)


if __name__ == "__main__":
    main()
