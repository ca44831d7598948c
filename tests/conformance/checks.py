"""What must hold of every call, every stream and every error, whoever the vendor is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
import re
import time
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

from server import Recorded

from unionllm import APIError, ModelResponse, ModelResponseChunk
from unionllm.exceptions import UnionLLMError

#: The planted key: it may show in one header, and nowhere else.
KEY = "sk-planted-0123456789abcdef"

#: Stands in ``expected.json`` for a value that no vendor sent.
MADE = "<made>"

#: Stands in ``request.json`` for a token that was signed with that key.
_SIGNED = re.compile(r"Bearer <jwt of (?P<id>[^.]+)\.(?P<secret>[^>]+)>")


def shown(answer: ModelResponse | None) -> dict[str, Any] | None:
    """An answer as ``expected.json`` writes it."""
    if answer is None:
        return None
    data = answer.to_dict()
    if data.get("adaptations"):
        data["adaptations"] = [change["parameter"] for change in data["adaptations"]]
    return data


def filled(expected: Any, actual: Any) -> Any:
    """``expected`` with what was made up on the way put in."""
    if expected == MADE and actual:
        return actual
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {name: filled(value, actual.get(name)) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [filled(*pair) for pair in zip(expected, actual, strict=True)]
    return expected


def check_answer(expected: dict[str, Any] | None, answer: ModelResponse | None) -> None:
    """The answer is the expected one, field by field."""
    actual = shown(answer)
    assert actual == filled(expected, actual)
    if answer is not None and actual is not None:
        assert answer.request_id == actual.get("request_id")


def fold(chunks: Iterable[ModelResponseChunk]) -> dict[int, dict[str, Any]]:
    """What the deltas add up to, choice by choice; joined here by hand, to judge the library's own joining."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            so_far = choices.setdefault(choice.index, {"content": "", "reasoning": "", "calls": {}})
            so_far["content"] += choice.delta.content or ""
            if "replace_content" in choice.delta:
                so_far["content"] = choice.delta["replace_content"]
            so_far["reasoning"] += choice.delta.reasoning_content or ""
            for piece in choice.delta.tool_calls or ():
                call = so_far["calls"].setdefault(
                    piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""}
                )
                call["arguments"] += piece.function.arguments or ""
            if choice.finish_reason is not None:
                for call in so_far["calls"].values():
                    call["arguments"] = call["arguments"] or "{}"  # a whole call without arguments has an empty object
    return choices


def folded(answer: ModelResponse | None) -> dict[int, dict[str, Any]]:
    """A whole answer in the same form."""
    choices = {}
    for choice in answer.choices if answer is not None else ():
        calls = enumerate(choice.message.tool_calls or ())
        choices[choice.index] = {
            "content": choice.message.content or "",
            "reasoning": choice.message.reasoning_content or "",
            "calls": {n: {"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for n, c in calls},
        }
    return choices


def check_chunks(chunks: Sequence[ModelResponseChunk], *, is_whole: bool) -> None:
    """What every stream keeps to; ``is_whole`` is false when it broke off."""
    assert all(isinstance(chunk, ModelResponse) and isinstance(chunk, ModelResponseChunk) for chunk in chunks)
    assert all(chunk.object == "chat.completion.chunk" for chunk in chunks)
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    assert all(chunk.id and chunk.model for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    before = chunks[:-1] if is_whole else chunks
    assert all(chunk.usage is None for chunk in before)
    assert all(choice.finish_reason is None for chunk in before for choice in chunk.choices)
    roles: dict[int, list[str | None]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            roles.setdefault(choice.index, []).append(choice.delta.role)
    assert all(first == "assistant" and not any(rest) for first, *rest in roles.values())
    _check_call_pieces(chunks)


def _check_call_pieces(chunks: Sequence[ModelResponseChunk]) -> None:
    """Id, type and name stand on a call's first piece and on no other; every piece says which call it belongs to."""
    begun: set[tuple[int, int]] = set()
    for chunk in chunks:
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or ():
                assert piece.index is not None
                is_first = (choice.index, piece.index) not in begun
                begun.add((choice.index, piece.index))
                assert [bool(piece.id), bool(piece.type), bool(piece.function.name)] == [is_first] * 3


def check_error(expected: dict[str, Any], error: UnionLLMError | None, provider: str) -> None:
    """The error is the expected one, survives pickling, and says whose call failed."""
    assert isinstance(error, APIError), error
    facts = {"class": type(error).__name__, "provider": error.provider}
    facts |= {name: getattr(error, name) for name in expected if name not in ("class", "mentions", "partial")}
    wanted = {name: value for name, value in expected.items() if name not in ("mentions", "partial")}
    assert facts == {**wanted, "provider": provider}
    assert all(phrase in str(error) for phrase in expected.get("mentions", ())), str(error)
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.code) == (type(error), str(error), error.code)
    if "partial" in expected:
        check_answer(expected["partial"], error.partial)


def check_header(name: str, wanted: str | None, sent: str | None) -> None:
    """The header is the wanted one; a signed token, which differs from call to call, is the wanted key's."""
    signed = _SIGNED.fullmatch(wanted or "")
    if signed is None:
        assert sent == wanted, name
    else:
        assert sent is not None, name
        check_token(sent.removeprefix("Bearer "), signed["id"], signed["secret"])


def check_token(token: str, key_id: str, secret: str) -> None:
    """A token of Zhipu's: HS256 over header and payload, times in milliseconds, good for 210 s from now."""
    signed, _, signature = token.rpartition(".")
    header, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in signed.split("."))
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected
    assert header == {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}
    assert payload == {"api_key": key_id, "exp": payload["timestamp"] + 210_000, "timestamp": payload["timestamp"]}
    assert abs(time.time() * 1000 - payload["timestamp"]) < 3_600_000


def check_secrecy(requests: Iterable[Recorded], error: UnionLLMError | None) -> None:
    """The key travels in the one header that is for it, and no error tells it."""
    for request in requests:
        told = {name for name, value in request.headers.items() if KEY in value}
        assert told <= {"authorization"} or told == {"app_key"}
        assert KEY not in f"{request.path} {request.query}"
        # One platform wants it in the body, in this member.
        assert KEY.encode() not in request.body.replace(f'"AppKey":"{KEY}"'.encode(), b"")
    if error is not None:
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        assert KEY not in f"{error!r} {error} {vars(error)} {trace}"
