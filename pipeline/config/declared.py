"""Values of the kinds that ``pipeline.keys`` declares: checked, and converted to what the dataclass holds."""
# ruff: noqa: TRY004 - ValueError is what a check answers with, also for a value of the wrong type

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from tailrace.pipeline.config.environment import Expanded
from tailrace.pipeline.config.paths import absolute, check_path
from tailrace.pipeline.config.units import parse_duration, parse_size
from tailrace.pipeline.keys import Declaration, Duration, FilePath, Matching, Size, Text, Whole


def convert_declared(kind: Declaration, value: Any, directory: str) -> int | float | str:
    """From the value in the file to the one in the dataclass; ``directory`` is the configuration's. ValueError: what
    was expected, to follow "found ...,"."""
    match kind:
        case Whole():
            return _whole(kind, value)
        case Size():
            return int(_amount(kind, "size", "1MiB", parse_size, value))
        case Duration():
            return float(_amount(kind, "duration", "30s", parse_duration, value))
        case Text():
            return text(value)
        case FilePath():
            path = text(value)
            check_path(path)
            return absolute(path, directory)
        case Matching():
            if not isinstance(value, str) or not re.fullmatch(kind.pattern, value):
                raise ValueError(kind.expected)
            return str(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string")
    if not value.strip():
        raise ValueError("expected a string that is not empty")
    if "\0" in value:
        raise ValueError("expected a string without a NUL character")
    return str(value)


def choice(names: Sequence[str], value: Any) -> str:
    """One of the names of a ``Literal``."""
    if not isinstance(value, str) or value not in names:
        expected = "expected " + " or ".join(f'"{name}"' for name in names)
        near = difflib.get_close_matches(str(value), names, n=1)
        raise ValueError(expected + (f'; did you mean "{near[0]}"?' if near and len(names) > 2 else ""))
    return str(value)


def _whole(kind: Whole, value: Any) -> int:
    expected = f"expected a whole number from {kind.low} to {kind.high}"
    if isinstance(value, Expanded) and value.sole and re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError(expected + _why_no_number(value))
    if not kind.low <= number <= kind.high:
        found = f"which is {number}, " if isinstance(value, str) else ""
        raise ValueError(f"{found}{expected}: {kind.why}")
    return number


def _why_no_number(value: Any) -> str:
    if isinstance(value, Expanded):
        return ", but the variable holds something else"
    return f": write {value}, without quotes" if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else ""


def _amount(
    kind: Size | Duration, noun: str, example: str, parse: Callable[[str], int | float], value: Any
) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f'expected a {noun} with its unit, for example "{example}"')
    amount = parse(str(value))
    if not parse(kind.low) <= amount <= parse(kind.high):
        raise ValueError(f'expected a {noun} from "{kind.low}" to "{kind.high}": {kind.why}')
    return amount
