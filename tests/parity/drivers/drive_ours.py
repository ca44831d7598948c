"""This library, asked the same way."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from unionllm.testing.conformance import Target, ask_unionchat


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call with ``unionchat``."""
    return asdict(ask_unionchat(Target(**target), request))
