"""What a key may hold, in words: from a Python type, and from what pydantic says when a value is wrong."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from tailrace.pipeline.keys import Declaration, Duration, FilePath, Size

EXPECTED = "expected "

_NOUNS = {
    str: ("a string", "strings"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    Any: ("a value", "values"),
    object: ("a value", "values"),
    dict: ("a table", "tables"),
    list: ("a list", "lists"),
    type(None): ("nothing", "nothing"),
}
_DECLARED: dict[type, tuple[str, str]] = {
    Size: ('a size such as "1MiB"', 'sizes such as "1MiB"'),
    FilePath: ("a path", "paths"),
    Duration: ('a duration such as "30s"', 'durations such as "30s"'),
}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_TABLES = (dict, collections.abc.Mapping)

# pydantic's words for a TOML author; what is not listed stays as it is.
_WORDS = {
    "a valid string": "a string",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid list": "a list",
    "a valid array": "a list",
    "a valid tuple": "a list",
    "a valid dictionary": "a table",
    "a valid mapping": "a table",
    "an object": "a table",
    "None": "nothing",
}


def declaration_of(hint: Any) -> Declaration | None:
    """What is declared of this type in ``pipeline.keys``."""
    if typing.get_origin(hint) is typing.Annotated:
        return next((one for one in typing.get_args(hint)[1:] if isinstance(one, Declaration)), None)
    return None


def describe_type(hint: Any) -> str:
    """``list[str] | str`` is "a list of strings or a string"."""
    return _describe(hint, plural=False)


def _describe(hint: Any, *, plural: bool) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if (declared := declaration_of(hint)) is not None and type(declared) in _DECLARED:
        return _DECLARED[type(declared)][plural]
    if origin is typing.Annotated:
        return _describe(arguments[0], plural=plural)
    if hint in _NOUNS:
        return _NOUNS[hint][plural]
    if dataclasses.is_dataclass(hint):
        return "tables" if plural else "a table"
    if origin is typing.Literal:
        return " or ".join(f'"{one}"' for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(one, plural=plural) for one in arguments if one is not type(None))
    if origin in _LISTS:
        inner = [one for one in arguments if one is not Ellipsis]
        inner_words = _describe(inner[0], plural=True) if len(inner) == 1 else " and ".join(map(describe_type, inner))
        return f"{'lists' if plural else 'a list'} of {inner_words}"
    if origin in _TABLES:
        inner_words = _describe(arguments[1], plural=True)
        return f"{'tables' if plural else 'a table'}" + (f" of {inner_words}" if inner_words != "values" else "")
    return getattr(hint, "__name__", str(hint))


def describe_error(error: Mapping[str, Any]) -> str:
    """One entry of ``ValidationError.errors()``: "expected ..." or a sentence of its own."""
    message: str = error["msg"]
    if error["type"] in ("value_error", "assertion_error"):
        return message.partition(", ")[2]
    if error["type"] == "missing":
        return EXPECTED + "one more element"
    wanted = message.removeprefix("Input should be ")
    if wanted == message:
        return message[:1].lower() + message[1:]
    return EXPECTED + _WORDS.get(wanted, wanted.replace("'", '"'))
