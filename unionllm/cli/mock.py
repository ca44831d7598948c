"""``unionllm mock``: the vendor server from a shell."""

from __future__ import annotations

from typing import Annotated

import typer

from ._serving import serve


def command(port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")] = 0) -> int:
    """Play every vendor's API on 127.0.0.1, for tests of any program; Ctrl-C ends it.

    Tells the address of each vendor, and the credentials that it accepts. Needs the extra testing.
    """
    return serve(port)
