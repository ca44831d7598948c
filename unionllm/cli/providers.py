"""``unionllm providers``: who can be asked, and whose key is set."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from .._registry import find
from ..chat import providers
from . import codes
from ._asking import has_local_model, set_variable
from ._screen import is_rich, write, write_json, write_table


def command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write the table as JSON.")] = False,
    only_set: Annotated[bool, typer.Option("--set", help="Only providers that can be called as things are.")] = False,
) -> int:
    """List the native providers, their variables, and whether a key is set. The key itself is never shown."""
    rows = [_row(row) for row in providers()]
    if only_set:
        rows = [row for row in rows if row["key"] in ("set", "installed")]
    if as_json:
        write_json(rows)
        return codes.DONE
    # A terminal of the usual width has no room for the titles.
    names = ["provider", "variable", "key", "region", "page"] if is_rich() else list(_HEADS)
    write_table([_HEADS[name] for name in names], [[row[name] for name in names] for row in rows])
    write("Any other provider goes to LiteLLM: see docs/litellm.md.\n")
    return codes.DONE


_HEADS = {
    "provider": "provider",
    "variable": "variable",
    "key": "key",
    "region": "region",
    "page": "models' page",
    "title": "name",
}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    variable = row["env"][0][0] if row["env"] and row["env"][0] else "-"
    if variable == "-":
        is_local = str(row["base_url"]).startswith("http://127.0.0.1")
        key = "installed" if is_local and has_local_model() else "not needed"
    else:
        found = set_variable(row)
        key, variable = ("set", found) if found else ("not set", variable)
    return {
        "provider": row["name"],
        "title": row["title"],
        "variable": variable,
        "key": key,
        "region": _region(row),
        "page": row["docs"],
        "regions": row["regions"],
    }


def _region(row: dict[str, Any]) -> str:
    """The platform that a call goes to as things are."""
    found = find(row["name"])
    variables = found.adapter.spec.base_url_env if found is not None else ()
    return "own URL" if any(os.environ.get(name) for name in variables) else next(iter(row["regions"]), "-")
