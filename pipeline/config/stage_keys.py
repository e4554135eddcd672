"""A stage's own keys, checked against the parameters of its class: names, then values."""

from __future__ import annotations

import difflib
import inspect
import json
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.pipeline.chain.explain import describe
from tailrace.pipeline.chain.loader import role_of
from tailrace.pipeline.config.expected import describe_type
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.plain import fits
from tailrace.pipeline.config.problems import Report, show

RESERVED = ("use", "only", "when", "on_error", "id")
"""Keys that the engine reads; a stage has no fields of these names."""


@dataclass(slots=True)
class Options:
    """Plain values for ``stage(**values)``, as far as the table gives them."""

    values: dict[str, Any]
    whole: bool  # nothing was left out because it is wrong


def load_options(
    stage: type | Callable[..., Any], table: dict[str, Any], path: KeyPath, common: Sequence[str], report: Report
) -> Options | None:
    """What is wrong goes to the report; None: what is right does not suffice to build the stage."""
    parameters = _parameters(stage, path, report)
    if parameters is None:
        return None
    values = {}
    unknown, wrong = [], False
    for key, value in table.items():
        if key in RESERVED:
            continue
        before = report.count
        if key not in parameters:
            report.add((*path, key), _unknown_key(key, stage, list(parameters), common))
            unknown.append(key)
            continue
        converted = _value(parameters[key][0], value, (*path, key), report)
        if report.count == before and not report.is_broken((*path, key)):
            values[key] = converted
        else:
            wrong = True
    required = {key: hint for key, (hint, default) in parameters.items() if default is inspect.Parameter.empty}
    for key, hint in required.items():
        if key not in table and not difflib.get_close_matches(key, unknown, n=1):  # else it is there, misspelt
            report.add(path, f'missing key "{key}" ({describe_type(hint)})')
    return Options(values, not unknown and not wrong) if required.keys() <= values.keys() else None


def _unknown_key(key: str, stage: type | Callable[..., Any], own: list[str], common: Sequence[str]) -> str:
    if isinstance(stage, type):
        near = difflib.get_close_matches(key, [*own, *common], n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        everywhere = f"on every {role_of(stage)} stage: {', '.join(common)}"
        return f"unknown key{hint} (known: {', '.join(own) or 'none'}; {everywhere})"
    return f"a function takes no keys of its own; make it a dataclass with a field {show(key)} to give it one"


def _parameters(stage: type | Callable[..., Any], path: KeyPath, report: Report) -> dict[str, tuple[Any, Any]] | None:
    """(type, default) of each key; a function has none."""
    if not isinstance(stage, type):
        return {}
    try:
        hints = typing.get_type_hints(stage.__init__, include_extras=True)  # type: ignore[misc]  # of the class itself
        found = inspect.signature(stage).parameters.values()
    except Exception as error:  # whatever a user's annotations do when they are looked at
        report.add(path, f"the types of {stage.__name__}'s fields cannot be told: {describe(error)}")
        return None
    keyed = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = {one.name: (hints.get(one.name, Any), one.default) for one in found if one.kind in keyed}
    if taken := [name for name in RESERVED if name in parameters]:
        report.add(path, f'{stage.__name__} has a field "{taken[0]}", which is a key of the engine\'s own; rename it')
        return None
    return parameters


def _value(hint: Any, value: Any, path: KeyPath, report: Report) -> Any:
    """The value, converted; None where it is wrong, which the report says."""
    if fits(hint, value):
        return json.loads(json.dumps(value))
    from tailrace.pipeline.config.values import convert  # brings pydantic: a third of the time a command takes to start

    return convert(hint, value, path, report)
