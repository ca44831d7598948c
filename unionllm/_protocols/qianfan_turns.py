"""Messages as Baidu Qianfan's first protocol wants them: the system text apart, user and assistant strictly in turns,
functions called one at a time and known by their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ..exceptions import BadRequestError
from ..schema import Adaptation
from .arranging import merge_neighbours
from .base import JSONObject
from .json_http import parse_json
from .parameters import adaptation

#: Stands where the protocol wants a turn, or a text, and there is none.
_NOTHING = "/"


def to_turns(messages: Iterable[JSONObject]) -> tuple[str, list[JSONObject], list[Adaptation]]:
    """The system text, the turns as V1 takes them, and what was changed in meaning.

    Raises:
        BadRequestError: nobody has asked anything last, or a result belongs to no call.
    """
    messages = list(messages)
    system = "\n".join(_text(message) for message in messages if message.get("role") == "system")
    rest = [message for message in messages if message.get("role") != "system"]
    changes = merge_neighbours(rest)
    told = list(_tell(rest))
    turns: list[JSONObject] = []
    for turn in told:
        if (turn["role"] == "assistant") != bool(len(turns) % 2):
            turns.append({"role": "assistant" if len(turns) % 2 else "user", "content": _NOTHING})
        turns.append(turn)
    if len(turns) % 2 == 0:
        raise BadRequestError("V1 answers to a user or a function: the last message must be of role user or tool.")
    if len(turns) > len(told):
        reason = f"V1 wants user and assistant in turns; {_NOTHING!r} stands for a turn that is missing"
        changes.append(adaptation("messages", "replaced", None, None, reason))
    if any(len(message.get("tool_calls") or ()) > 1 for message in rest):
        reason = "V1 knows one call at a time; each is told with its result"
        changes.append(adaptation("messages", "replaced", None, None, reason))
    return system, turns, changes


def _tell(messages: Iterable[JSONObject]) -> Iterator[JSONObject]:
    """Turns in V1's words: a call of a function, and its result right behind it, go by the function's name."""
    messages = list(messages)
    results: dict[object, list[JSONObject]] = {}
    for message in messages:
        if message.get("role") == "tool":
            results.setdefault(message.get("tool_call_id"), []).append(message)
    for message in messages:
        calls = message.get("tool_calls") or []
        if message.get("role") != "tool" and not calls:
            yield {"role": message.get("role"), "content": _text(message) or _NOTHING}
        for number, call in enumerate(calls):
            function = call["function"]
            called = {"name": function.get("name"), "arguments": function.get("arguments") or "{}"}
            yield {"role": "assistant", "content": "" if number else _text(message), "function_call": called}
            answers = results.get(call.get("id"))
            if answers:
                yield {"role": "function", "name": called["name"], "content": _as_json(_text(answers.pop(0)))}
    stray = [name for name, answers in results.items() if answers]
    if stray:
        raise BadRequestError(f"the tool message with tool_call_id={stray[0]!r} answers no tool call before it.")


def _text(message: JSONObject) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part.get("text") or "") for part in content)
    return content if isinstance(content, str) and content.strip() else ""


def _as_json(text: str) -> str:
    """A result as the text of a JSON object."""
    value = parse_json(text.encode("utf-8", "replace"))
    if isinstance(value, dict):
        return text
    return json.dumps({"result": text if value is None else value}, ensure_ascii=False)
