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
    params: JSONObject, messages: list[JSONObject], *, takes_schema: bool
) -> tuple[list[JSONObject], list[Adaptation]]:
    """Put ``response_format`` into ``params`` as the vendor takes it; the messages may gain an instruction.

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
    if wanted["type"] != "json_schema" or takes_schema:
        return messages, []
    schema = (wanted.get("json_schema") or {}).get("schema") or {}
    params["response_format"] = {"type": "json_object"}
    instruction = (
        f"Answer with one JSON object that follows this JSON schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )
    reason = "the vendor knows json_object only; the schema is in the system message"
    change = adaptation("response_format", "replaced", "json_schema", "json_object", reason)
    return instruct(messages, instruction), [change]


def instruct(messages: list[JSONObject], instruction: str) -> list[JSONObject]:
    """The messages with an instruction in the system message at their head."""
    first = messages[0]
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
