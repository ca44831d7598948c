"""The logger ``unionllm``: silent unless the program or ``UNIONLLM_LOG`` asks for more, and never with a secret."""

from __future__ import annotations

import functools
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
_NAMED = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}
_WRITTEN = {" ": r"\+|%(?:25)*2[bB]", **{character: f"&(?:amp;)*{name};" for character, name in _NAMED.items()}}
_WRITTEN |= {control: rf"{_BACKSLASH}{{1,{_NESTED}}}{letter}" for control, letter in zip("\n\r\t", "nrt", strict=True)}


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret replaced by ``***``, also where it was escaped for JSON, a URL, HTML or a ``repr``."""
    # Longer ones come first: one may be the beginning of another.
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST and _core(secret) in text:
            text = _written(secret).sub("***", text)
    return text


@functools.lru_cache(maxsize=256)
def _core(secret: str) -> str:
    """The longest part of a secret that nobody escapes: where it is missing, the secret is."""
    return max(re.findall("[0-9A-Za-z]+", secret), key=len, default="")


@functools.lru_cache(maxsize=256)
def _written(secret: str) -> re.Pattern[str]:
    """What finds a secret, also where somebody has escaped it."""
    # Letters and digits stay as they are everywhere. Backslashes that follow each other are one part, because any
    # number of them will do: several such parts in a row would be tried in every combination. What stands before the
    # first letter is not looked for: it tells nothing, and a text full of it would be read for ever.
    parts = re.findall(r"\\+|[0-9A-Za-z]+|[^\\]", re.sub("^[^0-9A-Za-z]+(?=.)", "", secret, flags=re.DOTALL))
    return re.compile("".join(map(_written_part, parts)))


def _written_part(part: str) -> str:
    if part.isascii() and part.isalnum():
        return part
    number = ord(part[0])
    coded = rf"%(?:25)*(?i:{number:02x})|&(?:amp;)*#0?{number};|&(?:amp;)*#[xX](?i:{number:x});"
    unicode = rf"{_BACKSLASH}{{1,{_NESTED}}}u00(?i:{number:02x})"
    if part[0] == "\\":
        return f"(?:{_BACKSLASH}|{coded}|{unicode}){{1,{_NESTED * len(part)}}}"
    own = f"|{_WRITTEN[part]}" if part in _WRITTEN else ""
    return f"(?:{_BACKSLASH}{{0,{_NESTED}}}(?:{re.escape(part)}|{coded}{own})|{unicode})"


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
    wanted = environ.get("UNIONLLM_LOG")
    if not wanted:
        return
    level = logging.getLevelName(wanted.strip().upper())  # pyright: ignore[reportDeprecated]  # the other one is 3.11's
    if isinstance(level, int) and not any(isinstance(known, _EnvironmentHandler) for known in logger.handlers):
        handler = _EnvironmentHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level)


class _EnvironmentHandler(logging.StreamHandler[Any]):
    """The handler that ``configure`` adds; a class of its own so that it is added once."""
