"""Many objects that are nearly the same, made at half the cost of making each on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .schema import OpenAIObject, _defaults_of, _put_extra, _put_fields, _put_fields_set, _put_private

T = TypeVar("T", bound=OpenAIObject)


def template(cls: type[T], shared: dict[str, Any]) -> Callable[[dict[str, Any], dict[str, Any]], T]:
    """What makes objects of one class that share most of their values, such as the chunks of a stream.

    Args:
        cls: the class.
        shared: values of declared fields that all of them have.

    Returns:
        The same as ``cls.build`` of further values and vendor fields, at half its cost.
    """
    fields, names, new = {**_defaults_of(cls), **shared}, frozenset(shared), object.__new__

    def build(known: dict[str, Any], extra: dict[str, Any]) -> T:
        if extra and not fields.keys().isdisjoint(extra):
            known = {**{name: extra.pop(name) for name in fields.keys() & extra}, **known}
        made = new(cls)
        _put_fields_set(made, {*names, *known, *extra})
        _put_fields(made, {**fields, **known})
        _put_extra(made, extra)
        _put_private(made, None)
        return made

    return build
