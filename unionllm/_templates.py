"""Many objects that are nearly the same, made at half the cost of making each on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ._object import OpenAIObject, defaults_of, put_extra, put_fields, put_fields_set, put_private
from .schema import Delta, ModelResponseChunk, StreamingChoices

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


def repeated(chunk: ModelResponseChunk, name: str) -> Callable[[str], ModelResponseChunk]:
    """What makes chunks that are equal to one but for a text.

    Args:
        chunk: with one choice; none of its values but that choice can be changed in place.
        name: the field of its delta that holds the text.
    """
    new = object.__new__
    choice = chunk.choices[0]
    delta = choice.delta
    # Copies: whoever gets the chunk may change it.
    of_chunk, of_choice, of_delta = {**chunk.__dict__}, {**choice.__dict__}, {**delta.__dict__}
    # As tuples, which take a fifth of the memory.
    chunk_has, choice_has, delta_has = ((*made.__pydantic_fields_set__,) for made in (chunk, choice, delta))

    def build(text: str) -> ModelResponseChunk:
        delta, choice, chunk = new(Delta), new(StreamingChoices), new(ModelResponseChunk)
        # A copy that is changed takes half as long as a display that unpacks.
        in_delta, in_choice, in_chunk = of_delta.copy(), of_choice.copy(), of_chunk.copy()
        in_delta[name], in_choice["delta"], in_chunk["choices"] = text, delta, [choice]
        put_fields_set(delta, {*delta_has})
        put_fields(delta, in_delta)
        put_extra(delta, {})
        put_private(delta, None)
        put_fields_set(choice, {*choice_has})
        put_fields(choice, in_choice)
        put_extra(choice, {})
        put_private(choice, None)
        put_fields_set(chunk, {*chunk_has})
        put_fields(chunk, in_chunk)
        put_extra(chunk, {})
        put_private(chunk, None)
        return chunk

    return build
