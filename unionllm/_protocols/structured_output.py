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
        takes_schema: whether the model can be held to a schema.
        takes_object: whether it can be held to JSON at all.

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
    if takes_schema if kind == "json_schema" else takes_object:
        return messages, []
    if takes_object:
        params["response_format"] = {"type": "json_object"}
        reason = "the vendor knows json_object only; the schema is in the system message"
        change = adaptation("response_format", "replaced", kind, "json_object", reason)
    else:
        del params["response_format"]
        reason = "the vendor does not know it; the system message says what is wanted"
        change = adaptation("response_format", "dropped", kind, None, reason)
    return _instruct(messages, _instruction(wanted)), [change]


def _instruction(wanted: JSONObject) -> str:
    if wanted["type"] == "json_object":
        return "Answer with one JSON object."
    if wanted["type"] != "json_schema":
        return ""
    schema = (wanted.get("json_schema") or {}).get("schema") or {}
    return f"Answer with one JSON object that follows this JSON schema:\n{json.dumps(schema, ensure_ascii=False)}"


def _instruct(messages: list[JSONObject], instruction: str) -> list[JSONObject]:
    if not instruction:
        return messages
    first = messages[0]
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
