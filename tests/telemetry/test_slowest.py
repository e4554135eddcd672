"""The slowest batches of the last ten minutes."""

from __future__ import annotations

from tailrace.pipeline.telemetry.slowest import KEPT, MINUTES, Slowest
from tailrace.pipeline.telemetry.snapshot import BatchState

NOON = 1.7e9 // 60 * 60
TEN_MINUTES = 60 * MINUTES


def batch(number: int, end: float, seconds: float) -> BatchState:
    return BatchState(number, 1, "a.log", 0, 1, end - seconds, end, 1, 0)


def numbers(slowest: Slowest, now: float) -> list[int]:
    return [one.batch for one in slowest.of(now)]


def test_the_slowest_come_first_and_no_more_than_twenty() -> None:
    slowest = Slowest()
    for number in range(200):
        slowest.add(batch(number, NOON + number / 10, (number * 37) % 200))
    found = slowest.of(NOON + 30)
    assert len(found) == KEPT
    assert [round(one.end - one.start) for one in found] == list(range(199, 199 - KEPT, -1))


def test_what_was_slow_long_ago_makes_room() -> None:
    slowest = Slowest()
    slowest.add(batch(1, NOON, 100.0))
    slowest.add(batch(2, NOON + TEN_MINUTES - 1, 1.0))
    assert numbers(slowest, NOON + TEN_MINUTES - 1) == [1, 2]
    assert numbers(slowest, NOON + TEN_MINUTES + 1) == [2]
    slowest.add(batch(3, NOON + 10 * TEN_MINUTES, 2.0))
    assert numbers(slowest, NOON + 10 * TEN_MINUTES) == [3]


def test_it_keeps_few_however_many_there_are() -> None:
    slowest = Slowest()
    for number in range(5000):
        slowest.add(batch(number, NOON + number, 1.0))
    kept = [heap for _, heap in slowest._minutes]
    assert len(kept) == MINUTES
    assert max(map(len, kept)) == KEPT


def test_a_clock_that_is_set_makes_none_last_for_ever() -> None:
    slowest = Slowest()
    for _ in range(KEPT):
        slowest.add(batch(1, NOON + 86400, 100.0))  # the clock was a day ahead
    for minute in range(3):
        slowest.add(batch(2 + minute, NOON + 60 * minute, 1.0))
    assert sorted(numbers(slowest, NOON + 120)) == [2, 3, 4]
