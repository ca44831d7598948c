"""``unionllm providers``: who can be asked, and whose key is set."""

from __future__ import annotations

import sys

from ..chat import providers
from . import codes
from ._asking import has_local_model, set_variable


def command() -> int:
    """List the native providers, their variables, and whether a key is set. The key itself is never shown."""
    lines = [("PROVIDER", "VARIABLE", "KEY", "NAME")]
    for row in providers():
        variable = row["env"][0][0] if row["env"] and row["env"][0] else "-"
        if variable == "-":
            is_local = str(row["base_url"]).startswith("http://127.0.0.1")
            is_set = "installed" if is_local and has_local_model() else "not needed"
        else:
            found = set_variable(row)
            is_set, variable = ("set", found) if found else ("not set", variable)
        lines.append((row["name"], variable, is_set, row["title"]))
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, line[3]]).rstrip() + "\n")
    sys.stdout.write("Any other provider goes to LiteLLM: see docs/litellm.md.\n")
    return codes.DONE
