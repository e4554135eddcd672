"""When an event was, for stages that go by time: what a field of it says, else the engine's clock."""

from __future__ import annotations

from datetime import datetime

from tailrace.pipeline.batch import Event
from tailrace.stages.values.conversion import excerpt

SECOND = 1_000_000  # microseconds, in which moments are counted: whole numbers, so that sums are exact
_CACHED = 4096
_UNITS = ((10**11, SECOND), (10**14, 1000), (10**17, 1))  # numbers below: microseconds in one


class Moments:
    """``of(event, clock)``: microseconds since the epoch. The field holds RFC 3339 with a zone, as parsers write it, or
    a number since the epoch: seconds, milli-, micro- or nanoseconds, told apart by its size. Without a field's name, or
    if the event has none or null there, it is the clock (seconds).
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._known: dict[str, int] = {}

    def of(self, event: Event, clock: float) -> int:
        """ValueError: the field holds no time."""
        value = event.get(self._field) if self._field else None
        if value is None:
            return round(clock * SECOND)
        if type(value) is str:
            moment = self._known.get(value)
            if moment is None:
                moment = self._parsed(value)
                if len(self._known) >= _CACHED:
                    self._known.clear()
                self._known[value] = moment
            return moment
        if type(value) is int:
            return _from_number(value)
        if type(value) is float and abs(value) < _UNITS[0][0]:
            return round(value * SECOND)
        raise self._not_a_time(value)

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
