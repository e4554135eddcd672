from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.dedupe import Dedupe

from .remembering import check_batches_make_no_difference, run, told


def at(second: float, **fields: object) -> Event:
    return {"timestamp": f"2026-01-01T00:00:{second:09.6f}Z", **fields}


def test_a_repeat_within_the_window_is_dropped_and_one_after_it_goes_through() -> None:
    stage = Dedupe(["a"], window=10.0)
    events = [at(0, a=1), at(9.999999, a=1), at(10, a=1), at(19, a=1), at(20, a=1)]
    assert run(stage, events) == [events[0], events[2], events[4]]


def test_a_repeat_out_of_order_is_dropped_and_one_of_long_before_goes_through() -> None:
    stage = Dedupe(["a"], window=10.0)
    events = [at(30, a=1), at(21, a=1), at(5, a=1), at(30, a=1)]
    assert run(stage, events) == [events[0], events[2], events[3]]


def test_types_null_and_absence_are_told_apart_and_other_fields_do_not_count() -> None:
    stage = Dedupe(["a", "b"])
    events: list[Event] = [
        {"a": 1},
        {"a": "1"},
        {"a": 1.0},
        {"a": True},
        {"a": None},
        {"b": 1},
        {"a": 1, "b": None},
        {"a": {"x": 1, "y": 2}},
    ]
    assert run(stage, events) == events
    repeats = [{**event, "c": 7} for event in events[:-1]] + [{"a": {"y": 2, "x": 1}}]
    assert run(stage, repeats) == []


def test_without_any_of_the_fields_an_event_goes_through_or_is_a_dead_letter() -> None:
    assert run(Dedupe(["a"]), [{"b": 1}, {"b": 1}]) == [{"b": 1}, {"b": 1}]
    (fail,) = run(Dedupe(["a", "c"], required=True), [{"b": 1}])
    assert isinstance(fail, Fail)
    assert (fail.code, fail.why, fail.event) == ("missing_field", "the event has none of the fields a, c", {"b": 1})


def test_the_event_that_went_through_goes_through_again_when_it_comes_back() -> None:
    stage = Dedupe(["a"])
    first, other, again = {"a": 1, "event_id": "7:0"}, {"a": 1, "event_id": "7:9"}, {"a": 1, "event_id": "7:0"}
    assert run(stage, [first, other, again]) == [first, again]
    assert run(Dedupe(["a"], event_id="id"), [first, again]) == [first]


def test_an_event_without_a_time_has_that_of_reading() -> None:
    stage = Dedupe(["a"], window=10.0)
    assert run(stage, [{"a": 1}, {"a": 1, "timestamp": None}], now=100.0) == [{"a": 1}]
    assert run(stage, [{"a": 1, "timestamp": 109.9}], now=500.0) == []
    assert run(stage, [{"a": 1}], now=110.0) == [{"a": 1}]
    untimed = Dedupe(["a"], time="")
    assert run(untimed, [{"a": 1, "timestamp": "no time"}, {"a": 1, "timestamp": 10**9}]) == [
        {"a": 1, "timestamp": "no time"}
    ]


def test_a_time_or_value_that_is_none_is_a_dead_letter_and_the_others_go_on() -> None:
    entries = run(Dedupe(["a"]), [{"a": 1, "timestamp": "noon"}, {"a": {1, 2}}, {"a": 2}])
    assert told(entries) == ["bad_timestamp", "bad_type", {"a": 2}]
    assert isinstance(entries[1], Fail)
    assert "JSON cannot hold the field 'a'" in entries[1].why


def test_beyond_max_keys_the_oldest_are_forgotten() -> None:
    stage = Dedupe(["a"], max_keys=8)
    events: list[Event] = [{"a": n} for n in range(8)]
    assert run(stage, events) == events
    assert run(stage, events) == []
    assert run(stage, [{"a": 8}]) == [{"a": 8}]
    assert run(stage, [{"a": 7}, {"a": 0}]) == [{"a": 0}]


EVENTS = st.lists(
    st.fixed_dictionaries(
        {"a": st.integers(0, 9) | st.sampled_from([None, "1"])},
        optional={"timestamp": st.integers(0, 200), "event_id": st.sampled_from(["1:0", "1:5"])},
    ),
    max_size=60,
)


@given(EVENTS, st.lists(st.integers(0, 9), max_size=9), st.integers(1, 8))
def test_batches_and_restarts_make_no_difference(events: list[Event], sizes: list[int], max_keys: int) -> None:
    check_batches_make_no_difference(lambda: Dedupe(["a"], max_keys=max_keys), events, sizes)


def test_fields_are_named_once() -> None:
    for fields, problem in (
        ([], 'fields: is empty: name at least one field, such as fields = ["host", "message"]'),
        (["a", ""], "fields[1]: expected a name that is not empty"),
        (["a", "a"], "fields[1]: names the field 'a' again"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
            Dedupe(fields)
