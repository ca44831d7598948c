"""Valid answers → invalid ones: members removed, replaced, doubled and moved; events and bytes likewise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from seeds import Answer

Chance = random.Random

#: JSON texts that stand where nobody expects them.
ODD_TEXTS: tuple[str, ...] = (
    *("null", "true", "false", "0", "-1", "1.5", '""', '"x"', "[]", "{}", "[null]", "[[]]", "[{}]", '{"x": null}'),
    *("1e400", "-1e400", "NaN", "9" * 40, "9" * 5000, "1e-400", "-0", "2147483648", "1e308"),
    *('"\\ud800"', '"\\udc00x"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\u2028\\u0085"', '"' + "长" * 3000 + '"'),
    *("[" * 60 + "]" * 60, '{"a":' * 60 + "1" + "}" * 60, '{"type": []}', '["x"]', '"[DONE]"', '"null"', '"stop"'),
)
#: So deep that no reader of JSON follows; rarely taken, for it makes what stands around it unreadable, too.
TOO_DEEP = ("[" * 100_000 + "]" * 100_000, '{"a":' * 30_000 + "1" + "}" * 30_000)
_JUNK = (
    b"\n",
    b"\r",
    b"data:",
    b"data: {}\n\n",
    b"event: error\n",
    b"\xff\xfe",
    b"\x00",
    b": x\n\n",
    b"[DONE]",
    b"{",
    b"}",
)


class _Raw(str):
    """A JSON text that is put in as it is."""

    __slots__ = ()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield (*path, name)
        yield from _paths(member, (*path, name))


def _write(value: Any) -> str:
    """JSON with raw texts in it; a member whose name ends in spaces stands twice."""
    if isinstance(value, _Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(name).rstrip(' '))}:{_write(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def odd(chance: Chance) -> _Raw:
    """A value that does not belong there."""
    return _Raw(chance.choice(TOO_DEEP) if chance.random() < 0.01 else chance.choice(ODD_TEXTS))


def _remove(target: Any, name: Any, chance: Chance) -> None:
    del target[name]


def _replace(target: Any, name: Any, chance: Chance) -> None:
    target[name] = odd(chance)


def _double(target: Any, name: Any, chance: Chance) -> None:
    if isinstance(target, list):
        target[name:name] = [target[name]] * chance.choice((1, 1, 40))
    else:
        target[f"{name} "] = odd(chance)


def _reorder(target: Any, name: Any, chance: Chance) -> None:
    if isinstance(target, list):
        chance.shuffle(target)
    else:
        members = list(target.items())
        chance.shuffle(members)
        target.clear()
        target.update(members)


def _rewrite(target: Any, name: Any, chance: Chance) -> None:
    """Of the same type, yet another one."""
    value = target[name]
    if isinstance(value, str) and not isinstance(value, _Raw):
        target[name] = chance.choice((value[: len(value) // 2], value * 50, f"{value}\ud83d", "", "null", "error"))
    elif isinstance(value, int | float):
        target[name] = _Raw(chance.choice(("0", "-1", "1", "200", "1e400", "3.5", "true", "9" * 30, '"7"')))
    else:
        target[name] = chance.choice(([value], {"x": value}, [value, value], json.dumps(value, default=str)))


_CHANGES: tuple[Callable[[Any, Any, Chance], None], ...] = (_remove, _replace, _replace, _double, _reorder, _rewrite)


def change_json(text: str, chance: Chance) -> str:
    """A JSON text with one to three of its members changed; other texts with an odd value in place of all."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return str(odd(chance))
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_paths(value))
        if not places or chance.random() < 0.03:
            value = odd(chance)
            break
        path = chance.choice(places)
        target = value
        for name in path[:-1]:
            target = target[name]
        chance.choice(_CHANGES)(target, path[-1], chance)
    return _write(value)


def change_line(line: bytes, chance: Chance) -> bytes:
    """One line of a stream, with its JSON changed if it holds any."""
    name, colon, rest = line.partition(b":") if line[:5] in (b"data:", b"event") else (b"", b"", line)
    text = rest.decode("utf-8", "replace").strip()
    if name == b"event":
        words = ("", "error", "message", "done", text[: len(text) // 2], text * 2)
        return name + colon + chance.choice(words).encode("utf-8", "surrogatepass")
    return name + colon + b" " * bool(colon) + change_json(text, chance).encode("utf-8", "surrogatepass")


def change_stream(data: bytes, chance: Chance) -> bytes:
    """A stream with lines changed, dropped, doubled, moved or cut."""
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(lines)) if lines else 0
        kind = chance.randrange(9)
        if not lines:
            break
        if kind < 4:
            full = [number for number, line in enumerate(lines) if line.strip()] or [at]
            at = chance.choice(full)
            lines[at] = change_line(lines[at].rstrip(b"\r"), chance)
        elif kind == 4:
            del lines[at]
        elif kind == 5:
            lines[at:at] = lines[max(0, at - 2) : at + 1] * chance.choice((1, 1, 30))
        elif kind == 6:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 7:
            del lines[at + 1 :]
        else:
            lines[at:at] = [change_bytes(lines[at], chance)]
    return b"\n".join(lines)


def change_bytes(data: bytes, chance: Chance) -> bytes:
    """Bytes with junk put in, or cut short, or flipped."""
    at = chance.randrange(len(data) + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + chance.choice(_JUNK) + data[at:]
    if kind == 2:
        return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    return chance.randbytes(chance.randrange(64))


def change_answer(answer: Answer, chance: Chance) -> Answer:
    """Another answer in its place: its JSON, its events, its bytes or its status changed."""
    content = answer.content
    is_stream = content.lstrip()[:1] not in (b"{", b"[") or b"\n" in content.strip()
    if chance.random() < 0.08:
        return replace(answer, content=change_bytes(content, chance))
    if chance.random() < 0.05:
        return replace(answer, status=chance.choice((200, 201, 302, 400, 401, 402, 404, 408, 429, 500, 503, 999)))
    if is_stream:
        return replace(answer, content=change_stream(content, chance))
    changed = change_json(content.decode("utf-8", "replace"), chance)
    return replace(answer, content=changed.encode("utf-8", "surrogatepass"))
