"""What still works without typer and rich: the vendor server, which test suites start."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import _codes as codes


def run(words: Sequence[str]) -> int:
    """Run ``mock``; for all else say what to install. Returns the exit code."""
    if list(words[:1]) != ["mock"]:
        sys.stderr.write('The command line needs typer and rich: pip install "unionllm[cli]"\n')
        return codes.USAGE
    from ._serving import serve

    parser = argparse.ArgumentParser(prog="unionllm mock")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    try:
        return serve(parser.parse_args(words[1:]).port)
    except KeyboardInterrupt:
        return codes.STOPPED
