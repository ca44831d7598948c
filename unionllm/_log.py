"""The logger ``unionllm``: silent unless the program or ``UNIONLLM_LOG`` asks for more, and never with a secret."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger("unionllm")
logger.addHandler(logging.NullHandler())

#: A credential shorter than this could be any word; masking it would garble texts.
_SHORTEST = 4


#: A backslash, in a URL or not. JSON that holds JSON doubles it, and again; further than this nobody nests.
_BACKSLASH = r"(?:\\|%(?:25)*5[cC])"
_NESTED = 8
#: A character of a secret → what else it is called in HTML, or written as in URLs, JSON and source text.
_WRITTEN = {'"': "&quot;", "&": "&amp;", "'": "&apos;", "<": "&lt;", ">": "&gt;", " ": r"\+"}
_WRITTEN |= {control: rf"{_BACKSLASH}{{1,{_NESTED}}}{letter}" for control, letter in zip("\n\r\t", "nrt", strict=True)}


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret replaced by ``***``, also where it was escaped for JSON, a URL, HTML or a ``repr``."""
    mask = _mask(secrets)
    return text if mask is None else mask.sub("***", text)


def _mask(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What finds the secrets; None when there are none. Longer ones come first: one may be the beginning of another."""
    found = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
    return re.compile("|".join(map(_written, found))) if found else None


def _written(secret: str) -> str:
    """A regular expression of all that a secret may look like once somebody has escaped it."""
    # Letters and digits stay as they are everywhere. Backslashes that follow each other are one part, because any
    # number of them will do: several such parts in a row would be tried in every combination.
    return "".join(map(_written_part, re.findall(r"\\+|[^\\]", secret)))


def _written_part(part: str) -> str:
    if part.isalnum():
        return part
    number = ord(part[0])
    numbers = rf"{_BACKSLASH}{{1,{_NESTED}}}u00(?i:{number:02x})|&#0?{number};|&#[xX](?i:{number:x});"
    if part[0] == "\\":
        return f"(?:{_BACKSLASH}|{numbers}){{1,{_NESTED * len(part)}}}"
    own = f"|{_WRITTEN[part]}" if part in _WRITTEN else ""
    plain = rf"{_BACKSLASH}{{0,{_NESTED}}}(?:{re.escape(part)}|%(?:25)*(?i:{number:02x}))"
    return f"(?:{plain}|{numbers}{own})"


class Shown:
    """A body or message for the log: decoded and masked only if a handler really writes it."""

    def __init__(self, content: bytes | None, secrets: Iterable[str]) -> None:
        self._content = content
        self._secrets = secrets

    def __str__(self) -> str:
        return redact((self._content or b"").decode("utf-8", "replace"), self._secrets)


def redact_json(value: Any, secrets: tuple[str, ...]) -> Any:
    """The same for every string inside a decoded JSON value; the value itself is left as it is."""
    mask = _mask(secrets)
    return value if mask is None else _redacted(value, mask)


def _redacted(value: Any, mask: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return mask.sub("***", value)
    if isinstance(value, list):
        return [_redacted(item, mask) for item in value]
    if isinstance(value, dict):
        return {mask.sub("***", str(name)): _redacted(item, mask) for name, item in value.items()}
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
