"""Bulk work that survives: ``unionllm.batch``, its async twin, and what the command line runs.

Data flows one way, and only a few lines of it are in memory at any time::

    sources    a file, or any iterable        → raw lines
    lines      a raw line                     → Line (the call's arguments, and the hash of what the vendor is asked)
    run        Line                           → asked once, answered from the journal, or told wrong; handed out
    asking     Line                           → Entry, by the library's own calls, on one of the lanes
    pace       lanes: how many at once, how many a minute, for each key
    journal    Entry                          → a line of an append-only file, and back
    results    Entry, whose line it answers   → what the user gets
    files      results                        → a file: JSON lines, CSV or Parquet

Nothing here is imported by ``import unionllm``.
"""
