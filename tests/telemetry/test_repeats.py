"""A repeated warning is counted, not repeated."""

from tailrace.pipeline.telemetry.repeats import Repeats


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_warning_is_said_once_and_then_counted() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    assert repeats.admit("slow", {"file": "a", "seconds": 1}) == [("slow", {"file": "a", "seconds": 1})]
    for seconds in range(2, 5):
        clock.now += 10
        assert repeats.admit("slow", {"file": "a", "seconds": seconds}) == []
    clock.now = 60
    said = repeats.admit("slow", {"file": "a", "seconds": 9})
    assert said == [("slow", {"file": "a", "seconds": 9, "repeated": 4})]
    assert repeats.admit("slow", {"file": "a", "seconds": 10}) == []


def test_other_files_sinks_and_events_are_said_on_their_own() -> None:
    repeats = Repeats(Clock())
    assert all(
        repeats.admit(event, fields)
        for event, fields in [("slow", {"file": "a"}), ("slow", {"file": "b"}), ("slow", {"sink": "a"}), ("gone", {})]
    )


def test_counts_are_told_after_a_minute_though_no_more_warnings_come() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    for _ in range(3):
        repeats.admit("slow", {"file": "a"})
    clock.now = 59.9
    assert repeats.due() == []
    clock.now = 60
    assert repeats.due() == [("slow", {"file": "a", "repeated": 2, "seconds_ago": 60})]
    clock.now = 180
    assert repeats.due() == []


def test_drain_tells_every_count_once() -> None:
    repeats = Repeats(Clock())
    for _ in range(3):
        repeats.admit("slow", {"file": "a"})
    repeats.admit("slow", {"file": "b"})
    assert repeats.drain() == [("slow", {"file": "a", "repeated": 2})]
    assert repeats.drain() == []


def test_a_warning_that_comes_once_a_minute_is_not_called_repeated() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    repeats.admit("slow", {})
    clock.now = 61
    assert repeats.admit("slow", {}) == [("slow", {})]


def test_memory_is_bounded_and_a_forgotten_count_is_told() -> None:
    repeats = Repeats(Clock(), limit=2)
    repeats.admit("slow", {"file": "a"})
    repeats.admit("slow", {"file": "a"})
    repeats.admit("slow", {"file": "a"})
    repeats.admit("slow", {"file": "b"})
    assert repeats.admit("slow", {"file": "c"}) == [("slow", {"file": "a", "repeated": 2}), ("slow", {"file": "c"})]
    assert repeats.admit("slow", {"file": "a"}) == [("slow", {"file": "a"})]
