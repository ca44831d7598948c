"""Many objects that are nearly the same, made at half the cost of making each on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ._object import OpenAIObject, defaults_of, put_extra, put_fields, put_fields_set, put_private

T = TypeVar("T", bound=OpenAIObject)


def template(cls: type[T], shared: dict[str, Any]) -> Callable[[dict[str, Any], dict[str, Any]], T]:
    """What makes objects of one class that share most of their values, such as the chunks of a stream.

    Args:
        cls: the class.
        shared: values of declared fields that all of them have.

    Returns:
        The same as ``cls.build`` of further values and vendor fields, at half its cost.
    """
    fields, names, new = {**defaults_of(cls), **shared}, frozenset(shared), object.__new__

    def build(known: dict[str, Any], extra: dict[str, Any]) -> T:
        if extra and not fields.keys().isdisjoint(extra):
            known = {**{name: extra.pop(name) for name in fields.keys() & extra}, **known}
        made = new(cls)
        put_fields_set(made, {*names, *known, *extra})
        put_fields(made, {**fields, **known})
        put_extra(made, extra)
        put_private(made, None)
        return made

    return build
