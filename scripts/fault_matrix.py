"""Prints the fault matrix: what goes wrong × every native provider × sync and async × whole and streamed.

python scripts/fault_matrix.py                 all of it; exit 1 if a call ends otherwise than the table says
python scripts/fault_matrix.py cut stall       faults whose names begin so
python scripts/fault_matrix.py --codes         vendors' own error codes, too, as the conformance suite checks them
python scripts/fault_matrix.py --peers         other clients, too, on eight faults: `bash scripts/peers` installs them
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "conformance"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "faults"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

from fault_cells import Matrix, Report, cells, providers
from fault_table import EXCEPTIONS, ROWS, Ends

ROOT = Path(__file__).resolve().parent.parent

_CODES = {
    "vendors' codes: in a status, a 200, a stream": "test_every_error_of_the_vendor_ends_in_its_class",
    "kinds of errors, likewise": "test_every_kind_of_error_has_its_class_wherever_it_stands",
    "disguises of agent platforms": "test_a_disguise_ends_in_its_class",
}


def main(arguments: list[str]) -> int:
    """Run what is asked for and print it. 0 if every cell is as the table says."""
    parser = argparse.ArgumentParser(description="Prints the fault matrix.")
    parser.add_argument("names", nargs="*", help="faults whose names begin so; default: all")
    parser.add_argument("--codes", action="store_true", help="vendors' own error codes, too")
    parser.add_argument("--peers", action="store_true", help="other clients, too, on eight faults")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    reports = run(tuple(given.names))
    print_matrix(reports)
    wrong = [line for report in reports for line in report.wrong]
    if given.codes:
        wrong += print_codes()
    total = sum(len(report.cells) for report in reports)
    passed = sum(not fault for report in reports for fault in report.cells.values())
    print(
        f"\n{total} cells, {passed} passed: {len(reports)} faults, {len(providers())} providers, "
        f"{len(EXCEPTIONS)} exceptions with a reason; {time.monotonic() - began:.0f} s."
    )
    for line in wrong:
        print(f"\nNot as the table says: {line}")
    if given.peers:
        from peer_faults import print_peers

        print_peers()
    return 1 if wrong else 0


def run(names: tuple[str, ...]) -> list[Report]:
    """Play those faults, one after the other."""
    chosen = [row for row in ROWS if not names or row.name.startswith(names)]
    if not chosen:
        sys.exit(f"No fault begins with {' or '.join(names)}. There are: {', '.join(row.name for row in ROWS)}")
    reports = []
    for row in chosen:
        print(f"{row.name} × {len(cells(row))}", file=sys.stderr, flush=True)
        reports.append(Matrix(row).run())
    return reports


def print_matrix(reports: list[Report]) -> None:
    """A line for each group of faults."""
    groups: defaultdict[str, list[Report]] = defaultdict(list)
    for report in reports:
        groups[report.row.group].append(report)
    print("| fault | cells | passed | a whole answer | a stream |\n|---|---|---|---|---|")
    for group, members in groups.items():
        count = sum(len(report.cells) for report in members)
        passed = sum(not fault for report in members for fault in report.cells.values())
        row = members[0].row
        print(f"| {group} | {count} | {passed} | {said(row.whole)} | {said(row.stream)} |", flush=True)


def said(ends: Ends) -> str:
    """How a call ends, in a few words."""
    if not ends.error:
        return "the answer"
    return f"`{ends.error}`{', retried' if ends.retryable else ''}{', `.partial`' if ends.begun is not False else ''}"


def print_codes() -> list[str]:
    """What vendors themselves say, in a status, a 200 and a stream: the tests that check it, counted."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={told}"]
        command += ["tests/conformance", "-k", " or ".join(_CODES.values())]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        tests = ET.parse(told).findall(".//testcase")
    failed = []
    for group, test in _CODES.items():
        mine = [case for case in tests if case.get("name", "").startswith(test)]
        wrong = [case for case in mine if len(case)]
        failed += [f"{case.get('classname')}::{case.get('name')}" for case in wrong]
        print(f"| {group} | {len(mine)} | {len(mine) - len(wrong)} | its class | its class |")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
