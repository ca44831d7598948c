"""Runs the table in a process of its own and prints what came out, as JSON: ``{code: {column: "pass" or the error}}``.

``python -m foreign_vendors.measure [CODE …]`` in ``tests``; without codes, all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from . import guard
from .internet import Internet
from .rows import COLUMNS, PASS, ROWS, STALE, Row
from .vendor import ANSWER_TOKENS, MESSAGES, PROMPT_TOKENS, QUESTION, TEXT

Loop: TypeAlias = asyncio.AbstractEventLoop
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


class WrongError(AssertionError):
    """A call that worked, but not as it should."""


def main(codes: list[str]) -> int:
    """Measure and print."""
    warnings.simplefilter("ignore")  # LiteLLM's own
    guard.install()
    with Internet() as internet, tempfile.NamedTemporaryFile(suffix=".pem") as bundle:
        internet.authority.cert_pem.write_to_path(bundle.name)
        base = {name: os.environ[name] for name in _KEPT if name in os.environ}
        base |= dict.fromkeys(_PROXIES, internet.url) | dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
        base |= {"SSL_CERT_FILE": bundle.name, "REQUESTS_CA_BUNDLE": bundle.name, "AWS_EC2_METADATA_DISABLED": "true"}
        base |= {"REPLICATE_POLLING_DELAY_SECONDS": "0.05"}  # LiteLLM's own setting
        os.environ.clear()
        os.environ.update(base)  # LiteLLM reads some of it once, when it is imported
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)  # LiteLLM asks for one in sync calls, too
        found = {row.name: _measure(row, internet, loop) for row in ROWS if row.code in codes or not codes}
    print(json.dumps(found, ensure_ascii=False))
    return 0


def _measure(row: Row, internet: Internet, loop: Loop) -> dict[str, str]:
    return {column: _cell(row, column, internet, loop) for column in COLUMNS}


def _cell(row: Row, column: str, internet: Internet, loop: Loop) -> str:
    """One call, or two: ``pass``, or what went wrong. A refusal counts as one only if nothing was sent anywhere."""
    if column in row.instead and not row.keywords:
        return row.instead[column][0]
    vendor, hosts = row.world()
    arguments, environment = _call(row, column, internet.url)
    if str(arguments.get("base_url")).startswith(internet.url):
        hosts = {name: host for name, host in hosts.items() if host is not vendor} | {"": vendor}
    internet.start(hosts)
    guard.REFUSED.clear()
    try:
        with _environment(environment):
            asking = _embed if row.makes_embeddings and column not in row.instead else _ASK[column]
            asking(arguments, row, loop)
        outcome = PASS if vendor.answered else "the vendor was not asked"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
        if os.environ.get("TRACE"):
            traceback.print_exc()
    sent = [f"{request.method} {host}{request.path}" for host, request in internet.requests]
    more = [f"refused: {text}" for text in vendor.refused] + [f"stranger: {text}" for text in internet.strangers]
    more += [f"outside: {text}" for text in guard.REFUSED]
    if outcome != PASS:
        more += [f"sent: {text}" for text in sent]
    return " | ".join([outcome, *more])


def _call(row: Row, column: str, url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments and the environment of a cell's calls: the key stands in one of them, in the other a stale one."""
    arguments: dict[str, Any] = {"provider": row.code, "model": row.model, "max_retries": 0, **row.settings}
    environment = {"OPENAI_API_KEY": STALE, **row.environment}
    if row.is_self_hosted or column == "base_url" or (row.is_gone and column not in row.instead):
        arguments["base_url"] = f"{url}{row.base}"
    if column == "variable":
        environment |= row.variables
    else:
        arguments |= row.keywords
        environment |= dict.fromkeys(row.variables, STALE)
    if column == "keyword" and "api_key" in arguments:
        arguments["app_key"] = arguments.pop("api_key")
    return arguments, environment


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _embed(arguments: dict[str, Any], row: Row, loop: Loop) -> None:
    from unionllm import unionembed

    vector = unionembed(input=QUESTION, **arguments).data[0].embedding
    if vector != [0.5, 0.25]:
        raise WrongError(f"the vector is {vector}")


def _whole(arguments: dict[str, Any], row: Row, loop: Loop) -> None:
    from unionllm import unionchat

    _check(unionchat(messages=MESSAGES, **arguments), row)


def _streamed(arguments: dict[str, Any], row: Row, loop: Loop) -> None:
    from unionllm import unionchat

    with unionchat(messages=MESSAGES, stream=True, **arguments) as stream:
        texts = [chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content]
    _check_pieces(texts, row)
    _check(stream.response, row)


def _async(arguments: dict[str, Any], row: Row, loop: Loop) -> None:
    loop.run_until_complete(_async_both(arguments, row))


async def _async_both(arguments: dict[str, Any], row: Row) -> None:
    from unionllm import aunionchat

    _check(await aunionchat(messages=MESSAGES, **arguments), row)
    async with await aunionchat(messages=MESSAGES, stream=True, **arguments) as stream:
        texts = [text async for text in stream.text()]
    _check_pieces(texts, row)
    _check(stream.response, row)


def _all(arguments: dict[str, Any], row: Row, loop: Loop) -> None:
    _whole(arguments, row, loop)
    _streamed(arguments, row, loop)
    _async(arguments, row, loop)


def _check(response: Any, row: Row) -> None:
    choice, usage = response.choices[0], response.usage
    counts = (usage.prompt_tokens, usage.completion_tokens) if usage else None
    told = {
        "text": (choice.message.content, TEXT),
        "finish_reason": (choice.finish_reason, "stop" if "finish" in row.tells else choice.finish_reason),
        "usage": (counts, (PROMPT_TOKENS, ANSWER_TOKENS) if "usage" in row.tells else counts),
        "provider": (response.provider, row.code),
    }
    wrong = [f"{name} is {got!r}, not {wanted!r}" for name, (got, wanted) in told.items() if got != wanted]
    if wrong:
        raise WrongError("; ".join(wrong))


def _check_pieces(texts: list[str], row: Row) -> None:
    if (len(texts) > 1) == row.in_one_piece:
        raise WrongError(f"the text came in {len(texts)} pieces")


_ASK = {
    "whole": _whole,
    "streamed": _streamed,
    "async": _async,
    "keyword": _whole,
    "variable": _whole,
    "base_url": _all,
}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    sys.exit(main(sys.argv[1:]))
