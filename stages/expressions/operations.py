"""What an expression may call: comparisons that answer False where they make no sense, and Python's own functions and
methods, bounded where a short expression could ask for endless memory or time.

A bound that is passed is a ValueError, so it costs the one event it happened to.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MADE_CHARACTERS = 1 << 20  # the longest text that repeating, padding, joining or replacing may make
INTEGER_BITS = 4096  # the largest integer that *, ** and << may make; far beyond what any sink takes
DIGITS = 4300  # of a text read as an integer in a base of its own; Python's own bound for base 10
ROUND_DIGITS = 400  # floats have 308


def item(value: Any, key: Any) -> Any:
    """``value[key]``; None where there is no such key or index, and of None itself (a part of what is missing)."""
    if value is None:
        return None
    try:
        return value[key]
    except LookupError:
        return None


def _sensible(operation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if left is None or right is None:  # by far the most frequent; an exception costs as much as ten comparisons
            return False
        try:
            return operation(left, right)
        except TypeError:
            return False

    return compare


less = _sensible(operator.lt)
less_equal = _sensible(operator.le)
greater = _sensible(operator.gt)
greater_equal = _sensible(operator.ge)


def contained(member: Any, container: Any) -> bool:
    if container is None:
        return False
    try:
        return member in container
    except TypeError:
        return False


def not_contained(member: Any, container: Any) -> bool:
    if container is None:
        return False
    try:
        return member not in container
    except TypeError:
        return False


def multiply(left: Any, right: Any) -> Any:
    """Numbers, or a text and how often to repeat it."""
    if type(left) is float or type(right) is float:
        return left * right
    if isinstance(left, str):
        left, right = right, left
    if isinstance(left, int):
        if isinstance(right, int):
            _check_bits(left.bit_length() + right.bit_length())
            return left * right
        if isinstance(right, str):
            _check_length(len(right) * left)
            return left * right
    raise TypeError(f"cannot multiply {_kind(left)} and {_kind(right)}: numbers, or a text and a whole number")


def power(left: Any, right: Any) -> Any:
    """Numbers; the result is a real number."""
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        raise TypeError(f"cannot raise {_kind(left)} to the power of {_kind(right)}")
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * right)
    result = left**right
    if type(result) is complex:
        raise ValueError(f"{left} ** {right} is not a real number")
    return result


def shift_left(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right)
    return left << right


def modulo(left: Any, right: Any) -> Any:
    """The remainder. Not the formatting of a text: that is what f-strings are for."""
    if isinstance(left, str | bytes):
        raise TypeError("% is for numbers; to put values into a text write f'...{field}...'")
    return left % right


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    if len(new) > len(old):
        times = text.count(old)
        if count >= 0:
            times = min(times, count)
        _check_length(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, count)


def join(separator: str, parts: Iterable[str]) -> str:
    parts = list(parts)
    _check_length(sum(len(part) for part in parts if isinstance(part, str)) + len(separator) * len(parts))
    return separator.join(parts)


def _padding(method: Callable[..., str]) -> Callable[..., str]:
    def pad(text: str, width: int, *fill: str) -> str:
        _check_length(width)
        return method(text, width, *fill)

    return pad


def round_to(number: Any, ndigits: Any = None) -> Any:
    if ndigits is not None and abs(ndigits) > ROUND_DIGITS:
        raise ValueError(f"round takes at most {ROUND_DIGITS} digits, not {ndigits}")
    return round(number, ndigits)


def integer(value: Any, base: Any = None) -> int:
    if base is None:
        return int(value)
    if len(value) > DIGITS:
        raise ValueError(f"a text of {len(value)} characters is too long for a number")
    return int(value, base)


def _check_bits(bits: int) -> None:
    if bits > INTEGER_BITS:
        raise ValueError(f"the number would have more than {INTEGER_BITS} bits")


def _check_length(length: int) -> None:
    if length > MADE_CHARACTERS:
        raise ValueError(f"the text would have more than {MADE_CHARACTERS} characters")


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__name__


FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int, int]] = {
    # name: (what is called, fewest arguments, most)
    "abs": (abs, 1, 1),
    "bool": (bool, 1, 1),
    "float": (float, 1, 1),
    "int": (integer, 1, 2),
    "len": (len, 1, 1),
    "max": (max, 1, 100),
    "min": (min, 1, 100),
    "round": (round_to, 1, 2),
    "str": (str, 1, 1),
}

BOUNDED_METHODS: Mapping[str, Callable[..., str]] = {
    # methods of a text that could make an endless one; called with the text as first argument
    "center": _padding(str.center),
    "join": join,
    "ljust": _padding(str.ljust),
    "replace": replace,
    "rjust": _padding(str.rjust),
    "zfill": _padding(str.zfill),
}

TEXT_METHODS = """
    capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace
    isupper lower lstrip partition removeprefix removesuffix rfind rindex rpartition rsplit rstrip split splitlines
    startswith strip swapcase title upper
"""  # lists have count and index too
METHODS = frozenset([*TEXT_METHODS.split(), "get", *BOUNDED_METHODS])
KEYWORDS = frozenset(["base", "default", "keepends", "maxsplit", "ndigits", "sep"])
