"""``unionllm chat``: one question, or a conversation."""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from . import codes
from ._answering import Answered, Whom, ask, changes, usage_line
from ._asking import choose
from ._drawing import PlainWriter, writer
from ._images import user_message
from ._screen import CommandError, is_rich, tell, write

#: Seconds after which a silent pipe is mentioned.
_PATIENCE = 2.0


class _Silent(PlainWriter):
    """Writes nothing: the answer is written whole, as JSON."""

    def text(self, piece: str) -> None:
        """Nothing is written."""

    def end(self) -> None:
        """Nothing is written."""


def command(
    *,
    question: Annotated[str | None, typer.Argument(help="Without one, and in a terminal: a conversation.")] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", "-p", help="Default: the first one whose key is set, else local.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Default: a cheap model of the provider.")] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="A system message.")] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", "-i", help="A file or an http(s) address; may be repeated.")
    ] = None,
    load: Annotated[Path | None, typer.Option(help="Go on with a conversation that /save wrote as JSON.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address of the vendor.")] = None,
    region: Annotated[str | None, typer.Option(help="Another platform of the vendor, such as intl.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of the answer, at most.")] = None,
    temperature: Annotated[float | None, typer.Option(help="How freely to choose words.")] = None,
    thinking: Annotated[bool | None, typer.Option(help="Think first, or not; default: as the model does.")] = None,
    usage: Annotated[bool, typer.Option("--usage", help="Show token counts and cost after the answer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the whole answer as JSON.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Write the bare text in a terminal, too.")] = False,
) -> int:
    """Ask one question, or hold a conversation; the answer is streamed to the terminal.

    Standard input, when it is a pipe or a file, is added to the question, or is the question. Without either, in a
    terminal, a conversation begins: /help tells its commands. Ctrl-C stops an answer, Ctrl-D ends the conversation.
    """
    params = {
        "base_url": base_url,
        "region": region,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "thinking": thinking,
    }
    piped = _piped_text(has_question=bool(question))
    asked = "\n\n".join(part for part in (question, piped) if part)
    is_talk = not asked and piped is None and _is_terminal(sys.stdin) and _is_terminal(sys.stdout) and not as_json
    if not asked and not is_talk:
        raise CommandError("there is no question: name one, or write it to standard input.")
    provider, model = choose(provider, model)
    whom = Whom(provider=provider, model=model, params=params)
    from ._conversation import Conversation, converse, load_messages

    talk = Conversation(whom=whom, system=system, shows_usage=usage, is_plain=plain)
    if load is not None:
        load_messages(talk, load)
    if is_talk:
        talk.images += image or []
        return converse(talk)
    talk.messages.append(user_message(asked, image or []))
    return _answer_once(talk.whom, talk.sent(), usage=usage, as_json=as_json, plain=plain)


def _is_terminal(file: TextIO | None) -> bool:
    return file is not None and file.isatty()


def _answer_once(whom: Whom, messages: list[dict[str, Any]], *, usage: bool, as_json: bool, plain: bool) -> int:
    answered = ask(whom, messages, _Silent() if as_json else writer(is_plain=plain))
    if as_json:
        _write_response(answered)
    elif usage and (line := usage_line(answered.response)):
        write(line + "\n")
    if is_rich():
        for line in changes(answered.response):
            tell(line, style="dim")
    return codes.STOPPED if answered.was_stopped else codes.DONE


def _write_response(answered: Answered) -> None:
    if answered.response is not None:
        write(answered.response.model_dump_json(indent=2) + "\n")


def _piped_text(*, has_question: bool) -> str | None:
    """What stands on standard input; None when it is a terminal or nothing."""
    try:
        number = sys.stdin.fileno()
        mode = os.fstat(number).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return None
    if has_question and os.name == "posix" and not select.select([number], [], [], _PATIENCE)[0]:
        tell("Waiting for standard input to end; with nothing to add, run this with < /dev/null.", style="dim")
    # PowerShell's pipes begin with a byte order mark, which would be a part of the question.
    return sys.stdin.buffer.read().decode("utf-8-sig", "replace").strip()
