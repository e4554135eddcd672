"""Windows of time: which key, when they close, and what comes too late."""

from __future__ import annotations

from math import inf
from operator import add
from typing import Any

import pytest
from tailrace.stages.values.windows import Closed, Windows, rfc3339

MINUTE, TEN = 60_000_000, 10_000_000


def merged(windows: Windows, totals: dict[str, Any], *moments: int, group: str = "a") -> None:
    for moment in moments:
        windows.merge(totals, {windows.key(moment, group): 1}, add)


def test_a_window_closes_when_nothing_from_before_its_end_comes_any_more() -> None:
    windows, totals = Windows(MINUTE, TEN, 5), dict[str, Any]()
    merged(windows, totals, 0, MINUTE - 1, MINUTE, -1)
    assert list(windows.close(totals, 9.9)) == []
    assert list(windows.close(totals, 10.0)) == [Closed(-MINUTE, "a", 1, 0)]
    assert list(windows.close(totals, 69.999)) == []
    assert list(windows.close(totals, 70.0)) == [Closed(0, "a", 2, 0)]
    assert list(windows.close(totals, inf)) == [Closed(MINUTE, "a", 1, 0)]
    assert list(windows.close(totals, inf)) == []


def test_what_comes_too_late_is_a_result_of_another_name() -> None:
    windows, totals = Windows(MINUTE, 0, 5), dict[str, Any]()
    merged(windows, totals, 1)
    (first,) = windows.close(totals, inf)
    merged(windows, totals, 2, MINUTE)
    late, after = Windows(MINUTE, 0, 5).close(totals, inf)  # after a restart
    assert (first.late, late.late, after.late) == (0, 1, 0)
    merged(windows, totals, 3)
    (later,) = windows.close(totals, inf)
    names = [one.name for one in (first, late, after, later)]
    assert names == [
        "1970-01-01T00:00:00Z:a", "1970-01-01T00:00:00Z:a.1", "1970-01-01T00:01:00Z:a", "1970-01-01T00:00:00Z:a.2",
    ]  # fmt: skip


def test_further_groups_of_a_window_are_summed_up_together() -> None:
    windows, totals = Windows(MINUTE, 0, 2), dict[str, Any]()
    for group in "abcadeb":
        merged(windows, totals, 1, group=group)
        merged(windows, totals, MINUTE + 1)
    closed = [(one.start, one.group, one.value) for one in windows.close(totals, inf)]
    assert closed == [(0, "", 3), (0, "a", 2), (0, "b", 2), (MINUTE, "a", 7)]
    merged(windows, totals, 1, group="z")
    assert [one.group for one in windows.close(totals, inf)] == ["z"], "a window that is closed is counted anew"


def test_moments_that_no_calendar_has_are_refused() -> None:
    windows = Windows(365 * 24 * 60 * MINUTE, 0, 1)
    with pytest.raises(ValueError, match="in no year"):
        windows.key(10**20, "")
    for moment in (-61_999_999_999_000_000, 252_999_999_999_999_999):
        assert rfc3339(int(windows.key(moment, "").removesuffix(":"))).endswith("Z")


def test_moments_as_text() -> None:
    assert [rfc3339(at) for at in (0, 1_500_000, -1)] == [
        "1970-01-01T00:00:00Z", "1970-01-01T00:00:01.5Z", "1969-12-31T23:59:59.999999Z",
    ]  # fmt: skip
