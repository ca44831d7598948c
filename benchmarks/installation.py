"""What an installation consists of: distributions, how many of them litellm does not bring, and their size on disk."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from measuring import FLOOR, ROOT, Column, Row, arguments, available, interpreter, report
from ways import WAYS

_TELL = """
import importlib.metadata, json
told = {}
for found in importlib.metadata.distributions():
    paths = [path.locate() for path in found.files or () if path.suffix != ".pyc"]
    told[found.name.lower().replace("_", "-")] = sum(path.stat().st_size for path in paths if path.is_file())
print(json.dumps(told))
"""
_NOT_OF_IT = frozenset({"pip", "setuptools"})


def distributions(name: str) -> dict[str, int]:
    """What is installed in that way's environment, with the bytes of each; compiled bytecode left out."""
    done = subprocess.run([interpreter(WAYS[name]), "-I", "-c", _TELL], capture_output=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    if name == "ours":
        # Installed from this checkout, which holds its files.
        found["unionllm"] = sum(path.stat().st_size for path in Path(ROOT / "unionllm").rglob("*.py"))
    return {each: size for each, size in found.items() if each not in _NOT_OF_IT}


def main() -> None:
    given = arguments(__doc__, rounds=1)
    found = {name: distributions(name) for name in given.ways}
    # Without litellm's environment there is nothing to tell this from, and all of it counts.
    brought = set(distributions("litellm")) if "litellm" in available() else set()
    columns = (
        Column(title="distributions", command={}, unit="", has_ratio=False),
        Column(title="beyond litellm", command={}, unit="", bound=2, has_ratio=False),
        Column(title="size", command={}, unit="MB", has_ratio=FLOOR in found),
    )
    counts = {name: (len(each), len(each.keys() - brought), sum(each.values()) / 1e6) for name, each in found.items()}
    results: list[list[Row]] = []
    for place, column in enumerate(columns):
        rows: list[Row] = [{"way": WAYS[name].name, "median": told[place]} for name, told in counts.items()]
        if column.has_ratio:
            for row, told in zip(rows, counts.values(), strict=True):
                row["ratio"] = round(told[place] / counts[FLOOR][place], 3)
        results.append(rows)
    report("installation", "Installation", columns, results, given.rounds)


if __name__ == "__main__":
    main()
