"""One JSON object a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import msgspec
import orjson
from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Problems
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import INT_MAX, INT_MIN, Kind, OnBadType, Types, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

_DEEPEST = 200  # orjson reads 1024 levels but writes 254; some are left for what sinks put around an event
_LEVEL = len("[]")  # the least that a level takes
_BOM = b"\xef\xbb\xbf"
_MANY = 16  # lines of a piece that are not UTF-8

_decode = msgspec.json.Decoder().decode

# A string, or a number. Strings are matched only to be passed over, also one without an end, for a linear time.
_STRING_OR_NUMBER = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|-?[0-9]++(\.[0-9]++)?+([eE][+-]?[0-9]++)?+', re.DOTALL)
# No integer beyond 64 bits without 20 digits, or a minus and 19, in a row: after this translation, 20 noughts.
_DIGITS_TO_NOUGHT = bytes(0x30 if chr(i) in "-0123456789" else i for i in range(256))
_LONG_NUMBER = b"0" * 20


@dataclass
class Json:
    """The object's members are the fields. ``types`` converts top-level fields (see parse.regex).

    - A line that is no object: ``non_object = "error"`` (``no_match``) or ``"wrap"`` (``{"message": the value}``).
    - An integer beyond 64 bits (-2^63 to 2^64-1): ``big_int = "int"`` keeps it exactly, up to 4,300 digits, a sign
      counted as one (more, which Python itself does not write, is ``bad_type``); ``"string"`` keeps the digits as text,
      however many, for readers that would round them; ``"float"`` takes the loss, ``"error"`` fails (``bad_type``).
      Numbers with a fraction or exponent are floats of 64 bits, as everywhere in JSON.
    - More than ``max_depth`` levels (the object itself is the first; 1 to 200): ``too_large``.
    - Of duplicate keys the last wins. A byte order mark before the object is taken off. Invalid UTF-8 is replaced by
      U+FFFD.
    - NaN, Infinity, a float that overflows, lone surrogates, and all else that is not JSON: ``no_match``.

    Fails: ``no_match``, ``bad_type``, ``too_large``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.json"
        types = { ts = "timestamp" }

    Lines::

        {"ts": 1770028245.25, "level": "info", "msg": "order paid", "order": {"id": 7, "items": [3, 4]}}
        {"ts": "2026-02-02T11:30:46+01:00", "level": "error", "msg": "payment refused"}
        {"ts": 1770028247, "level": "info", "msg": "cut in the mid
    """

    plain: ClassVar[bool] = True

    non_object: Literal["error", "wrap"] = "error"
    big_int: Literal["int", "string", "float", "error"] = "int"
    max_depth: int = _DEEPEST
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        problems = Problems()
        if not 1 <= self.max_depth <= _DEEPEST:
            problems.add("max_depth", f"expected 1 to {_DEEPEST}: deeper events could not be written")
        self._least = _LEVEL * (self.max_depth + 1)  # bytes of a line with one level too many
        with problems.of(""):
            self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        problems.check()

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        records = lines.ended  # with their newlines, which are white space
        events: list[Any] = []
        rest: Iterator[bytes | str] = iter(records)
        not_utf8 = 0
        while True:
            try:
                events.extend(map(_decode, rest))
                break
            except (ValueError, RecursionError) as error:  # what stands before it in the piece is in the list already
                events.append(self._second_look(records[len(events)], error))
                not_utf8 += isinstance(error, UnicodeDecodeError)
            if not_utf8 == _MANY:  # the whole piece in another encoding, perhaps: its text costs less than exceptions
                rest, not_utf8 = iter(lines.texts[len(events) :]), 0
        if self.big_int != "int":
            for i in range(len(records)) if lines.several_lines else _with_long_numbers(lines.data):
                if type(events[i]) is not Fail:
                    events[i] = self._mended(_text(records[i]))
        if max(map(len, records)) >= self._least:
            self._bound(records, events)
        if set(map(type, events)) != {dict}:
            events = [event if type(event) is dict else self._other(event) for event in events]
        if self.types:
            self._types.convert(events)
        return events

    def _second_look(self, record: bytes, error: Exception) -> Any:
        """The value of a line that is not decoded as it stands, or the Fail that says where it is no JSON."""
        text = _text(record)
        try:
            if isinstance(error, RecursionError | UnicodeDecodeError) or record.startswith(_BOM):
                return _decode_deep(text)
        except (ValueError, RecursionError):
            pass
        try:
            value = orjson.loads(text)  # tells which of the characters is at fault, and reads 1024 levels
        except orjson.JSONDecodeError as error:
            return self._unreadable(text, error)
        return self._too_deep() if _is_deeper(value, self.max_depth) else value

    def _unreadable(self, text: str, error: orjson.JSONDecodeError) -> Any:
        if "depth" in error.msg or "ecursion" in error.msg:  # beyond what orjson itself reads
            return self._too_deep()
        if "infinity" in error.msg and self.big_int != "float":  # perhaps an integer of more than 308 digits
            return self._mended(text)
        return no_json(text, error)

    def _mended(self, text: str) -> Any:
        """The value of a line with integers that are too big, with these as ``big_int`` has it."""
        mended = text if self.big_int == "float" else _STRING_OR_NUMBER.sub(_quote_big_int, text)
        try:
            value = orjson.loads(mended)
        except orjson.JSONDecodeError as error:
            return no_json(mended, error)
        if mended != text and self.big_int == "error":
            return Fail("bad_type", f"an integer beyond 64 bits, which big_int = 'error' forbids: {excerpt(text)}")
        if mended != text and self.big_int == "int":
            why = "an integer of more than 4,300 digits; big_int = 'string' would keep it as text"
            return Fail("bad_type", f"{why}: {excerpt(text)}")
        return value

    def _bound(self, records: Sequence[bytes], events: list[Any]) -> None:
        for i, record in enumerate(records):
            if (
                len(record) >= self._least
                and record.count(b"{") + record.count(b"[") > self.max_depth
                and _is_deeper(events[i], self.max_depth)
            ):
                events[i] = self._too_deep()

    def _too_deep(self) -> Fail:
        return Fail("too_large", f"nested deeper than max_depth = {self.max_depth}")

    def _other(self, value: Any) -> Event | Fail:
        if type(value) is Fail:
            return value
        if self.non_object == "wrap":
            return {"message": value}
        return Fail("no_match", f"JSON, but no object: {excerpt(value)}")


def _text(record: bytes) -> str:
    return str(record.removeprefix(_BOM).removesuffix(b"\n"), "utf-8", "replace")


def no_json(text: str, error: orjson.JSONDecodeError) -> Fail:
    """What is wrong with a text, and where."""
    return Fail("no_match", f"not JSON: {error.msg} {place(text, error.pos)}")


def _decode_deep(text: str) -> Any:
    """Before Python 3.12 the levels of JSON count on top of the caller's frames, of which there may be many."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 2 * _DEEPEST)
    try:
        return _decode(text)
    finally:
        sys.setrecursionlimit(limit)


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
