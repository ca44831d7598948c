"""OpenAI's messages → Coze's: who may speak, what can be sent, and how pictures and files are written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .._protocols.agent_media import Medium, media_of
from .._protocols.agent_parsing import decoded
from .._protocols.agent_turns import fold_system_texts, known_turns_left_out, question_alone, question_of
from .._protocols.base import JSONObject
from .._protocols.openai_messages import text_of
from .._protocols.parameters import adaptation
from ..exceptions import BadRequestError
from ..schema import Adaptation

_ROLES = ("system", "developer", "user", "assistant", "tool")
#: What a medium shows → Coze's word for it; anything else is a file.
_WORDS = {"image": "image", "audio": "audio"}
_MOST_MESSAGES, _MOST_IN_FLOW = 100, 50
_MOST_SECONDS = 86_400
#: Parameters that are objects; coze-studio refuses them as JSON texts.
_OBJECTS = ("custom_variables", "parameters", "meta_data", "extra_params")

Turns = tuple[list[JSONObject], list[Adaptation]]


def hands_in_results(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the messages end with results of tools, which belong to the chat that asked for them."""
    return messages[-1].get("role") == "tool"


def turns(name: str, messages: list[JSONObject], params: JSONObject) -> Turns:
    """The messages that are sent, and what becomes of the others. ``history`` is taken out of ``params``.

    Raises:
        BadRequestError: the last message is not the user's; a role that nobody has; a picture in an answer; results of
            tools without the ids of their chat.
    """
    for number, message in enumerate(messages):
        _check(name, message, f"messages[{number}]")
    if hands_in_results(messages):
        return _results(name, messages, params)
    question_of(name, messages)
    if params.get("history"):
        return question_alone(name, messages, params)
    params.pop("history", None)
    if params.get("conversation_id"):
        # The platform puts what it remembers before what it is sent: with the earlier turns it would have them twice.
        return known_turns_left_out(name, messages, "conversation_id")
    sent, changes = _without_tools(messages, keeps=params.get("auto_save_history") is False)
    sent, folded = fold_system_texts(sent)
    return sent, [*changes, *folded]


def _check(name: str, message: JSONObject, where: str) -> None:
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise BadRequestError(f"{where}: {name} knows no role {role!r}. Give it one of {', '.join(_ROLES)}.")
    is_user = role == "user"
    if not is_user and isinstance(content, list) and not _is_text(content):
        raise BadRequestError(f"{where}: {name} takes pictures and files in the user's messages only.")


def _results(name: str, messages: list[JSONObject], params: JSONObject) -> Turns:
    missing = [each for each in ("conversation_id", "chat_id") if not params.get(each)]
    if missing:
        raise BadRequestError(
            f"{name}: the messages end with results of tools, which belong to the chat that asked for them. Pass "
            f"{' and '.join(f'{each}=response.{each}' for each in missing)} of the answer with the tool calls."
        )
    start = len(messages)
    while start and messages[start - 1].get("role") == "tool":
        start -= 1
    changes = []
    if earlier := messages[:start]:
        place = "messages[0]" if start == 1 else f"messages[0:{start}]"
        reason = "the platform has the chat already; results of its tools are all that it takes"
        changes.append(adaptation(place, "dropped", [message.get("role") for message in earlier], None, reason))
    if params.get("response_format") is not None:
        reason = "an instruction cannot stand beside results of tools; give it with the question"
        changes.append(adaptation("response_format", "dropped", str(params.pop("response_format")), None, reason))
    return messages[start:], changes


def _without_tools(messages: Sequence[JSONObject], *, keeps: bool) -> Turns:
    """Without calls of tools and their results, unless the platform keeps no history; without empty answers."""
    sent: list[JSONObject] = []
    changes: list[Adaptation] = []
    reason = "the platform takes earlier calls of tools with auto_save_history=False only"
    for number, given in enumerate(messages):
        message, where, role = dict(given), f"messages[{number}]", given["role"]
        if role == "tool" and not keeps:
            changes.append(adaptation(where, "dropped", "tool", None, reason))
            continue
        if message.get("tool_calls") and not keeps:
            del message["tool_calls"]
            changes.append(adaptation(f"{where}.tool_calls", "dropped", "tool_calls", None, reason))
        if role == "assistant" and not text_of(message.get("content")) and not message.get("tool_calls"):
            if not given.get("tool_calls"):
                changes.append(adaptation(where, "dropped", "assistant", None, "an answer of no words"))
            continue
        sent.append(message)
    return sent, changes


