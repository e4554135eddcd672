"""Whether a value is plainly of a type: pydantic would give it back as it is, so it need not even be imported."""

from __future__ import annotations

import types
import typing
from typing import Any


def fits(hint: Any, value: Any) -> bool:
    """``value`` is from a TOML file: strings, numbers, booleans, lists and tables. False: pydantic decides."""
    if hint is Any:
        return True
    if hint is str:
        return isinstance(value, str)  # also one with references replaced
    if hint in _EXACT:
        return type(value) is hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return isinstance(value, str) and value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(fits(one, value) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(arguments[0], item) for item in value)
    if origin is dict and arguments[0] is str:
        return isinstance(value, dict) and all(fits(arguments[1], item) for item in value.values())
    return False


_EXACT = frozenset({bool, int, float})
