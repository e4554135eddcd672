"""Values checked and converted with pydantic, and what it says in the words of a TOML author.

Strict on purpose: ``"5"`` is not a number and ``true`` is not 1. Only a value that is exactly one reference to an
environment variable is converted, since a variable can hold nothing but text.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from tailrace.pipeline.chain.explain import describe
from tailrace.pipeline.config.environment import Expanded
from tailrace.pipeline.config.expected import EXPECTED, describe_error, describe_type
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.problems import Report, show

_LONGEST_NUMBER = 19  # characters that fit 64 bits, whatever they are


def convert(hint: Any, value: Any, path: KeyPath, report: Report) -> Any:
    """The value, converted; None where it is wrong, which the report says."""
    try:
        converted = _validate(_adapter(hint), value)
    except ValidationError as error:
        for place, message in _explain(error, value).items():
            report.add(path + place, message)
        return None
    except Exception as error:  # a type that pydantic cannot check, or a validator of the user's that fails
        why = describe(error).partition("\n")[0]
        report.add(path, f"the field's type, {describe_type(hint)}, cannot be checked: {why}")
        return None
    try:
        return json.loads(json.dumps(converted))
    except TypeError:
        plain = "strings, numbers, booleans, lists or tables"
        report.add(path, f"the field's type, {describe_type(hint)}, cannot be sent to the workers; use {plain}")
        return None


@lru_cache
def _adapter_of_hashable(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        hash(hint)
    except TypeError:  # Annotated with something that has no hash
        return TypeAdapter(hint)
    return _adapter_of_hashable(hint)


def _validate(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Checked as JSON: there a list may become a tuple, and all else is strict. Each turn of the loop converts at least
    one reference into what the schema asked for."""
    box = [value]
    while True:
        try:
            return adapter.validate_json(json.dumps(box[0]), strict=True)
        except ValidationError as error:
            fed = [_feed(box, found["loc"], found["type"]) for found in error.errors(include_url=False)]
            if not any(fed):
                raise


def _feed(box: list[Any], location: tuple[int | str, ...], kind: str) -> bool:
    container, key, _ = _descend(box, location)
    text = container[key]
    if not (isinstance(text, Expanded) and text.sole):
        return False
    try:
        match kind:
            case "int_type" if len(text) < _LONGEST_NUMBER:
                container[key] = int(text)
            case "float_type" if math.isfinite(float(text)):
                container[key] = float(text)
            case "bool_type":
                container[key] = {"true": True, "false": False}[text]
            case _:
                return False
    except (ValueError, KeyError):
        return False
    return True


def _descend(box: list[Any], location: tuple[int | str, ...]) -> tuple[Any, Any, KeyPath]:
    """Container and key of the value an error is about, and its path below ``box[0]``. pydantic's location also names
    the branches of a union, which are no keys of the data: they are skipped."""
    container: Any = box
    key: Any = 0
    place: KeyPath = ()
    for part in location:
        current = container[key]
        if part in (current if isinstance(current, dict) else range(len(current)) if isinstance(current, list) else ()):
            container, key = current, part
            place += (part,)
    return container, key, place


def _explain(error: ValidationError, value: Any) -> dict[KeyPath, str]:
    """What to say at each place below the key. A union fails once a branch: what was expected is joined, and of two
    places one inside the other the inner one is more exact."""
    found: dict[KeyPath, tuple[Any, list[str]]] = {}
    for one in error.errors(include_url=False):
        container, key, place = _descend([value], one["loc"])
        found.setdefault(place, (container[key], []))[1].append(describe_error(one))
    inner = [place for place in found if not any(other[: len(place)] == place != other for other in found)]
    return {place: _sentence(*found[place]) for place in inner}


def _sentence(value: Any, wrong: list[str]) -> str:
    expected = [one.removeprefix(EXPECTED) for one in wrong if one.startswith(EXPECTED)]
    others = [one for one in wrong if not one.startswith(EXPECTED)]
    text = [EXPECTED + " or ".join(dict.fromkeys(expected))] if expected else []
    hint = ", but the variable holds something else" if expected and isinstance(value, Expanded) and value.sole else ""
    return f"found {show(value)}, {'; '.join(text + others)}{hint}"
