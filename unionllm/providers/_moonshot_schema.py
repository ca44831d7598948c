"""Moonshot's flavour of JSON schema, which answers others with 400; what is put differently is told."""

from __future__ import annotations

from typing import Any

from .._protocols.base import JSONObject
from .._protocols.parameters import adaptation
from ..schema import Adaptation

#: Keywords of JSON Schema that hold schemas: under names of the caller's, and by themselves or in a list.
_SCHEMAS_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SCHEMAS = frozenset(
    {"items", "prefixItems", "contains", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "additionalProperties"}
)


def with_schema(holder: Any, outer: str, inner: str, where: str) -> tuple[Any, list[Adaptation]]:
    """A tool or response format whose schema is put into this vendor's dialect, and what was changed.

    Args:
        outer: member that holds the schema's holder.
        inner: member of that one which is the schema.
        where: the parameter, for the changes.
    """
    if not isinstance(holder, dict) or not isinstance(holder.get(outer), dict):
        return holder, []
    changes: list[Adaptation] = []
    schema = holder[outer].get(inner)
    if isinstance(schema, dict):
        holder = {**holder, outer: {**holder[outer], inner: _flavoured(schema, f"{where}.{outer}.{inner}", changes)}}
    return holder, changes


def _flavoured(schema: Any, where: str, changes: list[Adaptation]) -> Any:
    """No ``$schema``, ``prefixItems`` for tuples, no ``type`` beside ``anyOf``, and one for every object."""
    if not isinstance(schema, dict):
        return schema
    made: JSONObject = {}
    for name, value in schema.items():
        if name == "$schema":
            changes.append(adaptation(f"{where}.$schema", "dropped", value, None, "the vendor has one dialect"))
        else:
            made[name] = _below(name, value, f"{where}.{name}", changes)
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
        reason = "the vendor's word for the items of a tuple"
        changes.append(adaptation(f"{where}.items", "renamed", "items", "prefixItems", reason))
    if isinstance(made.get("anyOf"), list) and "type" in made:
        kind = made.pop("type")
        made["anyOf"] = [{"type": kind, **branch} if isinstance(branch, dict) else branch for branch in made["anyOf"]]
        reason = "the vendor takes it in the branches of anyOf, and not beside it"
        changes.append(adaptation(f"{where}.type", "replaced", kind, "anyOf", reason))
    if "properties" in made and "type" not in made and isinstance(made["properties"], dict):
        made["type"] = "object"
        changes.append(adaptation(f"{where}.type", "added", None, "object", "the vendor wants every type told"))
    return made


def _below(keyword: str, value: Any, where: str, changes: list[Adaptation]) -> Any:
    """The value of a keyword, which is data and no schema behind most of them."""
    if keyword in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {name: _flavoured(inner, f"{where}.{name}", changes) for name, inner in value.items()}
    if keyword not in _SCHEMAS:
        return value
    if isinstance(value, list):
        return [_flavoured(inner, f"{where}[{place}]", changes) for place, inner in enumerate(value)]
    return _flavoured(value, where, changes)