def to_coze(messages: Sequence[JSONObject]) -> list[JSONObject]:
    """Messages in Coze's words."""
    sent: list[JSONObject] = []
    for number, message in enumerate(messages):
        role, text = message["role"], text_of(message.get("content"))
        if role == "user":
            sent.append(_question(message, text, f"messages[{number}]"))
        elif role == "tool":
            sent.append(_said("assistant", "tool_response", text))
        else:
            calls = [_said("assistant", "function_call", _call(call)) for call in message.get("tool_calls") or ()]
            sent += [*([_said("assistant", "answer", text)] if text else ()), *calls]
    return sent


def _said(role: str, kind: str, content: str, form: str = "text") -> JSONObject:
    return {"role": role, "type": kind, "content": content, "content_type": form}


def _question(message: JSONObject, text: str, where: str) -> JSONObject:
    media = media_of(message, where)
    if not media:
        return _said("user", "question", text)
    items = [*([{"type": "text", "text": text}] if text else ()), *(_item(medium) for medium in media)]
    return _said("user", "question", json.dumps(items, ensure_ascii=False), "object_string")


def _item(medium: Medium) -> JSONObject:
    place = {"file_id": medium.file_id} if medium.file_id else {"file_url": medium.url}
    return {"type": _WORDS.get(medium.kind, "file"), **place}


def _call(call: JSONObject) -> str:
    function = call.get("function") or {}
    return json.dumps(
        {"name": function.get("name"), "arguments": decoded(function.get("arguments"))}, ensure_ascii=False
    )


def check_settings(name: str, params: Mapping[str, Any]) -> None:
    """What is wrong with settings of ours.

    Raises:
        BadRequestError: seconds that are none, or more than a day; a name that is no text.
    """
    for each in ("poll_interval", "poll_timeout"):
        if each in params and not (isinstance(params[each], (int, float)) and 0 < params[each] <= _MOST_SECONDS):
            raise BadRequestError(f"{name}: {each}={params[each]!r} is no number of seconds up to {_MOST_SECONDS}.")
    if not isinstance(params.get("session_name", ""), str):
        raise BadRequestError(f"{name}: session_name={params['session_name']!r} is no text.")


def check_request(name: str, params: Mapping[str, Any], messages: Sequence[JSONObject], *, is_flow: bool) -> None:
    """What is wrong whatever the bot is.

    Raises:
        BadRequestError: no bot is named; too many messages; a parameter of another shape; a picture where none can be.
    """
    if is_flow and "bot_id" in params and "app_id" in params:
        raise BadRequestError(f"{name}: a chatflow takes bot_id= or app_id=, not both.")
    if "bot_id" not in params and not (is_flow and "app_id" in params):
        raise BadRequestError(
            f"{name}: no bot is named. Pass bot_id=… (the digits at the end of the address of the bot's page), or set "
            "COZE_BOT_ID. 请传入 bot_id（智能体页面网址末尾的数字）。"
        )
    most = _MOST_IN_FLOW if is_flow else _MOST_MESSAGES
    if len(messages) > most:
        raise BadRequestError(
            f"{name}: {len(messages)} messages are more than the {most} that it takes. Send the latest, or pass "
            "conversation_id= of the last answer: then it remembers the earlier ones itself."
        )
    for field in _OBJECTS:
        if field in params and not isinstance(params[field], Mapping):
            raise BadRequestError(f"{name}: {field} is a {type(params[field]).__name__}, not a dict.")
    pairs = params.get("meta_data", {})
    if len(pairs) > 16 or any(len(str(key)) > 64 or len(str(pairs[key])) > 512 for key in pairs):
        raise BadRequestError(f"{name}: meta_data holds 16 pairs at most, names of 64 characters and values of 512.")
    _check_pictures(name, messages, takes_any=not is_flow)


def _check_pictures(name: str, messages: Sequence[JSONObject], *, takes_any: bool) -> None:
    """Pictures stand where the platform takes them, and never without words in their message or in one beside it."""
    plain = [not isinstance(content := message.get("content"), list) or _is_text(content) for message in messages]
    for number, message in enumerate(messages):
        if not plain[number] and not takes_any:
            raise BadRequestError(f"messages[{number}]: {name} takes text only where workflow_id is given.")
        beside = [plain[place] for place in (number - 1, number + 1) if 0 <= place < len(plain)]
        if not plain[number] and not text_of(message.get("content")) and not any(beside):
            raise BadRequestError(
                f"messages[{number}]: for {name} a picture or file alone is no question. Put a text part beside it, "
                "or a message of text before or after it."
            )


def _is_text(parts: Sequence[JSONObject]) -> bool:
    return all(part.get("type") == "text" for part in parts)
