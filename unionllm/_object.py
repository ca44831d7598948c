"""The base of everything that the user gets: one object, read as attributes or like a dict, vendor fields kept."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from typing_extensions import Self


class OpenAIObject(BaseModel):
    """Base of all response objects: attributes and ``["…"]`` alike, unknown fields kept."""

    # Validators and serializers are built when they are first needed: an answer of ours needs none.
    model_config = ConfigDict(extra="allow", protected_namespaces=(), populate_by_name=True, defer_build=True)

    #: Fields that ``repr`` always shows, in this order.
    _shown: ClassVar[tuple[str, ...]] = ()
    #: Fields that ``repr`` shows after those when they have a value; ``("*",)`` means every other field.
    _shown_when_set: ClassVar[tuple[str, ...]] = ()
    #: Fields left out of ``model_dump()`` when None, so that a plain answer has OpenAI's shape.
    _dumped_when_set: ClassVar[frozenset[str]] = frozenset()

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or ``default`` when there is no such field or it is None."""
        value = self.__dict__.get(name)
        if value is None and self.__pydantic_extra__:
            value = self.__pydantic_extra__.get(name)
        return default if value is None else value

    def to_dict(self) -> dict[str, Any]:
        """The object as plain dicts and lists; the same as ``model_dump()``."""
        return self.model_dump()

    def json(self, **kwargs: Any) -> str:
        """The object as JSON text; the same as ``model_dump_json()``."""
        return self.model_dump_json(**kwargs)

    @classmethod
    def build(cls, known: dict[str, Any], extra: dict[str, Any] | None = None) -> Self:
        """Make an object from values that we made or checked ourselves, without validating them again.

        Args:
            known: values of declared fields; the dict is taken over.
            extra: vendor fields; the dict is taken over. One that bears a declared field's name becomes that field,
                unless ``known`` has it.
        """
        defaults = defaults_of(cls)
        if extra:
            if not known and defaults.keys() >= extra.keys():
                known, extra = extra, {}
            elif not defaults.keys().isdisjoint(extra):
                known = {**{name: extra.pop(name) for name in defaults.keys() & extra}, **known}
        made = _new(cls)
        put_fields_set(made, {*known, *extra} if extra else set(known))
        put_fields(made, {**defaults, **known})
        put_extra(made, extra or {})
        put_private(made, None)
        return made

    def __repr_args__(self) -> Any:
        for name in self._shown:
            yield name, getattr(self, name)
        rest = self._shown_when_set
        if rest == ("*",):
            rest = tuple(name for name in self.__dict__ if name not in self._shown)
            rest += tuple(name for name in self.__pydantic_extra__ or () if name not in self._shown)
        for name in rest:
            value = self.get(name)
            if value is not None:
                yield name, value

    def __str__(self) -> str:
        return repr(self)

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        for name in self._dumped_when_set:
            if name in dumped and dumped[name] is None:
                del dumped[name]
        return dumped


_new = object.__new__
# The four slots of a pydantic model, which are all that there is to one; faster than setting them by their names.
put_fields, put_fields_set, put_extra, put_private = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


@functools.cache
def defaults_of(cls: type[OpenAIObject]) -> dict[str, Any]:
    """Default of every declared field; a field with a default factory must be given to ``build``."""
    return {name: None if field.is_required() else field.default for name, field in cls.model_fields.items()}
