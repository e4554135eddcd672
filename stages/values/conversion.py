"""Conversion of fields to types: what a parser's ``types = { status = "int" }`` means."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import orjson
from tailrace.pipeline.batch import Event, Fail, Origin
from tailrace.stages.values.times import BAD_TIMESTAMP, Times

Kind = Literal["int", "float", "bool", "timestamp", "ip", "string"]
OnBadType = Literal["error", "null", "string"]

INT_MIN, INT_MAX = -(2**63), 2**64 - 1  # what orjson reads and writes as an integer
_CACHE_ENTRIES = 8192  # about 2 MB a column at most; a file's lines repeat their times and numbers closely
_CACHED_LENGTH = 64  # longer texts hardly repeat, and hostile ones would fill the memory
_EXCERPT = 60

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Column(dict[str, Any]):
    """Texts of one field already converted: ``column[text]`` is the value, or a ``Fail`` where ``convert`` raised
    ValueError; then ``failed`` is set until ``take_failed`` is called. Failures are not remembered."""

    def __init__(self, convert: Callable[[str], Any], code: str = "bad_type") -> None:
        super().__init__()
        self.convert = convert
        self.code = code
        self.failed = False

    def __missing__(self, text: str) -> Any:
        try:
            value = self.convert(text)
        except ValueError as error:
            self.failed = True
            return Fail(self.code, str(error))
        if len(text) <= _CACHED_LENGTH:
            if len(self) >= _CACHE_ENTRIES:
                self.clear()
            self[text] = value
        return value

    def take_failed(self) -> bool:
        """Whether a conversion failed since the last call."""
        failed, self.failed = self.failed, False
        return failed


class Types:
    """The ``types`` of a parse stage with what belongs to them, ready for use.

    A converted field that is absent or null stays so. ``on_bad_type``: ``error`` makes the line a ``Fail``, ``null``
    puts None, ``string`` leaves the value as it is.
    """

    def __init__(
        self, types: Mapping[str, Kind], on_bad_type: OnBadType, time_formats: Sequence[str], timezone: str
    ) -> None:
        self._times = Times(time_formats, timezone)
        self._on_bad_type = on_bad_type
        self._kinds = dict(types)
        self.columns = {name: self._column(kind) for name, kind in types.items()}

    def locate(self, origin: Origin) -> None:
        """Guides times without a year."""
        if self._times.set_bound(origin.year_bound):
            for column in self.columns.values():
                column.clear()

    def take_failed(self) -> bool:
        """Whether a conversion to a ``Fail`` happened since the last call."""
        failed = [column.take_failed() for column in self.columns.values()]  # each is reset
        return any(failed)

    def failure(self, event: Event) -> Fail | None:
        """The first of the converted fields that holds a ``Fail``, told with the field's name."""
        for name in self._kinds:
            value = event.get(name)
            if type(value) is Fail:
                return Fail(value.code, f"{name}: {value.why}")
        return None

    def settle(self, events: list[Any]) -> None:
        """Replace events that hold a ``Fail`` by it; costs nothing when no conversion failed."""
        if self.take_failed():
            for i, event in enumerate(events):
                if type(event) is dict and (fail := self.failure(event)) is not None:
                    events[i] = fail

    def convert(self, events: list[Any]) -> None:
        """Convert the fields of events whose values may be of any JSON type, in place."""
        for name, column in self.columns.items():
            kind = self._kinds[name]
            for event in events:
                if type(event) is dict and (value := event.get(name)) is not None:
                    event[name] = column[value] if type(value) is str else self._other(kind, column, value)
        self.settle(events)

    def _column(self, kind: Kind) -> Column:
        convert = self._times if kind == "timestamp" else _CONVERT[kind]
        if self._on_bad_type == "error":
            return Column(convert, BAD_TIMESTAMP if kind == "timestamp" else "bad_type")
        keep = self._on_bad_type == "string"

        def lenient(text: str) -> Any:
            try:
                return convert(text)
            except ValueError:
                return text if keep else None

        return Column(lenient)

    def _other(self, kind: Kind, column: Column, value: Any) -> Any:
        """Convert a value that is no text."""
        number = type(value) is int or type(value) is float
        if kind == "string":
            return orjson.dumps(value).decode()
        if kind == "timestamp" and number:
            return column[str(value)]
        if (kind == "int" and type(value) is int) or (kind == "bool" and type(value) is bool):
            return value
        if kind == "float" and number:
            return float(value)
        if kind == "int" and type(value) is float and value.is_integer() and abs(value) <= 2**53:
            return int(value)
        if self._on_bad_type == "error":
            column.failed = True
            return Fail(column.code, f"{excerpt(value)} is not {'an' if kind[0] in 'aeiou' else 'a'} {kind}")
        return value if self._on_bad_type == "string" else None


def excerpt(value: Any) -> str:
    """The value for a message, shortened."""
    if isinstance(value, str):
        return repr(value if len(value) <= _EXCERPT else value[:_EXCERPT] + "…")
    text = repr(value)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"


def to_int(text: str) -> int:
    """A decimal integer of 64 bits; no blanks, underscores or digits of other scripts, which ``int`` would take."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if digits.isascii() and digits.isdigit():
        value = int(text) if len(digits) <= 20 else INT_MAX + 1  # longer ones never fit, zeros in front or not
        if INT_MIN <= value <= INT_MAX:
            return value
        raise ValueError(f"{excerpt(text)} is not an int of 64 bits")
    raise ValueError(f"{excerpt(text)} is not an int")


def to_float(text: str) -> float:
    """A decimal number; what JSON can't write (nan, infinity) is none."""
    if text.isascii() and "_" not in text and text == text.strip():
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
    raise ValueError(f"{excerpt(text)} is not a float")


def to_bool(text: str) -> bool:
    """true, yes, on, 1 and false, no, off, 0 in any case."""
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{excerpt(text)} is not a bool")


def to_ip(text: str) -> str:
    """An IPv4 or IPv6 address in its canonical form (compressed, small letters)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{excerpt(text)} is not an ip address") from None


_CONVERT: dict[str, Callable[[str], Any]] = {
    "int": to_int,
    "float": to_float,
    "bool": to_bool,
    "ip": to_ip,
    "string": str,
}
