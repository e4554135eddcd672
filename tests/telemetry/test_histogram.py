"""How often a value was not above a bound, and what half of them were not above."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from random import Random

import pytest
from tailrace.pipeline.telemetry.histogram import BOUNDS, Histogram


def of(*values: float, weight: int = 1) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value, weight)
    return histogram


def test_each_value_is_counted_once_and_a_bound_belongs_to_what_is_below_it() -> None:
    histogram = of(*BOUNDS, 0.0, 1e9, weight=3)
    assert histogram.counts == [6, *[3] * (len(BOUNDS) - 1), 3]
    assert histogram.count == sum(histogram.counts)
    assert histogram.sum == pytest.approx(3 * (sum(BOUNDS) + 1e9))


def test_without_values_there_is_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert of(1.0).since(of(1.0)).quantile(0.5) is None


@pytest.mark.parametrize("value", [0.0, 0.003, 0.02, 0.4, 1.2, 2.5, 8.0, 13.0, 25.0, 76.0, 100.0, 250.0, 500.0, 3000.0])
def test_many_lines_of_one_age_are_told_with_about_that_age(value: float) -> None:
    """76 s of downtime were once told as 168 s."""
    told = of(*[value] * 1000).quantile(0.5)
    assert told is not None
    assert value / 1.5 - 0.003 <= told <= value * 1.5 + 0.003


def test_bounds_are_near_enough_to_each_other() -> None:
    steps = [(low, high) for low, high in pairwise(BOUNDS) if high < BOUNDS[-1]]
    assert [pair for pair in steps if pair[1] > 2 * pair[0]] == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_quantile_is_near_the_true_one(share: float) -> None:
    random = Random(7)  # noqa: S311  (values, no secret)
    values = sorted(random.expovariate(0.1) for _ in range(5000))
    told, true = of(*values).quantile(share), values[int(share * len(values))]
    assert told is not None
    assert true / sqrt(2) <= told <= true * sqrt(2)


def test_beyond_all_bounds_the_last_one_is_told() -> None:
    assert of(1e9).quantile(0.5) == BOUNDS[-1]


def test_what_was_added_since_is_the_difference_and_both_make_the_whole() -> None:
    before, later = of(0.125, 5.0), of(7.0, 7.0)
    whole = before + later
    assert whole.since(before) == later
    assert before == of(0.125, 5.0)
    whole.copy().add(1.0)
    assert whole == of(0.125, 5.0, 7.0, 7.0)
