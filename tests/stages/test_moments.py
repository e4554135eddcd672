from __future__ import annotations

import pytest
from tailrace.stages.values.moments import Moments

NEW_YEAR = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z in microseconds


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01T01:00:00.000001+01:00", NEW_YEAR + 1),
        ("2026-01-01T00:00:00.123456789Z", NEW_YEAR + 123_456),
        ("1767225600", NEW_YEAR),
        (1_767_225_600, NEW_YEAR),
        (1_767_225_600.25, NEW_YEAR + 250_000),
        (1_767_225_600_001, NEW_YEAR + 1000),
        (1_767_225_600_000_001, NEW_YEAR + 1),
        (1_767_225_600_000_001_999, NEW_YEAR + 1),
        (-1, -1_000_000),
        (None, 7_500_000),
    ],
)
def test_a_time_in_any_of_its_forms(value: object, moment: int) -> None:
    moments = Moments("t")
    assert [moments.of({"t": value}, 7.5) for _ in range(2)] == [moment, moment]


def test_without_the_field_it_is_the_clock() -> None:
    assert Moments("t").of({}, 7.5) == 7_500_000
    assert Moments("").of({"": 1, "t": 2}, 7.5) == 7_500_000


def test_the_time_of_an_event_without_a_timestamp_is_in_time_if_that_is_one() -> None:
    moments = Moments("timestamp")
    for _ in range(2):
        assert moments.of({"time": "2026-01-01T00:00:00Z"}, 7.5) == NEW_YEAR
        assert moments.of({"time": "2026-01-01T00:00:00Z", "timestamp": 9}, 7.5) == 9_000_000
    for other in ("09:00", "12", 0.25, None):
        assert moments.of({"time": other}, 7.5) == 7_500_000
    assert Moments("t").of({"time": "2026-01-01T00:00:00Z"}, 7.5) == 7_500_000


@pytest.mark.parametrize(
    "value",
    ["", "noon", "2026-01-01", "2026-01-01T00:00:00", "17/May/2015:10:05:03 +0000", True, [1], 1e18, float("nan"), "٣"],
)
def test_what_is_no_moment_is_told_and_never_taken_for_utc(value: object) -> None:
    with pytest.raises(ValueError, match=r"^field 't': expected a time as RFC 3339 with a zone, or a number since"):
        Moments("t").of({"t": value}, 7.5)
