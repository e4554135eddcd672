"""Timestamps of every shape to RFC 3339 in UTC."""

from __future__ import annotations

import locale
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import TZPATH

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.stages.values.times import CLF, DEFAULT_FORMATS, Times

SYSLOG = "%b %d %H:%M:%S"


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def yearless(text: str, bound: str, zone: str = "UTC") -> str:
    times = Times([SYSLOG], zone)
    times.set_bound(seconds(bound))
    return times(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17/May/2015:10:05:03 +0000", "2015-05-17T10:05:03Z"),
        ("17/May/2015:10:05:03 +0230", "2015-05-17T07:35:03Z"),
        ("01/Jan/2016:00:05:03 +0100", "2015-12-31T23:05:03Z"),
        ("2015-05-17T10:05:03Z", "2015-05-17T10:05:03Z"),
        ("2015-05-17 10:05:03,120", "2015-05-17T10:05:03.120Z"),
        ("2015-05-17T10:05:03.123456789-02:00", "2015-05-17T12:05:03.123456789Z"),
        ("2015-05-17t10:05:03.5z", "2015-05-17T10:05:03.5Z"),
        ("2015-05-17 10:05:03 UTC", "2015-05-17T10:05:03Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59.999999Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("1700000000.25", "2023-11-14T22:13:20.25Z"),
        ("1700000000123", "2023-11-14T22:13:20.123Z"),
        ("1700000000123456", "2023-11-14T22:13:20.123456Z"),
        ("1700000000123456789", "2023-11-14T22:13:20.123456789Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("-1.5", "1969-12-31T23:59:58.5Z"),
        ("1700000000123.4560", "2023-11-14T22:13:20.1234560Z"),
        ("2015-05-17T10:05:03+01:00[Europe/Paris]", "2015-05-17T09:05:03Z"),
        ("2015-05-17 10:05:03 GMT+02:00", "2015-05-17T08:05:03Z"),
        ("2015-05-17 10:05:03 -03", "2015-05-17T13:05:03Z"),
    ],
)
def test_default_formats_give_rfc3339_in_utc(text: str, expected: str) -> None:
    assert Times()(text) == expected


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("%Y/%m/%d %H:%M:%S", "2015/05/17 10:05:03", "2015-05-17T10:05:03Z"),
        ("%d.%m.%y %I:%M %p", "17.05.15 12:05 am", "2015-05-17T00:05:00Z"),
        ("%d.%m.%y %I:%M %p", "17.05.69 12:05 PM", "1969-05-17T12:05:00Z"),
        ("%a, %d %B %Y %T %Z", "Sun, 17 May 2015 10:05:03 GMT", "2015-05-17T10:05:03Z"),
        ("%Y-%j", "2016-366", "2016-12-31T00:00:00Z"),
        ("%F %T.%f%z", "2015-05-17 10:05:03.0000001+01:00", "2015-05-17T09:05:03.0000001Z"),
        ("%a %b %e %T %Z %Y", "Sun May 17 10:05:03 UTC 2015", "2015-05-17T10:05:03Z"),
        ("%Y-%m-%d %H:%M:%S %Z", "2015-05-17 10:05:03 -03", "2015-05-17T13:05:03Z"),
        ("unix_s", "17000000000", "2508-09-16T06:13:20Z"),
        ("unix_ms", "17", "1970-01-01T00:00:00.017Z"),
        ("unix_us", "1700000000.25", "1970-01-01T00:28:20.00000025Z"),
        ("unix_ns", "1700000000123456789", "2023-11-14T22:13:20.123456789Z"),
        ("rfc3164", "May 17 2015 10:05:03.120 UTC", "2015-05-17T10:05:03.120Z"),
        ("rfc3164", "2015 May  7 10:05:03", "2015-05-07T10:05:03Z"),
        ("rfc3164", "Sun May 17 10:05:03 GMT 2015", "2015-05-17T10:05:03Z"),
        ("%b %d %Y 100%%", "May  7 2015 100%", "2015-05-07T00:00:00Z"),
    ],
)
def test_directives_of_strptime_are_understood(layout: str, text: str, expected: str) -> None:
    assert Times([layout])(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "yesterday",
        "30/Feb/2015:10:05:03 +0000",
        "29/Feb/2015:10:05:03 +0000",
        "17/Mai/2015:10:05:03 +0000",
        "17/May/2015:24:05:03 +0000",
        "17/May/2015:10:60:03 +0000",
        "17/May/2015:10:05:61 +0000",
        "17/May/2015:10:05:03 +2400",
        "17/May/0000:10:05:03 +0000",
        "01/Jan/0001:00:00:00 +0100",
        "31/Dec/9999:23:59:59 -0100",
        "17/May/٢٠١٥:10:05:03 +0000",
        "2015-05-17",
        "2015-05-17T10:05:03Z\n",
        "99999999999999999999999",
        "1" * 100_000,
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(no time|.* does not match any time format: .*)$"):
        Times()(text)


def test_formats_are_tried_in_order() -> None:
    assert Times(["%d/%m/%Y", "%m/%d/%Y"])("05/04/2015") == "2015-04-05T00:00:00Z"
    assert Times(["%d/%m/%Y", "%m/%d/%Y"])("05/14/2015") == "2015-05-14T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "bound", "expected"),
    [
        ("Dec 31 23:59:59", "2016-01-01T00:00:10", "2015-12-31T23:59:59Z"),
        ("Jan  1 00:00:01", "2015-12-31T23:59:00", "2016-01-01T00:00:01Z"),
        ("Mar 27 13:06:56", "2015-05-01", "2015-03-27T13:06:56Z"),
        ("Nov 27 13:06:56", "2015-05-01", "2014-11-27T13:06:56Z"),
        ("May  2 09:00:00", "2024-11-25", "2024-05-02T09:00:00Z"),
        ("Jan 12 08:00:00", "2024-11-25T10:00:00", "2024-01-12T08:00:00Z"),
        ("May  8 23:59:59", "2015-05-01", "2015-05-08T23:59:59Z"),
        ("May  9 00:00:00", "2015-05-01", "2014-05-09T00:00:00Z"),
        ("Feb 29 12:00:00", "2015-03-01", "2012-02-29T12:00:00Z"),
        ("Feb 29 12:00:00", "2016-02-22T23:00:00", "2016-02-29T12:00:00Z"),
        ("Feb 29 12:00:00", "2016-02-20", "2012-02-29T12:00:00Z"),
        ("Feb 29 12:00:00", "1903-12-31", "1896-02-29T12:00:00Z"),
    ],
)
def test_missing_year_is_the_latest_that_lies_not_more_than_a_week_after_the_bound(
    text: str, bound: str, expected: str
) -> None:
    assert yearless(text, bound) == expected


