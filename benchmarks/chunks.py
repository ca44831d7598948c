"""CPU a chunk of one long stream that comes as fast as it is read, sync and async."""

from __future__ import annotations

from measuring import Column, Question, answer, arguments


def main() -> None:
    given = arguments(__doc__, rounds=7, chunks=10_000)
    sync = Column(title="sync", command={"do": "stream", "count": given.chunks}, per=given.chunks, bound=1.3)
    asynchronous = Column(
        title="async", command={"do": "astream", "count": given.chunks}, per=given.chunks, kind="async", bound=0.8
    )
    title = f"CPU a chunk, a stream of {given.chunks:,}"
    answer(Question(name="chunks", title=title, columns=(sync, asynchronous)), given)


if __name__ == "__main__":
    main()
