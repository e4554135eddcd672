"""A table of the configuration checked against a dataclass: names, then values, with all that is nested in them.

Serves the engine's tables, sources, stages, and the dataclasses that are fields of these. Values that are plainly right
are taken as they are; only for the others is pydantic imported.
"""

from __future__ import annotations

import difflib
import inspect
import json
import keyword
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from tailrace.pipeline.chain.explain import describe
from tailrace.pipeline.config.building import check_built
from tailrace.pipeline.config.declared import choice, convert_declared
from tailrace.pipeline.config.expected import declaration_of, describe_type
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.plain import fits
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.construct import dataclass_for, key_types

Unknown = Callable[[str, Sequence[str]], str]
"""What to say of a key that is none of the known ones."""


@dataclass(slots=True)
class Values:
    """Plain values for ``construct(cls, values)``, as far as the table gives them."""

    values: dict[str, Any]
    whole: bool  # nothing was left out because it is wrong


def unknown_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f"unknown key{hint} (known: {', '.join(known) or 'none'})"


def read_table(
    cls: type,
    table: dict[str, Any],
    path: KeyPath,
    report: Report,
    *,
    reserved: Sequence[str] = (),
    unknown: Unknown = unknown_key,
) -> Values | None:
    """``reserved``: keys of the table that others read. What is wrong goes to the report; None: what is right does not
    suffice to build the dataclass."""
    parameters = parameters_of(cls, path, report)
    if parameters is None:
        return None
    if taken := [name for name in reserved if name in parameters]:
        report.add(path, f'{cls.__name__} has a field "{taken[0]}", which is a key of the engine\'s own; rename it')
        return None
    values = {}
    strange, wrong = [], False
    for key, value in table.items():
        if key in reserved:
            continue
        before = report.count
        if key not in parameters:
            report.add((*path, key), unknown(key, list(parameters)))
            strange.append(key)
            continue
        converted = read_value(parameters[key][0], value, (*path, key), report)
        if report.count == before and not report.is_broken((*path, key)):
            values[key] = converted
        else:
            wrong = True
    required = {key: hint for key, (hint, default) in parameters.items() if default is inspect.Parameter.empty}
    for key, hint in required.items():
        if key not in table and not difflib.get_close_matches(key, strange, n=1):  # else it is there, misspelt
            report.add(path, f'missing key "{key}" ({describe_type(hint)})')
    return Values(values, not strange and not wrong) if required.keys() <= values.keys() else None


def parameters_of(cls: type, path: KeyPath, report: Report) -> dict[str, tuple[Any, Any]] | None:
    """(type, default) of each key; None: they cannot be found out, which the report says."""
    try:
        hints = key_types(cls)
        found = inspect.signature(cls).parameters.values()
    except Exception as error:  # whatever a user's annotations do when they are looked at
        report.add(path, f"the types of {cls.__name__}'s fields cannot be determined: {describe(error)}")
        return None
    keyed = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {key_of(one.name): (hints.get(one.name, Any), one.default) for one in found if one.kind in keyed}


def key_of(parameter: str) -> str:
    """See ``parameter_of``."""
    return parameter[:-1] if parameter.endswith("_") and keyword.iskeyword(parameter[:-1]) else parameter


def read_value(hint: Any, value: Any, path: KeyPath, report: Report) -> Any:
    """The value, converted and plain: it can travel as JSON. What is wrong goes to the report."""
    if (kind := declaration_of(hint)) is not None:
        return _checked(lambda: convert_declared(kind, value, report.directory), value, path, report)
    if is_dataclass(hint):
        return _read_nested(hint, value, path, report)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal and all(isinstance(one, str) for one in arguments):
        return _checked(lambda: choice(arguments, value), value, path, report)
    if origin in (typing.Union, types.UnionType):
        one_of = [one for one in arguments if one is not types.NoneType]
        if len(one_of) == 1:
            return read_value(one_of[0], value, path, report)
        if any(map(_is_ours, one_of)):
            return _read_one_of(one_of, value, path, report)
    if origin is list or (origin is tuple and arguments[1:] == (...,)):
        if isinstance(value, list):
            return [read_value(arguments[0], item, (*path, index), report) for index, item in enumerate(value)]
        quoted = f": write [{show(value)}]" if isinstance(value, str) else ""
        report.add(path, f"found {show(value)}, expected {describe_type(hint)}{quoted}")
        return None
    if origin is dict and arguments[0] is str and isinstance(value, dict):
        return {key: read_value(arguments[1], item, (*path, key), report) for key, item in value.items()}
    if fits(hint, value):
        return json.loads(json.dumps(value))
    from tailrace.pipeline.config.values import convert  # brings pydantic: a third of the time a command takes to start

    return convert(hint, value, path, report)


def _checked(check: Callable[[], Any], value: Any, path: KeyPath, report: Report) -> Any:
    try:
        return check()
    except ValueError as wrong:
        report.add(path, f"found {show(value)}, {wrong}")
        return None


def _read_nested(cls: Any, value: Any, path: KeyPath, report: Report) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        known = ", ".join(parameters_of(cls, path, report) or ())
        report.add(path, f"found {show(value)}, expected a table (keys: {known})")
        return None
    read = read_table(cls, value, path, report)
    if read is None:
        return None
    check_built(cls, read.values, path, report, whole=read.whole)
    return read.values


def _is_ours(hint: Any) -> bool:
    """Something in this type is declared in ``pipeline.keys``, or is a dataclass: pydantic is not to see it."""
    if declaration_of(hint) is not None or is_dataclass(hint):
        return True
    return any(map(_is_ours, typing.get_args(hint))) if typing.get_origin(hint) is not typing.Literal else False


def _read_one_of(one_of: Sequence[Any], value: Any, path: KeyPath, report: Report) -> Any:
    """By the first type that takes the value, those of ours first; else what is wrong with a table of its keys."""
    if isinstance(value, dict) and (cls := dataclass_for(one_of, value)) is not None:
        return read_value(cls, value, path, report)
    for hint in sorted(one_of, key=_is_ours, reverse=True):
        trial = Report("", {}, report.directory)
        converted = read_value(hint, value, path, trial)
        if not trial.count:
            return converted
    report.add(path, f"found {show(value)}, expected {' or '.join(map(describe_type, one_of))}")
    return None
