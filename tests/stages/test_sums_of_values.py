"""What is added up comes to the same in whatever order and in whatever parts."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.stages.values.accumulators import Need, check_number
from tailrace.stages.values.sketch import LARGEST, joined, number, plus, quantile, sketch, total

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(-LARGEST, LARGEST, allow_nan=False)
KINDS = ("count", "sum", "min", "max", "sketch")


def test_a_sum_of_floats_is_that_of_the_decimal_numbers() -> None:
    assert number(total([0.1, 0.2])) == 0.3
    assert number(total([1e300, 1e-300, -1e300])) == 1e-300
    assert number(total([2**62, 2**62])) == float(2**63)
    assert number(plus(2**62, 2**62)) == float(2**63)
    assert (total([1, 2]), plus(1, 2)) == (3, 3)
    assert plus(plus(-(2**63), -1), 2) == total([-(2**63), -1, 2]) == 1 - 2**63


@settings(max_examples=50)
@given(st.lists(NUMBERS, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_order_and_the_parts_do_not_matter(values: list[Any], chance: random.Random) -> None:
    events = [{"n": value} for value in values]
    shuffled = chance.sample(events, len(events))
    for kind in KINDS:
        need = Need(kind, "n")
        whole = need.of(events)
        parts: Any = None
        while shuffled:
            size = chance.randint(1, len(shuffled))
            some, shuffled = shuffled[:size], shuffled[size:]
            parts = need.combine(parts, orjson.loads(orjson.dumps(need.of(some))))
        shuffled = chance.sample(events, len(events))
        if kind == "sum":
            assert number(parts) == number(whole) == pytest.approx(float(sum(map(Fraction, map(str, values)))))
        else:
            assert parts == whole, kind


@given(st.lists(st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6) | st.just(0.0), min_size=1, max_size=50))
def test_percentiles_are_within_two_percent(values: list[float]) -> None:
    some = sketch(values)
    ordered = sorted(values)
    for share in (0.01, 0.5, 0.9, 1.0):
        exact = ordered[max(1, -int(-share * len(values) // 1)) - 1]
        assert quantile(some, share) == pytest.approx(exact, rel=0.0201)


def test_a_sketch_is_bounded_and_loses_the_smallest_only() -> None:
    values = [10.0**power for power in range(-250, 250)] * 3
    some = sketch(values)
    assert len(some) <= 512
    assert joined(sketch(values[:700]), sketch(values[700:])) == some
    assert quantile(some, 1.0) == pytest.approx(1e249, rel=0.02)


@pytest.mark.parametrize("value", ["1", True, float("nan"), float("inf"), 2**64, 1e301, [1], {}])
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="'n': expected a number"):
        check_number("n", value)
