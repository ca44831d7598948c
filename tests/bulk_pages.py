"""What docs/bulk.md must print, and how its commands are run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from vendors_on_loopback import environment, process_environment, python


def runs(run: Any) -> dict[str, list[list[Any]]]:
    """The runs of its Python blocks, in order; ``run`` makes one."""
    return {
        "docs/bulk": [
            [run(prints=("line-1 2\nline-2 4\nline-3 6\ndone 15",))],
            [run(prints=("sum-1 2\nsum-2 4",))],
            [run(prints=("100 100 0 1\n100 0 100 0\n101",), sends=(), own_process=True)],
            [run(prints=("line-1 ", "line-2 "), sends=(), own_process=True)],
        ]
    }


def check_command(words: list[str], folder: Path, url: str) -> None:
    """``python -m unionllm batch SOURCE -o TARGET …`` answers a line of its source."""
    source, target = folder / words[4], folder / words[6]
    source.write_text('{"prompt": "1 + 1?"}\n', encoding="utf-8")
    variables = process_environment(environment(url))
    done = subprocess.run(python(*words[1:]), cwd=folder, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (row,) = map(json.loads, target.read_bytes().splitlines())
    assert row["response"]["body"]["choices"][0]["message"]["content"] == "2"
