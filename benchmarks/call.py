"""What a call costs, sync, async and over TLS: CPU of the client's process, on a connection that is there."""

from __future__ import annotations

import dataclasses

from measuring import Column, Question, answer, arguments


def main() -> None:
    given = arguments(__doc__, rounds=9, calls=200)
    sync = Column(title="sync", command={"do": "calls", "count": given.calls}, per=given.calls, bound=1.1)
    asynchronous = dataclasses.replace(
        sync, title="async", command={"do": "acalls", "count": given.calls}, kind="async", bound=0.7
    )
    answer(Question(name="call", title="CPU a call", columns=(sync, asynchronous)), given)
    secure = tuple(dataclasses.replace(column, title=f"{column.title}, TLS") for column in (sync, asynchronous))
    # DashScope's asynchronous calls trust certifi's certificates only.
    given.ways = [name for name in given.ways if name != "dashscope"]
    answer(Question(name="call-tls", title="CPU a call over TLS", columns=secure, is_secure=True), given)


if __name__ == "__main__":
    main()
