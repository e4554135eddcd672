from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event
from tailrace.stages.enrich.throttle import Throttle

from .remembering import check_batches_make_no_difference, run, told


def times(entries: list[Any]) -> list[float]:
    return [event["timestamp"] for event in entries]


def at(*seconds: float, **fields: object) -> list[Event]:
    return [{"timestamp": second, **fields} for second in seconds]


def test_a_burst_goes_through_and_then_so_many_in_a_time() -> None:
    stage = Throttle(2, per=10.0, burst=3)
    events = at(100, 100, 100, 100, 104.999999, 105, 105, 110, 140, 140, 140, 140)
    assert times(run(stage, events)) == [100, 100, 100, 105, 110, 140, 140, 140]


def test_the_burst_is_the_rate_by_default_and_fractions_of_a_token_add_up_exactly() -> None:
    stage = Throttle(3, per=1.0)
    assert len(run(stage, at(*[1_767_225_600.0] * 5))) == 3
    tenths = [1_767_225_600.0 + n / 10 for n in range(1, 101)]
    assert len(run(stage, at(*tenths))) == 30


def test_each_value_of_the_key_has_its_own_bucket() -> None:
    stage = Throttle(1, key=["service"])
    services = [{"service": value} for value in ("a", "b", None, 1, "1")]
    events: list[Event] = [{"timestamp": 5, **service} for service in [*services, {}] for _ in range(2)]
    assert run(stage, events) == events[::2]


def test_a_late_event_counts_as_of_the_last_one_and_a_much_older_one_begins_anew() -> None:
    stage = Throttle(2, per=10.0)
    assert times(run(stage, at(100, 100, 90, 105, 105))) == [100, 100, 105]
    assert times(run(stage, at(94.9, 94.9, 94.9, 99.9))) == [94.9, 94.9, 99.9]


def test_an_event_without_a_time_has_that_of_reading() -> None:
    stage = Throttle(1)
    assert run(stage, [{"n": 1}, {"n": 2}], now=50.0) == [{"n": 1}]
    assert run(stage, [{"n": 3}], now=50.9) == []
    assert run(stage, [{"n": 4}], now=51.0) == [{"n": 4}]
    assert run(Throttle(1, time=""), at(1, 2, 3)) == at(1)


def test_a_time_or_key_that_is_none_is_a_dead_letter() -> None:
    stage = Throttle(5, key=["k"])
    assert told(run(stage, [{"timestamp": "noon"}, {"k": {1}}, {"k": 1}])) == ["bad_timestamp", "bad_type", {"k": 1}]


def test_a_bucket_in_use_is_not_forgotten_for_new_ones() -> None:
    stage = Throttle(1, per=1000.0, key=["k"], max_keys=8)
    events = [{"timestamp": 1, "k": key} for n in range(40) for key in ("busy", n)]
    assert run(stage, events) == [events[0], *events[1::2]]


@given(
    st.lists(
        st.fixed_dictionaries({"k": st.integers(0, 9)}, optional={"timestamp": st.integers(990, 1030)}), max_size=60
    ),
    st.lists(st.integers(0, 9), max_size=9),
    st.integers(1, 8),
)
def test_batches_and_restarts_make_no_difference(events: list[Event], sizes: list[int], max_keys: int) -> None:
    check_batches_make_no_difference(lambda: Throttle(2, 5.0, 3, ["k"], max_keys), events, sizes)


def test_key_fields_are_named_once() -> None:
    with pytest.raises(ValueError, match=r"key\[1\]: names the field 'a' again"):
        Throttle(1, key=["a", "a"])
