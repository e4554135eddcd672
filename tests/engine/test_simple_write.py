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


def test_the_events_that_fail_while_others_pass_are_refused() -> None:
    sink = SimpleSink(target := Target({3, 250}))
    verdicts = sink.deliver(outgoing(sink, 500))
    assert verdicts is not None
    assert verdicts.refused == [(n, "rejected", f"ValueError: no {n} here") for n in (3, 250)]
    assert target.taken == {f"a:{n}": n for n in range(500) if n not in (3, 250)}
    assert target.calls < 45


@pytest.mark.parametrize("locked", range(1, 16))
def test_a_target_that_comes_back_in_the_middle_of_the_search_condemns_nobody(locked: int) -> None:
    sink = SimpleSink(target := Target(locked=locked))
    if locked >= 15:  # none passed
        with pytest.raises(sqlite3.OperationalError):
            sink.deliver(outgoing(sink, 8))
    assert sink.deliver(outgoing(sink, 8)) is None
    assert target.taken == {f"a:{n}": n for n in range(8)}
