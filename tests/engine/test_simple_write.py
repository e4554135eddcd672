"""A sink of one method: which events are to blame, and which only met a target in trouble."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain.simple_write import SimpleSink
from tailrace.pipeline.outgoing import Outgoing


class Target:
    """Refuses the numbers in ``bad``, and everything for the first ``locked`` calls."""

    def __init__(self, bad: set[int] | None = None, locked: int = 0) -> None:
        self.bad, self.locked = bad or set(), locked
        self.calls = 0
        self.taken: dict[str, Any] = {}

    def write(self, events: list[Event]) -> None:
        self.calls += 1
        if self.calls <= self.locked:
            raise sqlite3.OperationalError("database is locked")
        for event in events:
            if event["n"] in self.bad:
                raise ValueError(f"no {event['n']} here")
        self.taken.update((event.pop("event_id"), event["n"]) for event in events)


def outgoing(sink: SimpleSink, count: int) -> Outgoing:
    (payload,) = sink.encode([{"n": n} for n in range(count)])
    assert payload.ends is not None
    return Outgoing(payload.destination, payload.data, payload.ends, [f"a:{n}" for n in range(count)])


def test_case_093_the_events_that_fail_while_others_pass_are_refused() -> None:
    sink = SimpleSink(target := Target({3, 250}))
    verdicts = sink.deliver(outgoing(sink, 500))
    assert verdicts is not None
    assert verdicts.refused == [(n, "rejected", f"ValueError: no {n} here") for n in (3, 250)]
    assert target.taken == {f"a:{n}": n for n in range(500) if n not in (3, 250)}
    assert target.calls < 45


@pytest.mark.parametrize("locked", range(1, 24))
def test_a_target_that_is_in_trouble_for_a_while_condemns_nobody(locked: int) -> None:
    sink = SimpleSink(target := Target(locked=locked))
    batch = outgoing(sink, 8)
    while target.calls < locked:
        try:
            assert sink.deliver(batch) is None
        except sqlite3.OperationalError:
            continue
    assert sink.deliver(batch) is None
    assert target.taken == {f"a:{n}": n for n in range(8)}


def test_case_090_a_target_that_is_down_is_asked_a_few_times_only() -> None:
    sink = SimpleSink(target := Target(locked=1000))
    with pytest.raises(sqlite3.OperationalError):
        sink.deliver(outgoing(sink, 1000))
    assert target.calls == 4


def test_a_target_that_goes_down_in_the_middle_of_the_search_has_all_of_it_again() -> None:
    class Failing(Target):
        def write(self, events: list[Event]) -> None:
            if self.calls == 30:
                self.locked = 1000
            super().write(events)

    sink = SimpleSink(target := Failing({n for n in range(500) if n % 50 == 3}))
    with pytest.raises(sqlite3.OperationalError):
        sink.deliver(outgoing(sink, 500))
    assert target.calls < 30 + 40


@pytest.mark.parametrize("bad", [0, 1])
def test_of_two_events_the_bad_one_is_found_at_once(bad: int) -> None:
    sink = SimpleSink(target := Target({bad}))
    verdicts = sink.deliver(outgoing(sink, 2))
    assert verdicts is not None
    assert [index for index, _, _ in verdicts.refused] == [bad]
    assert target.taken == {f"a:{1 - bad}": 1 - bad}


def test_a_bad_event_that_is_alone_does_not_block_for_ever_a_sink_that_takes_others() -> None:
    sink = SimpleSink(target := Target({3}))
    assert sink.deliver(outgoing(sink, 3)) is None
    (payload,) = sink.encode([{"n": 3}])
    bad = Outgoing(payload.destination, payload.data, payload.ends or (), ["b:3"])
    with pytest.raises(ValueError, match="no 3 here"):
        sink.deliver(bad)
    verdicts = sink.deliver(bad)
    assert verdicts is not None
    assert verdicts.refused == [(0, "rejected", "ValueError: no 3 here")]
    target.calls, target.locked = 0, 1000
    for _ in range(3):  # a target in trouble condemns nobody
        with pytest.raises(sqlite3.OperationalError):
            sink.deliver(bad)
    assert target.taken == {"a:0": 0, "a:1": 1, "a:2": 2}


def test_a_batch_of_which_nearly_all_are_at_fault_finds_the_one_that_passes() -> None:
    sink = SimpleSink(target := Target(set(range(100)) - {41}))
    batch = outgoing(sink, 100)
    for _ in range(100):
        try:
            verdicts = sink.deliver(batch)
        except ValueError:
            continue
        break
    assert verdicts is not None
    assert [index for index, _, _ in verdicts.refused] == [n for n in range(100) if n != 41]
    assert target.taken == {"a:41": 41}
