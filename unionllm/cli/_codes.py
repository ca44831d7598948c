"""Exit codes; docs/cli.md tells them."""

DONE = 0
#: A call failed, or a check did.
FAILED = 1
#: The command cannot be understood, or an extra is missing.
USAGE = 2
#: ``batch``: the job is done, and some lines failed; the budget is used up; every key was refused.
SOME_FAILED = 3
BUDGET = 4
REFUSED = 5
#: Ctrl-C, as shells report it.
STOPPED = 130
