from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event
from tailrace.stages.enrich.limit_cardinality import LimitCardinality

from .remembering import check_batches_make_no_difference, run, told


def of(values: object, **fields: object) -> list[Event]:
    return [{"user": value, **fields} for value in values]  # type: ignore[attr-defined]


def test_the_first_values_stay_and_all_others_are_replaced() -> None:
    stage = LimitCardinality(["user"], value_limit=2)
    assert run(stage, of("abcab")) == of(["a", "b", "other", "a", "b"])
    assert run(stage, of("da")) == of(["other", "a"])
    assert run(LimitCardinality(["user"], 1, replacement="-"), of("ab")) == of(["a", "-"])


def test_types_differ_and_null_or_nothing_is_no_value() -> None:
    stage = LimitCardinality(["user"], value_limit=2)
    assert run(stage, [{"user": None}, {}, *of([1, "1", True, [1]])]) == [
        {"user": None},
        {},
        *of([1, "1", "other", "other"]),
    ]


def test_a_dropped_event_adds_no_value_of_its_other_fields() -> None:
    stage = LimitCardinality(["user", "path"], value_limit=1, action="drop")
    events: list[Event] = [
        {"user": "a"},
        {"user": "b", "path": "/x"},
        {"user": "a", "path": "/y"},
        {"user": "a", "path": "/x"},
    ]
    assert run(stage, events) == [events[0], events[2]]


def test_each_field_and_each_group_has_its_own_values() -> None:
    stage = LimitCardinality(["user", "path"], value_limit=1, group_by=["service"])
    events = [{"service": service, "user": user, "path": user} for service in (1, "1", None) for user in "ab"]
    assert [event["user"] + event["path"] for event in run(stage, events)] == ["aa", "otherother"] * 3


def test_a_new_window_forgets_the_values_and_a_late_event_does_not() -> None:
    stage = LimitCardinality(["user"], value_limit=1, window=10.0)
    times = [(100, "a"), (109, "b"), (110, "b"), (105, "c"), (109, "b"), (119, "a"), (99, "d"), (105, "e")]
    entries = run(stage, [{"timestamp": time, "user": user} for time, user in times])
    assert [event["user"] for event in entries] == ["a", "other", "b", "other", "b", "other", "d", "e"]


def test_without_a_time_the_window_is_that_of_reading() -> None:
    stage = LimitCardinality(["user"], value_limit=1, window=10.0)
    assert run(stage, of("ab"), now=100.0) == of(["a", "other"])
    assert run(stage, of("ba"), now=110.0) == of(["b", "other"])


def test_what_is_no_time_or_no_json_is_a_dead_letter() -> None:
    stage = LimitCardinality(["user"], window=10.0)
    assert told(run(stage, [{"timestamp": "noon", "user": 1}, *of([{1}, 2])])) == [
        "bad_timestamp",
        "bad_type",
        *of([2]),
    ]


def test_without_a_window_no_time_is_looked_at() -> None:
    events = [{"timestamp": "noon", "user": 1}]
    assert run(LimitCardinality(["user"]), events) == events


def test_a_group_in_use_is_not_forgotten_for_new_ones() -> None:
    stage = LimitCardinality(["user"], value_limit=1, group_by=["g"], max_tracked_keys=8)
    run(stage, of("a", g="busy"))
    entries = run(stage, [event for n in range(40) for event in (*of("b", g="busy"), *of("a", g=n))])
    assert {event["user"] for event in entries if event["g"] == "busy"} == {"other"}
    assert run(stage, of("b", g=0)) == of("b", g=0), "long not seen, so forgotten"


@given(
    st.lists(
        st.fixed_dictionaries(
            {"user": st.integers(0, 5), "path": st.integers(0, 5)},
            optional={"g": st.integers(0, 9), "timestamp": st.integers(970, 1030)},
        ),
        max_size=60,
    ),
    st.lists(st.integers(0, 9), max_size=9),
    st.integers(1, 8),
    st.sampled_from(["replace", "drop"]),
)
def test_batches_and_restarts_make_no_difference(events: list[Event], sizes: list[int], keys: int, action: str) -> None:
    def make() -> LimitCardinality:
        return LimitCardinality(["user", "path"], 3, action, "x", ["g"], 10.0, keys)  # type: ignore[arg-type]

    check_batches_make_no_difference(make, events, sizes)


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="group_by: 'user' is one of `fields`"):
        LimitCardinality(["user"], group_by=["user"])
    with pytest.raises(ValueError, match="fields: is empty"):
        LimitCardinality([])
