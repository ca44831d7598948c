"""What stays behind of 20,000 calls, a 1,000, and what a stream holds while it is open, in memory of the process."""

from __future__ import annotations

from measuring import Column, Question, answer, arguments


def main() -> None:
    given = arguments(__doc__, rounds=1, calls=20_000, streams=500)
    growth = Column(
        title="growth, 1,000 calls",
        command={"do": "growth", "count": given.calls},
        of="bytes",
        unit="KB",
        scale=1 / 1024,
        per=max(1, given.calls // 1000),
        bound=1.0,
        has_ratio=False,
    )
    opened = Column(
        title="an open stream",
        command={"do": "open_streams", "count": given.streams},
        of="bytes",
        unit="KB",
        scale=1 / 1024,
        per=given.streams,
        kind="async",
        bound=30.0,
        has_ratio=False,
        warm_up=0,
    )
    answer(Question(name="memory", title="Memory", columns=(growth, opened)), given)


if __name__ == "__main__":
    main()
