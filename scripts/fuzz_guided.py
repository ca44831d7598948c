"""Coverage-guided fuzzing, run by ``scripts/fuzz``: python scripts/fuzz_guided.py MINUTES

An input is a line that names its target (a framing, ``websocket``, ``joiner``, or a seed: a call of a provider) and the
bytes that arrive. The corpus begins with every valid answer of ``tests/fuzzing/seeds.py``, is kept in ``.fuzz/corpus``,
and grows by what reaches new code; most mutations know JSON and events, some do not. What no vendor may cause, and any
input that takes seconds, is told once for each place and kept in ``.fuzz/findings``.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
import traceback
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / part) for part in ("fuzzing", "conformance", "")]

with atheris.instrument_imports(include=["unionllm"], exclude=["unionllm.testing"], enable_loader_override=False):
    import mutators
    import seeds
    import targets

    from unionllm.exceptions import UnionLLMError

    # In here, because providers are imported when they are first asked.
    SEEDS = {str(seed): seed for seed in seeds.seeds()}
    for _seed in SEEDS.values():
        targets.check_answers(_seed, _seed.answers)

HOME = ROOT / ".fuzz"
#: Seconds of one input that are too many; instrumented code is several times slower than it is.
_SLOW = 2.0
_FRAMINGS = ("sse", "json_lines", "messages")
#: Share of the mutations that know the form of what they change.
_STRUCTURED = 0.6


def split(data: bytes) -> tuple[str, bytes]:
    """The name of the target, and what arrives."""
    name, _, content = data.partition(b"\n")
    return name.decode("utf-8", "replace"), content


def places(content: bytes) -> list[int]:
    """Where the content is cut: somewhere, and for the same content in the same places."""
    chance = random.Random(zlib.crc32(content))
    return [chance.randrange(len(content) + 1) for _ in range(chance.randrange(4))]


def joining(content: bytes) -> None:
    """Deltas made of bytes."""
    provider = atheris.FuzzedDataProvider(content)
    deltas = []
    while provider.remaining_bytes() > 2 and len(deltas) < 200:
        calls = [
            (
                provider.PickValueInList([None, 0, 1, -1, 2**40, provider.ConsumeInt(2)]),
                provider.PickValueInList([None, "", "c1", "c2"]),
                provider.PickValueInList([None, "", "f"]),
                provider.PickValueInList([None, "", "{", "}", provider.ConsumeUnicodeNoSurrogates(4)]),
            )
            for _ in range(provider.ConsumeIntInRange(0, 3))
        ]
        extra = provider.PickValueInList([{}, {}, {"annotations": [1]}, {"refusal": "no"}, {"audio": {"data": "x"}}])
        text = provider.PickValueInList([None, "", provider.ConsumeUnicodeNoSurrogates(5)])
        deltas.append((provider.ConsumeIntInRange(0, 3), {"content": text, "calls": calls, "extra": extra}))
    targets.check_joining(deltas)


def run(data: bytes) -> None:
    """One input. Raises what the library must not."""
    name, content = split(data)
    if name in _FRAMINGS:
        targets.check_framing(name, content, places(content), 4096)
    elif name == "websocket":
        targets.check_websocket(content, places(content))
    elif name == "joiner":
        joining(content)
    elif name in SEEDS:
        seed = SEEDS[name]
        parts = content.split(b"\x1e")
        answers = list(seed.answers)
        for number, part in enumerate(parts[: len(answers)]):
            answers[number] = replace(answers[number], content=part)
        targets.check_answers(seed, answers, places(content))


def mutate(data: bytes, max_size: int, number: int) -> bytes:
    """The next input, after another one."""
    chance = random.Random(number)
    name, content = split(data)
    if name not in SEEDS and name not in (*_FRAMINGS, "websocket", "joiner"):
        name = chance.choice(list(SEEDS))
    if name in SEEDS and chance.random() < 0.02:
        # What one provider says, to another.
        name = chance.choice(list(SEEDS))
    if name in SEEDS and chance.random() < _STRUCTURED:
        parts = content.split(b"\x1e")
        at = chance.randrange(len(parts))
        parts[at] = mutators.change_answer(seeds.Answer(parts[at]), chance).content
        content = b"\x1e".join(parts)
    else:
        content = atheris.Mutate(content, max(max_size - 200, 1))
    return b"%s\n%s" % (name.encode(), content[: max_size - 200])


class Findings:
    """What was found, once for each place."""

    def __init__(self) -> None:
        self.tried = 0
        self.seen: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Try one input, for libFuzzer."""
        self.tried += 1
        began = time.process_time()
        try:
            run(data)
        except UnionLLMError as error:
            self.keep(data, error)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not be
            self.keep(data, error)
        taken = time.process_time() - began
        if taken > _SLOW:
            self.note(data, f"slow {split(data)[0]}", f"{taken:.1f} s for {len(data):,} bytes")

    def keep(self, data: bytes, error: Exception) -> None:
        """Write an input down with its error, unless the place is known."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/unionllm/" in frame.filename] or frames
        last = ours[-1]
        where = f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}"
        if isinstance(error, AssertionError) or "pydantic" in type(error).__module__:
            where += f" {str(error)[:60]!r}"
        self.note(data, where, "".join(traceback.format_exception(error))[-3000:])

    def note(self, data: bytes, where: str, text: str) -> None:
        """Tell of a finding, and keep its input."""
        if where in self.seen:
            return
        self.seen.add(where)
        name = hashlib.sha256(where.encode()).hexdigest()[:12]
        (HOME / "findings" / f"{name}.input").write_bytes(data)
        (HOME / "findings" / f"{name}.txt").write_text(f"{where}\n{text}\n", encoding="utf-8", errors="replace")
        print(f"FOUND {where} after {self.tried:,} inputs: .fuzz/findings/{name}.input", flush=True)


def write_corpus() -> int:
    """The first inputs, of every target; gives their number."""
    first: dict[str, list[bytes]] = {name: [] for name in (*_FRAMINGS, "websocket", "joiner")}
    for name, seed in SEEDS.items():
        content = b"\x1e".join(answer.content for answer in seed.answers)
        first[name] = [content]
        first["sse" if seed.answers[-1].content.startswith((b"data", b"event", b":")) else "json_lines"].append(content)
    first["websocket"] = [
        b"\x81\x05hello",
        b"\x01\x03abc\x80\x02de\x89\x00\x88\x02\x03\xe8",
        b"\x82\x7e\x01\x00" + b"x" * 256,
    ]
    first["joiner"] = [bytes(range(64)), b"\x01\x02" * 50]
    count = 0
    for name, contents in first.items():
        for content in contents:
            data = name.encode() + b"\n" + content
            (HOME / "corpus" / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            count += 1
    return count


def main() -> None:
    """Fuzz for so many minutes. Exits with 1 if anything was found."""
    minutes = float(sys.argv[1])
    for folder in ("corpus", "findings"):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    print(f"{write_corpus()} first inputs of {len({seed.provider for seed in SEEDS.values()})} providers", flush=True)
    findings = Findings()
    options: list[Any] = [
        sys.argv[0],
        str(HOME / "corpus"),
        f"-max_total_time={int(minutes * 60)}",
        "-max_len=60000",
        "-timeout=60",
        "-rss_limit_mb=3000",
        "-len_control=0",
        f"-artifact_prefix={HOME / 'findings'}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(options, findings, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
