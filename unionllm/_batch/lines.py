"""A raw line of the input → the arguments of a call, and the hash of what the vendor is asked. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._options import OPTIONS
from .._routes import merge_args, provider_of
from .._secrets import CREDENTIAL_NAMES
from ..exceptions import BadRequestError

#: Where OpenAI's batch lines go; other endpoints are not chats.
_ENDING = "/chat/completions"
#: What is the run's to say. A file of questions must not choose where the key is sent to.
_OF_THE_RUN = (OPTIONS - {"messages", "model", "provider"}) | CREDENTIAL_NAMES | {"custom_llm_provider"}
#: Arguments that change nothing in what the vendor is asked.
_NOT_ASKED = (OPTIONS - {"messages", "model", "extra_body", "param_policy"}) | CREDENTIAL_NAMES
#: What a row holds beside the arguments of its call.
_ENVELOPE = frozenset({"custom_id", "method", "url", "body", "prompt", "system"})
#: Hexadecimal digits: 128 bits, so that a collision in a billion lines is no concern.
KEY_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the input. ``problem`` says why it cannot be asked; then it has no arguments and no key."""

    index: int
    custom_id: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A raw line that could not even be decoded."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the run says for all lines.

    Args:
        arguments: of every call; a line's own win.
        system: the system message of lines that hold a prompt.
        override: let ``arguments`` win over the lines'.
    """

    arguments: Mapping[str, Any]
    system: str | None = None
    override: bool = False


def read_line(index: int, raw: Any, defaults: Defaults) -> Line:
    """The line of a raw value: a prompt, OpenAI's batch line, or a call's arguments.

    Args:
        index: its place in the input, from 0.
        raw: a string, a mapping, or ``Broken``.
        defaults: the run's own arguments.
    """
    custom_id = _custom_id(index, raw)
    try:
        arguments = _merge(_arguments(raw, defaults.system), defaults)
        return Line(index=index, custom_id=custom_id, arguments=arguments, key=key_of(arguments))
    except BadRequestError as error:
        return Line(index=index, custom_id=custom_id, problem=str(error))


def _custom_id(index: int, raw: Any) -> str:
    given = raw.get("custom_id") if isinstance(raw, Mapping) else None
    usable = isinstance(given, (str, int)) and not isinstance(given, bool) and given != ""
    return str(given) if usable else f"line-{index + 1}"


def _arguments(raw: Any, system: str | None) -> dict[str, Any]:
    """The arguments that a raw line names itself."""
    if isinstance(raw, Broken):
        raise BadRequestError(raw.problem)
    if isinstance(raw, str):
        return {"messages": _messages_of(raw, system)}
    if not isinstance(raw, Mapping):
        raise BadRequestError(f"a line is a prompt or an object, not {type(raw).__name__}.")
    if "body" in raw:
        own = _body(raw)
    else:
        own = {str(name): value for name, value in raw.items() if name not in _ENVELOPE and value is not None}
        prompt = raw.get("prompt")
        if prompt is not None:
            if not isinstance(prompt, str):
                raise BadRequestError(f"prompt must be a string, not {type(prompt).__name__}.")
            own["messages"] = _messages_of(prompt, raw.get("system") or system)
    return _checked(own)


def _body(raw: Mapping[str, Any]) -> dict[str, Any]:
    body, url, method = raw["body"], raw.get("url"), raw.get("method")
    if not isinstance(body, Mapping):
        raise BadRequestError(f"body must be an object, not {type(body).__name__}.")
    if method is not None and str(method).upper() != "POST":
        raise BadRequestError(f"method={method!r}: a chat is a POST.")
    if url is not None and not str(url).rstrip("/").endswith(_ENDING):
        raise BadRequestError(f"url={url!r}: only /v1{_ENDING} can be asked.")
    return {str(name): value for name, value in body.items() if value is not None}


def _messages_of(prompt: str, system: Any) -> list[dict[str, Any]]:
    question = {"role": "user", "content": prompt}
    return [{"role": "system", "content": system}, question] if system else [question]


def _checked(own: dict[str, Any]) -> dict[str, Any]:
    if own.get("stream") is False:
        del own["stream"]
    refused = sorted(name for name in own if name in _OF_THE_RUN or name.isupper())
    if refused:
        raise BadRequestError(f"{', '.join(refused)}: for the run to say, not for a line.")
    if not own.get("messages"):
        raise BadRequestError("no messages: a line is a prompt, an object with messages, or OpenAI's with a body.")
    return own


def _merge(own: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    if defaults.override:
        own = {name: value for name, value in own.items() if defaults.arguments.get(name) is None}
    return merge_args(defaults.arguments, own)


def key_of(arguments: Mapping[str, Any]) -> str:
    """The hash of what the vendor is asked: provider, model, messages and parameters; no key, no address, no limit.

    Raises:
        BadRequestError: something in it is no JSON.
    """
    asked = {
        name: value
        for name, value in arguments.items()
        if value is not None and name not in _NOT_ASKED and not name.isupper()
    }
    asked["provider"] = provider_of(arguments)
    try:
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestError(f"the line cannot be written as JSON ({error}).") from None
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def _plain(value: Any) -> Any:
    """Messages of ours are pydantic objects, and a ``response_format`` may be a pydantic class."""
    dump = getattr(value, "model_json_schema" if isinstance(value, type) else "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} is no JSON value")
    return dump()
