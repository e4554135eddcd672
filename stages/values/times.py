"""Timestamps: text in one of several formats to RFC 3339 in UTC, ``2015-05-17T10:05:03Z``.

Names of months are English whatever ``LC_TIME`` says. Digits of a fraction are kept as they stand, also beyond the
microseconds of ``datetime``. A second 60 becomes 59.999999. A time without a zone is in the zone given; in the hour a
clock change repeats or leaves out, the offset before the change is taken. A time without a year gets the latest year
that puts it not later than 7 days after the day of a bound: no line of a file is from after its last write, and clocks
may differ. 29 February gets the latest leap year of these. A zone by name is UTC or one of the names of the zone given
(``CET``, ``CEST``), and then tells the two hours of a clock change apart; of any other name nothing is known.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tailrace.pipeline.keys import Problems
from tailrace.stages.values.time_formats import CLF, UNIX, patterns_of
from tailrace.stages.values.zones import UnknownZoneError, at_abbreviation, at_name, at_offset, zone_of

__all__ = ["BAD_TIMESTAMP", "CLF", "DEFAULT_FORMATS", "Times"]

BAD_TIMESTAMP = "bad_timestamp"
DEFAULT_FORMATS = ("rfc3339", "unix", CLF)

_LONGEST = 64  # characters; no time is longer
_CACHED_MINUTES = 4096
_SHOWN_FORMATS = 3  # in messages
_EPOCH_DAY = date(1970, 1, 1)
_FAR_DAYS = 700_000  # some 1900 years
_END = date.max.toordinal()
_TOLERANCE = 7  # days by which a time without a year may lie after the bound: clocks differ, zones are mistaken

_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {name: i for i, name in enumerate(_NAMES, 1)} | {name[:3]: i for i, name in enumerate(_NAMES, 1)}
_SECONDS = {f"{i:02}": f"{i:02}" for i in range(60)} | {str(i): f"{i:02}" for i in range(10)}

_TWO_DIGITS = frozenset(second for second in _SECONDS if len(second) == 2)

_UNIX = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,30}))?")
_UNIX_DIGITS = ((11, 0), (14, 3), (17, 6), (20, 9))  # up to so many digits: seconds with so many decimals


class Times:
    """A callable: the text of a time to RFC 3339 in UTC; ValueError when no format fits.

    ``formats`` are tried in order: ``rfc3339`` (also with a blank for the T, or without a zone), ``rfc3164`` (``Mar 27
    13:06:56``, also with a weekday, a year, a fraction or a zone), ``unix`` (seconds, milli-, micro- or nanoseconds,
    told apart by the number of digits; ``unix_s``, ``unix_ms``, ``unix_us``, ``unix_ns``: of that unit), or directives
    of ``strptime`` (``%f`` takes any number of digits). ``timezone`` is the name of a zone, or ``local``, for times
    that tell none. ValueError: all that is wrong with either, by the keys ``key`` and ``timezone``.
    """

    def __init__(
        self, formats: Sequence[str] = DEFAULT_FORMATS, timezone: str = "UTC", key: str = "time_formats"
    ) -> None:
        problems = Problems()
        if not formats:
            problems.add(key, "is empty: give at least one format")
        self._names = tuple(formats)
        self._forms: list[tuple[str, re.Pattern[str] | None]] = []
        for index, name in enumerate(formats):
            with problems.of(f"{key}[{index}]"):
                self._forms += [(name, form) for form in ([None] if name in UNIX else patterns_of(name))]
        with problems.of("timezone"):
            self._zone = zone_of(timezone)
        problems.check()
        self.yearless = any(form is not None and not {"Y", "y"} & form.groupindex.keys() for _, form in self._forms)
        self._minutes: dict[tuple[object, ...], tuple[datetime, str]] = {}
        self._beginnings: dict[str, str] = {}  # of texts that end with their seconds: what comes before those
        self._latest = 0
        self.set_bound(time.time())

    def set_bound(self, bound: float) -> bool:
        """The moment that decides about missing years (seconds since the epoch; its day in UTC counts). True: earlier
        results may no longer hold."""
        days = min(max(bound // 86400, -_FAR_DAYS), _FAR_DAYS)  # a file's mtime may be anything
        latest = _EPOCH_DAY.toordinal() + int(days) + _TOLERANCE
        if latest == self._latest:
            return False
        self._latest = latest
        if self.yearless:
            self._minutes.clear()
            self._beginnings.clear()
        return self.yearless

    def __call__(self, text: str) -> str:
        if not text:
            raise ValueError("no time")
        if (beginning := self._beginnings.get(text[:-2])) and text[-2:] in _TWO_DIGITS:
            return f"{beginning}{text[-2:]}Z"
        unknown = ""
        if len(text) <= _LONGEST:
            for number, (name, form) in enumerate(self._forms):
                try:
                    if form is None:
                        return _unix(text, UNIX[name])
                    if (match := form.fullmatch(text)) is not None:
                        return self._convert(number, form, match)
                except UnknownZoneError as error:
                    unknown = unknown or str(error)
                except (ValueError, OverflowError):
                    continue  # the next format may fit
        if unknown:
            raise ValueError(f"{text!r}: {unknown}")
        names = " or ".join(self._names[:_SHOWN_FORMATS])
        if len(self._names) > _SHOWN_FORMATS:
            names += f" or {len(self._names) - _SHOWN_FORMATS} more"
        shown = repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
        raise ValueError(f"{shown} does not match any time format: {names}")

    def _convert(self, number: int, form: re.Pattern[str], match: re.Match[str]) -> str:
        text = match.string
        second, fraction = "00", ""
        begin, end = match.span("S") if "S" in form.groupindex else (len(text), len(text))
        rest = end
        if begin < end:
            second = text[begin:end]
        if "f" in form.groupindex:
            first, last = match.span("f")
            fraction = text[first:last]
            if first == end + 1:  # else it stays in the key
                rest = last
        key = (number, text[:begin], text[rest:])
        known = self._minutes.get(key)
        if known is None:
            known = self._minute(match.groupdict())
            if len(self._minutes) >= _CACHED_MINUTES:
                self._minutes.clear()
                self._beginnings.clear()
            self._minutes[key] = known
        start, prefix = known
        if second == "60":
            second, fraction = "59", "999999"
        elif number == 0 and end == len(text) and second in _TWO_DIGITS and not start.second:
            self._beginnings[text[:begin]] = f"{prefix}:"
        second = _SECONDS.get(second, "")
        if not second:
            raise ValueError("no such second")
        moment = f"{prefix}:{second}"
        if start.second:  # an offset with seconds, as zones had before about 1900
            moment = (start + timedelta(seconds=int(second))).isoformat()
        return f"{moment}.{fraction}Z" if fraction else f"{moment}Z"

    def _minute(self, parts: dict[str, str | None]) -> tuple[datetime, str]:
        """The start of the minute in UTC (naive), and its text."""
        hour = _hour(parts)
        minute = int(parts.get("M") or 0)
        day = self._date(parts)
        local = datetime(day.year, day.month, day.day, hour, minute)
        if text := parts.get("z"):
            aware = local.replace(tzinfo=at_offset(text))
        elif text := parts.get("Z"):
            aware = _at(local, text, self._zone)
        else:
            aware = local.replace(tzinfo=self._zone)
        start = aware.astimezone(UTC).replace(tzinfo=None)
        return start, start.isoformat()[:16]

    def _date(self, parts: dict[str, str | None]) -> date:
        year = _year(parts)
        years = self._years() if year is None else (year,)
        latest = self._latest if year is None else _END
        if (text := parts.get("j")) is not None:
            number = int(text)
            return _first([_day_of_year(y, number) for y in years], latest)
        name = parts.get("b")
        month = _MONTHS.get(name.lower(), 0) if name else int(parts.get("m") or 0)
        day = int(parts.get("d") or 0)
        if not (1 <= month <= 12 and 1 <= day <= 31):
            raise ValueError("no such day")
        return _first([_valid(y, month, day) for y in years], latest)

    def _years(self) -> Sequence[int]:
        """Where none is told: the latest first."""
        here = date.fromordinal(self._latest).year
        return range(here, here - 9, -1)  # leap years are at most eight years apart, and this year's may be too late


def _first(days: Sequence[date | None], latest: int) -> date:
    """The first that exists and is not later than ``latest`` (an ordinal)."""
    for day in days:
        if day is not None and day.toordinal() <= latest:
            return day
    raise ValueError("no such day")


def _at(local: datetime, zone: str, here: ZoneInfo) -> datetime:
    """``local`` in a zone told by an abbreviation, by its name, or by an offset, also one behind ``GMT``."""
    if zone.isalpha():
        return at_abbreviation(local, zone, here)
    if "/" in zone:
        return at_name(local, zone)
    return local.replace(tzinfo=at_offset(zone.lstrip("UTCGM")))


def _hour(parts: dict[str, str | None]) -> int:
    if text := parts.get("I"):
        hour = int(text)
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        return hour % 12 + (12 if str(parts["p"]).lower() == "pm" else 0)
    return int(parts.get("H") or 0)


def _year(parts: dict[str, str | None]) -> int | None:
    if text := parts.get("Y"):
        return int(text)
    if text := parts.get("y"):
        return int(text) + (1900 if int(text) >= 69 else 2000)  # as POSIX has it
    return None


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _day_of_year(year: int, number: int) -> date | None:
    day = date.fromordinal(date(year, 1, 1).toordinal() + number - 1)
    return day if day.year == year else None


def _unix(text: str, decimals: int | None) -> str:
    """A count since 1970 of units that are so many decimals of a second; None: its digits tell."""
    match = _UNIX.fullmatch(text)
    if match is None:
        raise ValueError("no number")
    sign, number, rest = match.groups("")
    if decimals is None:
        decimals = next(decimals for limit, decimals in _UNIX_DIGITS if len(number) <= limit)
    places = decimals + len(rest)
    whole, fraction = divmod(int(sign + number + rest), 10**places)
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole)).isoformat()[:19]
    return f"{moment}.{fraction:0{places}}Z" if places else f"{moment}Z"
