"""The command line: ``unionllm COMMAND …``, the same as ``python -m unionllm COMMAND …``. Needs the extra ``cli``.

Exit codes, of every command: 0 done; 1 the call failed, or a check did; 2 the command cannot be understood, or an
extra is missing; 130 stopped with Ctrl-C.

To add a command, write one module and one row:

1. ``unionllm/cli/NAME.py`` with a function ``command``. Its arguments are annotated as typer reads them
   (``Annotated[int, typer.Option(help="…")]``), its docstring is the help text, and it returns an exit code
   (``codes.DONE`` …). Import heavy things inside functions: ``unionllm --help`` loads every such module. Let
   ``UnionLLMError`` and ``KeyboardInterrupt`` pass: they are told, and become exit codes, in ``_app``. Write to the
   terminal with ``_screen``, which knows whether there is one.
2. A row ``"NAME": "NAME"`` in ``COMMANDS`` below.

Tests run commands in this process with ``main(["NAME", …])``, which returns the exit code.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from .. import __version__
from . import _codes as codes

__all__ = ["COMMANDS", "codes", "main"]

#: The command as it is typed → its module in this package, imported when it is asked for.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "batch": "batch",
        "chat": "chat",
        "compare": "compare",
        "providers": "providers",
        "doctor": "doctor",
        "bench": "bench",
        "mock": "mock",
    }
)

_NEEDED = ("typer", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    Args:
        arguments: the words after ``unionllm``; by default those that this process was started with.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Answers are in any script; a terminal that cannot show a character must not end the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    if words == ["--version"]:
        # Without typer: some programs ask for it at every start.
        sys.stdout.write(f"{__version__}\n")
        return codes.DONE
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        from ._without_extra import run

        return run(words)
    from ._app import run as run_app

    return run_app(words)
