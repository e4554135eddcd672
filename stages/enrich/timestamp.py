"""``enrich.timestamp``: reads a field as a time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Origin
from tailrace.pipeline.keys import Duration, Problems, Text
from tailrace.stages.values.conversion import Column, excerpt
from tailrace.stages.values.times import BAD_TIMESTAMP, DEFAULT_FORMATS, Times

_LATEST_YEAR = "9999-12-31T23:59:59"


@dataclass
class Timestamp:
    """The time in ``field``, a text or a number, becomes RFC 3339 in UTC in the field ``into``.

    ``formats`` are tried in order: ``rfc3339`` (also with a blank for the T, or without a zone), ``rfc3164`` (``Mar 27
    13:06:56``, also with a year, a fraction or a zone), ``unix`` (the number of digits tells seconds, milli-, micro-
    and nanoseconds apart), ``unix_s``, ``unix_ms``, ``unix_us``, ``unix_ns``, or directives of ``strptime``. Months
    have their English names. All digits of a fraction are kept; a number in JSON has about 16 in all. ``timezone`` (a
    name, or ``local``) is that of times that tell none; one without a year gets the latest that puts it not more than
    7 days after the file's last write. A time later than ``max_future`` after now (in ``replay``: after the file's
    last write) is refused. An event whose field is absent, null or empty stays as it is, unless ``required``.

    Fails: ``bad_timestamp``, ``bad_type`` (neither text nor number), ``missing_field`` (``required``).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.timestamp"
        field = "ts"
        formats = ["rfc3339", "unix", "%d.%m.%Y %H:%M:%S"]
        timezone = "Europe/Berlin"
        max_future = "1d"

    Lines::

        {"ts": "2026-02-02T11:30:45.250+01:00", "msg": "order paid"}
        {"ts": 1770028246250, "msg": "milliseconds"}
        {"ts": "02.02.2026 11:30:47", "msg": "time of Berlin"}
        {"ts": "2062-02-02T11:30:48Z", "msg": "a mistake"}
    """

    plain: ClassVar[bool] = True
    needs_places: ClassVar[bool] = False

    field: Annotated[str, Text()]  # the one with the time; it stays, unless `into` is the same
    into: Annotated[str, Text()] = "timestamp"  # the field that takes the time
    formats: list[str] = dataclasses.field(default_factory=lambda: list(DEFAULT_FORMATS))  # tried in order
    timezone: str = "UTC"  # of times that tell none: a name such as `Europe/Berlin`, or `local`
    max_future: Annotated[float, Duration("0s", "36500d", "a later time is a mistake")] | None = None  # after now
    required: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.of(""):
            self._convert = Times(self.formats, self.timezone, key="formats")
        problems.check()
        self._times = Column(self._convert, BAD_TIMESTAMP)
        self._latest = _LATEST_YEAR

    def locate(self, origin: Origin) -> None:
        if self._convert.set_bound(origin.year_bound):
            self._times.clear()
        if self.max_future is not None:
            try:
                latest = datetime.fromtimestamp(origin.clock, UTC) + timedelta(seconds=self.max_future)
            except (ValueError, OverflowError, OSError):  # a file's mtime may be anything
                self._latest = _LATEST_YEAR
            else:
                self._latest = latest.isoformat()[:19]

    def process(self, events: list[Event]) -> list[Event | Fail]:
        name, into, times = self.field, self.into, self._times
        values = [event.get(name) for event in events]
        texts = [value if type(value) is str else _text(value) for value in values]
        moments: list[Any] = [times[text] if text else None for text in texts]
        usual = not times.take_failed() and None not in moments
        if usual and events and (self.max_future is None or max(moments)[:19] <= self._latest):
            for event, moment in zip(events, moments, strict=True):
                event[into] = moment
            return list(events)
        return list(map(self._unusual, events, values, moments))

    def _unusual(self, event: Event, value: Any, moment: str | Fail | None) -> Event | Fail:
        name = self.field
        if isinstance(moment, Fail):
            return Fail(moment.code, f"field {name!r}: {moment.why}", event)
        if moment is None:
            if value is not None and value != "":
                return Fail("bad_type", f"field {name!r}: {excerpt(value)} is neither a text nor a number", event)
            return Fail("missing_field", f"the event has no {name!r}", event) if self.required else event
        if self.max_future is not None and moment[:19] > self._latest:
            why = f"{moment} is later than {self._latest}Z, which is `max_future` after now"
            return Fail(BAD_TIMESTAMP, f"field {name!r}: {why}", event)
        event[self.into] = moment
        return event


def _text(value: Any) -> str | None:
    """A number as a text without an exponent; None of anything else."""
    if type(value) is int:
        return str(value) if abs(value) < 10**20 else "more than 20 digits"
    if type(value) is float:
        text = repr(value)
        return f"{Decimal(text):f}" if "e" in text else text.removesuffix(".0")
    return None
