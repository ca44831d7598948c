"""The logger ``unionllm``: silent unless the program or ``UNIONLLM_LOG`` asks for more, and never with a secret."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger("unionllm")
logger.addHandler(logging.NullHandler())

#: A credential shorter than this could be any word; masking it would garble texts.
_SHORTEST = 4


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret replaced by ``***``."""
    for secret in secrets:
        if len(secret) >= _SHORTEST and secret in text:
            text = text.replace(secret, "***")
    return text


class Shown:
    """A body or message for the log: decoded and masked only if a handler really writes it."""

    def __init__(self, content: bytes | None, secrets: Iterable[str]) -> None:
        self._content = content
        self._secrets = secrets

    def __str__(self) -> str:
        return redact((self._content or b"").decode("utf-8", "replace"), self._secrets)


def redact_json(value: Any, secrets: tuple[str, ...]) -> Any:
    """The same for every string inside a decoded JSON value; the value itself is left as it is."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, list):
        return [redact_json(item, secrets) for item in value]
    if isinstance(value, dict):
        return {redact(str(name), secrets): redact_json(item, secrets) for name, item in value.items()}
    return value


def configure(environ: Mapping[str, str]) -> None:
    """Honour ``UNIONLLM_LOG`` (a level name such as ``debug``): log to standard error, once."""
    level = logging.getLevelName(environ.get("UNIONLLM_LOG", "").strip().upper())
    if isinstance(level, int) and not any(isinstance(known, _EnvironmentHandler) for known in logger.handlers):
        handler = _EnvironmentHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level)


class _EnvironmentHandler(logging.StreamHandler[Any]):
    """The handler that ``configure`` adds; a class of its own so that it is added once."""
