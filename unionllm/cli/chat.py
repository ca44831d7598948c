"""``unionllm chat``: one question."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ..chat import unionchat
from . import codes
from ._asking import choose


def command(
    *,
    question: Annotated[str, typer.Argument()],
    provider: Annotated[str | None, typer.Option(help="default: the first one whose key is set, else local")] = None,
    model: Annotated[str | None, typer.Option(help="default: a cheap model of the provider")] = None,
    system: Annotated[str | None, typer.Option(help="a system message")] = None,
    base_url: Annotated[str | None, typer.Option()] = None,
    max_tokens: Annotated[int | None, typer.Option()] = None,
    temperature: Annotated[float | None, typer.Option()] = None,
    usage: Annotated[bool, typer.Option("--usage", help="show token counts after the answer")] = False,
) -> int:
    """Ask one question; the answer is streamed to the terminal."""
    provider, model = choose(provider, model)
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    stream = unionchat(
        model,
        messages,
        provider=provider,
        stream=True,
        base_url=base_url,
        max_tokens=max_tokens,
        temperature=temperature,
    )
    for text in stream.text():
        sys.stdout.write(text)
        sys.stdout.flush()
    sys.stdout.write("\n")
    counts = stream.response.usage if stream.response is not None else None
    if usage and counts is not None:
        told = f"{counts.prompt_tokens} prompt + {counts.completion_tokens} completion = {counts.total_tokens} tokens"
        sys.stdout.write(f"[usage: {told}]\n")
    return codes.DONE