def test_a_year_that_is_told_may_lie_after_the_bound() -> None:
    times = Times(["%Y-%m-%d"])
    times.set_bound(seconds("2015-05-01"))
    assert times("2031-05-04") == "2031-05-04T00:00:00Z"


def test_a_new_day_is_told_so_that_results_kept_elsewhere_are_dropped() -> None:
    times = Times([SYSLOG])
    times.set_bound(seconds("2015-05-01T01:00"))
    assert not times.set_bound(seconds("2015-05-01T23:00"))
    assert times("Nov 27 13:06:56") == "2014-11-27T13:06:56Z"
    assert times.set_bound(seconds("2015-12-01"))
    assert times("Nov 27 13:06:56") == "2015-11-27T13:06:56Z"
    assert not Times([CLF]).set_bound(seconds("2015-08-01")), "no format without a year, nothing to drop"


@pytest.mark.parametrize("bound", [-1e18, -1.0, 0.0, 1e18])
def test_any_file_time_can_be_the_bound(bound: float) -> None:
    times = Times([SYSLOG])
    times.set_bound(bound)
    assert times("Feb 29 12:00:00").endswith("-02-29T12:00:00Z")


def test_time_without_a_zone_is_in_the_given_one() -> None:
    times = Times(["rfc3339"], "Europe/Berlin")
    assert times("2015-05-17 10:05:03") == "2015-05-17T08:05:03Z"
    assert times("2015-12-17 10:05:03") == "2015-12-17T09:05:03Z"
    assert times("2015-12-17 10:05:03Z") == "2015-12-17T10:05:03Z"
    assert times("1880-01-01 00:00:00") == "1879-12-31T23:06:32Z", "local mean time has seconds"


