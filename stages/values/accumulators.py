"""What is added up of one field over events: a JSON value of each kind, and two can be combined in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tailrace.pipeline.batch import Event
from tailrace.stages.values.conversion import INT_MAX, INT_MIN, excerpt
from tailrace.stages.values.sketch import LARGEST, joined, plus, sketch, total


class Need(NamedTuple):
    """``kind`` is "count" (of events, or of those that have the field), "sum", "min", "max" or "sketch"."""

    kind: str
    field: str = ""

    def of(self, events: Sequence[Event]) -> Any:
        """What these come to. None: there is nothing."""
        if not self.field:
            return len(events)
        values = [value for event in events if (value := event.get(self.field)) is not None]
        if self.kind == "count":
            return len(values)
        if not values:
            return None
        if self.kind == "min":
            return min(values, key=_exact)
        if self.kind == "max":
            return max(values, key=_exact)
        return total(values) if self.kind == "sum" else sketch(values)

    def combine(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return one if other is None else other
        if self.kind == "count":
            return one + other
        if self.kind == "min":
            return min(one, other, key=_exact)
        if self.kind == "max":
            return max(one, other, key=_exact)
        return plus(one, other) if self.kind == "sum" else joined(one, other)


def _exact(value: int | float) -> tuple[int | float, bool]:
    """1 and 1.0 are equal; which of them is the smallest must not depend on which came first."""
    return value, type(value) is float


def check_number(name: str, value: Any) -> None:
    """ValueError: the field holds what cannot be added up. None can."""
    if value is None or (type(value) is int and INT_MIN <= value <= INT_MAX):
        return
    if type(value) is not float or not -LARGEST <= value <= LARGEST:
        raise ValueError(
            f"field {name!r}: expected a number up to 1e300, or a whole one of 64 bits, found {excerpt(value)}"
        )
