"""Prints what the vendors' official clients make of the vendor server: SDK × vendor × case, passed or the reason.

python scripts/parity_table.py                as a Markdown table; exit 1 where a result is not the one that is known
python scripts/parity_table.py qwen minimax   only these vendors
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "parity"))

from harness import COLUMNS, Harness, Pair, cases_of, open_harness
from pairs import PAIRS, reason


def main(vendors: list[str]) -> int:
    """Play every pair and print it. 0 if every cell is as it is known to be."""
    surprises: list[str] = []
    notes: list[str] = []
    print(f"| SDK | vendor | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 2)}", flush=True)
    with open_harness() as harness:
        for pair in PAIRS:
            if vendors and pair.vendor not in vendors:
                continue
            cells = [cell(pair, names, harness, notes, surprises) for names in COLUMNS.values()]
            vendor = f"{pair.vendor} ({pair.protocol})" if pair.protocol else pair.vendor
            print(f"| {pair.sdk} | {vendor} | {' | '.join(cells)} |", flush=True)
    for number, note in enumerate(notes, 1):
        print(f"\n[{number}] {note}")
    for surprise in surprises:
        print(f"\nNot as known: {surprise}")
    return 1 if surprises else 0


def cell(pair: Pair, names: tuple[str, ...], harness: Harness, notes: list[str], surprises: list[str]) -> str:
    """One cell: "passed", the number of a reason, or what went wrong."""
    known = {name: case for name, case in cases_of(pair).items() if name in names}
    if not known:
        return "the vendor has none"
    reasons = []
    for name, case in known.items():
        played, why = harness.play(pair, case), reason(pair, name)
        if bool(played.fault) != bool(why) or played.foreign:
            surprises.append(f"{pair} {name}: {played.fault or 'passed'} {played.foreign or ''}")
        if played.fault:
            reasons.append(why or played.fault)
    for why in reasons:
        if why not in notes:
            notes.append(why)
    if not reasons:
        return "passed"
    numbers = ", ".join(f"[{number}]" for number in sorted({notes.index(why) + 1 for why in reasons}))
    return numbers if len(reasons) == len(known) else f"passed; {numbers}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
