"""What sinks owe: for how long nothing was taken, although something was to be."""

from __future__ import annotations

from tailrace.pipeline.sinks.owed import Owed


def test_time_passes_only_while_something_is_owed_and_begins_anew_when_something_is_taken() -> None:
    owed = Owed(2)
    assert owed.standing_still(100.0) == 0
    owed.give(0, 10.0)
    owed.give(1, 12.0)
    assert owed.standing_still(15.0) == 5.0
    owed.take(1, 15.0)
    assert owed.standing_still(18.0) == 3.0
    assert (owed.by(0), owed.by(1)) == (True, False)
    owed.take(0, 20.0)
    assert owed.standing_still(50.0) == 0
    owed.give(0, 60.0)
    owed.forget()
    assert (owed.by(0), owed.standing_still(90.0)) == (False, 0)


def test_an_answer_from_before_a_rewind_counts_for_nothing() -> None:
    owed = Owed(1)
    owed.take(0, 1.0)
    owed.give(0, 2.0)
    assert owed.by(0)
    assert owed.standing_still(5.0) == 3.0
