"""One JSON object a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import INT_MAX, INT_MIN, Kind, OnBadType, Types, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

_DEEPEST = 200  # orjson reads 1024 levels but writes 254; some are left for what sinks put around an event
_BOM = "\ufeff"

# A string, or a number. Strings are matched only to be passed over, also one without an end, for a linear time.
_STRING_OR_NUMBER = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|-?[0-9]++(\.[0-9]++)?+([eE][+-]?[0-9]++)?+', re.DOTALL)
# No integer beyond 64 bits without 20 digits, or a minus and 19, in a row: after this translation, 20 noughts, or five
# if only every fourth byte is looked at.
_DIGITS_TO_NOUGHT = bytes(0x30 if chr(i) in "-0123456789" else i for i in range(256))
_LONG_NUMBER = b"0" * 20
_EVERY = 4

# What is left of a piece when only opening brackets (made alike) and newlines are kept shows the lines with many.
_OBJECT_LEVEL = len('{"":}')  # the least that a level of objects takes
_OPENING_ALIKE = bytes(ord("{") if chr(i) == "[" else i for i in range(256))
_NOT_OPENING = bytes(i for i in range(256) if chr(i) not in "{[\n")


@dataclass
class Json:
    """The object's members are the fields. ``types`` converts top-level fields (see parse.regex).

    - A line that is no object: ``non_object = "error"`` (``no_match``) or ``"wrap"`` (``{"message": the value}``).
    - An integer beyond 64 bits (-2^63 to 2^64-1), which would lose digits as a float: ``big_int = "string"`` keeps its
      digits as text, ``"float"`` takes the loss, ``"error"`` fails (``bad_type``). Numbers with a fraction or exponent
      are floats of 64 bits, as everywhere in JSON.
    - More than ``max_depth`` levels (the object itself is the first; 1 to 200): ``too_large``.
    - Of duplicate keys the last wins. A byte order mark before the object is taken off.
    - NaN, Infinity, a float that overflows, lone surrogates, and all else that is not JSON: ``no_match``.
    """

    non_object: Literal["error", "wrap"] = "error"
    big_int: Literal["string", "float", "error"] = "string"
    max_depth: int = 64
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not 1 <= self.max_depth <= _DEEPEST:
            raise ValueError(f"max_depth must be 1 to {_DEEPEST}: deeper events could not be written")
        self._sampling = True
        self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)

    def parse(self, records: Lines) -> list[Event | Fail]:
        self._types.locate(records.origin)
        lines, text = records.texts, records.text
        events: list[Any] = []
        rest = iter(lines)
        while True:
            try:
                events.extend(map(orjson.loads, rest))
                break
            except orjson.JSONDecodeError as error:  # what stands before it in the piece is in the list already
                events.append(self._unreadable(lines[len(events)], error))
        if self.big_int != "float" and self._may_have_long_numbers(records.data):
            for i in _with_long_numbers(text.encode()):
                if type(events[i]) is not Fail:
                    events[i] = self._mended(lines[i].removeprefix(_BOM))
        least = _OBJECT_LEVEL * self.max_depth + len("{}")  # what too many levels take, if there are no lists
        if ("[" in text or max(map(len, lines)) >= least) and self._may_be_deep(records.data):
            self._bound(lines, events)
        if set(map(type, events)) != {dict}:
            events = [event if type(event) is dict else self._other(event) for event in events]
        if self.types:
            self._types.convert(events)
        return events

    def _unreadable(self, line: str, error: orjson.JSONDecodeError) -> Any:
        """What becomes of a line that orjson refuses."""
        if line.startswith(_BOM):
            line = line[1:]
            try:
                return orjson.loads(line)
            except orjson.JSONDecodeError as other:
                error = other
        if "depth" in error.msg or "ecursion" in error.msg:  # beyond what orjson itself reads
            return self._too_deep()
        if "infinity" in error.msg and self.big_int != "float":  # perhaps an integer of more than 308 digits
            try:
                return self._mended(line)
            except orjson.JSONDecodeError as other:
                error = other
        return Fail("no_match", f"no JSON: {error.msg} {place(line, error.pos)}")

    def _mended(self, line: str) -> Any:
        """The value of the line with its big integers as ``big_int`` has it."""
        mended = _STRING_OR_NUMBER.sub(_quote_big_int, line)
        if mended != line and self.big_int == "error":
            return Fail("bad_type", f"an integer beyond 64 bits, which big_int = 'error' forbids: {excerpt(line)}")
        return orjson.loads(mended)

    def _may_have_long_numbers(self, data: bytes) -> bool:
        """Whether 20 digits or minus signs stand in a row. Every fourth byte tells in half of the time, until the data
        turn out to be of a kind that deceives it (long hexadecimal ids).
        """
        if self._sampling and data[::_EVERY].translate(_DIGITS_TO_NOUGHT).rfind(_LONG_NUMBER[::_EVERY]) < 0:
            return False
        found = data.translate(_DIGITS_TO_NOUGHT).rfind(_LONG_NUMBER) >= 0
        self._sampling = self._sampling and found
        return found

    def _may_be_deep(self, data: bytes) -> bool:
        """Whether a line has so many opening brackets."""
        return b"{" * (self.max_depth + 1) in data.translate(_OPENING_ALIKE, _NOT_OPENING)

    def _bound(self, lines: Sequence[str], events: list[Any]) -> None:
        for i, line in enumerate(lines):
            if line.count("{") + line.count("[") > self.max_depth and _is_deeper(events[i], self.max_depth):
                events[i] = self._too_deep()

    def _too_deep(self) -> Fail:
        return Fail("too_large", f"nested deeper than max_depth = {self.max_depth}")

    def _other(self, value: Any) -> Event | Fail:
        if type(value) is Fail:
            return value
        if self.non_object == "wrap":
            return {"message": value}
        return Fail("no_match", f"JSON, but no object: {excerpt(value)}")


def _with_long_numbers(data: bytes) -> Iterator[int]:
    """The indexes of the lines that may have an integer beyond 64 bits; few others."""
    noughts = data.translate(_DIGITS_TO_NOUGHT)
    index = start = 0
    while (found := noughts.find(_LONG_NUMBER, start)) >= 0:
        index += noughts.count(b"\n", start, found)
        yield index
        end = noughts.find(b"\n", found)
        if end < 0:
            return
        index += 1
        start = end + 1


def _quote_big_int(match: re.Match[str]) -> str:
    number = match[0]
    if number[0] == '"' or match[1] or match[2] or len(number) < 19:
        return number
    if len(number) <= 20 and INT_MIN <= int(number) <= INT_MAX:
        return number
    return f'"{number}"'


def _is_deeper(value: Any, limit: int) -> bool:
    """Whether lists and dicts are nested in more than ``limit`` levels. Level by level, as recursion has its limit."""
    level = [value]
    for _ in range(limit + 1):
        level = [inner for inner in level if type(inner) is dict or type(inner) is list]
        if not level:
            return False
        level = [inner for outer in level for inner in (outer.values() if type(outer) is dict else outer)]
    return True
