"""Exit codes; docs/cli.md tells them."""

DONE = 0
#: A call failed, or a check did.
FAILED = 1
#: The command cannot be understood, or an extra is missing.
USAGE = 2
#: Ctrl-C, as shells report it.
STOPPED = 130
