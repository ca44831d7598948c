"""A conversation in the terminal: lines that are sent, and commands that begin with a slash."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..exceptions import UnionLLMError
from . import codes
from ._answering import Whom, ask, changes, text_of, usage_line
from ._asking import choose
from ._drawing import writer
from ._images import image_part, user_message
from ._screen import CommandError, tell, write

if TYPE_CHECKING:
    from ..schema import ModelResponse

_BLOCK = '"""'


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What has been said, and to whom."""

    whom: Whom
    system: str | None = None
    shows_usage: bool = False
    is_plain: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)
    #: Images that go with the next message.
    images: list[str] = field(default_factory=list)

    def sent(self) -> list[dict[str, Any]]:
        """The messages of the next call."""
        return [*([{"role": "system", "content": self.system}] if self.system else []), *self.messages]

    def go_on(self, response: ModelResponse | None) -> None:
        """Remember which conversation it is on an agent platform, which keeps what was said itself."""
        name = response.conversation_id if response is not None else None
        if name:
            self.whom.params = {**self.whom.params, "conversation_id": name}

    def begin_anew(self) -> None:
        """Forget it."""
        self.whom.params = {key: value for key, value in self.whom.params.items() if key != "conversation_id"}


def converse(talk: Conversation) -> int:
    """Read lines until the end of the input or ``/quit``; returns the exit code."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # pyright: ignore[reportUnusedImport]  # input() then has arrows and a history
    tell(f"{talk.whom.title or 'default'}. /help tells the commands, Ctrl-D ends.", style="dim")
    while True:
        try:
            line = _read()
            if line.strip() and not take(talk, line):
                return codes.DONE
        except EOFError:
            write("\n")
            return codes.DONE
        except KeyboardInterrupt:
            tell("\nCtrl-D or /quit ends the conversation.", style="dim")
        except CommandError as error:
            tell(str(error), style="yellow")
        except UnionLLMError as error:
            tell(f"{type(error).__name__}: {error}", style="red")
            tell("Your message was not kept; the arrow up brings it back.", style="dim")


def _read() -> str:
    line = input("› ")
    if not line.lstrip().startswith(_BLOCK):
        return line
    lines = [line.lstrip()[len(_BLOCK) :]]
    while not lines[-1].rstrip().endswith(_BLOCK):
        lines.append(input("… "))
    return "\n".join(lines).rstrip().removesuffix(_BLOCK)


def take(talk: Conversation, line: str) -> bool:
    """Do what a line says; False when the conversation shall end."""
    stripped = line.strip()
    if stripped.startswith("/") and not stripped.startswith("//"):
        name, _, rest = stripped[1:].partition(" ")
        if name.lower() in ("quit", "exit", "q"):
            return False
        if name.lower() not in COMMANDS:
            raise CommandError(f"There is no command /{name}; /help tells them. A line that begins with // is sent.")
        COMMANDS[name.lower()][0](talk, rest.strip())
        return True
    _send(talk, user_message(line[1:] if stripped.startswith("//") else line, talk.images))
    return True


def _send(talk: Conversation, message: dict[str, Any]) -> None:
    talk.messages.append(message)
    try:
        answered = ask(talk.whom, talk.sent(), writer(is_plain=talk.is_plain))
        if text := text_of(answered.response):
            talk.messages.append({"role": "assistant", "content": text})
    finally:
        # A question without an answer is not kept: some vendors refuse two in a row.
        is_kept = talk.messages[-1] is not message
        if not is_kept:
            talk.messages.pop()
    talk.images.clear()
    talk.go_on(answered.response)
    if answered.was_stopped:
        tell("Stopped." if is_kept else "Stopped before anything arrived; the question was not kept.", style="dim")
    for line in changes(answered.response):
        tell(line, style="dim")
    if talk.shows_usage and (line := usage_line(answered.response)):
        tell(line, style="dim")


def _help(talk: Conversation, rest: str) -> None:
    width = max(len(f"/{name} {what}") for name, (_, what, _) in COMMANDS.items())
    for name, (_, what, about) in COMMANDS.items():
        tell(f"{f'/{name} {what}'.ljust(width)}  {about}")
    tell(f"{'/quit'.ljust(width)}  end the conversation; Ctrl-D does the same")
    tell(f"A message of several lines stands between {_BLOCK} and {_BLOCK}.")


