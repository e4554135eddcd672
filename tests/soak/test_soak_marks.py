"""The high-water marks of the soak tell what grows, and let pass what only goes up and down."""

from __future__ import annotations

from .marks import FEWEST, SLACK, HighWater

LOW = dict.fromkeys(SLACK, 40)


def filled(*values: int) -> HighWater:
    marks = HighWater()
    for value in values:
        marks.add(LOW | {"rows": value})
    return marks


def test_what_goes_up_and_down_does_not_grow() -> None:
    assert filled(*[100, 150, 60] * FEWEST).growing() == []


def test_what_becomes_more_and_more_grows() -> None:
    assert filled(*range(100, 1000, 20)).growing() == ["rows: at most 520 in the first half, 980 in the second"]


def test_a_few_samples_say_nothing() -> None:
    assert filled(*[1] * FEWEST, *[1000] * (FEWEST - 1)).growing() == []
    assert filled(*[1] * FEWEST, *[1000] * FEWEST).growing() != []


def test_the_marks_are_the_highest_values() -> None:
    assert "rows 7," in str(filled(3, 7, 5))
