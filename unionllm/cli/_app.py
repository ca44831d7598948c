"""The typer application: the commands that are needed, and what their errors become."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from .. import __version__
from ..exceptions import UnionLLMError
from . import COMMANDS, codes
from ._screen import CommandError, clean

_ABOUT = "One call for every Chinese model vendor, and the rest."
_COMPLETION = "_UNIONLLM_COMPLETE"


def run(words: Sequence[str]) -> int:
    """Run the command that the words name; returns the exit code."""
    try:
        build(words)(list(words), prog_name="unionllm")
    except KeyboardInterrupt:
        return codes.STOPPED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else codes.FAILED
    return codes.DONE


def build(words: Sequence[str]) -> typer.Typer:
    """The application with the command that the words name; with all of them for help and for wrong names."""
    app = typer.Typer(help=_ABOUT, pretty_exceptions_enable=False, no_args_is_help=False, rich_markup_mode="rich")
    app.callback()(_options)
    wanted = words[0] if words else ""
    for name in [wanted] if wanted in COMMANDS and _COMPLETION not in os.environ else COMMANDS:
        module = importlib.import_module(f"{__package__}.{COMMANDS[name]}")
        app.command(name)(_ending(module.command))
    return app


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        sys.stdout.write(f"{__version__}\n")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _ending(command: Callable[..., int]) -> Callable[..., None]:
    """The command, its result and its errors turned into an exit code."""

    @functools.wraps(command)
    def run_command(**options: Any) -> None:
        try:
            code = command(**options)
            sys.stdout.flush()
        except CommandError as error:
            name = command.__module__.rpartition(".")[2]
            sys.stderr.write(f"Usage: unionllm {name} [OPTIONS]: {error}\nTry 'unionllm {name} --help'.\n")
            code = codes.USAGE
        except UnionLLMError as error:
            sys.stdout.flush()
            # A part of it was said by the vendor.
            sys.stderr.write(clean(f"{type(error).__name__}: {error}\n"))
            code = codes.FAILED
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            code = codes.STOPPED
        except BrokenPipeError:
            # The reader of our output has gone (`… | head`): nobody is left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = codes.FAILED
        raise typer.Exit(code)

    return run_command