def _model(talk: Conversation, rest: str) -> None:
    if rest:
        talk.whom.model = rest
    tell(talk.whom.title or "default", style="dim")


def _provider(talk: Conversation, rest: str) -> None:
    name, _, model = rest.partition(" ")
    if name:
        provider, chosen = choose(name, model.strip() or None)
        # They belonged to the other one.
        params = {**talk.whom.params, "base_url": None, "region": None, "conversation_id": None}
        talk.whom = Whom(provider=provider, model=chosen, params=params)
    tell(talk.whom.title or "default", style="dim")


def _system(talk: Conversation, rest: str) -> None:
    if rest:
        talk.system = None if rest == "-" else rest
    tell(f"System message: {talk.system or 'none'}", style="dim")


def _image(talk: Conversation, rest: str) -> None:
    if rest:
        image_part(rest)
        talk.images.append(rest)
    tell(f"With the next message: {', '.join(talk.images) or 'no image'}", style="dim")


def _usage(talk: Conversation, rest: str) -> None:
    talk.shows_usage = not talk.shows_usage
    tell(f"Token counts are {'shown' if talk.shows_usage else 'not shown'}.", style="dim")


def _retry(talk: Conversation, rest: str) -> None:
    asked = [place for place, message in enumerate(talk.messages) if message["role"] == "user"]
    if not asked:
        raise CommandError("There is no question yet.")
    before, talk.messages = talk.messages, talk.messages[: asked[-1]]
    try:
        _send(talk, before[asked[-1]])
    except BaseException:
        talk.messages = before
        raise


def _clear(talk: Conversation, rest: str) -> None:
    talk.messages.clear()
    talk.images.clear()
    talk.begin_anew()
    tell("Forgotten; the system message stays.", style="dim")


def _save(talk: Conversation, rest: str) -> None:
    if not rest:
        raise CommandError("Say where: /save talk.md, or /save talk.json to go on with later.")
    path = Path(rest).expanduser()
    text = _as_json(talk) if path.suffix == ".json" else _as_markdown(talk)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CommandError(f"{rest} is there already; choose another name.") from error
    except OSError as error:
        raise CommandError(f"{rest} cannot be written: {error.strerror}.") from error
    tell(f"Saved {len(talk.messages)} messages to {rest}.", style="dim")


def _as_json(talk: Conversation) -> str:
    saved = {"provider": talk.whom.provider, "model": talk.whom.model, "messages": talk.sent()}
    return json.dumps(saved, ensure_ascii=False, indent=2) + "\n"


def _as_markdown(talk: Conversation) -> str:
    parts = []
    for message in talk.sent():
        content = message["content"]
        if isinstance(content, list):
            content = "\n\n".join(part.get("text", "(image)") for part in content)
        parts.append(f"## {message['role']}\n\n{content}\n")
    return "\n".join([f"# {talk.whom.title}\n", *parts])


def load_messages(talk: Conversation, path: Path) -> None:
    """Go on with what ``/save`` wrote. Raises CommandError when the file is not of that kind."""
    try:
        saved = json.loads(path.expanduser().read_text(encoding="utf-8"))
        messages = [dict(message) for message in saved["messages"]]
        roles = [message["role"] for message in messages]
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{path} is no conversation that /save wrote as JSON.") from error
    if roles[:1] == ["system"]:
        first = messages.pop(0)
        talk.system = talk.system or str(first.get("content") or "") or None
    talk.messages = messages


_Command = tuple[Callable[[Conversation, str], None], str, str]
#: A command's name → what does it, its argument, and what it is for.
COMMANDS: Mapping[str, _Command] = MappingProxyType(
    {
        "help": (_help, "", "this list"),
        "model": (_model, "[NAME]", "tell the model, or ask another one"),
        "provider": (_provider, "[NAME [MODEL]]", "tell the provider, or ask another one"),
        "system": (_system, "[TEXT | -]", "tell, set or remove the system message"),
        "image": (_image, "[FILE]", "send an image with the next message"),
        "retry": (_retry, "", "ask the last question again"),
        "usage": (_usage, "", "show token counts, or no longer"),
        "save": (_save, "FILE", "write it as Markdown, or to a .json for --load"),
        "clear": (_clear, "", "forget what was said"),
    }
)
