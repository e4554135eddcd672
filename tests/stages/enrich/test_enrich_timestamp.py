"""enrich.timestamp: texts and numbers of a field as times."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.enrich.timestamp import Timestamp

LATE_2015 = 1_449_000_000.0  # 2015-12-01T20:00:00Z


def one(value: object, **options: Any) -> Any:
    stage = Timestamp("t", **options)
    stage.locate(origin(now=LATE_2015))
    (entry,) = stage.process([{"t": value}])
    if isinstance(entry, Fail):
        assert entry.event == {"t": value}
        return entry.code, entry.why
    return entry.get("timestamp")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2015-03-27T13:06:56.123456789+01:00", "2015-03-27T12:06:56.123456789Z"),
        ("1427461616", "2015-03-27T13:06:56Z"),
        (1427461616, "2015-03-27T13:06:56Z"),
        (1427461616.0, "2015-03-27T13:06:56Z"),
        (1427461616.25, "2015-03-27T13:06:56.25Z"),
        (1427461616123, "2015-03-27T13:06:56.123Z"),
        (1427461616123.5, "2015-03-27T13:06:56.1235Z"),
        (1427461616123456789, "2015-03-27T13:06:56.123456789Z"),
        (1.5e-7, "1970-01-01T00:00:00.00000015Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ],
)
def test_texts_and_numbers(value: object, expected: str) -> None:
    assert one(value) == expected


def test_formats_are_tried_in_order_also_for_numbers() -> None:
    assert one(20150327, formats=["%Y%m%d", "unix"]) == "2015-03-27T00:00:00Z"
    assert one(20151327, formats=["%Y%m%d", "unix"]) == "1970-08-22T05:35:27Z"
    assert one(17, formats=["unix_ms"]) == "1970-01-01T00:00:00.017Z"
    assert one("2015-03-27 13:06:56", timezone="Europe/Berlin") == "2015-03-27T12:06:56Z"


def test_a_missing_year_follows_the_file_that_is_read() -> None:
    stage = Timestamp("t", formats=["rfc3164"])
    for year in (2015, 2014):
        stage.locate(origin(now=LATE_2015 - (2015 - year) * 365 * 86400))
        assert stage.process([{"t": "Mar 27 13:06:56"}])[0]["timestamp"] == f"{year}-03-27T13:06:56Z"  # type: ignore[index]


def test_into_another_field_or_the_same() -> None:
    assert Timestamp("t", into="t").process([{"t": 0, "a": 1}]) == [{"t": "1970-01-01T00:00:00Z", "a": 1}]
    assert Timestamp("t", into="at").process([{"t": 0}]) == [{"t": 0, "at": "1970-01-01T00:00:00Z"}]


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        ("yesterday", "bad_timestamp", "field 't': 'yesterday' does not match any time format: rfc3339 or unix or"),
        ("2015-03-27 13:06:56 CET", "bad_timestamp", "'CET' is not a name of the zone 'UTC'"),
        (float("nan"), "bad_timestamp", "field 't': 'nan' does not match"),
        (10**30, "bad_timestamp", "more than 20 digits"),
        (True, "bad_type", "field 't': True is neither a text nor a number"),
        ([1], "bad_type", "[1] is neither"),
    ],
)
def test_what_is_no_time_fails(value: object, code: str, why: str) -> None:
    if value == value:  # nan is not, and then the event would not be either
        told = one(value)
    else:
        (entry,) = Timestamp("t").process([{"t": value}])
        assert isinstance(entry, Fail)
        told = (entry.code, entry.why)
    assert told[0] == code
    assert why in told[1]


@pytest.mark.parametrize("event", [{}, {"t": None}, {"t": ""}])
def test_an_event_without_the_field_is_left_alone_unless_it_is_required(event: Event) -> None:
    assert Timestamp("t").process([dict(event)]) == [event]
    (entry,) = Timestamp("t", required=True).process([dict(event)])
    assert isinstance(entry, Fail)
    assert (entry.code, entry.why) == ("missing_field", "the event has no 't'")


def test_a_time_too_far_in_the_future_is_refused() -> None:
    assert one("2015-12-02T20:00:00.9Z", max_future=86400.0) == "2015-12-02T20:00:00.9Z"
    code, why = one("2015-12-02T20:00:01Z", max_future=86400.0)
    assert (code, "2015-12-02T20:00:01Z is later than 2015-12-02T20:00:00Z" in why) == ("bad_timestamp", True)
    assert one("2031-12-02T20:00:01Z") == "2031-12-02T20:00:01Z"


def test_each_event_of_a_batch_gets_its_own() -> None:
    stage = Timestamp("t", max_future=60.0)
    stage.locate(origin(now=LATE_2015))
    values = [0, "x", None, "2015-03-27T13:06:56Z", 4e9]
    entries = stage.process([{"t": value} for value in values])
    assert [entry.code if isinstance(entry, Fail) else entry.get("timestamp") for entry in entries] == [
        "1970-01-01T00:00:00Z",
        "bad_timestamp",
        None,
        "2015-03-27T13:06:56Z",
        "bad_timestamp",
    ]
    assert stage.process([]) == []


@pytest.mark.parametrize("clock", [-1e18, 1e18])
def test_any_clock_will_do(clock: float) -> None:
    stage = Timestamp("t", max_future=60.0)
    stage.locate(origin(now=clock))
    assert stage.process([{"t": 0}]) == [{"t": 0, "timestamp": "1970-01-01T00:00:00Z"}]


def test_wrong_options_are_told_by_their_keys() -> None:
    with pytest.raises(ValueError, match=r"formats\[0\]: 'iso' is not a time format(.|\n)*timezone: 'X/Y' is unknown"):
        Timestamp("t", formats=["iso"], timezone="X/Y")
    with pytest.raises(ValueError, match="formats: is empty"):
        Timestamp("t", formats=[])
