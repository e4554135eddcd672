"""What ``types = {...}`` of a parser makes of values."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.stages.values.conversion import _CACHE_ENTRIES, Column, Kind, OnBadType, Types, to_int


def converted(kind: Kind, value: Any, on_bad_type: OnBadType = "error") -> Any:
    events: list[Any] = [{"a": value}]
    Types({"a": kind}, on_bad_type, ["rfc3339", "unix"], "UTC").convert(events)
    return (events[0].code, events[0].why) if isinstance(events[0], Fail) else events[0]["a"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "42", 42),
        ("int", "-7", -7),
        ("int", "+7", 7),
        ("int", "18446744073709551615", 2**64 - 1),
        ("int", "-9223372036854775808", -(2**63)),
        ("int", 5, 5),
        ("int", 5.0, 5),
        ("float", "1.5", 1.5),
        ("float", "1e3", 1000.0),
        ("float", 2, 2.0),
        ("bool", "True", True),
        ("bool", "off", False),
        ("bool", False, False),
        ("ip", "::0001", "::1"),
        ("ip", "10.0.0.1", "10.0.0.1"),
        ("string", "x", "x"),
        ("string", "", ""),
        ("string", 12, "12"),
        ("string", True, "true"),
        ("string", [1], "[1]"),
        ("timestamp", "2015-05-17 10:05:03", "2015-05-17T10:05:03Z"),
        ("timestamp", 1700000000, "2023-11-14T22:13:20Z"),
        ("timestamp", 1700000000.5, "2023-11-14T22:13:20.5Z"),
        ("int", None, None),
    ],
)
def test_values_become_the_type(kind: Kind, value: Any, expected: Any) -> None:
    result = converted(kind, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", ""),
        ("int", "x"),
        ("int", "1_000"),
        ("int", " 1"),
        ("int", "\u0661"),
        ("int", "1.5"),
        ("int", "18446744073709551616"),
        ("int", "-9223372036854775809"),
        ("int", "9" * 100_000),
        ("int", True),
        ("int", 1.5),
        ("int", 1e300),
        ("int", [1]),
        ("float", "nan"),
        ("float", "inf"),
        ("float", "1e999"),
        ("float", "1_0"),
        ("float", "\u0661"),
        ("float", True),
        ("bool", "perhaps"),
        ("bool", 2),
        ("ip", "10.0.0.256"),
        ("ip", 1),
        ("timestamp", "noon"),
        ("timestamp", True),
    ],
)
def test_what_is_not_of_the_type_fails_or_is_null_or_stays(kind: Kind, value: Any) -> None:
    code, why = converted(kind, value)
    assert code == ("bad_timestamp" if kind == "timestamp" else "bad_type")
    assert why.startswith("a: ")
    assert len(why) < 200
    assert converted(kind, value, "null") is None
    assert converted(kind, value, "string") == value


def test_absent_fields_stay_absent() -> None:
    events: list[Any] = [{"b": 1}]
    Types({"a": "int"}, "error", ["rfc3339"], "UTC").convert(events)
    assert events == [{"b": 1}]


def test_column_remembers_a_bounded_number_of_results_and_no_long_ones() -> None:
    column = Column(to_int)
    for i in range(3 * _CACHE_ENTRIES):
        assert column[str(i)] == i
    assert len(column) <= _CACHE_ENTRIES
    column.clear()
    assert Column(str)["x" * 1000] == "x" * 1000
    strings = Column(str)
    assert strings["x" * 1000] not in strings


def test_failures_are_told_once_and_not_remembered() -> None:
    column = Column(to_int)
    assert isinstance(column["x"], Fail)
    assert "x" not in column
    assert column.take_failed()
    assert not column.take_failed()
