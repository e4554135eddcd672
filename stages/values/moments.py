"""When an event was, for stages that go by time: what a field of it says, else the engine's clock."""

from __future__ import annotations

import contextlib
from datetime import datetime

from tailrace.pipeline.batch import Event
from tailrace.stages.values.conversion import excerpt

USUAL, OTHER = "timestamp", "time"
SECOND = 1_000_000  # microseconds, in which moments are counted: whole numbers, so that sums are exact
_CACHED = 4096
_UNITS = ((10**11, SECOND), (10**14, 1000), (10**17, 1))  # numbers below: microseconds in one


class Moments:
    """``of(event, clock)``: microseconds since the epoch. The field holds RFC 3339 with a zone, as parsers write it, or
    a number since the epoch: seconds, milli-, micro- or nanoseconds, told apart by its size. Without a field's name, or
    if the event has none or null there, it is the clock (seconds). For an event without ``timestamp``, which is what
    most parsers write, a time in ``time`` is as good: that is what parse.combined writes.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._known: dict[str, int] = {}

    def of(self, event: Event, clock: float) -> int:
        """ValueError: the field holds no time."""
        value = event.get(self._field) if self._field else None
        if value is None:
            return self._without(event, clock)
        if type(value) is str:
            moment = self._known.get(value)
            return self._remembered(value) if moment is None else moment
        if type(value) is int:
            return _from_number(value)
        if type(value) is float and abs(value) < _UNITS[0][0]:
            return round(value * SECOND)
        raise self._not_a_time(value)

    def _without(self, event: Event, clock: float) -> int:
        if self._field == USUAL and type(text := event.get(OTHER)) is str and not text.isdigit():
            with contextlib.suppress(ValueError):  # it may be anything: nobody has said that it is a time
                return self._known.get(text) or self._remembered(text)
        return round(clock * SECOND)

    def _remembered(self, text: str) -> int:
        moment = self._parsed(text)
        if len(self._known) >= _CACHED:
            self._known.clear()
        self._known[text] = moment
        return moment

    def _parsed(self, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 20:
            return _from_number(int(text))
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            raise self._not_a_time(text)
        return round(time.timestamp() * SECOND)

    def _not_a_time(self, value: object) -> ValueError:
        return ValueError(
            f"field {self._field!r}: expected a time as RFC 3339 with a zone, or a number since the epoch, found "
            f"{excerpt(value)} (a parser's `types` makes one of other forms; the option `time` names another field, or "
            'with "" none: then the time of reading counts)'
        )


def _from_number(number: int) -> int:
    for below, factor in _UNITS:
        if abs(number) < below:
            return number * factor
    return number // 1000
