"""The outcome of a piece: what goes to the sinks, the records that failed, and what is counted."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from tailrace.pipeline.batch import Event

COLUMNS = 4  # of numbers kept for each record: where it ends, where its line is in the slot, the line's length, number


@dataclass(slots=True)
class Encoded:
    """Bytes for one destination of one sink. Of a sink that is told records apart, ``columns`` holds for each record
    where it ends in ``data``; then for each the offset of its line in the slot's input; the line's length; and the
    record's number among those of its line. Else it is empty.
    """

    sink: int
    destination: str
    data: bytes | memoryview
    columns: array[int] | None = None


@dataclass(slots=True)
class DeadLine:
    """A line that failed in a stage. ``offset`` and ``length`` are within the slot's input, without the newline."""

    offset: int
    length: int
    stage: str
    error: str
    why: str
    trace: str | None = None
    event: str | None = None  # the fields at the time, as JSON
    raw: bytes | None = None  # of a record that is several ranges: all its bytes
    number: int | None = None  # of the event, of a line that had become several


@dataclass(slots=True)
class Tally:
    """What happened to the lines of one piece, by stage. ``seconds`` is processor and waiting time together."""

    lines: int = 0
    written: dict[str, int] = field(default_factory=dict)  # sink: events
    made: dict[str, int] = field(default_factory=dict)  # stage: events it added
    filtered: dict[str, int] = field(default_factory=dict)  # "stage\0reason": events
    seconds: dict[str, float] = field(default_factory=dict)  # stage: seconds
    invalid: int = 0  # lines that hold bytes which are no text
    received: dict[str, int] = field(default_factory=dict)  # stage: events (of a parse stage: records) it was given
    sent: dict[str, int] = field(default_factory=dict)  # stage: events it gave
    patterns: dict[str, int] = field(default_factory=dict)  # "stage\0pattern": what matched
    pattern_seconds: dict[str, float] = field(default_factory=dict)  # likewise: what it took to look

    def count_filtered(self, stage: str, reason: str, count: int) -> None:
        if count:
            key = f"{stage}\0{reason}"
            self.filtered[key] = self.filtered.get(key, 0) + count

    def count_passed(self, stage: str, received: int, sent: int) -> None:
        self.received[stage] = self.received.get(stage, 0) + received
        self.sent[stage] = self.sent.get(stage, 0) + sent

    def count_costs(self, stage: str, costs: Mapping[str, tuple[float, int]], *, again: bool = False) -> None:
        """``again``: what matched is tried once more, and counts then; the time is spent."""
        for pattern, (seconds, matches) in costs.items():
            key = f"{stage}\0{pattern}"
            self.patterns[key] = self.patterns.get(key, 0) + (0 if again else matches)
            self.pattern_seconds[key] = self.pattern_seconds.get(key, 0.0) + seconds

    def __add__(self, other: Tally) -> Tally:
        return Tally(*map(_plus, self._values(), other._values()))

    def _values(self) -> tuple[Any, ...]:
        return (
            self.lines, self.written, self.made, self.filtered, self.seconds, self.invalid, self.received, self.sent,
            self.patterns, self.pattern_seconds,
        )  # fmt: skip

    def to_json(self) -> bytes:
        return orjson.dumps(self._values())

    @classmethod
    def from_json(cls, data: memoryview) -> Tally:
        return cls(*orjson.loads(data))


def _plus(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        return {**one, **{key: one.get(key, 0) + value for key, value in other.items()}}
    return one + other


Changes = Mapping[str, tuple[Mapping[str, Any], Sequence[str]]]
"""What stages changed in their memories, by stage: the new values by key, and the keys that were deleted."""


@dataclass(slots=True)
class Made:
    """The outcome of a piece."""

    payloads: list[Encoded] = field(default_factory=list)
    dead: list[DeadLine] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    changes: Changes = field(default_factory=dict)
    sums: dict[str, Any] = field(default_factory=dict)  # by stage, what it has added up
    tapped: list[Any] = field(default_factory=list)  # what was sampled for those who look: JSON values


def columns(ends: Sequence[int], offsets: Sequence[int], lengths: Sequence[int], numbers: Sequence[int]) -> array[int]:
    """As ``Encoded.columns`` has them."""
    made = array("I", ends)
    for column in (offsets, lengths, numbers):
        made.extend(column)
    return made


def fields_text(event: Event) -> str:
    """The fields at the time as JSON text; what JSON cannot hold is told by its repr."""
    try:
        return str(orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS), "utf-8")
    except (TypeError, ValueError):
        pass  # perhaps for an integer beyond 64 bits
    try:
        text = json.dumps(event, default=repr, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode().decode()
    except (TypeError, ValueError, RecursionError):  # surrogates, nesting: whatever made it fail
        return json.dumps(repr(event))


def clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
