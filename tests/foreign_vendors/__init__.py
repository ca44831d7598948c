"""The vendors behind LiteLLM's codes, each speaking its own format, on 127.0.0.1; and the table of what works.

``rows`` is the table, one row a code. ``measure`` runs it: every vendor stands at its own address, behind a proxy that
plays the internet (``internet``), and whoever else is addressed is told (``guard``).
"""