def test_in_a_clock_change_the_offset_before_it_is_taken() -> None:
    times = Times(["rfc3339"], "Europe/Berlin")
    assert times("2015-10-25 02:30:00") == "2015-10-25T00:30:00Z", "the hour that comes twice"
    assert times("2015-03-29 02:30:00") == "2015-03-29T01:30:00Z", "the hour that does not exist"


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        (BERLIN, "2022-01-30 00:08:42.390 CET", "2022-01-29T23:08:42.390Z"),
        (BERLIN, "2022-07-30 00:08:42.390 CEST", "2022-07-29T22:08:42.390Z"),
        (BERLIN, "2022-07-30 00:08:42 UTC", "2022-07-30T00:08:42Z"),
        (BERLIN, "2015-10-25 02:30:00 CEST", "2015-10-25T00:30:00Z"),
        (BERLIN, "2015-10-25 02:30:00 CET", "2015-10-25T01:30:00Z"),
        (BERLIN, "2015-03-29 02:30:00 CET", "2015-03-29T01:30:00Z"),
        (BERLIN, "2015-07-01 12:00:00 CET", "2015-07-01T11:00:00Z"),  # a clock that does not follow the season
        ("Europe/London", "2015-07-01 12:00:00 BST", "2015-07-01T11:00:00Z"),
        ("America/New_York", "2015-01-01 12:00:00 EST", "2015-01-01T17:00:00Z"),
        ("Asia/Kolkata", "2015-01-01 12:00:00 IST", "2015-01-01T06:30:00Z"),
        ("UTC", "2015-07-01 12:00:00 Europe/Berlin", "2015-07-01T10:00:00Z"),
        ("America/Sao_Paulo", "2015-07-01 12:00:00 -03", "2015-07-01T15:00:00Z"),
    ],
)
def test_an_abbreviation_of_the_zone_is_understood(zone: str, text: str, expected: str) -> None:
    assert Times(["rfc3339"], zone)(text) == expected


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_any_other_abbreviation_is_not_taken_for_utc(zone: str) -> None:
    with pytest.raises(ValueError, match=f"CEST': 'CEST' is not a name of the zone '{zone}'; set timezone to"):
        Times(DEFAULT_FORMATS, zone)("2015-07-01 12:00:00 CEST")


def test_a_name_of_no_zone_is_not_taken_for_utc() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus': there is no zone 'Mars/Olympus'"):
        Times()("2015-07-01 12:00:00 Mars/Olympus")


@pytest.mark.parametrize("name", ["Asia/Tokyo", ":Asia/Tokyo", "FILE"])
def test_local_is_the_zone_of_this_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = next(path for path in map(Path, TZPATH) if (path / "Asia" / "Tokyo").exists())
    monkeypatch.setenv("TZ", name.replace("FILE", str(directory / "Asia" / "Tokyo")))
    times = Times(["rfc3339"], "local")
    assert times("2015-05-17 10:05:03") == times("2015-05-17 10:05:03 JST") == "2015-05-17T01:05:03Z"


def test_local_says_why_it_tells_no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST")
    with pytest.raises(ValueError, match="timezone: 'local' does not tell a zone: the variable TZ is 'CET-1CEST'"):
        Times(["rfc3339"], "local")


def test_names_of_months_do_not_follow_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert Times([CLF])("17/May/2015:10:05:03 +0000") == "2015-05-17T10:05:03Z"
    finally:
        locale.setlocale(locale.LC_TIME, before)


@pytest.mark.parametrize(
    ("formats", "zone", "message"),
    [
        ([], "UTC", "at least one"),
        (["iso"], "UTC", "expected 'rfc3339', 'rfc3164', 'unix', .* or directives"),
        (["%H:%M:%S"], "UTC", "has no day"),
        (["%Y-%m-%d %Q"], "UTC", "'%Q' is not known"),
        (["%Y-%m-%d %"], "UTC", "'%' is not known"),
        (["%Y-%m-%d %Y"], "UTC", "stands twice"),
        (["%Y-%m-%d %I:%M"], "UTC", "belong together"),
        (["rfc3339"], "Mars/Olympus", "'Mars/Olympus' is unknown"),
        (["rfc3339"], "../etc/passwd", "is unknown"),
    ],
)
def test_settings_that_cannot_work_are_told(formats: list[str], zone: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Times(formats, zone)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_every_time_comes_out_as_datetime_has_it(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = aware.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    assert Times(DEFAULT_FORMATS)(aware.isoformat()) == expected
    text = f"{aware:%d}/{'JanFebMarAprMayJunJulAugSepOctNovDec'[aware.month * 3 - 3 : aware.month * 3]}/{aware.year:04}"
    assert Times([CLF])(f"{text}:{aware:%H:%M:%S %z}") == expected[:19] + "Z"


@given(st.text(max_size=80))
def test_any_text_gives_a_time_or_a_value_error(text: str) -> None:
    try:
        result = Times([*DEFAULT_FORMATS, SYSLOG])(text)
    except ValueError:
        return
    datetime.fromisoformat(result)


@pytest.mark.parametrize(
    ("offset", "name", "expected"),
    [
        ("+01:00", "Etc/GMT-1", "2026-01-01T11:00:00Z"),
        ("-0500", "Etc/GMT+5", "2026-01-01T17:00:00Z"),
        ("UTC+2", "Etc/GMT-2", "2026-01-01T10:00:00Z"),
        ("GMT-10", "Etc/GMT+10", "2026-01-01T22:00:00Z"),
    ],
)
def test_an_offset_is_no_zone_and_the_message_tells_the_name_that_is(offset: str, name: str, expected: str) -> None:
    with pytest.raises(ValueError, match="is an offset") as raised:
        Times(["rfc3339"], offset)
    assert repr(name) in str(raised.value)
    assert Times(["rfc3339"], name)("2026-01-01 12:00:00") == expected
