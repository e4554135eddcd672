"""Builds a dataclass from plain checked values, the dataclasses inside of it included: in the configuration check, and
again in each worker, which gets the values as JSON."""

from __future__ import annotations

import keyword
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")


def construct(cls: type[T], values: Mapping[str, Any]) -> T:
    """``cls(**values)``, where tables become the dataclasses and lists the tuples that the types of the fields say."""
    values = {parameter_of(key): value for key, value in values.items()}
    if not any(isinstance(value, (dict, list)) for value in values.values()):
        return cls(**values)
    hints = key_types(cls)
    return cls(**{key: _built(hints.get(key, Any), value) for key, value in values.items()})


def parameter_of(key: str) -> str:
    """A key that is a word of Python's own, such as ``continue``, is a parameter with an underscore behind it."""
    return f"{key}_" if keyword.iskeyword(key) else key


def key_types(cls: type) -> dict[str, Any]:
    """The types of a class's parameters. Whatever a user's annotations raise when they are looked at."""
    try:
        return typing.get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]  # of the class itself
    except NameError:  # perhaps fields of a base class, whose names are those of another module
        return typing.get_type_hints(cls, include_extras=True)


def branches(hint: Any) -> list[Any]:
    """What a type may be instead, without None, which TOML does not have: ``[A, B]`` for ``A | B | None``, else the
    type alone."""
    if typing.get_origin(hint) is typing.Annotated:
        return branches(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [inner for one in typing.get_args(hint) if one is not types.NoneType for inner in branches(one)]
    return [hint]


def dataclass_for(hints: Sequence[Any], table: Mapping[str, Any]) -> Any:
    """Which of the dataclasses a table is for: the first with all its keys, else that with the most; None without any
    dataclass."""
    found = [hint for hint in hints if is_dataclass(hint)]
    return max(found, key=lambda hint: _likeness(hint, table), default=None)


def _likeness(hint: Any, table: Mapping[str, Any]) -> tuple[bool, int]:
    names = {one.name for one in fields(hint) if one.init}
    needed = {
        one.name for one in fields(hint) if one.init and one.default is MISSING and one.default_factory is MISSING
    }
    return needed <= table.keys() <= names, len(names & table.keys())


def _built(hint: Any, value: Any) -> Any:
    if isinstance(value, dict):
        if (cls := dataclass_for(branches(hint), value)) is not None:
            return construct(cls, value)
        inner = _argument(hint, (dict, Mapping), 1)
        return {key: _built(inner, item) for key, item in value.items()}
    if isinstance(value, list):
        tuples = [one for one in branches(hint) if one is tuple or typing.get_origin(one) is tuple]
        inner = _argument(hint, (list, tuple), 0)
        items = [_built(inner, item) for item in value]
        return tuple(items) if tuples else items
    return value


def _argument(hint: Any, origins: tuple[Any, ...], index: int) -> Any:
    """What the lists or tables of a type hold."""
    for one in branches(hint):
        if typing.get_origin(one) in origins:
            return typing.get_args(one)[index]
    return Any
