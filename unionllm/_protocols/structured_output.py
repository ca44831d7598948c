"""``response_format``: a pydantic class or a JSON schema, down the ladder that the vendor can climb."""

from __future__ import annotations

import json
from typing import Any

from ..exceptions import BadRequestError
from ..schema import Adaptation
from .base import JSONObject
from .parameters import adaptation


def is_class(wanted: Any) -> bool:
    """Whether that is a pydantic model class."""
    return isinstance(wanted, type) and hasattr(wanted, "model_json_schema")


def schema_of(model: type[Any]) -> JSONObject:
    """OpenAI's json_schema format for a pydantic model class."""
    return {
        "type": "json_schema",
        "json_schema": {"name": model.__name__, "schema": model.model_json_schema(), "strict": True},
    }


def adapt_response_format(
    params: JSONObject, messages: list[JSONObject], *, takes_schema: bool, takes_object: bool = True
) -> tuple[list[JSONObject], list[Adaptation]]:
    """Put ``response_format`` into ``params`` as the vendor takes it; the messages may gain an instruction.

    Args:
        takes_schema: whether the model knows json_schema.
        takes_object: whether it knows ``response_format`` at all.

    Raises:
        BadRequestError: it is neither a dict with a type nor a pydantic model class.
    """
    wanted = params.get("response_format")
    if wanted is None:
        return messages, []
    if is_class(wanted):
        wanted = params["response_format"] = schema_of(wanted)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("type"), str):
        raise BadRequestError(f"response_format={wanted!r} is neither a dict with a type nor a pydantic model class.")
    kind = wanted["type"]
    if takes_schema or (takes_object and kind != "json_schema"):
        return messages, []
    if kind == "text":
        del params["response_format"]  # what comes unasked, so that nothing is lost
        return messages, []
    if takes_object:
        params["response_format"] = {"type": "json_object"}
        reason = "the vendor knows json_object only; the schema is in the system message"
        change = adaptation("response_format", "replaced", kind, "json_object", reason)
    else:
        del params["response_format"]
        reason = "this model does not know it; what is wanted is in the system message"
        change = adaptation("response_format", "dropped", kind, None, reason)
    return instruct(messages, _INSTRUCTIONS.get(kind, "").format(_schema_text(wanted))), [change]


_INSTRUCTIONS = {
    "json_object": "Answer with one JSON object and nothing else.",
    "json_schema": "Answer with one JSON object that follows this JSON schema:\n{}",
}


def _schema_text(wanted: JSONObject) -> str:
    return json.dumps((wanted.get("json_schema") or {}).get("schema") or {}, ensure_ascii=False)


def instruction_for(wanted: Any) -> str:
    """What ``response_format`` asks for, in words, for vendors that do not know the parameter; "" for plain text.

    Raises:
        BadRequestError: it is neither a dict with a type nor a pydantic model class.
    """
    if wanted is None:
        return ""
    params: JSONObject = {"response_format": wanted}
    messages, _ = adapt_response_format(params, [{"role": "user"}], takes_schema=False, takes_object=False)
    return str(messages[0]["content"]) if len(messages) > 1 else ""


def instruct(messages: list[JSONObject], instruction: str) -> list[JSONObject]:
    """The messages with an instruction in the system message, which is made if there is none."""
    if not instruction:
        return messages
    first = messages[0]
    content = first.get("content")
    if first.get("role") == "system" and isinstance(content, str):
        return [{**first, "content": f"{content}\n\n{instruction}"}, *messages[1:]]
    if first.get("role") == "system" and isinstance(content, list):
        return [{**first, "content": [*content, {"type": "text", "text": instruction}]}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
